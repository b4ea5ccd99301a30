//! From the configuration to what `attach` is told.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::unistd::User;

use crate::config::{AgentBy, Config, Others, Service};
use crate::load::{AgentPlan, DatabasePlan, Destination, INSTANCE, Plan, Who};
use crate::privileges;

/// Where the kernel half of this configuration is pinned: one instance for each port, so that a stand on another port
/// never touches the host's own.
pub fn instance(service: &Service) -> PathBuf {
    if service.port == Service::default().port {
        INSTANCE.into()
    } else {
        format!("{INSTANCE}-{}", service.port).into()
    }
}

/// The plan of this configuration; accounts are looked up now.
pub fn plan(config: &Config) -> Result<Plan> {
    let account = privileges::account(&config.service.user)?;
    let databases = config.databases.iter().zip(0..).map(|(database, index)| DatabasePlan {
        index,
        name: database.name.clone(),
        addresses: database
            .addresses
            .iter()
            .map(|e| Destination { address: e.address, prefix: e.prefix, port: e.port })
            .collect(),
        refuse_others: database.others == Others::Refuse,
        allow: database.allow.clone(),
    });
    let agents = config.agents.iter().map(|agent| Ok(AgentPlan { name: agent.name.clone(), who: who(&agent.by)? }));
    Ok(Plan {
        instance: instance(&config.service),
        databases: databases.collect(),
        agents: agents.collect::<Result<_>>()?,
        ..Plan::new(config.service.port, account.uid, account.gid)
    })
}

fn who(by: &AgentBy) -> Result<Who> {
    Ok(match by {
        AgentBy::Unit(unit) => Who::Unit(unit.clone()),
        AgentBy::Cgroup(path) => Who::Cgroup(path.clone()),
        AgentBy::User(user) => Who::User(agent_uid(user)?),
        AgentBy::Exec => Who::Exec,
    })
}

/// An agent's account by name or number; root is refused admission.
pub fn agent_uid(user: &str) -> Result<u32> {
    let uid = match user.parse::<u32>() {
        Ok(number) => number,
        Err(_) => {
            let found = User::from_name(user).with_context(|| format!("cannot look up the account `{user}`"))?;
            found.with_context(|| format!("the account `{user}` does not exist"))?.uid.as_raw()
        }
    };
    if uid == 0 {
        bail!("an agent that runs as root cannot be held: give it an account of its own");
    }
    Ok(uid)
}

/// The folders that hide an agent's ways around us: the databases' unix sockets.
pub fn hidden(config: &Config) -> Vec<&Path> {
    config.databases.iter().flat_map(|d| d.unix_directories.iter().map(PathBuf::as_path)).collect()
}
