//! What reviewers see of the service beside approvals: open sessions, one as a timeline, rules and their use.

use std::time::Duration;

use audit::{Event, Operator, Text};
use control::approvals::{Login, Rejected, Reviewer};
use control::{LiveSession, RuleBook, RuleUse, Timeline, plain};
use pan::Masked;
use proxy::Handle;

use super::Service;
use crate::{approvals, timeline};

/// How long a shard may take to tell: it answers between two turns of its loop.
const PATIENCE: Duration = Duration::from_millis(500);

impl Service {
    pub(super) fn open_sessions(&self) -> Vec<LiveSession> {
        self.with_handle(|handle| handle.sessions(PATIENCE)).unwrap_or_default().iter().map(live).collect()
    }

    /// The policy in force and how often each rule decided. Shards that have decided nothing by it yet count for none.
    pub(super) fn rule_book(&self) -> RuleBook {
        let told = self.with_handle(|handle: &Handle| handle.hits(PATIENCE)).unwrap_or_default();
        let state = self.state();
        let policy = &state.policy;
        let own: Vec<_> = told.iter().filter(|hits| hits.policy == policy.version()).collect();
        let rules = policy.overview().enumerate().map(|(place, rule)| RuleUse {
            name: rule.name.to_owned(),
            action: rule.action.as_str(),
            hits: own.iter().filter_map(|hits| hits.counts.get(place)).sum(),
            asks: rule.terms.map(ToString::to_string),
            message: rule.message.map(str::to_owned),
        });
        RuleBook {
            version: policy.version().to_owned(),
            in_force_s: state.in_force.elapsed().as_secs(),
            rules: rules.collect(),
        }
    }

    /// What a session did in this run of the service. That a person reads it is recorded first (PCI DSS v4.0.1 10.2.1.3).
    pub(super) fn timeline_for(&self, id: &str, reviewer: &Reviewer, login: &Login) -> Result<Timeline, Rejected> {
        let session = session_of(id).ok_or(Rejected::NoSession)?;
        let (name, how) = (Masked::of(&reviewer.name), Masked::of(&plain(&login.words)));
        let object = Masked::of(&format!("session {id}"));
        let told = self.tell_record(&Event::Reading {
            operator: Operator { name: Text::Masked(&name), ..super::operator() },
            object: Text::Masked(&object),
            success: true,
            message: Some(Text::Masked(&how)),
        });
        if !told {
            return Err(Rejected::Full);
        }
        let up_ns = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let began_wall_ns = approvals::now_s().saturating_mul(1_000_000_000).saturating_sub(up_ns);
        // Shards accept a moment before the service is there, and whole seconds were told.
        let began_wall_ns = began_wall_ns.saturating_sub(2_000_000_000);
        timeline::of(&self.config.service.state_dir, session, id, began_wall_ns).ok_or(Rejected::NoSession)
    }
}

/// An open session, for people.
fn live(open: &proxy::LiveSession) -> LiveSession {
    LiveSession {
        id: session_id(open.session),
        agent: open.subject.policy.agent.clone(),
        uid: open.subject.uid,
        pid: open.subject.pid,
        executable: Masked::of(&open.subject.exe_name).as_str().to_owned(),
        principal: open.signed.as_ref().map(|(signed, _)| Masked::of(&signed.principal).as_str().to_owned()),
        disagrees: open.signed.as_ref().is_some_and(|(_, agrees)| !agrees),
        agent_address: open.agent_address.to_string(),
        database: open.database.name.clone(),
        age_s: Duration::from_nanos(open.age_ns).as_secs(),
        waits: open.waits,
    }
}

/// `SHARD.NUMBER`: the shard is in the upper bits of a session's number.
fn session_id(session: u64) -> String {
    format!("{}.{}", session >> proxy::SESSION_BITS, session & ((1 << proxy::SESSION_BITS) - 1))
}

pub(super) fn session_of(id: &str) -> Option<u64> {
    let (shard, number) = id.split_once('.')?;
    let (shard, number) = (shard.parse::<u16>().ok()?, number.parse::<u64>().ok()?);
    (number >> proxy::SESSION_BITS == 0).then_some(u64::from(shard) << proxy::SESSION_BITS | number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_have_short_names() {
        let session = 3 << proxy::SESSION_BITS | 17;
        assert_eq!((session_id(session).as_str(), session_of("3.17")), ("3.17", Some(session)));
        for wrong in ["", "3", "3.", ".17", "3.x", "70000.1", "0.281474976710656", "-1.1"] {
            assert_eq!(session_of(wrong), None, "{wrong}");
        }
    }
}
