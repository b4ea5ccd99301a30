//! How the rest of the process speaks to a shard: a bounded queue, and an eventfd that wakes the ring.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use policy::Policy;
use session::{AskId, Estimate, Injected, LargeVerdict, Masked, PackedResult, RuleHits, Signed, Vote};
use uring::Event;

use crate::sessions::LiveSession;

/// Messages that may wait for a shard.
const WAITING_MAX: usize = 256;

/// What a token is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Whose {
    /// The cgroup of this id: one job. Ids are not given twice, so one that is made again is another.
    Cgroup(u64),
    /// The agent of this name, all of it.
    Agent(String),
}

/// What a shard can be told.
#[derive(Debug)]
pub(crate) enum Message {
    /// Judge by this policy from now on.
    Reload(Arc<Policy>),
    /// Write a record that belongs to no session.
    Record {
        /// `audit`'s number of the kind.
        kind: u8,
        /// The encoded payload.
        payload: Vec<u8>,
    },
    /// A person's word about the statement that the session holds.
    Vote {
        /// The session that waits.
        session: u64,
        /// What the person says.
        vote: Box<Vote>,
    },
    /// The statement that the session holds is cancelled.
    CancelHeld {
        /// The session that waits.
        session: u64,
    },
    /// Nobody can be asked about the statement that the session holds.
    Unheard {
        /// The session that waits.
        session: u64,
        /// What for.
        ask: AskId,
    },
    /// What the planner expects of the statement that the session keeps waiting; `None`: nobody knows.
    Estimated {
        /// The session that waits.
        session: u64,
        /// For which answer.
        number: u64,
        /// It.
        estimate: Option<Estimate>,
    },
    /// What the large statement comes to that the session keeps waiting.
    Judged {
        /// The session that waits.
        session: u64,
        /// For which answer.
        number: u64,
        /// It; `None`: nobody could judge it.
        verdict: Option<LargeVerdict>,
    },
    /// A long result was packed.
    Result {
        /// The session that received it, which may be over.
        session: u64,
        /// What its record says.
        packed: Box<PackedResult>,
    },
    /// The login that a session waits for, or why there is none.
    Given {
        /// The session.
        session: u64,
        /// It.
        login: Result<Arc<Injected>, Box<Masked>>,
    },
    /// The token of the job that a session waits for, or why there is none.
    Identified {
        /// The session.
        session: u64,
        /// It.
        token: Result<Arc<Signed>, Box<Masked>>,
    },
    /// The cancel of a session's statement is over.
    CancelIsOver {
        /// The session whose it was.
        session: u64,
        /// Which.
        number: u64,
    },
    /// What the session is shown clear under this approval is over.
    EndReveal {
        /// The session.
        session: u64,
        /// The approval.
        ask: AskId,
    },
    /// A token is bound to a job, refreshed or revoked: its sessions are told.
    Signed {
        /// Whose.
        whose: Whose,
        /// It.
        signed: Arc<Signed>,
    },
    /// A person ends this session.
    End {
        /// Which.
        session: u64,
        /// Who, and why.
        why: Box<Masked>,
    },
    /// What sessions are open; who asked may have left.
    Sessions(SyncSender<Vec<LiveSession>>),
    /// How often each rule decided; who asked may have left.
    Hits(SyncSender<RuleHits>),
    /// Accept nothing more, let each session finish the statement that runs, and end them all at `until_ns` at the latest.
    Drain {
        /// Monotonic nanoseconds.
        until_ns: u64,
    },
}

/// The shard is gone, or too many messages wait for it; nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unheard;

/// The sender's end.
#[derive(Clone, Debug)]
pub struct Mailbox {
    queue: SyncSender<Message>,
    event: Arc<Event>,
}

/// The shard's end.
#[derive(Debug)]
pub struct Inbox {
    queue: Receiver<Message>,
    event: Arc<Event>,
}

pub(crate) fn mailbox() -> std::io::Result<(Mailbox, Inbox)> {
    let (sender, receiver) = sync_channel(WAITING_MAX);
    let event = Arc::new(Event::new()?);
    Ok((Mailbox { queue: sender, event: Arc::clone(&event) }, Inbox { queue: receiver, event }))
}

impl Mailbox {
    pub(crate) fn send(&self, message: Message) -> Result<(), Unheard> {
        self.give(message).map_err(|_| Unheard)
    }

    /// The same, and gives the message back where the shard only has too many; `None`: it is gone.
    pub(crate) fn give(&self, message: Message) -> Result<(), Option<Message>> {
        match self.queue.try_send(message) {
            Ok(()) => {
                self.event.signal();
                Ok(())
            }
            Err(TrySendError::Full(message)) => Err(Some(message)),
            Err(TrySendError::Disconnected(_)) => Err(None),
        }
    }
}

impl Inbox {
    /// What to poll.
    pub(crate) fn file(&self) -> uring::File {
        self.event.file()
    }

    /// Takes the signal back; messages sent from here on signal again.
    pub(crate) fn open(&self) {
        self.event.clear();
    }

    pub(crate) fn next(&self) -> Option<Message> {
        self.queue.try_recv().ok()
    }
}
