//! `[[reviewer]]` and `[approvals]`: who may decide about held statements, and how many may wait.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{AgentBy, Config, Error, check_name, meaning};

/// One `[[reviewer]]`: a person with an account on this host, at the identity provider, or both.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reviewer {
    /// The name in records, and in rules among `approvers`.
    pub name: String,
    /// The account that the kernel confirms at the admin socket: a name or a number.
    pub user: Option<String>,
    /// What the identity provider calls the person (`sub`).
    pub subject: Option<String>,
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

/// Names that are free, people who are one person, and no reviewer that an agent is.
pub(super) fn check(config: &Config) -> Result<(), Error> {
    let (mut names, mut users, mut subjects) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for reviewer in &config.reviewers {
        let place = format!("[[reviewer]] {}", reviewer.name);
        check_name(&place, &reviewer.name)?;
        if !names.insert(&reviewer.name) {
            return Err(meaning(place, "the name is there twice"));
        }
        if reviewer.user.is_none() && reviewer.subject.is_none() {
            return Err(meaning(place, "neither `user` nor `subject` says who it is"));
        }
        if let Some(subject) = &reviewer.subject
            && !subjects.insert(subject)
        {
            return Err(meaning(place, format!("the subject `{subject}` is another reviewer's already")));
        }
        let Some(user) = &reviewer.user else { continue };
        if !users.insert(user) {
            return Err(meaning(place, format!("the account `{user}` is another reviewer's already")));
        }
        if let Some(agent) = config.agents.iter().find(|agent| agent.by == AgentBy::User(user.clone())) {
            let why = format!("the account `{user}` is the agent `{}`: it would approve for agents", agent.name);
            return Err(meaning(place, why));
        }
    }
    let Approvals { pending_max, pending_per_agent_max, pending_per_database_max } = config.approvals;
    if pending_max > 10_000 || pending_per_agent_max == 0 || pending_per_database_max == 0 {
        return Err(meaning("[approvals]", "pending_max is at most 10000, the others are above 0"));
    }
    Ok(())
}
