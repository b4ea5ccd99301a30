//! `[database.credentials.owner]` and `[[database.credentials.role]]`: a role for each job.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Deserialize;

use crate::config::Endpoint;

/// Who makes roles, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles {
    /// Who makes them.
    pub owner: Owner,
    /// For whom, with which rights; the first that fits.
    pub rules: Vec<RoleRule>,
}

/// The login that makes and drops roles.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    /// A role with CREATEROLE.
    pub user: String,
    /// The file of its password, as of `[[database.credentials.login]]`.
    pub passfile: PathBuf,
    /// The database that it connects to.
    #[serde(default = "postgres")]
    pub dbname: String,
    /// Whose the things become that a job leaves. Without one they, and the locked role, stay.
    pub heir: Option<String>,
    /// A job's role is over after so long, whatever the job does.
    #[serde(default = "half_a_day")]
    pub lifetime_minutes: u32,
}

/// One `[[database.credentials.role]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleRule {
    /// Agents by name (a star matches inside it), or `group:NAME`; empty: any.
    #[serde(default)]
    pub agents: Vec<String>,
    /// The users that agents write for which it is, a star matches inside a name; empty: any.
    #[serde(default, rename = "for")]
    pub users: Vec<String>,
    /// The roles that the job's role is a member of.
    pub grants: Vec<String>,
}

fn postgres() -> String {
    "postgres".to_owned()
}

fn half_a_day() -> u32 {
    720
}

/// A week.
const LIFETIME_MAX: u32 = 7 * 24 * 60;
/// PostgreSQL cuts longer names (NAMEDATALEN).
const NAME_MAX: usize = 63;

fn is_name(name: &str) -> bool {
    (1..=NAME_MAX).contains(&name.len()) && !name.contains(char::is_control)
}

/// Whether roles can be made as it is written.
pub(super) fn fit(owner: Option<&Owner>, rules: &[RoleRule], addresses: &BTreeSet<Endpoint>) -> Result<(), String> {
    let Some(owner) = owner else {
        return Err("mode = \"ephemeral\" needs [database.credentials.owner] with user and passfile".into());
    };
    if rules.is_empty() {
        return Err("mode = \"ephemeral\" needs [[database.credentials.role]] with grants".into());
    }
    let names = [Some(&owner.user), Some(&owner.dbname), owner.heir.as_ref()];
    if !names.into_iter().flatten().all(|name| is_name(name)) {
        return Err(format!("owner: a name has 1 to {NAME_MAX} bytes and no control character"));
    }
    if !(1..=LIFETIME_MAX).contains(&owner.lifetime_minutes) {
        return Err(format!("owner: lifetime_minutes is 1 to {LIFETIME_MAX}"));
    }
    for (at, rule) in rules.iter().enumerate() {
        if rule.grants.is_empty() {
            return Err("a role without grants has no rights: name the roles that it is a member of".into());
        }
        let names = rule.grants.iter().chain(&rule.users).chain(&rule.agents);
        if !names.into_iter().all(|name| is_name(name)) {
            return Err(format!("role: a name has 1 to {NAME_MAX} bytes and no control character"));
        }
        if rule.grants.contains(&owner.user) {
            return Err("role: grants names the owner: a job would make roles itself".into());
        }
        if rule.agents.is_empty() && rule.users.is_empty() && at + 1 < rules.len() {
            return Err(
                "a role is for any agent and user (no `agents`, no `for`): those behind it are for nobody".into()
            );
        }
    }
    let is_host = |endpoint: &Endpoint| {
        endpoint.port.is_some() && endpoint.prefix == if endpoint.address.is_ipv4() { 32 } else { 128 }
    };
    if !addresses.iter().all(is_host) {
        return Err("mode = \"ephemeral\" wants addresses of hosts with a port, and no networks: roles that a crash left are looked for at each".into());
    }
    Ok(())
}
