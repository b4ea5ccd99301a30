//! The one response queue: an entry for every request that the server has been sent and has not answered yet.

use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::sync::Arc;

use crate::RecordId;
use crate::verdicts::{Inner, Judged, Refusal};

/// A statement that runs: what its records and its answers need.
#[derive(Debug)]
pub(super) struct Run {
    /// `None`: a portal that was opened inside the server; only `observe` lets it run.
    pub(super) judged: Option<Arc<Judged>>,
    /// What EXECUTE runs.
    pub(super) inner: Inner,
    /// The decision's record.
    pub(super) record: RecordId,
    pub(super) started_ns: u64,
    /// A person agreed to so many rows.
    pub(super) rows_bound: Option<NonZeroU64>,
    /// It is shown clear values, as long as they are shown.
    pub(super) is_shown: bool,
    /// What the agent receives of it is kept.
    pub(super) is_kept: bool,
}

impl Run {
    /// Its errors may quote a sensitive column's value.
    pub(super) fn is_sensitive(&self) -> bool {
        self.inner.sensitive || self.judged.as_ref().is_none_or(|judged| judged.sensitive)
    }

    /// So many rows of it may leave.
    pub(super) fn rows_over(&self) -> Option<u64> {
        let own = self.judged.as_ref().and_then(|judged| judged.rows_over);
        own.into_iter().chain(self.inner.rows_over()).chain(self.rows_bound.map(NonZeroU64::get)).min()
    }

    /// An error of it may be decided by a sensitive column's value.
    pub(super) fn may_quote(&self) -> bool {
        self.inner.may_quote()
            || self
                .judged
                .as_ref()
                .is_some_and(|judged| judged.derived.as_ref().is_some_and(|derived| derived.may_quote))
    }

    /// How many COPYs from the agent it begins.
    pub(super) fn copies_in(&self) -> u32 {
        self.judged.as_ref().map_or(0, |judged| judged.copies_in)
    }
}

/// What stands where a refused request stood: the server rejects it, and its error gets our words.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) refusal: Refusal,
    /// `None`: the record has no room, and that is why it is refused.
    pub(super) record: Option<RecordId>,
}

/// What was asked.
#[derive(Debug)]
pub(super) enum Request {
    Query(Run),
    Function {
        run: Run,
        binary: bool,
    },
    Execute {
        run: Run,
        slot: u32,
    },
    Parse {
        name: Box<[u8]>,
        sensitive: bool,
    },
    Bind {
        slot: u32,
    },
    DescribeStatement {
        name: Box<[u8]>,
    },
    DescribePortal {
        slot: u32,
    },
    /// Ours: its answer is swallowed.
    OwnDescribe {
        slot: u32,
    },
    CloseStatement {
        name: Box<[u8]>,
    },
    ClosePortal,
    /// `ghost`: sent while a COPY read; the server may never answer it. `before`: sent while this request still had COPY data to
    /// end, and how many of its COPYs were ended then.
    Sync {
        ghost: bool,
        before: Option<(u64, u32)>,
    },
    /// A Query of ours that the server rejects, answered by an error and ReadyForQuery.
    RefusedQuery(Refused),
    /// A Parse of ours that the server rejects; it skips until Sync then.
    RefusedParse {
        refused: Refused,
        unnamed: bool,
    },
    /// Our own catalog query.
    Catalog,
}

impl Request {
    /// An error of such a request makes the server skip until Sync (`doing_extended_query_message`, postgres.c).
    pub(super) fn is_extended(&self) -> bool {
        match self {
            Request::Query(_)
            | Request::Function { .. }
            | Request::Sync { .. }
            | Request::RefusedQuery(_)
            | Request::Catalog => false,
            Request::Execute { .. }
            | Request::Parse { .. }
            | Request::Bind { .. }
            | Request::DescribeStatement { .. }
            | Request::DescribePortal { .. }
            | Request::OwnDescribe { .. }
            | Request::CloseStatement { .. }
            | Request::ClosePortal
            | Request::RefusedParse { .. } => true,
        }
    }

    /// The statement that runs, if one does.
    pub(super) fn run(&self) -> Option<&Run> {
        match self {
            Request::Query(run) | Request::Function { run, .. } | Request::Execute { run, .. } => Some(run),
            _ => None,
        }
    }
}

/// A request with its number in the session.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) seq: u64,
    pub(super) request: Request,
    /// CopyDone and CopyFail that were sent for it.
    copies_ended: u32,
}

/// In the order in which the server answers.
#[derive(Debug, Default)]
pub(super) struct Queue {
    entries: VecDeque<Entry>,
    next_seq: u64,
    /// COPYs from the agent that the requests in the queue may begin.
    copies_in: u32,
    /// Requests that run a statement: each has an outcome to come.
    runs: usize,
    /// The last Sync that was sent.
    synced: Option<u64>,
    /// A message of the extended protocol was sent since the server was last seen between transactions: the agent's implicit
    /// transaction may be open, whatever ReadyForQuery said before.
    open: bool,
}

impl Queue {
    /// The number that the next request will get.
    pub(super) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The number of the last Sync.
    pub(super) fn synced(&self) -> Option<u64> {
        self.synced
    }

    pub(super) fn push(&mut self, request: Request) {
        self.copies_in += request.run().map_or(0, Run::copies_in);
        self.runs += usize::from(request.run().is_some());
        self.open |= request.is_extended();
        if matches!(request, Request::Sync { .. }) {
            self.synced = Some(self.next_seq);
        }
        self.entries.push_back(Entry { seq: self.next_seq, request, copies_ended: 0 });
        self.next_seq += 1;
    }

    /// Sync. One that is sent before the end of a COPY's data is read, and dropped, by that COPY (`CopyGetData`), if it begins.
    pub(super) fn push_sync(&mut self, in_copy: bool) {
        let before = self.entries.iter().find_map(|entry| {
            let copies = entry.request.run().map_or(0, Run::copies_in);
            (copies > entry.copies_ended).then_some((entry.seq, entry.copies_ended))
        });
        self.push(Request::Sync { ghost: in_copy, before });
    }

    pub(super) fn front(&self) -> Option<&Request> {
        self.entries.front().map(|entry| &entry.request)
    }

    pub(super) fn pop(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        self.copies_in -= entry.request.run().map_or(0, Run::copies_in);
        self.runs -= usize::from(entry.request.run().is_some());
        Some(entry)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Statements whose outcome is to come.
    pub(super) fn runs(&self) -> usize {
        self.runs
    }

    /// Of them those that are shown clear values.
    pub(super) fn runs_shown(&self) -> usize {
        let is_shown = |entry: &&Entry| entry.request.run().is_some_and(|run| run.is_shown);
        self.entries.iter().filter(is_shown).count()
    }

    /// Nothing is outstanding. Requests that may never be answered do not count.
    pub(super) fn is_idle(&self) -> bool {
        self.entries.iter().all(|entry| matches!(entry.request, Request::Sync { ghost: true, .. }))
    }

    /// Idle, and nothing was sent that a Sync would still have to end.
    pub(super) fn is_between_transactions(&self) -> bool {
        !self.open && self.is_idle()
    }

    /// The last request is of the extended protocol, and no Sync stands behind it.
    pub(super) fn is_in_pipeline(&self) -> bool {
        self.entries.back().is_some_and(|entry| entry.request.is_extended())
    }

    /// ReadyForQuery came.
    pub(super) fn ready(&mut self) {
        if self.is_idle() {
            self.open = false;
        }
    }

    /// Whether an Execute of this slot is on its way.
    pub(super) fn executes(&self, slot: u32) -> bool {
        self.entries.iter().any(|entry| matches!(entry.request, Request::Execute { slot: used, .. } if used == slot))
    }

    /// Nothing runs behind the request in front whose answers would come before the next ReadyForQuery, and it takes no data.
    pub(super) fn front_is_alone(&self) -> bool {
        let front = self.entries.front();
        let simple = front.is_some_and(|entry| !entry.request.is_extended());
        let takes_data = front.and_then(|entry| entry.request.run()).is_none_or(|run| run.copies_in() > 0);
        let ended = self.entries.get(1).is_none_or(|next| matches!(next.request, Request::Sync { ghost: false, .. }));
        !takes_data && (simple || ended)
    }

    /// Request `seq` has no answer yet.
    pub(super) fn waits_for(&self, seq: u64) -> bool {
        self.entries.iter().any(|entry| entry.seq == seq)
    }

    /// A Sync is on its way that the server will answer.
    pub(super) fn ends_in_sync(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry.request, Request::Sync { ghost: false, .. }))
    }
}

/// COPY from the agent.
impl Queue {
    /// Whether COPY data from the agent has a statement to go to.
    pub(super) fn expects_copy_data(&self) -> bool {
        self.copies_in > 0
    }

    /// CopyDone and CopyFail that were sent for the request in front.
    pub(super) fn copies_ended(&self) -> u32 {
        self.entries.front().map_or(0, |entry| entry.copies_ended)
    }

    /// CopyDone or CopyFail goes to the first request that has a COPY left to end; the one in front has begun `begun`.
    pub(super) fn copy_data_ended(&mut self, begun: u32) {
        for (at, entry) in self.entries.iter_mut().enumerate() {
            let Some(run) = entry.request.run() else { continue };
            let copies = if at == 0 { run.copies_in().max(begun) } else { run.copies_in() };
            if copies > entry.copies_ended {
                entry.copies_ended += 1;
                return;
            }
        }
    }

    /// The COPY number `begun` of the request in front begins: the Syncs that were sent before its data's end are dropped by it.
    pub(super) fn haunt(&mut self, begun: u32) {
        let Some(front) = self.entries.front() else { return };
        let (seq, announced) = (front.seq, front.request.run().map_or(0, Run::copies_in));
        let mut next = true;
        for entry in self.entries.iter_mut().skip(1) {
            let Request::Sync { ghost, before } = &mut entry.request else {
                next = false;
                continue;
            };
            // Of a text that was not parsed nothing was known when they were sent.
            *ghost |= match before {
                Some((of, ended)) => *of == seq && *ended < begun,
                None => announced == 0 && next,
            };
        }
    }

    /// ReadyForQuery came while a ghost stood in front: it may have been the answer to the Sync behind it.
    pub(super) fn inherit_ghost(&mut self) {
        if let Some(Entry { request: Request::Sync { ghost, .. }, .. }) = self.entries.front_mut() {
            *ghost = true;
        }
    }

    /// Syncs at the front that were never going to be answered: an answer to what is behind them has come.
    pub(super) fn exorcise(&mut self) {
        if !matches!(self.front(), Some(Request::Sync { ghost: true, .. })) || self.is_idle() {
            return; // one of them may be answered yet
        }
        while matches!(self.front(), Some(Request::Sync { ghost: true, .. })) {
            self.entries.pop_front();
        }
    }

    /// The COPY is complete: it has read every Sync that was sent before its data's end.
    pub(super) fn lay_ghosts(&mut self) {
        while matches!(self.front(), Some(Request::Sync { ghost: true, .. })) {
            self.entries.pop_front();
        }
    }
}
