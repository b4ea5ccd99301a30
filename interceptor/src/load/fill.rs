//! From the plan to the maps.

use std::{fs, io, net::IpAddr, path::Path};

use interceptor_abi::{
    Agent, AllowedKey, CGROUP_LEVELS_MAX, NAME_LEN, RULE_PORT_BITS, Rule, RuleKey, Text, mapped, maps, padded,
};

use super::{
    Plan, cgroups,
    error::Error,
    locals,
    maps::{Pins, make},
    plan::{AgentPlan, Destination, Who},
    sys::Prefix,
};

/// Writes every map that the configuration decides.
pub(super) fn fill(plan: &Plan, root: &Path, pins: &Pins) -> Result<(), Error> {
    let rules = rules(plan);
    make(maps::DATABASES, &pins.databases(false)?, &names(plan)?)?;
    make(maps::AGENTS, &pins.agents()?, &agents(plan, root, pins)?)?;
    make(maps::UIDS, &pins.uids()?, &uids(plan)?)?;
    make(maps::ALLOWED, &pins.allowed()?, &allowed(plan, root)?)?;
    make(maps::RULES, &pins.rules(false)?, &rules)?;
    locals::write(pins, &rules)
}

fn rules(plan: &Plan) -> Vec<(Prefix<RuleKey>, Rule)> {
    let mut out = Vec::new();
    for database in &plan.databases {
        let rule = Rule { database: database.index, refuse_others: u32::from(database.refuse_others) };
        out.extend(database.addresses.iter().map(|destination| (key(destination), rule)));
    }
    out
}

fn key(destination: &Destination) -> Prefix<RuleKey> {
    let (address, bits) = match destination.address {
        IpAddr::V4(v4) => (mapped(v4.octets()), 96 + u32::from(destination.prefix)),
        IpAddr::V6(v6) => (v6.octets(), u32::from(destination.prefix)),
    };
    Prefix { bits: RULE_PORT_BITS + bits, data: RuleKey::new(address, destination.port.unwrap_or(0)) }
}

fn names(plan: &Plan) -> Result<Vec<(u32, Text<NAME_LEN>)>, Error> {
    plan.databases.iter().map(|database| Ok((database.index, name(&database.name)?))).collect()
}

fn name(text: &str) -> Result<Text<NAME_LEN>, Error> {
    padded(text).ok_or_else(|| Error::Name(text.into()))
}

fn uids(plan: &Plan) -> Result<Vec<(u32, Agent)>, Error> {
    let mut out = Vec::new();
    for agent in &plan.agents {
        let Who::User(uid) = agent.who else { continue };
        if uid == 0 || uid == plan.service_uid {
            return Err(Error::AgentIs(uid));
        }
        out.push((uid, Agent { name: name(&agent.name)? }));
    }
    Ok(out)
}

/// The agents' cgroups: those that the plan names, the units that run already, and what `admit` and `exec` have written
/// since the last attach, as long as the agent is still planned and the cgroup still there.
fn agents(plan: &Plan, root: &Path, pins: &Pins) -> Result<Vec<(u64, Agent)>, Error> {
    let mut out = Vec::new();
    for agent in &plan.agents {
        let value = Agent { name: name(&agent.name)? };
        for cgroup in planned(agent, root)? {
            out.push((checked_id(root, &cgroup)?, value));
        }
    }
    let alive = cgroups::all_ids(root);
    let written = pins.agents()?.entries().map_err(|why| Error::Map(maps::AGENTS, why))?;
    for (id, agent) in written {
        let wanted = plan.agents.iter().any(|known| interceptor_abi::text(&agent.name) == Some(&known.name));
        if wanted && alive.contains(&id) && !out.iter().any(|(known, _)| *known == id) {
            out.push((id, agent));
        }
    }
    Ok(out)
}

fn planned(agent: &AgentPlan, root: &Path) -> Result<Vec<std::path::PathBuf>, Error> {
    match &agent.who {
        Who::Unit(unit) => Ok(cgroups::of_unit(root, unit)),
        Who::Cgroup(path) => {
            let cgroup = root.join(path.strip_prefix("/").unwrap_or(path));
            // Made here if it is not there yet: whoever moves the first process in finds it protected.
            match fs::create_dir(&cgroup) {
                Err(why) if why.kind() != io::ErrorKind::AlreadyExists => Err(Error::Cgroup(cgroup, why)),
                _ => Ok(vec![cgroup]),
            }
        }
        Who::User(_) | Who::Exec => Ok(Vec::new()),
    }
}

/// The id of an agent's cgroup, if the hooks can see it.
pub(crate) fn checked_id(root: &Path, cgroup: &Path) -> Result<u64, Error> {
    match cgroups::level(root, cgroup) {
        Some(0) => Err(Error::CgroupIsRoot(cgroup.into())),
        Some(1..=CGROUP_LEVELS_MAX) => cgroups::id(cgroup).map_err(|why| Error::Cgroup(cgroup.into(), why)),
        _ => Err(Error::CgroupTooDeep(cgroup.into())),
    }
}

fn allowed(plan: &Plan, root: &Path) -> Result<Vec<(AllowedKey, u32)>, Error> {
    let mut out = Vec::new();
    for database in plan.databases.iter().filter(|database| database.refuse_others) {
        for unit in &database.allow {
            for cgroup in cgroups::of_unit(root, unit) {
                let key = AllowedKey { cgroup: checked_id(root, &cgroup)?, database: database.index, zero: 0 };
                out.push((key, 1));
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_becomes_a_key_of_port_then_network() {
        let cases = [
            ("10.20.0.0", 16, Some(5432), 32 + 96 + 16, 5432),
            ("127.0.0.1", 32, None, 32 + 128, 0),
            ("2001:db8::", 32, Some(1), 32 + 32, 1),
        ];
        for (address, prefix, port, bits, written) in cases {
            let key = key(&Destination { address: address.parse().unwrap(), prefix, port });
            assert_eq!((key.bits, u32::from_be_bytes(key.data.port)), (bits, written), "{address}/{prefix}");
        }
    }
}
