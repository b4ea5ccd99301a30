//! Between the shards, which hold statements, and the control plane, which asks people: neither knows the other.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Weak};
use std::thread::Builder;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use control::approvals::{Approvals, Ask, Estimate, Limits, Revealing, Reviewer, Rule, State, Vote};
use session::{AskEnd, AskId, Asking};

mod left;
mod standing;

pub use left::{Left, left};
pub use standing::{BindingKey, fresh_id, recorded, standing};

use crate::cancels::Cancels;
use crate::config::Config;
use crate::estimates::Estimates;
use crate::logins::Makers;
use crate::plan;
use crate::service::Service;

/// The table, with the configuration's people and bounds. An account that does not exist is an error: nobody could be it.
pub fn table(config: &Config) -> Result<Approvals> {
    let reviewer = |reviewer: &crate::config::Reviewer| -> Result<Reviewer> {
        let uid = reviewer.user.as_deref().map(account).transpose();
        let uid = uid.with_context(|| format!("[[reviewer]] {}", reviewer.name))?;
        let (name, subject, groups) = (reviewer.name.clone(), reviewer.subject.clone(), reviewer.groups.clone());
        Ok(Reviewer { name, uid, subject, groups })
    };
    let reviewers = config.reviewers.iter().map(reviewer).collect::<Result<Vec<_>>>()?;
    let limits = Limits {
        pending: config.approvals.pending_max as usize,
        per_agent: config.approvals.pending_per_agent_max as usize,
        per_database: config.approvals.pending_per_database_max as usize,
        ..Limits::default()
    };
    Ok(Approvals::new(limits, reviewers))
}

/// A reviewer may be root, unlike an agent.
fn account(user: &str) -> Result<u32> {
    if user == "root" || user == "0" { Ok(0) } else { Ok(plan::agent_uid(user)?) }
}

/// Tells the table what the sessions say, on a thread of its own: one that hangs leaves the queue to fill, and then what is held is
/// denied. Ends with the shards.
pub(crate) fn start(
    service: &Arc<Service>,
    asks: Receiver<Asking>,
    (estimates, makers): (Estimates, Makers),
    key: BindingKey,
) -> Result<()> {
    let cancels = Cancels::start(service)?;
    let service = Arc::downgrade(service);
    Builder::new()
        .name("approvals".to_owned())
        .spawn(move || hear(&service, &asks, (&estimates, &cancels, &makers), &key))
        .context("a thread for approvals")?;
    Ok(())
}

fn hear(
    service: &Weak<Service>,
    asks: &Receiver<Asking>,
    (estimates, cancels, makers): (&Estimates, &Cancels, &Makers),
    key: &BindingKey,
) {
    while let Ok(asking) = asks.recv() {
        let Some(service) = service.upgrade() else { return };
        let approvals = service.held();
        match asking {
            Asking::Ask(ask) => {
                let (id, session) = (ask.id, ask.session);
                let by = service.agent_by(&ask.subject.policy.agent);
                let shown = shown(*ask, by, key);
                tracing::warn!(
                    approval = %id, agent = %shown.agent, database = %shown.database, rule = %rules(&shown),
                    "HELD: a statement waits for a person; `interceptor approvals show {id}`"
                );
                if !approvals.asked(shown) {
                    tracing::error!(approval = %id, "too many statements wait for a person: this one is denied");
                    service.unheard(session, id);
                    continue;
                }
                for vote in approvals.standing(id.as_str(), now_s()) {
                    service.take_to_session(&vote);
                }
            }
            Asking::Estimate(ask) => {
                let (session, number) = (ask.session, ask.number);
                if !estimates.ask(ask) {
                    service.estimated(session, number, None);
                }
            }
            Asking::Login(ask) => makers.ask(&service, ask),
            Asking::Token(ask) => service.asks_token(&ask),
            Asking::Cancel(ask) => {
                let (session, number) = (ask.session, ask.number);
                if !cancels.ask(ask) {
                    service.cancel_is_over(session, number);
                }
            }
            Asking::Counted(id, count) => approvals.counted(id.as_str(), count),
            Asking::Revealing(shown) => {
                tracing::warn!(
                    approval = %shown.id, agent = %shown.agent, database = %shown.database, rule = %shown.rule,
                    until = shown.until_s, "REVEAL: clear values are shown; `interceptor approvals revoke` ends it"
                );
                approvals.reveals(revealing(*shown));
            }
            Asking::RevealOver(id, why) => {
                tracing::warn!(approval = %id, why, "clear values are shown no more");
                approvals.reveal_over(id.as_str());
            }
            Asking::Over(id, end) => {
                tracing::info!(approval = %id, end = end.as_str(), "a held statement waits no more");
                approvals.over(id.as_str(), state(end), end.as_str(), now_s());
                for one in approvals.covers(id.as_str(), now_s()) {
                    service.stands(one);
                }
            }
        }
    }
}

fn revealing(shown: session::Revealing) -> Revealing {
    Revealing {
        id: shown.id.to_string(),
        session: shown.session,
        agent: shown.agent,
        database: shown.database,
        rule: shown.rule,
        reason: shown.reason.as_str().to_owned(),
        columns: shown.columns.iter().map(|column| column.as_str().to_owned()).collect(),
        until_s: shown.until_s,
    }
}

fn rules(ask: &Ask) -> String {
    let names: Vec<&str> = ask.rules.iter().map(|rule| rule.name.as_str()).collect();
    names.join(", ")
}

/// Seconds since 1970.
pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn state(end: AskEnd) -> State {
    match end {
        AskEnd::Approved => State::Approved,
        AskEnd::Denied => State::Denied,
        AskEnd::Expired => State::Expired,
        AskEnd::Cancelled | AskEnd::Closed | AskEnd::Gone => State::Cancelled,
        AskEnd::PolicyChanged | AskEnd::Stopping | AskEnd::Unheard | AskEnd::Unrecorded => State::Refused,
    }
}

/// For people.
fn shown(ask: session::Ask, agent_by: String, key: &BindingKey) -> Ask {
    let texts = |masked: Vec<session::Masked>| masked.iter().map(|text| text.as_str().to_owned()).collect();
    let rule = |terms: Arc<policy::Terms>| Rule {
        name: terms.rule.clone(),
        approvers: terms.approvers.clone(),
        approvals: terms.approvals,
        all_groups: terms.all_groups,
        break_glass: terms.break_glass.clone(),
        message: terms.message.clone(),
        terms,
    };
    Ask {
        id: ask.id.to_string(),
        session: ask.session,
        agent: ask.subject.policy.agent.clone(),
        agent_by,
        groups: ask.subject.policy.groups.clone(),
        host: nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        uid: ask.subject.uid,
        pid: ask.subject.pid,
        executable: session::Masked::of(&ask.subject.exe_name).as_str().to_owned(),
        cgroup: ask.subject.cgroup,
        agent_address: ask.agent_address.to_string(),
        database: ask.database,
        dbname: ask.dbname.as_str().to_owned(),
        database_user: ask.database_user.as_str().to_owned(),
        application: ask.application.as_str().to_owned(),
        request: ask.request,
        text: ask.text.as_str().to_owned(),
        redacted: ask.redacted,
        kinds: ask.kinds,
        tables: texts(ask.tables),
        sensitive: texts(ask.sensitive),
        parameters: texts(ask.parameters),
        in_transaction: ask.in_transaction,
        transaction_since_s: ask.transaction_since_s,
        rows_bound: ask.rows_bound,
        binding: key.of(&ask.binding),
        estimate: ask.estimate.map(|estimate| Estimate { rows: estimate.rows, cost: estimate.cost }),
        rules: ask.terms.into_iter().map(rule).collect(),
        policy: ask.policy,
        record: ask.record.to_string(),
        asked_s: ask.asked_s,
        expires_s: ask.expires_s,
    }
}

/// A person's word, for the session. `None`: an id is none.
pub fn vote(vote: &Vote) -> Option<session::Vote> {
    let ask: AskId = vote.id.parse().ok()?;
    Some(session::Vote {
        ask,
        approve: vote.approve,
        reviewer: vote.reviewer.clone(),
        groups: vote.groups.clone(),
        login: vote.login.clone(),
        reason: vote.reason.clone(),
        break_glass: vote.break_glass,
        standing: match &vote.standing {
            None => None,
            Some(given) => Some(session::Standing {
                approval: given.approval.parse().ok()?,
                given_s: given.at_s,
                rule: given.rule.clone(),
            }),
        },
    })
}
