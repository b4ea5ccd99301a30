//! Jobs whose tokens are fetched: a session that has none waits while the SPIFFE agent of this host is asked for the SVID of its process,
//! and what is bound so is fetched again before it expires, while a process of the job has a session.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use identity::{Identity, Refused};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::{Caller, Job, LOOK, Unbound, Workloads};
use crate::api::now_s;
use crate::server::Source;
use crate::spiffe;

/// Sessions that may wait at a time; the next is told that there is no room.
const WAITING_MAX: usize = 1024;
/// What could not be fetched again is tried again after so long, at least and at most, in seconds.
const AGAIN_S: (u64, u64) = (1, 30);

/// Of an agent: whose SVIDs its jobs have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SvidTerms {
    /// The issuer that they are of, which names the sockets and the audience.
    pub issuer: String,
    /// The SPIFFE ID that is meant, where the SPIFFE agent has several for one process.
    pub spiffe_id: Option<String>,
}

/// The process of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its agent's name.
    pub agent: String,
    /// The kernel's word on it.
    pub caller: Caller,
}

/// A session that waits for its job's token.
#[derive(Clone, Debug)]
pub struct SvidAsk {
    /// The session's number.
    pub session: u64,
    /// Who opened it.
    pub process: Process,
}

/// Says whether the process is still the one that it was, and of the same job.
pub type IsThere = Box<dyn Fn() -> bool + Send>;

/// What is fetched, and who waits for it.
pub(super) struct Fetched {
    wanted: HashMap<String, SvidTerms>,
    line: Sender<SvidAsk>,
    asks: Mutex<Option<Receiver<SvidAsk>>>,
    /// Sessions by the cgroup whose token is being fetched.
    waiting: Mutex<HashMap<u64, Vec<SvidAsk>>>,
    /// Of what could not be fetched again: when it is tried next.
    next_s: Mutex<HashMap<u64, u64>>,
}

impl Fetched {
    pub(super) fn new(wanted: HashMap<String, SvidTerms>) -> Fetched {
        let (line, asks) = channel(WAITING_MAX);
        Fetched { wanted, line, asks: Mutex::new(Some(asks)), waiting: Mutex::default(), next_s: Mutex::default() }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Vec<SvidAsk>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_s(&self) -> std::sync::MutexGuard<'_, HashMap<u64, u64>> {
        self.next_s.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Workloads {
    /// A session asks for its job's token; it hears of it by [`Source::token_is`]. False: too many wait, and it hears nothing.
    pub fn ask(&self, ask: SvidAsk) -> bool {
        self.fetched.line.try_send(ask).is_ok()
    }

    /// Serves those who ask, for ever.
    pub(super) async fn fetch(self: Arc<Workloads>, source: Arc<dyn Source>) {
        let asks = self.fetched.asks.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut asks) = asks else { return };
        while let Some(ask) = asks.recv().await {
            let process = ask.process.clone();
            if self.is_bound(process.caller.cgroup) {
                source.token_is(&ask, Ok(()));
                continue;
            }
            self.begin(process, vec![ask], &source);
        }
    }

    /// Looks after what will expire, for ever.
    pub(super) async fn fetch_again(self: Arc<Workloads>, source: Arc<dyn Source>) {
        loop {
            for (cgroup, process) in self.due(&*source, now_s()) {
                self.fetched.next_s().insert(cgroup, now_s() + AGAIN_S.1);
                self.begin(process, Vec::new(), &source);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Begins to fetch what is not being fetched already; these sessions hear of it.
    fn begin(self: &Arc<Workloads>, process: Process, asks: Vec<SvidAsk>, source: &Arc<dyn Source>) {
        let cgroup = process.caller.cgroup;
        let mut waiting = self.fetched.waiting();
        if let Some(others) = waiting.get_mut(&cgroup) {
            return others.extend(asks);
        }
        waiting.insert(cgroup, asks);
        drop(waiting);
        let (workloads, source) = (Arc::clone(self), Arc::clone(source));
        tokio::spawn(async move {
            let outcome = workloads.fetch_one(&process, &source).await;
            let heard = workloads.fetched.waiting().remove(&cgroup).unwrap_or_default();
            heard.iter().for_each(|ask| source.token_is(ask, outcome.as_ref().copied().map_err(String::as_str)));
        });
    }

    /// Fetches the SVID of this process and binds it to its job.
    async fn fetch_one(&self, process: &Process, source: &Arc<dyn Source>) -> Result<(), String> {
        let (job, caller) = (Job::Cgroup(process.caller.cgroup), Some(process.caller));
        let outcome = match self.svid_of(process, &**source).await {
            Ok(identity) => self.bind(&job, identity, (caller, true), &**source),
            Err(why) => Err(why),
        };
        let now_s = now_s();
        match outcome {
            Ok(bound) if !bound.same => {
                self.fetched.next_s().remove(&process.caller.cgroup);
                Ok(())
            }
            Ok(bound) => {
                let pause_s = (bound.expires.saturating_sub(now_s) / 4).clamp(AGAIN_S.0, AGAIN_S.1);
                self.fetched.next_s().insert(process.caller.cgroup, now_s + pause_s);
                Ok(())
            }
            Err(why) => {
                self.fetched.next_s().insert(process.caller.cgroup, now_s + AGAIN_S.0);
                self.tell_refused(&why, &job, (caller, true), &**source);
                Err(why.to_string())
            }
        }
    }

    /// Who the SPIFFE agent says that the process is, verified as any token is.
    async fn svid_of(&self, process: &Process, source: &dyn Source) -> Result<Identity, Unbound> {
        let unfetched = |why: String| Unbound::Unfetched(why);
        let Process { agent, caller } = process;
        let wanted = self.fetched.wanted.get(agent);
        let wanted = wanted.ok_or_else(|| unfetched("its [[agent]] has no `spiffe`".to_owned()))?;
        let (svids, audience) = self
            .issuers
            .spiffe(&wanted.issuer)
            .ok_or_else(|| unfetched(format!("[[issuer]] {} has no `delegated_api`", wanted.issuer)))?;
        let is_there = source.hold(caller).map_err(unfetched)?;
        let given = svids.of_process(audience, caller.pid).await.map_err(|why| unfetched(why.to_string()))?;
        // Its number may have come to be another's meanwhile: then the answer is about that one.
        if !is_there() {
            return Err(unfetched(format!("process {} of this job is gone", caller.pid)));
        }
        let svid = spiffe::chosen(given, wanted.spiffe_id.as_deref()).map_err(unfetched)?;
        let identity = self.issuers.verify(svid.token.as_bytes(), now_s()).await.map_err(Unbound::Refused)?;
        match identity.issuer == wanted.issuer && identity.subject == svid.spiffe_id {
            true => Ok(identity),
            false => Err(Unbound::Refused(Refused::UnknownIssuer(svid.spiffe_id))),
        }
    }

    fn is_bound(&self, cgroup: u64) -> bool {
        let (now_s, job) = (now_s(), Job::Cgroup(cgroup));
        let counts = |of: &super::Binding| of.job == job && (of.revoked.is_some() || of.identity.expires_s > now_s);
        self.table().bindings().iter().any(counts)
    }

    /// What half of its time is over of, with a process that has a session.
    fn due(&self, source: &dyn Source, now_s: u64) -> Vec<(u64, Process)> {
        let is_due = |of: &super::Binding| {
            let half_s = of.bound_s.midpoint(of.identity.expires_s);
            let Job::Cgroup(cgroup) = of.job else { return None };
            let now = of.revoked.is_none() && (half_s..of.identity.expires_s).contains(&now_s);
            (now && self.issuers.spiffe(&of.identity.issuer).is_some()).then_some(cgroup)
        };
        let due: Vec<u64> = self.table().bindings().iter().filter_map(is_due).collect();
        let mut next_s = self.fetched.next_s();
        next_s.retain(|cgroup, _| due.contains(cgroup));
        let due = due.into_iter().filter(|cgroup| next_s.get(cgroup).is_none_or(|next_s| *next_s <= now_s));
        let with_process = |cgroup| {
            let process = source.processes(cgroup).into_iter().find(|one| self.fetched.wanted.contains_key(&one.agent));
            Some((cgroup, process?))
        };
        due.filter_map(with_process).collect()
    }
}
