//! The logins that sessions are given in place of their agents' own, their passwords in locked memory.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use session::{Injected, Logins};

use crate::config::{Config, Database};
use crate::sys::locked::Locked;
use crate::verifiers::password;

/// Of all databases that have some, by the databases' names.
pub(crate) type Injections = HashMap<String, Arc<Logins>>;

/// Reads the passwords. No byte of one is in an error.
pub(crate) fn read(config: &Config) -> Result<Injections> {
    let injecting = config.databases.iter().filter(|database| !database.credentials.logins.is_empty());
    injecting.map(|database| Ok((database.name.clone(), Arc::new(of(database)?)))).collect()
}

fn of(database: &Database) -> Result<Logins> {
    let mut all = Vec::new();
    for login in &database.credentials.logins {
        let place =
            || format!("[[database]] {}: [[database.credentials.login]] {}: passfile", database.name, login.user);
        let password = password(&login.passfile).with_context(place)?;
        let locked = Locked::copy(password.as_bytes())
            .with_context(|| format!("{}: no locked memory for it: raise LimitMEMLOCK", place()))?;
        let injected = Injected::new(login.user.clone(), Box::new(locked));
        let placeholder = login.placeholder.as_deref().and_then(session::Placeholder::parse);
        all.push((login.users.clone(), Arc::new(injected.behind(placeholder))));
    }
    Ok(Logins(all))
}
