//! The verifiers of a database's roles, from a file.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use super::keys::Verifier;

/// The most roles of one file.
const ROLES_MAX: usize = 100_000;

/// Verifiers by role. Looked up once per login; what is replaced holds from the next login on.
#[derive(Default)]
pub struct Verifiers(RwLock<HashMap<String, Arc<Verifier>>>);

/// Why a file of verifiers is refused. It holds no byte of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadVerifiers {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: &'static str,
}

impl fmt::Display for BadVerifiers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

impl std::error::Error for BadVerifiers {}

impl Verifiers {
    /// One role per line: its name and its verifier as `pg_authid.rolpassword` has it, each in double quotes where it has spaces (a quote
    /// in it doubled): pgbouncer's `auth_file`. Empty lines and those that begin with `#` or `;` say nothing.
    pub fn parse(text: &str) -> Result<Verifiers, BadVerifiers> {
        let mut roles = HashMap::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            let (role, verifier) = parse_line(line).map_err(|why| BadVerifiers { line: at + 1, why })?;
            let there = roles.insert(role, Arc::new(verifier)).is_some();
            if there || roles.len() > ROLES_MAX {
                let why = if there { "this role has a verifier already" } else { "too many roles" };
                return Err(BadVerifiers { line: at + 1, why });
            }
        }
        Ok(Verifiers(RwLock::new(roles)))
    }

    /// How many roles there are.
    pub fn len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// From the next login on, these.
    pub fn replace(&self, fresh: Verifiers) {
        let fresh = fresh.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = fresh;
    }

    pub(crate) fn of(&self, role: &str) -> Option<Arc<Verifier>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(role).map(Arc::clone)
    }
}

impl fmt::Debug for Verifiers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verifiers of {} roles", self.len())
    }
}

fn parse_line(line: &str) -> Result<(String, Verifier), &'static str> {
    let (role, rest) = word(line).ok_or("a role's name in double quotes has no end")?;
    let (verifier, rest) = word(rest.trim_start()).ok_or("a verifier in double quotes has no end")?;
    if role.is_empty() || verifier.is_empty() {
        return Err("a role and its verifier are wanted, with a space between them");
    }
    if !rest.trim().is_empty() {
        return Err("something is behind the verifier; a name with spaces wants double quotes");
    }
    let verifier = Verifier::parse(&verifier).ok_or(
        "no verifier of the form SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY (a password has no place here)",
    )?;
    Ok((role, verifier))
}

/// A word, in double quotes or up to the next space, and what is behind it.
fn word(text: &str) -> Option<(String, &str)> {
    let Some(mut rest) = text.strip_prefix('"') else {
        let (word, rest) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
        return Some((word.to_owned(), rest));
    };
    let mut word = String::new();
    loop {
        let (part, behind) = rest.split_once('"')?;
        word.push_str(part);
        match behind.strip_prefix('"') {
            Some(more) => {
                word.push('"');
                rest = more;
            }
            None => return Some((word, behind)),
        }
    }
}
