//! One shard: one thread, one driver, its sessions. The loop, and what each completion means.
//!
//! A chunk's way: [`receive`](crate::flow) hands it to the session, [`act`](crate::act) journals and queues what came of it,
//! `flow` sends it and then, and only then, reads that side again. So memory per direction is one buffer, and a slow reader on
//! one side stops the reads on the other. [`ending`](crate::ending) is how a session leaves.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use audit::token::CardKey;
use policy::Policy;
use session::{Budgets, Cancels, Catalogs, Effects, Input, Limits, Now, ResultMemory, Session, StatementCache};
use uring::{Completion, Direction, Errno, Listener, Op};

use crate::aside::LargeLine;
use crate::asks::{AskLine, Asks};
use crate::conversation::Conversation;
use crate::counters::Counters;
use crate::driver::Driver;
use crate::hashing::HashLine;
use crate::journal::{Journal, RecordFailure};
use crate::latency::Stage;
use crate::link::{Holds, Link, Phase, Queues, Side, Turn};
use crate::mailbox::{Inbox, Mailbox, Message};
use crate::origins::Origins;
use crate::results::ResultLine;
use crate::settings::{Durability, ShardLimits};
use crate::slab::Slab;
use crate::slow::SlowLog;
use crate::tainted::TaintFile;
use crate::timers::Timers;
use crate::token::Task;

/// The loop turns at least this often, so that the watchdog sees it.
const TICK_NS: u64 = 1_000_000_000;
/// How often the wall's clock is read at most.
const WALL_NS: u64 = 1_000_000;
/// How often entries of connections that never came are swept out of the kernel map.
const SWEEP_NS: u64 = 10_000_000_000;

/// Why a shard has stopped. Its listener is closed and its sessions have ended; the other shards serve on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// It was told to, and its last session is over.
    Drained,
    /// The ring is broken.
    Driver(Errno),
    /// A record could not be brought to disk: nothing written since can be trusted.
    Sync(Errno),
    /// A store into the record was lost.
    RecordBroken,
    /// Not even a session's last record had room.
    RecordFull,
}

impl Stopped {
    /// Whether nothing that depends on the record may leave any more.
    pub(crate) fn is_record_lost(self) -> bool {
        matches!(self, Stopped::Sync(_) | Stopped::RecordBroken | Stopped::RecordFull)
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stopped::Drained => f.write_str("drained"),
            Stopped::Driver(errno) => write!(f, "the io_uring is broken: {errno}"),
            Stopped::Sync(errno) => write!(f, "the record could not be synced: {errno}"),
            Stopped::RecordBroken => f.write_str("a store into the record was lost (SIGBUS)"),
            Stopped::RecordFull => f.write_str("the record is full and no next segment could be made"),
        }
    }
}

impl std::error::Error for Stopped {}

impl From<RecordFailure> for Stopped {
    fn from(failure: RecordFailure) -> Stopped {
        match failure {
            RecordFailure::Full | RecordFailure::Unfit => Stopped::RecordFull,
            RecordFailure::Broken => Stopped::RecordBroken,
        }
    }
}

/// All that a shard is given at its start.
pub struct Parts<D: Driver> {
    /// The ring, or a simulated world.
    pub driver: D,
    /// Number of the shard.
    pub shard: u16,
    /// Listeners that the driver owns.
    pub listeners: Vec<Listener>,
    /// Who is behind a redirected connection.
    pub origins: Box<dyn Origins>,
    /// Bounds of the shard.
    pub shard_limits: ShardLimits,
    /// Bounds of each session.
    pub limits: Limits,
    /// When records must be on disk.
    pub durability: Durability,
    /// The policy in force.
    pub policy: Arc<Policy>,
    /// Issued cancel keys of all shards.
    pub cancels: Arc<dyn Cancels + Send + Sync>,
    /// Where sensitive values were written, of all shards.
    pub tainted: Arc<TaintFile>,
    /// What agents have spent of their questions, on all shards.
    pub budgets: Arc<Budgets>,
    /// The record.
    pub journal: Journal<D::Target, D::Memory>,
    /// What the rest of the process says.
    pub inbox: Inbox,
    /// What the rest of the process may read.
    pub counters: Arc<Counters>,
    /// Where slow statements are told.
    pub slow: SlowLog,
    /// Where people are asked.
    pub ask_line: AskLine,
    /// Where large statements are judged.
    pub large: LargeLine,
    /// Where what is not kept of them is hashed.
    pub hashing: HashLine,
    /// Where long results are packed.
    pub results: ResultLine,
    /// What card numbers are told by in the record.
    pub card_key: Arc<CardKey>,
    /// The mailboxes of all shards, this one's too.
    pub shards: Vec<Mailbox>,
}

/// See the module's documentation.
pub struct Shard<D: Driver, C: Conversation = Session> {
    pub(crate) parts: Parts<D>,
    /// The clocks: the wall's as of the last completions, the monotonic one as of the call at hand.
    pub(crate) now: Now,
    /// No call was made since `now` was read.
    pub(crate) now_is_fresh: bool,
    /// When the wall's clock was read, by both.
    walled: Now,
    pub(crate) links: Slab<Box<Link<C>>>,
    pub(crate) turns: Slab<Turn>,
    pub(crate) timers: Timers,
    pub(crate) statements: StatementCache,
    pub(crate) catalogs: Catalogs,
    pub(crate) effects: Effects,
    pub(crate) asks: Asks,
    /// Sides that found no receive buffer, in the order in which they asked.
    pub(crate) starved: VecDeque<(u32, Side)>,
    /// Calls whose pieces wait for the disk, by the record that they wait for.
    pub(crate) waiting: VecDeque<Waiting>,
    /// Stages that end when the operations queued so far are handed to the kernel, each with its begin.
    pub(crate) leaving: Vec<(Stage, u64)>,
    pub(crate) holds: Holds,
    pub(crate) queues: Queues,
    /// Before the call at hand its session's agent stood between two messages.
    pub(crate) opens: bool,
    /// The pieces of the send that is being put together.
    pub(crate) pieces: Vec<uring::Piece>,
    /// What the chunk at hand held, decrypted.
    pub(crate) plain: Vec<u8>,
    /// Pieces that are encrypted as one.
    pub(crate) gathered: Vec<u8>,
    /// What they became.
    pub(crate) cipher: Vec<u8>,
    pub(crate) per_agent: HashMap<String, u32>,
    pub(crate) handshakes: u32,
    /// Bytes of records that the open sessions will write whatever happens.
    pub(crate) owed: usize,
    pub(crate) sessions_opened: u64,
    /// Long results that are being packed.
    pub(crate) packing: u32,
    /// What results that are being recorded may take.
    pub(crate) results: ResultMemory,
    /// Whether an accept is in flight, per listener.
    pub(crate) accepting: Vec<bool>,
    /// After a failed accept: not before then.
    pub(crate) accept_after_ns: u64,
    /// Set while draining: when all sessions end.
    pub(crate) drain_until_ns: Option<u64>,
    pub(crate) completions: Vec<Completion>,
    /// When the completions at hand came.
    pub(crate) reaped_ns: u64,
    swept_ns: u64,
}

/// A call whose pieces wait for the disk.
#[derive(Clone, Copy)]
pub(crate) struct Waiting {
    /// For the records up to this one.
    pub(crate) seq: u64,
    pub(crate) link: u32,
    pub(crate) since_ns: u64,
}

impl<D: Driver, C: Conversation> Shard<D, C> {
    /// A shard that has not begun.
    pub fn new(parts: Parts<D>) -> Shard<D, C> {
        Shard {
            accepting: vec![false; parts.listeners.len()],
            swept_ns: parts.driver.mono_ns(),
            now: parts.driver.now(),
            now_is_fresh: true,
            walled: parts.driver.now(),
            links: Slab::new(),
            turns: Slab::new(),
            timers: Timers::default(),
            statements: StatementCache::default(),
            catalogs: Catalogs::with(
                Arc::clone(&parts.counters.evidence),
                Arc::clone(parts.tainted.taints()),
                Arc::clone(&parts.budgets),
            ),
            effects: Effects::default(),
            asks: Asks::new(parts.ask_line.clone(), parts.large.clone(), parts.shards.clone()),
            starved: VecDeque::new(),
            waiting: VecDeque::new(),
            leaving: Vec::new(),
            holds: Holds::default(),
            queues: Queues::default(),
            opens: false,
            pieces: Vec::new(),
            plain: Vec::new(),
            gathered: Vec::new(),
            cipher: Vec::new(),
            per_agent: HashMap::new(),
            handshakes: 0,
            owed: 0,
            sessions_opened: 0,
            packing: 0,
            results: ResultMemory::new(parts.shard_limits.results),
            accept_after_ns: 0,
            drain_until_ns: None,
            completions: Vec::new(),
            reaped_ns: 0,
            parts,
        }
    }

    /// Serves until it stops; says why.
    pub fn run(&mut self) -> Stopped {
        self.start();
        let stopped = loop {
            if let Err(stopped) = self.turn() {
                break stopped;
            }
        };
        if stopped.is_record_lost() {
            self.last_words();
        }
        self.stop();
        stopped
    }

    /// Arms what is always armed.
    pub(crate) fn start(&mut self) {
        let file = self.parts.inbox.file();
        self.parts.driver.submit(Task::Mailbox.token(0), Op::Poll { file });
        self.accept_more();
        // Alive from now on, not only from the first turn's end.
        self.count();
    }

    /// One turn of the loop: one wait, and all that came of it.
    pub(crate) fn turn(&mut self) -> Result<(), Stopped> {
        self.departed();
        let until_ns = self.wait_until_ns();
        let mut completions = std::mem::take(&mut self.completions);
        self.parts.driver.complete(until_ns, &mut completions).map_err(Stopped::Driver)?;
        self.read_clocks();
        self.reaped_ns = self.now.mono_ns;
        for completion in completions.drain(..) {
            self.completed(completion)?;
        }
        self.completions = completions;
        self.fire_timers(self.now.mono_ns)?;
        self.deny_unheard()?;
        self.feed_starved();
        self.accept_more();
        self.housekeeping(self.now.mono_ns)?;
        // What is being packed belongs to the record too, as long as there is time.
        let packed = |until_ns| self.packing == 0 || self.now.mono_ns >= until_ns;
        let over = self.drain_until_ns.is_some_and(|until_ns| self.links.len() == 0 && packed(until_ns));
        if over {
            self.parts.journal.stop(self.now)?;
        }
        self.parts.journal.turn(&mut self.parts.driver, self.now)?;
        self.count();
        if over && self.parts.journal.is_synced() { Err(Stopped::Drained) } else { Ok(()) }
    }

    /// What was queued is about to be handed to the kernel: the stages that end with it are told.
    fn departed(&mut self) {
        if self.leaving.is_empty() {
            return;
        }
        self.now.mono_ns = self.parts.driver.mono_ns();
        for (stage, from_ns) in self.leaving.drain(..) {
            self.parts.counters.latencies.record(stage, self.now.mono_ns.saturating_sub(from_ns));
        }
    }

    /// The clocks, as of now. The wall's is read once a millisecond; in between it goes as the monotonic one does.
    fn read_clocks(&mut self) {
        let mono_ns = self.parts.driver.mono_ns();
        let since_ns = mono_ns.saturating_sub(self.walled.mono_ns);
        if since_ns >= WALL_NS {
            self.walled = self.parts.driver.now();
            self.now = self.walled;
        } else {
            self.now = Now { mono_ns, wall_ns: self.walled.wall_ns.saturating_add(since_ns) };
        }
        self.now_is_fresh = true;
    }

    fn wait_until_ns(&self) -> u64 {
        let now_ns = self.now.mono_ns;
        let mut until_ns = (now_ns + TICK_NS).min(self.timers.next_ns()).min(self.parts.journal.due_ns());
        if self.accept_after_ns > now_ns {
            until_ns = until_ns.min(self.accept_after_ns);
        }
        until_ns
    }

    fn completed(&mut self, completion: Completion) -> Result<(), Stopped> {
        let (task, index) = Task::of(completion.token);
        match task {
            Task::Accept => self.accepted(index, completion),
            Task::Mailbox => self.read_mail(),
            Task::Sync => self.synced(completion.result),
            Task::Discard => Ok(()),
            Task::Receive(side) => self.received(index, side, completion),
            Task::Send(side) => self.sent(index, side, completion.result),
            Task::Connect => self.connected(index, completion.result),
            Task::Close(side) => self.closed(index, side),
        }
    }

    fn read_mail(&mut self) -> Result<(), Stopped> {
        self.parts.inbox.open();
        let file = self.parts.inbox.file();
        self.parts.driver.submit(Task::Mailbox.token(0), Op::Poll { file });
        while let Some(message) = self.parts.inbox.next() {
            Counters::add(&self.parts.counters.mail, 1);
            match message {
                Message::Reload(policy) => self.parts.policy = policy,
                Message::Record { kind, payload } => {
                    self.parts.journal.prepare(self.now)?;
                    self.parts.journal.append_last(kind, 0, self.now, &payload)?;
                }
                Message::Vote { session, vote } => self.vote(session, vote)?,
                Message::EndReveal { session, ask } => self.end_reveal(session, ask)?,
                Message::CancelHeld { session } => self.cancel_held(session)?,
                Message::Unheard { session, ask } => self.unheard(session, ask)?,
                Message::Estimated { session, number, estimate } => self.estimated(session, number, estimate)?,
                Message::Judged { session, number, verdict } => self.judged(session, number, verdict)?,
                Message::Result { session, packed } => self.packed(session, &packed)?,
                Message::Given { session, login } => self.given(session, login)?,
                Message::Identified { session, token } => self.identified(session, token)?,
                Message::CancelIsOver { session, number } => self.cancel_is_over(session, number)?,
                Message::Signed { whose, signed } => self.signed(&whose, &signed)?,
                Message::End { session, why } => self.end_session(session, why)?,
                Message::Sessions(to) => self.tell_sessions(&to),
                Message::Hits(to) => {
                    // Whoever asked and does not take it has left.
                    let _ = to.try_send(self.statements.hits());
                }
                Message::Drain { until_ns } => self.drain(until_ns)?,
            }
        }
        Ok(())
    }

    fn drain(&mut self, until_ns: u64) -> Result<(), Stopped> {
        self.drain_until_ns = Some(until_ns);
        for listener in std::mem::take(&mut self.parts.listeners) {
            self.parts.driver.close_listener(listener);
        }
        let mut next = self.links.next(0);
        while let Some(index) = next {
            let link = self.links.at(index);
            link.end_by_ns = link.end_by_ns.min(until_ns);
            self.timers.want(index, link.end_by_ns, &mut link.armed_at_ns);
            if link.phase == Phase::Open {
                self.tell(index, Input::Stop)?;
            }
            next = self.links.next(index + 1);
        }
        Ok(())
    }

    fn fire_timers(&mut self, now_ns: u64) -> Result<(), Stopped> {
        while let Some((at_ns, index)) = self.timers.pop(now_ns) {
            let Some(link) = self.links.get(index) else { continue };
            if link.armed_at_ns != at_ns {
                continue;
            }
            link.armed_at_ns = crate::timers::NEVER;
            self.timer_fired(index, now_ns)?;
            if let Some(link) = self.links.get(index) {
                self.timers.want(index, link.wake_ns(), &mut link.armed_at_ns);
            }
        }
        Ok(())
    }

    /// Arms as many of the receives that had found no buffer as there are buffers now, in the order in which they asked.
    fn feed_starved(&mut self) {
        for _ in 0..self.starved.len().min(self.parts.driver.buffers_free()) {
            let Some((index, side)) = self.starved.pop_front() else { return };
            if let Some(link) = self.links.get(index) {
                link.half(side).starved = false;
                self.receive_more(index, side);
            }
        }
    }

    fn housekeeping(&mut self, now_ns: u64) -> Result<(), Stopped> {
        if now_ns.saturating_sub(self.swept_ns) >= SWEEP_NS {
            self.swept_ns = now_ns;
            self.parts.origins.sweep();
        }
        if self.parts.journal.is_broken() { Err(Stopped::RecordBroken) } else { Ok(()) }
    }

    fn synced(&mut self, result: Result<u32, Errno>) -> Result<(), Stopped> {
        self.parts.journal.synced(result, self.now.mono_ns).map_err(Stopped::Sync)?;
        Counters::add(&self.parts.counters.syncs, 1);
        while let Some(Waiting { seq, link: index, since_ns }) = self.waiting.front().copied() {
            if seq > self.parts.journal.synced_seq() {
                break;
            }
            self.waiting.pop_front();
            let waited_ns = self.now.mono_ns.saturating_sub(since_ns);
            self.parts.counters.latencies.record(Stage::RecordWait, waited_ns);
            if let Some(link) = self.links.get(index) {
                link.spent.record_ns += waited_ns;
                self.send_more(index, Side::Agent);
                self.send_more(index, Side::Database);
            }
        }
        Ok(())
    }

    /// The end of the shard: nothing more leaves. What is in flight dies with the driver.
    fn stop(&mut self) {
        for listener in std::mem::take(&mut self.parts.listeners) {
            self.parts.driver.close_listener(listener);
        }
        let mut next = self.links.next(0);
        while let Some(index) = next {
            for side in Side::BOTH {
                if let Some(socket) = self.links.at(index).half(side).socket {
                    self.parts.driver.shutdown(socket, Direction::Both);
                }
            }
            next = self.links.next(index + 1);
        }
        Counters::set(&self.parts.counters.sessions, 0);
        Counters::set(&self.parts.counters.handshakes, 0);
        Counters::set(&self.parts.counters.stopped, 1);
    }

    fn count(&mut self) {
        let counters = &self.parts.counters;
        Counters::set(&counters.ticked_ns, self.now.mono_ns);
        Counters::set(&counters.sessions, self.links.len() as u64);
        Counters::set(&counters.handshakes, u64::from(self.handshakes));
        Counters::set(&counters.record_full, u64::from(!self.parts.journal.has_room(self.owed)));
        Counters::set(&counters.records, self.parts.journal.last_seq());
        Counters::set(&counters.last_seq, self.parts.journal.last_seq());
        Counters::set(&counters.synced_seq, self.parts.journal.synced_seq());
        Counters::set(&counters.result_bytes, self.results.taken() as u64);
    }
}
