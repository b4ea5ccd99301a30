//! What one call asks of the shard: bytes to send, records to write, and when to come back.

use std::ops::Range;

use audit::{Event, RecordId};

use crate::{Asking, Block, JudgeAsk, LongResult, Secure, Tainted};

/// The most bytes of a chunk's end that a session hands back; the shard's buffers have this much headroom.
pub const HOLD_MAX: usize = 512;

/// One stretch of bytes to send, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A range of the chunk that this call was given.
    Chunk(Range<u32>),
    /// A range of [`Effects::own`].
    Own(Range<u32>),
}

impl Piece {
    /// How many bytes it is.
    pub(crate) fn len(&self) -> usize {
        let (Piece::Chunk(range) | Piece::Own(range)) = self;
        range.len()
    }
}

/// What becomes of the two sockets once the pieces of this call are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Finish {
    /// Nothing: the session goes on.
    #[default]
    No,
    /// The agent sent its last byte: end the database's receiving direction, go on reading from the database.
    ShutdownDatabase,
    /// The database sent its last byte: end the agent's receiving direction.
    ShutdownAgent,
    /// Send what is to be sent to both sides, then close both.
    Close,
    /// Close both at once; nothing more may leave.
    Abort,
}

/// A statement's outcome was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The record of its verdict.
    pub decision: RecordId,
    /// From its verdict to its outcome.
    pub duration_ns: u64,
}

/// Encoded records of one call, in the order in which they get their sequence numbers.
#[derive(Debug, Default)]
pub struct Records {
    bytes: Vec<u8>,
    ends: Vec<(u8, usize)>,
}

impl Records {
    /// How many records there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Each record's type (`audit::RecordType::code`) and payload.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &[u8])> {
        let mut start = 0;
        self.ends.iter().map(move |&(kind, end)| {
            let payload = self.bytes.get(start..end).unwrap_or_default();
            start = end;
            (kind, payload)
        })
    }

    /// Appends one event: only `audit` writes what goes into a record.
    pub(crate) fn push(&mut self, event: &Event<'_>) {
        audit::encode(event, &mut self.bytes);
        self.ends.push((event.record_type().code(), self.bytes.len()));
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

/// The answer to one input. The shard keeps one, clears it before each call, and so allocates nothing in steady state.
///
/// Order of execution: write `records` into the segment, wait for the disk if `durable`, send the pieces, then `finish`.
/// `read_agent`, `deadline` and `hold` state what holds from now on, not a change: every call sets them.
#[derive(Debug)]
pub struct Effects {
    /// Bytes that the session made; [`Piece::Own`] points into it.
    pub own: Vec<u8>,
    /// What goes to the agent, in order.
    pub to_agent: Vec<Piece>,
    /// What goes to the database, in order.
    pub to_database: Vec<Piece>,
    /// The last `hold` bytes (at most [`HOLD_MAX`]) of this chunk come back in front of the next one from the same side.
    pub hold: usize,
    /// To be written before any piece of this call leaves.
    pub records: Records,
    /// No piece to the database leaves before these records are on disk.
    pub durable: bool,
    /// What the statements of this call write into columns that nobody names: on disk before any piece leaves.
    pub tainted: Vec<Tainted>,
    /// Open the connection to [`crate::Open::origin`]; answered by `DatabaseConnected` or `DatabaseFailed`.
    pub connect: bool,
    /// A leg turns to TLS, once the pieces of this call are sent; answered by `AgentSecured` or `DatabaseSecured`.
    pub secure: Option<Secure>,
    /// What the control plane is told of held statements, once the records of this call are written.
    pub asking: Vec<Asking>,
    /// A large text that is to be judged on another thread.
    pub judge: Option<Box<JudgeAsk>>,
    /// The session whose held statement a cancel request is for: it is told [`crate::Input::CancelHeld`].
    pub cancel_held: Option<u64>,
    /// Statements that came to their outcome.
    pub ended: Vec<Ended>,
    /// What is not kept of results, to be hashed by whoever has the time; what nobody has is hashed with the result's end.
    pub blocks: Vec<Block>,
    /// Long results, to be packed and recorded by whoever has the time.
    #[allow(clippy::vec_box)] // they move on, one by one
    pub results: Vec<Box<LongResult>>,
    /// Statements of the agent that were refused because their records have no room: nobody else writes them down.
    pub unrecorded: u32,
    /// Statements that were refused, with a record.
    pub blocked: u32,
    /// Logins of agents that did not know the placeholder, with a record.
    pub wrong_placeholders: u32,
    /// Values that were masked in statements that came to their outcome.
    pub masked: u64,
    /// False: feed no more agent bytes until a call answers true. What was given already is kept by the session.
    pub read_agent: bool,
    /// What becomes of the sockets after the pieces are sent.
    pub finish: Finish,
    /// When `Input::Deadline` is wanted (monotonic nanoseconds); `None`: never. Replaces the last answer.
    pub deadline: Option<u64>,
}

impl Default for Effects {
    fn default() -> Effects {
        Effects {
            own: Vec::new(),
            to_agent: Vec::new(),
            to_database: Vec::new(),
            hold: 0,
            records: Records::default(),
            durable: false,
            tainted: Vec::new(),
            connect: false,
            secure: None,
            asking: Vec::new(),
            judge: None,
            cancel_held: None,
            ended: Vec::new(),
            blocks: Vec::new(),
            results: Vec::new(),
            unrecorded: 0,
            blocked: 0,
            wrong_placeholders: 0,
            masked: 0,
            read_agent: true,
            finish: Finish::No,
            deadline: None,
        }
    }
}

impl Effects {
    /// Empties it for the next call; capacities stay.
    pub fn clear(&mut self) {
        self.own.clear();
        self.to_agent.clear();
        self.to_database.clear();
        self.hold = 0;
        self.records.clear();
        self.durable = false;
        self.tainted.clear();
        self.connect = false;
        self.secure = None;
        self.asking.clear();
        self.judge = None;
        self.cancel_held = None;
        self.ended.clear();
        self.blocks.clear();
        self.results.clear();
        self.unrecorded = 0;
        (self.blocked, self.wrong_placeholders, self.masked) = (0, 0, 0);
        self.read_agent = true;
        self.finish = Finish::No;
        self.deadline = None;
    }

    /// Where own bytes written from now on begin.
    pub(crate) fn mark(&self) -> usize {
        self.own.len()
    }

    /// Sends to the agent what was written to `own` since `mark`.
    pub(crate) fn agent_own(&mut self, mark: usize) {
        push_own(&mut self.to_agent, mark, self.own.len());
    }

    /// Sends to the database what was written to `own` since `mark`.
    pub(crate) fn database_own(&mut self, mark: usize) {
        push_own(&mut self.to_database, mark, self.own.len());
    }

    /// Sends a range of the chunk to the agent.
    pub(crate) fn agent_chunk(&mut self, range: Range<usize>) {
        push_chunk(&mut self.to_agent, range);
    }

    /// Sends a range of the chunk to the database.
    pub(crate) fn database_chunk(&mut self, range: Range<usize>) {
        push_chunk(&mut self.to_database, range);
    }
}

/// Offsets fit: a chunk is at most a shard's buffer and `own` at most the largest frame limit, both far below 4 GiB.
fn narrow(range: Range<usize>) -> Range<u32> {
    debug_assert!(u32::try_from(range.end).is_ok());
    range.start as u32..range.end as u32
}

fn push_own(pieces: &mut Vec<Piece>, start: usize, end: usize) {
    if start == end {
        return;
    }
    let range = narrow(start..end);
    match pieces.last_mut() {
        Some(Piece::Own(last)) if last.end == range.start => last.end = range.end,
        _ => pieces.push(Piece::Own(range)),
    }
}

fn push_chunk(pieces: &mut Vec<Piece>, range: Range<usize>) {
    if range.is_empty() {
        return;
    }
    let range = narrow(range);
    match pieces.last_mut() {
        Some(Piece::Chunk(last)) if last.end == range.start => last.end = range.end,
        _ => pieces.push(Piece::Chunk(range)),
    }
}
