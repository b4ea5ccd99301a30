//! The one response queue: an entry for every request that the server has been sent and has not answered yet.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::RecordId;
use crate::verdicts::{Judged, Refusal};

/// A statement that runs: what its records and its answers need.
#[derive(Debug)]
pub(super) struct Run {
    /// `None`: a portal that was opened inside the server; only `observe` lets it run.
    pub(super) judged: Option<Arc<Judged>>,
    /// What EXECUTE runs.
    pub(super) inner: Option<Arc<Judged>>,
    /// The decision's record.
    pub(super) record: RecordId,
    pub(super) started_ns: u64,
}

impl Run {
    pub(super) fn is_secret(&self) -> bool {
        self.judged.as_ref().is_none_or(|judged| judged.secret) || self.inner.as_ref().is_some_and(|inner| inner.secret)
    }

    pub(super) fn copies_in(&self) -> bool {
        self.judged.as_ref().is_some_and(|judged| judged.copies_in)
    }
}

/// What stands where a refused request stood: the server rejects it, and its error gets our words.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) refusal: Refusal,
    pub(super) record: RecordId,
}

/// What was asked.
#[derive(Debug)]
pub(super) enum Request {
    Query(Run),
    Function(Run),
    Execute {
        run: Run,
        slot: u32,
    },
    Parse {
        name: Box<[u8]>,
        secret: bool,
    },
    Bind {
        slot: u32,
    },
    DescribeStatement,
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
    /// `ghost`: sent while a COPY may have been reading; the server may never answer it.
    Sync {
        ghost: bool,
    },
    /// A Query of ours that the server rejects, answered by an error and ReadyForQuery.
    RefusedQuery(Refused),
    /// A Parse of ours that the server rejects; it skips until Sync then.
    RefusedParse(Refused),
    /// Our own catalog query.
    Catalog,
}

impl Request {
    /// An error of such a request makes the server skip until Sync (`doing_extended_query_message`, postgres.c).
    pub(super) fn is_extended(&self) -> bool {
        match self {
            Request::Query(_)
            | Request::Function(_)
            | Request::Sync { .. }
            | Request::RefusedQuery(_)
            | Request::Catalog => false,
            Request::Execute { .. }
            | Request::Parse { .. }
            | Request::Bind { .. }
            | Request::DescribeStatement
            | Request::DescribePortal { .. }
            | Request::OwnDescribe { .. }
            | Request::CloseStatement { .. }
            | Request::ClosePortal
            | Request::RefusedParse(_) => true,
        }
    }

    /// The statement that runs, if one does.
    pub(super) fn run(&self) -> Option<&Run> {
        match self {
            Request::Query(run) | Request::Function(run) | Request::Execute { run, .. } => Some(run),
            _ => None,
        }
    }
}

/// A request with its number in the session.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) seq: u64,
    pub(super) request: Request,
}

/// In the order in which the server answers.
#[derive(Debug, Default)]
pub(super) struct Queue {
    entries: VecDeque<Entry>,
    next_seq: u64,
    /// Requests whose statement reads COPY data from the agent.
    copies_in: u32,
}

impl Queue {
    /// The number that the next request will get.
    pub(super) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    pub(super) fn push(&mut self, request: Request) {
        self.copies_in += u32::from(request.run().is_some_and(Run::copies_in));
        self.entries.push_back(Entry { seq: self.next_seq, request });
        self.next_seq += 1;
    }

    pub(super) fn front(&self) -> Option<&Request> {
        self.entries.front().map(|entry| &entry.request)
    }

    pub(super) fn pop(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        self.copies_in -= u32::from(entry.request.run().is_some_and(Run::copies_in));
        Some(entry)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Nothing is outstanding. Requests that may never be answered do not count.
    pub(super) fn is_idle(&self) -> bool {
        self.entries.iter().all(|entry| matches!(entry.request, Request::Sync { ghost: true }))
    }

    /// Whether COPY data from the agent has a statement to go to.
    pub(super) fn expects_copy_data(&self) -> bool {
        self.copies_in > 0
    }

    /// A COPY from the agent begins: the Syncs sent right behind it are read, and dropped, by the COPY (`CopyGetData`).
    pub(super) fn haunt(&mut self) {
        for entry in self.entries.iter_mut().skip(1) {
            match &mut entry.request {
                Request::Sync { ghost } => *ghost = true,
                _ => break,
            }
        }
    }

    /// ReadyForQuery came while a ghost stood in front: it may have been the answer to the Sync behind it.
    pub(super) fn inherit_ghost(&mut self) {
        if let Some(Entry { request: Request::Sync { ghost }, .. }) = self.entries.front_mut() {
            *ghost = true;
        }
    }

    /// Syncs at the front that were never going to be answered.
    pub(super) fn exorcise(&mut self) {
        while matches!(self.front(), Some(Request::Sync { ghost: true })) {
            self.entries.pop_front();
        }
    }
}

impl Queue {
    /// As [`Queue::exorcise`], but a Sync at the very front may be the one whose commit failed.
    pub(super) fn exorcise_unless_front_is_sync(&mut self) {
        let real = self.entries.iter().any(|entry| !matches!(entry.request, Request::Sync { ghost: true }));
        if real {
            self.exorcise();
        }
    }
}
