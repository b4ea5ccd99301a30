//! What a shard keeps of one session: two sockets, and what is on its way between them.

use std::collections::VecDeque;
use std::sync::Arc;

use session::HOLD_MAX;
use uring::{BufferId, HEADROOM, Piece, Socket, StagedId};

use crate::conversation::Conversation;
use crate::slow::Spent;
use crate::timers::NEVER;
use crate::tls::{Leg, Tls};

// Held bytes go into the headroom of the next buffer.
const _: () = assert!(HOLD_MAX <= HEADROOM);

/// One of a session's two connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    Agent = 0,
    Database = 1,
}

impl Side {
    pub(crate) const BOTH: [Side; 2] = [Side::Agent, Side::Database];
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Bytes go both ways.
    Open,
    /// The session is over; its last pieces leave.
    Closing,
    /// All is sent; the agent's bytes are dropped until it closes, so that no reset overtakes our last words.
    Lingering,
    /// Both sockets are shut down; operations in flight come back.
    Ending,
    /// Both sockets are being closed; then the place is free.
    Closed,
}

/// One session's place in the shard.
pub(crate) struct Link<C: Conversation> {
    pub(crate) conversation: C,
    /// What TLS of either leg would be made from.
    pub(crate) tls: Arc<Tls>,
    pub(crate) phase: Phase,
    /// Operations in flight on either socket.
    pub(crate) operations: u32,
    halves: [Half; 2],
    /// Whether the session wants the agent's bytes.
    pub(crate) read_agent: bool,
    /// The record had no room when it came: it is told so and let go.
    pub(crate) turned_away: bool,
    /// Bytes of records that it will write whatever happens.
    pub(crate) owes: usize,
    /// Its agent was told that the record is lost.
    pub(crate) told_lost: bool,
    /// Whether it counts among the handshakes.
    pub(crate) handshake: bool,
    /// When the session wants [`session::Input::Deadline`].
    pub(crate) deadline_ns: u64,
    /// When the connection to the database must stand.
    pub(crate) connect_by_ns: u64,
    /// It did not, and was cancelled.
    pub(crate) connect_timed_out: bool,
    /// When a session that is over ends, sent or not.
    pub(crate) end_by_ns: u64,
    /// When it was accepted; 0 once its agent was sent its first byte.
    pub(crate) accepted_ns: u64,
    /// When it was accepted.
    pub(crate) opened_ns: u64,
    /// What of its time was ours since the last statement's end.
    pub(crate) spent: Spent,
    /// The timer entry that counts; see [`crate::timers::Timers`].
    pub(crate) armed_at_ns: u64,
}

/// One connection, both ways.
pub(crate) struct Half {
    /// `None`: not there yet, or closed.
    pub(crate) socket: Option<Socket>,
    pub(crate) connected: bool,
    pub(crate) receiving: bool,
    pub(crate) sending: bool,
    /// It has sent its last byte, or broke.
    pub(crate) read_done: bool,
    /// It takes no more bytes: a send failed.
    pub(crate) write_done: bool,
    /// What came of its last chunk is not all sent yet: it is not read.
    pub(crate) busy: bool,
    /// It waits for a receive buffer.
    pub(crate) starved: bool,
    pub(crate) shutdown: Shutdown,
    /// What goes to it, in order; pushed to by [`Half::queue`].
    pub(crate) outgoing: VecDeque<Outgoing>,
    /// From the moment that it turns to TLS.
    pub(crate) tls: Option<Box<Leg>>,
    /// What its last chunk ended with; a place for it is there only while something is held.
    held: Option<Box<Held>>,
}

/// Bytes that come back in front of the next ones.
pub(crate) struct Held {
    bytes: [u8; HOLD_MAX],
    len: usize,
}

/// Places for held bytes that nobody uses, so that none is made for a chunk. An idle session has none.
#[derive(Default)]
#[allow(clippy::vec_box)] // the box is what moves in and out of a half
pub(crate) struct Holds(Vec<Box<Held>>);

/// Queues that no side needs at the moment, so that none is made for a message: where nothing is on its way there is none.
#[derive(Default)]
pub(crate) struct Queues(Vec<VecDeque<Outgoing>>);

/// Whether we have told a side that no more bytes come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shutdown {
    No,
    /// As soon as the last piece is sent.
    Wanted,
    Done,
}

/// A piece on its way.
pub(crate) struct Outgoing {
    pub(crate) piece: Piece,
    /// Whose memory it names.
    pub(crate) turn: u32,
    /// It leaves when the records up to this one are on disk; 0: at once.
    pub(crate) after_seq: u64,
    /// In front of it this side stands between two messages. False where that is not known.
    pub(crate) opens: bool,
}

/// The memory that one call's pieces name, until all of them are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    /// The side whose chunk the call was given; it is not read before this turn ends.
    pub(crate) from: Option<Side>,
    pub(crate) buffer: Option<BufferId>,
    pub(crate) staged: Staged,
    pub(crate) left: u32,
    /// When the chunk came; 0 once the first of what came of it is on its way, or where there was none.
    pub(crate) came_ns: u64,
}

/// Staged bytes of one call: the session's own, what was decrypted, what was encrypted for one side or both; never all four.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Staged([Option<StagedId>; 3]);

impl Staged {
    pub(crate) fn of(id: StagedId) -> Staged {
        Staged([Some(id), None, None])
    }

    pub(crate) fn push(&mut self, id: StagedId) {
        let Some(place) = self.0.iter_mut().find(|place| place.is_none()) else {
            panic!("a call stages at most three")
        };
        *place = Some(id);
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = StagedId> {
        self.0.into_iter().flatten()
    }
}

/// Pieces that an unused queue keeps room for.
const OUTGOING_KEPT: usize = 64;
/// Unused queues that a shard keeps.
const QUEUES_KEPT: usize = 256;
/// Unused places for held bytes that a shard keeps.
const HOLDS_KEPT: usize = 256;

impl Holds {
    fn keep(&mut self, held: Box<Held>) {
        if self.0.len() < HOLDS_KEPT {
            self.0.push(held);
        }
    }
}

impl Queues {
    fn keep(&mut self, queue: VecDeque<Outgoing>) {
        if self.0.len() < QUEUES_KEPT && queue.capacity() <= OUTGOING_KEPT {
            self.0.push(queue);
        }
    }
}

impl<C: Conversation> Link<C> {
    pub(crate) fn new(conversation: C, tls: Arc<Tls>, agent: Socket, turned_away: bool) -> Link<C> {
        let mut link = Link {
            conversation,
            tls,
            phase: Phase::Open,
            operations: 0,
            halves: [Half::new(), Half::new()],
            read_agent: true,
            turned_away,
            told_lost: false,
            owes: 0,
            handshake: true,
            deadline_ns: NEVER,
            connect_by_ns: NEVER,
            connect_timed_out: false,
            end_by_ns: NEVER,
            accepted_ns: 0,
            opened_ns: 0,
            spent: Spent::default(),
            armed_at_ns: NEVER,
        };
        link.half(Side::Agent).socket = Some(agent);
        link.half(Side::Agent).connected = true;
        link
    }

    pub(crate) fn half(&mut self, side: Side) -> &mut Half {
        &mut self.halves[side as usize]
    }

    /// When the shard must look at it next.
    pub(crate) fn wake_ns(&self) -> u64 {
        self.deadline_ns.min(self.connect_by_ns).min(self.end_by_ns)
    }

    /// Whether a receive should be in flight on this side.
    pub(crate) fn wants_bytes(&mut self, side: Side) -> bool {
        !self.half(side).busy && self.will_want_bytes(side)
    }

    /// Whether one should be once what came of its last chunk is sent.
    pub(crate) fn will_want_bytes(&mut self, side: Side) -> bool {
        let phase = self.phase;
        let read_agent = self.read_agent;
        let half = self.half(side);
        let able = half.connected && !half.receiving && !half.read_done && !half.starved;
        let wanted = match (phase, side) {
            (Phase::Open, Side::Agent) => read_agent,
            (Phase::Open, Side::Database) => true,
            (Phase::Lingering, Side::Agent) => true,
            (Phase::Closing | Phase::Lingering | Phase::Ending | Phase::Closed, _) => false,
        };
        able && wanted
    }

    /// Whether what is sent to the agent next is read as the beginning of a message, if what is queued for it is forgotten.
    pub(crate) fn stands_between_messages(&mut self) -> bool {
        match self.half(Side::Agent).outgoing.front() {
            Some(front) => front.opens,
            None => self.conversation.is_between_messages(),
        }
    }

    /// Whether nothing is left to send on either side.
    pub(crate) fn is_sent(&self) -> bool {
        self.halves.iter().all(|half| half.outgoing.is_empty() && !half.sending)
    }
}

impl Half {
    fn new() -> Half {
        Half {
            socket: None,
            connected: false,
            receiving: false,
            sending: false,
            read_done: false,
            write_done: false,
            busy: false,
            starved: false,
            shutdown: Shutdown::No,
            outgoing: VecDeque::new(),
            tls: None,
            held: None,
        }
    }

    /// Whether an operation is in flight that waits for the other end.
    pub(crate) fn in_use(&self) -> bool {
        self.receiving || self.sending || !self.connected
    }

    /// Tells this side that no more bytes come, once the last is sent.
    pub(crate) fn want_shutdown(&mut self) {
        if self.shutdown == Shutdown::No {
            self.shutdown = Shutdown::Wanted;
        }
    }

    /// Keeps the last `len` bytes of a chunk for the next one.
    pub(crate) fn hold(&mut self, chunk: &[u8], len: usize, holds: &mut Holds) {
        assert!(len <= HOLD_MAX && len <= chunk.len(), "held more than a chunk's end");
        assert!(self.held.is_none(), "held bytes were not put in front of what came next");
        if len == 0 {
            return;
        }
        let mut held = holds.0.pop().unwrap_or_else(|| Box::new(Held { bytes: [0; HOLD_MAX], len: 0 }));
        held.bytes[..len].copy_from_slice(&chunk[chunk.len() - len..]);
        held.len = len;
        self.held = Some(held);
    }

    /// Appends the held bytes to those that come next.
    pub(crate) fn take_held(&mut self, into: &mut Vec<u8>, holds: &mut Holds) {
        let Some(mut held) = self.held.take() else { return };
        into.extend_from_slice(&held.bytes[..held.len]);
        held.bytes[..held.len].fill(0);
        holds.keep(held);
    }

    /// Puts the held bytes in front of newly received ones; returns where the chunk starts in the buffer.
    pub(crate) fn place_held(&mut self, buffer: &mut [u8], holds: &mut Holds) -> usize {
        let Some(mut held) = self.held.take() else { return HEADROOM };
        let start = HEADROOM - held.len;
        buffer[start..HEADROOM].copy_from_slice(&held.bytes[..held.len]);
        // They were the database's bytes: no copy stays behind.
        held.bytes[..held.len].fill(0);
        holds.keep(held);
        start
    }

    /// Where pieces for it go.
    pub(crate) fn queue(&mut self, queues: &mut Queues) -> &mut VecDeque<Outgoing> {
        if self.outgoing.capacity() == 0 {
            self.outgoing = queues.0.pop().unwrap_or_default();
        }
        &mut self.outgoing
    }

    /// Gives the queue back, if nothing is in it.
    pub(crate) fn give_back(&mut self, queues: &mut Queues) {
        if self.outgoing.is_empty() && self.outgoing.capacity() > 0 {
            queues.keep(std::mem::take(&mut self.outgoing));
        }
    }
}
