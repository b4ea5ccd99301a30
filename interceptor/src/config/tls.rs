//! How the two legs of a database are encrypted.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::{Endpoint, Error, TypedDatabase, meaning};

/// TLS of one database's two legs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Towards agents.
    pub agent: AgentTls,
    /// Who signs agents' certificates (PEM); `None`: they are asked for none.
    pub agent_client_ca: Option<PathBuf>,
    /// A session without one is refused.
    pub agent_client_required: bool,
    /// What our certificate for it is made out to: names and addresses that agents dial, no others.
    pub names: Vec<String>,
    /// Towards the database.
    pub database: DatabaseTls,
    /// The file of roles' verifiers, with which SCRAM ends here; `None`: it passes on.
    pub verifiers: Option<PathBuf>,
}

/// Whether agents may, or must, speak TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AgentTls {
    /// Their SSLRequest is declined.
    #[default]
    Disable,
    /// Their SSLRequest is granted.
    Allow,
    /// A session without it is refused.
    Require,
}

/// TLS towards the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseTls {
    /// None.
    Disable,
    /// Encrypted; the certificate is not looked at.
    Require(Option<ClientKeys>),
    /// Encrypted, and the certificate is one of these roots', for this name.
    VerifyFull {
        /// PEM.
        roots: PathBuf,
        /// Absent: the address that the agent dialled.
        name: Option<String>,
        /// What we show the database.
        client: Option<ClientKeys>,
    },
}

/// Our own certificate towards a database, and its key: PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientKeys {
    /// The chain, the leaf first.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl TypedDatabase {
    /// Nothing is guessed: a key without a meaning is refused, and so is a far database of which nothing is said.
    pub(super) fn tls(&self, place: &str, addresses: &BTreeSet<Endpoint>) -> Result<Tls, Error> {
        let refused = |why: String| Err(meaning(place, why));
        let client = match (&self.client_certificate, &self.client_key) {
            (Some(certificate), Some(key)) => Some(ClientKeys { certificate: certificate.clone(), key: key.clone() }),
            (None, None) => None,
            _ => return refused("client_certificate and client_key go together".into()),
        };
        let verifies = self.roots.is_some() || self.server_name.is_some();
        let database = match (self.tls.as_deref(), &self.roots) {
            (Some("verify-full"), Some(roots)) => {
                DatabaseTls::VerifyFull { roots: roots.clone(), name: self.server_name.clone(), client }
            }
            (Some("verify-full"), None) => {
                return refused(
                    "tls = \"verify-full\" needs roots = \"FILE\": the certificates (PEM) that may sign the database's"
                        .into(),
                );
            }
            (Some("require"), _) if verifies => {
                return refused("roots and server_name have a meaning only with tls = \"verify-full\"; \"require\" looks at no certificate".into());
            }
            (Some("require"), _) => DatabaseTls::Require(client),
            (Some("disable") | None, _) if verifies || client.is_some() => {
                return refused(
                    "roots, server_name and client_certificate need tls = \"verify-full\" (or \"require\")".into(),
                );
            }
            (Some("disable"), _) => DatabaseTls::Disable,
            (None, _) => match addresses.iter().find(|e| !e.is_loopback()) {
                Some(far) => {
                    return refused(format!(
                        "{far} is not a loopback address: write tls = \"verify-full\" and roots, or tls = \"disable\" to accept that anybody between may read and change all of it"
                    ));
                }
                None => DatabaseTls::Disable,
            },
            (Some(other), _) => {
                return refused(format!("tls = \"{other}\" is not known; it is `disable`, `require` or `verify-full`"));
            }
        };
        if self.agent_tls == AgentTls::Disable && !self.names.is_empty() {
            return refused("names are those of our certificate: they have a meaning only with agent_tls = \"allow\" or \"require\"".into());
        }
        if let Some(name) = self.names.iter().chain(&self.server_name).find(|name| !is_name(name)) {
            return refused(format!("`{name}` is neither a DNS name nor an address"));
        }
        if self.scram_verifiers.is_some() && (self.agent_tls == AgentTls::Disable || database == DatabaseTls::Disable) {
            return refused("scram_verifiers has a meaning only where both legs have TLS (agent_tls and tls): over a plain leg SCRAM passes on".into());
        }
        if self.agent_client_ca.is_some() && self.agent_tls == AgentTls::Disable {
            return refused("agent_client_ca has a meaning only with agent_tls = \"allow\" or \"require\"".into());
        }
        if self.agent_client_required && (self.agent_client_ca.is_none() || self.agent_tls != AgentTls::Require) {
            return refused("agent_client_required needs agent_client_ca = \"FILE\" (who signs agents' certificates, PEM) and agent_tls = \"require\"".into());
        }
        Ok(Tls {
            agent: self.agent_tls,
            agent_client_ca: self.agent_client_ca.clone(),
            agent_client_required: self.agent_client_required,
            names: self.certificate_names(addresses),
            database,
            verifiers: self.scram_verifiers.clone(),
        })
    }

    /// The names that are given, the host names among the addresses, and each single address.
    fn certificate_names(&self, addresses: &BTreeSet<Endpoint>) -> Vec<String> {
        let dialled = self.addresses.iter().filter_map(|text| {
            let host = text.rsplit_once(':')?.0.trim_start_matches('[').trim_end_matches(']');
            (is_name(host) && host.parse::<IpAddr>().is_err()).then(|| host.to_owned())
        });
        let single = addresses.iter().filter(|e| e.prefix == if e.address.is_ipv4() { 32 } else { 128 });
        let mut names: BTreeSet<String> = self.names.iter().cloned().chain(dialled).collect();
        names.extend(single.map(|endpoint| endpoint.address.to_string()));
        names.into_iter().collect()
    }
}

/// A DNS name, one star as its first label allowed, or an address.
fn is_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let host = text.strip_prefix("*.").unwrap_or(text);
    text.parse::<IpAddr>().is_ok() || (text.len() <= 253 && host.split('.').all(label))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn tls(lines: &str) -> Result<Tls, String> {
        let text = format!("[[database]]\nname = \"payments\"\nprotocol = \"postgres\"\n{lines}");
        Config::parse(&text).map(|config| config.databases[0].tls.clone()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_certificate_has_the_names_that_agents_dial_and_no_others() {
        let lines = "addresses = [\"127.0.0.1:5432\", \"[::1]:5432\", \"10.0.0.0/8:5432\", \"localhost:5433\"]\ntls = \"disable\"\nagent_tls = \"allow\"\nnames = [\"db.example\"]";
        assert_eq!(tls(lines).unwrap().names, ["127.0.0.1", "::1", "db.example", "localhost"]);
    }

    #[test]
    fn what_has_no_meaning_is_refused() {
        let near = "addresses = [\"127.0.0.1:5432\"]\n";
        let far = "addresses = [\"10.0.0.1:5432\"]\n";
        for (lines, says) in [
            (far.to_owned(), "not a loopback address"),
            (format!("{far}tls = \"verify-full\""), "needs roots"),
            (format!("{far}tls = \"require\"\nroots = \"/x\""), "only with tls = \"verify-full\""),
            (format!("{near}server_name = \"x\""), "need tls"),
            (format!("{near}tls = \"disable\"\nroots = \"/x\""), "need tls"),
            (format!("{near}tls = \"require\"\nclient_key = \"/x\""), "go together"),
            (format!("{near}names = [\"db\"]"), "only with agent_tls"),
            (format!("{near}tls = \"require\"\nscram_verifiers = \"/x\""), "both legs have TLS"),
            (format!("{near}agent_client_ca = \"/x\""), "only with agent_tls"),
            (format!("{near}agent_tls = \"require\"\nagent_client_required = true"), "needs agent_client_ca"),
            (
                format!("{near}agent_tls = \"allow\"\nagent_client_ca = \"/x\"\nagent_client_required = true"),
                "agent_tls = \"require\"",
            ),
            (format!("{near}agent_tls = \"allow\"\nscram_verifiers = \"/x\""), "both legs have TLS"),
            (format!("{near}agent_tls = \"allow\"\nnames = [\"d b\"]"), "neither a DNS name"),
            (format!("{near}agent_tls = \"maybe\""), "unknown variant"),
        ] {
            let said = tls(&lines).expect_err("must be refused");
            assert!(said.contains(says), "{lines}: {said}");
        }
        assert_eq!(tls(&format!("{near}tls = \"require\"")).unwrap().database, DatabaseTls::Require(None));
    }
}
