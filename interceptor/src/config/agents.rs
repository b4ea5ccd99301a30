//! `[[agent]]`: who is one, and what its tokens must be.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

use super::{Error, check_name, issuers, meaning};

/// One `[[agent]]`.
#[derive(Debug, Clone)]
pub struct Agent {
    /// Its name in rules, records and `status`.
    pub name: String,
    /// How the kernel half knows it.
    pub by: AgentBy,
    /// Named in rules as `group:NAME`.
    pub groups: Vec<String>,
    /// Where the token of its jobs is that have none of their own.
    pub token_file: Option<PathBuf>,
    /// What its tokens must be.
    pub token: Arc<session::TokenTerms>,
    /// Which SVIDs are fetched for its jobs; `None`: none are.
    pub svids: Option<control::SvidTerms>,
}

/// What makes a process an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentBy {
    /// A systemd unit, admitted by its drop-in.
    Unit(String),
    /// A cgroup and all below it.
    Cgroup(PathBuf),
    /// Every process of this account.
    User(String),
    /// `interceptor exec` alone.
    Exec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedAgent {
    name: String,
    unit: Option<String>,
    cgroup: Option<PathBuf>,
    user: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    token_file: Option<PathBuf>,
    spiffe: Option<issuers::Svids>,
    #[serde(default)]
    require_token: bool,
    #[serde(default)]
    on_expiry: issuers::OnExpiry,
    #[serde(default)]
    token: issuers::Expected,
}

impl TypedAgent {
    pub(super) fn resolve(self) -> Result<Agent, Error> {
        let place = format!("[[agent]] {}", self.name);
        check_name(&place, &self.name)?;
        let by = match (self.unit, self.cgroup, self.user) {
            (None, None, None) => AgentBy::Exec,
            (Some(unit), None, None) if unit.contains('.') && !unit.contains('/') => AgentBy::Unit(unit),
            (Some(unit), None, None) => {
                return Err(meaning(place, format!("unit `{unit}` needs its suffix, such as `{unit}.service`")));
            }
            (None, Some(path), None) if path.is_absolute() => AgentBy::Cgroup(path),
            (None, Some(_), None) => {
                return Err(meaning(place, "cgroup must be an absolute path within the hierarchy"));
            }
            (None, None, Some(user)) => AgentBy::User(user),
            _ => return Err(meaning(place, "only one of unit, cgroup and user may be given")),
        };
        let token = Arc::new(session::TokenTerms {
            // Who is to be fetched and cannot be is not let go on as if nobody had asked.
            required: self.require_token || self.spiffe.is_some(),
            fetched: self.spiffe.is_some(),
            ends: self.on_expiry == issuers::OnExpiry::End,
            issuers: self.token.issuers,
            claims: self.token.claims.into_iter().collect(),
        });
        let svids = self.spiffe.map(|typed| typed.resolve(&place)).transpose()?;
        Ok(Agent { name: self.name, by, groups: self.groups, token_file: self.token_file, token, svids })
    }
}
