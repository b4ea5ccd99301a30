//! Who is the current task?

use aya_ebpf::helpers::generated::bpf_get_current_ancestor_cgroup_id;
use interceptor_abi::{Agent, AllowedKey, CGROUP_LEVELS_MAX};

use crate::maps::{AGENTS, ALLOWED, UIDS};

/// The id of the current task's cgroup `level` steps below the root.
#[inline(always)]
fn ancestor(level: u32) -> Option<u64> {
    // SAFETY: the helper takes a number and answers 0 below the task's own cgroup.
    match unsafe { bpf_get_current_ancestor_cgroup_id(level as i32) } {
        0 => None,
        id => Some(id),
    }
}

/// The agent that the current task belongs to: by the deepest of its cgroups that is one, else by its uid.
#[inline(always)]
pub fn current(uid: u32) -> Option<*const Agent> {
    let mut found = None;
    for level in 1..=CGROUP_LEVELS_MAX {
        let Some(id) = ancestor(level) else { break };
        if let Some(agent) = AGENTS.get_ptr(id) {
            found = Some(agent);
        }
    }
    match found {
        Some(agent) => Some(agent),
        None => UIDS.get_ptr(uid),
    }
}

/// May the current task dial a database that refuses everyone but agents and the allowed?
#[inline(always)]
pub fn allowed(database: u32) -> bool {
    for level in 1..=CGROUP_LEVELS_MAX {
        let Some(cgroup) = ancestor(level) else { break };
        if ALLOWED.get_ptr(AllowedKey { cgroup, database, zero: 0 }).is_some() {
            return true;
        }
    }
    false
}
