//! The logins that sessions are given in place of their agents' own: the agent's password is not asked for, and opens nothing.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::scram::{Challenge, Key, Verifier};

/// Bytes that are shown to nobody. Who keeps them sees to it that they leave no trace.
pub trait Secret: Send + Sync {
    /// They.
    fn bytes(&self) -> &[u8];
}

/// What an agent's connection string holds in place of a password, as far as it is checked: as `pg_authid.rolpassword` has a password.
#[derive(Clone, Debug)]
pub struct Placeholder(Arc<Verifier>);

impl Placeholder {
    /// `SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY`; `None`: it is none.
    pub fn parse(text: &str) -> Option<Placeholder> {
        Verifier::parse(text).map(|verifier| Placeholder(Arc::new(verifier)))
    }

    pub(crate) fn verifier(&self) -> Arc<Verifier> {
        Arc::clone(&self.0)
    }
}

/// As many rounds as PostgreSQL makes itself (SCRAM_SHA_256_DEFAULT_ITERATIONS).
const ITERATIONS: u32 = 4096;

/// One role of the database, with its password.
pub struct Injected {
    user: String,
    /// What the agent must know; `None`: it is asked for nothing.
    placeholder: Option<Placeholder>,
    /// `None`: it was never kept, and only what was made of it for one salt is here.
    password: Option<Box<dyn Secret>>,
    /// It may be said as it is, over TLS that has verified the database.
    in_clear: bool,
    /// What the password makes of the database's last salt: thousands of hashes, computed once. Touched at logins alone.
    derived: Mutex<Option<Arc<Derived>>>,
}

/// What the database should have of the role, and what proves that we know the password.
#[derive(Debug)]
pub(crate) struct Derived {
    pub(crate) verifier: Verifier,
    pub(crate) key: Key,
}

impl Injected {
    /// The password is printable ASCII: SASLprep leaves it as it is.
    pub fn new(user: String, password: Box<dyn Secret>) -> Injected {
        Injected { user, placeholder: None, password: Some(password), in_clear: false, derived: Mutex::default() }
    }

    /// For agents that know this placeholder alone.
    pub fn behind(self, placeholder: Option<Placeholder>) -> Injected {
        Injected { placeholder, ..self }
    }

    pub(crate) fn placeholder(&self) -> Option<&Placeholder> {
        self.placeholder.as_ref()
    }

    /// A password that the database may ask for as it is: a signed token is one, of which it keeps no verifier. The caller sees to it that
    /// the database's leg is under TLS that verifies it.
    pub fn in_clear(self) -> Injected {
        Injected { in_clear: true, ..self }
    }

    /// Of a password that nobody keeps, and the verifier that CREATE ROLE is given in its place. `None`: an empty salt.
    pub fn sealed(user: String, password: &[u8], salt: Vec<u8>) -> Option<(Injected, String)> {
        let (verifier, key) = Verifier::of_password(password, salt, ITERATIONS)?;
        let text = verifier.text();
        let derived = Mutex::new(Some(Arc::new(Derived { verifier, key })));
        Some((Injected { user, placeholder: None, password: None, in_clear: false, derived }, text))
    }

    /// The password, where it may be said.
    pub(crate) fn clear(&self) -> Option<&[u8]> {
        self.password.as_ref().filter(|_| self.in_clear).map(|password| password.bytes())
    }

    /// The role.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// `None`: the challenge cannot be answered.
    pub(crate) fn answer(&self, challenge: &Challenge<'_>) -> Option<Arc<Derived>> {
        let mut derived = self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = derived.as_ref().filter(|known| challenge.is_of(&known.verifier)) {
            return Some(Arc::clone(known));
        }
        let (verifier, key) = challenge.answered_with(self.password.as_ref()?.bytes())?;
        let fresh = Arc::new(Derived { verifier, key });
        *derived = Some(Arc::clone(&fresh));
        Some(fresh)
    }
}

impl fmt::Debug for Injected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Injected").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Which login is for which user that agents write into their connection strings; the first that fits.
#[derive(Debug, Default)]
pub struct Logins(pub Vec<(Vec<String>, Arc<Injected>)>);

impl Logins {
    /// A star matches inside a name; no name at all is any.
    pub(crate) fn of(&self, user: &str) -> Option<&Arc<Injected>> {
        let fits = |names: &[String]| names.is_empty() || names.iter().any(|name| sql::matches(name, user));
        self.0.iter().find(|(names, _)| fits(names)).map(|(_, login)| login)
    }
}
