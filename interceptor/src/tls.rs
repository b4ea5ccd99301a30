//! Keys and certificates of every database's two legs, made from the configuration before privileges are dropped.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::ca::{self, Authority};
use crate::config::{AgentTls, ClientKeys, Config, DatabaseTls};
use crate::injected::{self, Injections};
use crate::verifiers::Files;

/// How long a minted certificate is shown. It is valid for much longer.
const RENEW_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// All databases' TLS.
pub struct Legs {
    by_database: HashMap<String, Arc<proxy::Tls>>,
    /// What is minted anew: by whom, for which names.
    authority: Option<Authority>,
    minted: Vec<(Vec<String>, proxy::AgentTls)>,
    verifiers: Files,
    logins: Injections,
    renewed: Mutex<Instant>,
}

impl Legs {
    /// Reads and mints what the configuration asks for.
    pub fn new(config: &Config) -> Result<Legs> {
        let authority = ca::is_needed(config).then(|| Authority::load(config)).transpose()?;
        let mut minted = Vec::new();
        let mut by_database = HashMap::new();
        for database in &config.databases {
            let agent = match (&authority, database.tls.agent) {
                (Some(authority), AgentTls::Allow | AgentTls::Require) => {
                    let names = database.tls.names.clone();
                    let keys =
                        authority.mint(&names).with_context(|| format!("a certificate for {}", database.name))?;
                    let clients = database.tls.agent_client_ca.as_deref().map(read).transpose()?;
                    let tls = proxy::AgentTls::new(&keys.chain, &keys.key, clients.as_deref())
                        .with_context(|| format!("[[database]] {}: agent_client_ca", database.name))?;
                    minted.push((names, tls.clone()));
                    Some(tls)
                }
                _ => None,
            };
            let upstream = self::database(&database.tls.database)
                .with_context(|| format!("[[database]] {}: TLS towards it", database.name))?;
            by_database.insert(database.name.clone(), Arc::new(proxy::Tls { agent, database: upstream }));
        }
        let (verifiers, logins) = (Files::read(config)?, injected::read(config)?);
        Ok(Legs { by_database, authority, minted, verifiers, logins, renewed: Mutex::new(Instant::now()) })
    }

    /// The verifiers of roles.
    pub(crate) fn verifiers(&self) -> &Files {
        &self.verifiers
    }

    /// The logins that sessions of a database are given; `None`: their agents' own pass on.
    pub(crate) fn logins(&self, database: &str) -> Option<Arc<session::Logins>> {
        self.logins.get(database).map(Arc::clone)
    }

    /// One database's.
    pub(crate) fn of(&self, database: &str) -> Arc<proxy::Tls> {
        self.by_database.get(database).map(Arc::clone).unwrap_or_default()
    }

    /// Once a day: fresh certificates, so that a service that never restarts never shows one that has expired.
    pub fn renew(&self) -> Result<()> {
        let mut renewed = self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(authority) = self.authority.as_ref().filter(|_| renewed.elapsed() >= RENEW_EVERY) else {
            return Ok(());
        };
        *renewed = Instant::now();
        for (names, tls) in &self.minted {
            let keys = authority.mint(names)?;
            tls.renew(&keys.chain, &keys.key)?;
        }
        Ok(())
    }
}

/// What is read of files is named in every error, and none of it shown.
fn database(tls: &DatabaseTls) -> Result<Option<proxy::DatabaseTls>> {
    match tls {
        DatabaseTls::Disable => Ok(None),
        DatabaseTls::Require(client) => {
            let client = client.as_ref().map(client_keys).transpose()?;
            Ok(Some(proxy::DatabaseTls::unverified(borrowed(&client))?))
        }
        DatabaseTls::VerifyFull { roots, name, client } => {
            let client = client.as_ref().map(client_keys).transpose()?;
            let tls = proxy::DatabaseTls::verified(&read(roots)?, name.as_deref(), borrowed(&client));
            Ok(Some(tls.with_context(|| format!("roots {}", roots.display()))?))
        }
    }
}

fn client_keys(keys: &ClientKeys) -> Result<(String, String)> {
    Ok((read(&keys.certificate)?, read(&keys.key)?))
}

fn borrowed(keys: &Option<(String, String)>) -> Option<(&str, &str)> {
    keys.as_ref().map(|(certificate, key)| (certificate.as_str(), key.as_str()))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
