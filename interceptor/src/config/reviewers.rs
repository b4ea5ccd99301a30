//! `[[reviewer]]`, `[approvals]` and `[admin]`: who may decide about held statements, how many may wait, and where the page is.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde::Deserialize;

use super::{AgentBy, Config, Error, check_name, meaning};

/// One `[[reviewer]]`: a person with an account on this host.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reviewer {
    /// The name in records, and in rules among `approvers`.
    pub name: String,
    /// The account that the kernel confirms at the admin socket: a name or a number.
    pub user: String,
    /// Named in rules as `group:NAME`.
    #[serde(default)]
    pub groups: Vec<String>,
}

/// `[approvals]`: held statements at a time; what is over is denied.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Approvals {
    /// All together.
    pub pending_max: u32,
    /// Of one agent.
    pub pending_per_agent_max: u32,
    /// On one database.
    pub pending_per_database_max: u32,
}

impl Default for Approvals {
    fn default() -> Approvals {
        Approvals { pending_max: 1024, pending_per_agent_max: 64, pending_per_database_max: 256 }
    }
}

/// `[admin]`: the web page.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Admin {
    listen: String,
}

impl Admin {
    /// The page speaks plain HTTP: it is for this host alone (over ssh, `-L` brings it elsewhere).
    pub(super) fn resolve(self) -> Result<SocketAddr, Error> {
        let place = "[admin]";
        let Ok(address) = self.listen.parse::<SocketAddr>() else {
            return Err(meaning(place, format!("listen: `{}` is no address with a port", self.listen)));
        };
        if !address.ip().is_loopback() {
            return Err(meaning(place, "listen: the page is served on loopback alone, such as 127.0.0.1:7443"));
        }
        if address.port() < 1024 {
            return Err(meaning(place, "listen: the port must be 1024 or above"));
        }
        Ok(address)
    }
}

/// Names that are free, people who are one person, and no reviewer that an agent is.
pub(super) fn check(config: &Config) -> Result<(), Error> {
    let (mut names, mut users) = (BTreeSet::new(), BTreeSet::new());
    for reviewer in &config.reviewers {
        let place = format!("[[reviewer]] {}", reviewer.name);
        check_name(&place, &reviewer.name)?;
        if !names.insert(&reviewer.name) {
            return Err(meaning(place, "the name is there twice"));
        }
        if !users.insert(&reviewer.user) {
            return Err(meaning(place, format!("the account `{}` is another reviewer's already", reviewer.user)));
        }
        let agent = config.agents.iter().find(|agent| agent.by == AgentBy::User(reviewer.user.clone()));
        if let Some(agent) = agent {
            let why =
                format!("the account `{}` is the agent `{}`: it would approve for agents", reviewer.user, agent.name);
            return Err(meaning(place, why));
        }
    }
    let Approvals { pending_max, pending_per_agent_max, pending_per_database_max } = config.approvals;
    if pending_max > 10_000 || pending_per_agent_max == 0 || pending_per_database_max == 0 {
        return Err(meaning("[approvals]", "pending_max is at most 10000, the others are above 0"));
    }
    Ok(())
}
