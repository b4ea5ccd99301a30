//! Starting all shards, and the handle by which the rest of the process speaks to them.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;
use std::{fmt, io};

use audit::segment::Identity;
use policy::Policy;
use session::{AskId, Asking, Budgets, Cancels, Estimate, Evidence, Injected, Masked, Raised, RuleHits, Signed, Vote};
use uring::{BoundListeners, Missing, Ring};

use crate::aside::{self, LargeLine};
use crate::asks::{AskLine, Asks, WAITING_MAX, ask_line};
use crate::cancels::Registry;
use crate::counters::{Counters, Snapshot};
use crate::hashing::{self, HashLine};
use crate::head::DurableHead;
use crate::journal::Journal;
use crate::latency::{Spread, Stage};
use crate::left;
use crate::mailbox::{Inbox, Mailbox, Message, Unheard, Whose, mailbox};
use crate::origins::Origins;
use crate::recovery::{self, Lock, OpenError};
use crate::results::{self, ResultLine};
use crate::sessions::LiveSession;
use crate::settings::Settings;
use crate::shard::{Parts, Shard, Stopped};
use crate::slow::{Slow, SlowLog, slow_log};
use crate::tail;
use crate::tainted::TaintFile;

/// Submission entries of a shard's ring.
const RING_ENTRIES: u32 = 1024;

/// Why the shards could not be started. Each names who must act.
#[derive(Debug)]
pub enum StartError {
    /// The host: its kernel lacks something.
    Ring(Missing),
    /// The host: the port is taken, or may not be bound.
    Listen(io::Error),
    /// The operator: the record's directory cannot be used.
    Record(OpenError),
    /// The operator: what is remembered of where sensitive values were written cannot be read.
    Tainted(io::Error),
    /// The host: no thread, no descriptor.
    Host(io::Error),
    /// The caller: there must be as many origins as shards, and at least one.
    Origins,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Ring(missing) => missing.fmt(f),
            StartError::Listen(error) => write!(f, "cannot listen on the proxy's port: {error}"),
            StartError::Record(error) => error.fmt(f),
            StartError::Tainted(error) => {
                write!(f, "cannot read the file `tainted` in the record's directory: {error}")
            }
            StartError::Host(error) => write!(f, "cannot start a shard: {error}"),
            StartError::Origins => f.write_str("one set of origins per shard is needed, and at least one shard"),
        }
    }
}

impl std::error::Error for StartError {}

/// The running shards. Dropping it tells nobody anything: call [`Handle::drain`] and [`Handle::join`].
pub struct Handle {
    port: u16,
    shards: Vec<Running>,
    asks: Option<Receiver<Asking>>,
}

struct Running {
    mailbox: Mailbox,
    counters: Arc<Counters>,
    head: Arc<DurableHead>,
    fate: Arc<OnceLock<Stopped>>,
    slow: Receiver<Slow>,
    thread: JoinHandle<()>,
}

/// Starts all shards, one thread each, and returns when every one listens. `origins` are one per shard.
///
/// Call it after privileges were dropped: io_uring's worker threads keep the credentials of the ring's maker.
pub fn start(settings: &Settings, policy: Arc<Policy>, origins: Vec<Box<dyn Origins>>) -> Result<Handle, StartError> {
    if origins.is_empty() || origins.len() != usize::from(settings.shards) {
        return Err(StartError::Origins);
    }
    uring::probe().map_err(StartError::Ring)?;
    let bound = uring::bind_listeners(settings.port, settings.shards).map_err(StartError::Listen)?;
    let port = match bound.first() {
        Some(first) => first.v4.local_addr().map_err(StartError::Listen)?.port(),
        None => return Err(StartError::Origins),
    };
    let cpus = uring::allowed_cpus().map_err(StartError::Host)?;
    let cancels: Arc<dyn Cancels + Send + Sync> = Arc::new(Registry::default());
    let identity = identity(settings);
    let lock = Arc::new(recovery::lock(&settings.record.directory).map_err(StartError::Record)?);
    left::take_in_locked(&settings.record.directory).map_err(StartError::Record)?;
    let raised = Arc::new(Raised::default());
    let tainted = Arc::new(TaintFile::open(&settings.record.directory).map_err(StartError::Tainted)?);
    let budgets = Arc::new(Budgets::default());
    let mut shards = Vec::with_capacity(origins.len());
    let (ask_line, asks) = ask_line(WAITING_MAX);
    let boxes = (0..origins.len()).map(|_| mailbox()).collect::<Result<Vec<_>, _>>().map_err(StartError::Host)?;
    let mailboxes: Vec<Mailbox> = boxes.iter().map(|(mailbox, _)| mailbox.clone()).collect();
    let large = aside::start(mailboxes.clone()).map_err(StartError::Host)?;
    let results = results::start(mailboxes.clone()).map_err(StartError::Host)?;
    let hashing = hashing::start(mailboxes.len()).map_err(StartError::Host)?;
    let (ready, all_ready) = channel();
    for (number, ((listeners, origins), (mailbox, inbox))) in bound.into_iter().zip(origins).zip(boxes).enumerate() {
        let number = u16::try_from(number).map_err(|_| StartError::Origins)?;
        let counters = Arc::new(Counters::with(&raised));
        let journal = recovery::open(&settings.record, identity, number).map_err(StartError::Record)?;
        let head = journal.head();
        let fate = Arc::new(OnceLock::new());
        let (slow_log, slow) = slow_log(settings.shard.slow);
        let seed = Seed {
            lock: Arc::clone(&lock),
            number,
            // More shards than CPUs: they share, in turn.
            cpu: cpus.get(usize::from(number) % cpus.len().max(1)).copied(),
            settings: settings.clone(),
            listeners,
            origins,
            policy: Arc::clone(&policy),
            cancels: Arc::clone(&cancels),
            tainted: Arc::clone(&tainted),
            budgets: Arc::clone(&budgets),
            journal,
            inbox,
            counters: Arc::clone(&counters),
            slow: slow_log,
            ask_line: ask_line.clone(),
            large: large.clone(),
            results: results.clone(),
            hashing: hashing.clone(),
            shards: mailboxes.clone(),
        };
        let (ready, told) = (ready.clone(), Arc::clone(&fate));
        let thread = Builder::new()
            .name(format!("shard-{number}"))
            .stack_size(aside::STACK_BYTES)
            .spawn(move || serve(seed, &ready, &told))
            .map_err(StartError::Host)?;
        shards.push(Running { mailbox, counters, head, fate, slow, thread });
    }
    for _ in 0..shards.len() {
        match all_ready.recv() {
            Ok(Ok(())) => {}
            Ok(Err(missing)) => return Err(StartError::Ring(missing)),
            Err(_) => return Err(StartError::Host(io::ErrorKind::BrokenPipe.into())),
        }
    }
    Ok(Handle { port, shards, asks: Some(asks) })
}

/// What a shard's thread is born with. The ring is made on the thread: it is tied to it.
struct Seed {
    /// No other process writes the record while this one does.
    lock: Arc<Lock>,
    number: u16,
    cpu: Option<u32>,
    settings: Settings,
    listeners: BoundListeners,
    origins: Box<dyn Origins>,
    policy: Arc<Policy>,
    cancels: Arc<dyn Cancels + Send + Sync>,
    tainted: Arc<TaintFile>,
    budgets: Arc<Budgets>,
    journal: Journal<uring::SegmentFile, uring::MappedSegment>,
    inbox: Inbox,
    counters: Arc<Counters>,
    slow: SlowLog,
    ask_line: AskLine,
    large: LargeLine,
    results: ResultLine,
    hashing: HashLine,
    shards: Vec<Mailbox>,
}

fn serve(seed: Seed, ready: &Sender<Result<(), Missing>>, fate: &OnceLock<Stopped>) {
    let _held = seed.lock;
    if let Some(cpu) = seed.cpu {
        // A host that forbids it serves all the same, only with less locality.
        let _ = uring::pin_to(cpu);
    }
    let limits = seed.settings.shard;
    let mut ring = match Ring::new(&uring::Settings { entries: RING_ENTRIES, buffers: limits.buffers }) {
        Ok(ring) => ring,
        Err(missing) => {
            let _ = ready.send(Err(missing));
            return;
        }
    };
    let tail = seed.settings.record.directory.join(tail::file_name(seed.number));
    let mut listeners = vec![ring.listen(seed.listeners.v4)];
    listeners.extend(seed.listeners.v6.map(|v6| ring.listen(v6)));
    let mut shard: Shard<Ring> = Shard::new(Parts {
        driver: ring,
        shard: seed.number,
        listeners,
        origins: seed.origins,
        shard_limits: limits,
        limits: seed.settings.limits,
        durability: seed.settings.record.durability,
        policy: seed.policy,
        cancels: seed.cancels,
        tainted: seed.tainted,
        budgets: seed.budgets,
        journal: seed.journal,
        inbox: seed.inbox,
        counters: seed.counters,
        slow: seed.slow,
        ask_line: seed.ask_line,
        large: seed.large,
        results: seed.results,
        hashing: seed.hashing,
        card_key: seed.settings.card_key,
        shards: seed.shards,
    });
    let _ = ready.send(Ok(()));
    let stopped = shard.run();
    if matches!(stopped, Stopped::Drained) {
        // All is in the segments. Where it stays, the next start finds nothing in it that they lack.
        let _ = std::fs::remove_file(tail);
    }
    let _ = fate.set(stopped);
}

/// Whose record it is, for the segments' headers. A host without these files has zeros in their place.
fn identity(settings: &Settings) -> Identity {
    let hex = |path: &str| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
        u128::from_str_radix(&digits, 16).unwrap_or(0).to_be_bytes()
    };
    Identity {
        shards: settings.shards,
        boot_id: settings.record.boot_id.unwrap_or_else(|| hex("/proc/sys/kernel/random/boot_id")),
        host_id: hex("/etc/machine-id"),
        config: settings.record.config,
    }
}

impl Handle {
    /// The port that the shards listen on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Judge by this policy from now on, on every shard. Statements under way keep the verdict that they have.
    pub fn reload(&self, policy: &Arc<Policy>) -> Result<(), Unheard> {
        self.tell_all(|| Message::Reload(Arc::clone(policy)))
    }

    /// Writes a record that belongs to no session (policy load, service start, …) on the first shard that still runs.
    pub fn record(&self, kind: u8, payload: &[u8]) -> Result<(), Unheard> {
        let message = || Message::Record { kind, payload: payload.to_vec() };
        let mut alive = self.shards.iter().filter(|shard| shard.fate.get().is_none());
        alive.next().map_or(Err(Unheard), |shard| shard.mailbox.send(message()))
    }

    /// Accept nothing more, let each session finish the statement that runs, and end all at `until_ns` (monotonic) at the latest.
    pub fn drain(&self, until_ns: u64) -> Result<(), Unheard> {
        self.tell_all(|| Message::Drain { until_ns })
    }

    /// What sessions tell the control plane of held statements; whoever takes it must read it, or what is held is denied.
    pub fn take_asks(&mut self) -> Option<Receiver<Asking>> {
        self.asks.take()
    }

    /// Hands a person's word to the session that waits for it.
    pub fn vote(&self, session: u64, vote: Vote) -> Result<(), Unheard> {
        self.shard_of(session)?.mailbox.send(Message::Vote { session, vote: Box::new(vote) })
    }

    /// Nobody can be asked about what the session holds: it is denied.
    pub fn unheard(&self, session: u64, ask: AskId) -> Result<(), Unheard> {
        self.shard_of(session)?.mailbox.send(Message::Unheard { session, ask })
    }

    /// What the session is shown clear under this approval is over.
    pub fn end_reveal(&self, session: u64, ask: AskId) -> Result<(), Unheard> {
        self.shard_of(session)?.mailbox.send(Message::EndReveal { session, ask })
    }

    /// Hands the planner's word to the session that waits for it.
    pub fn estimated(&self, session: u64, number: u64, estimate: Option<Estimate>) -> Result<(), Unheard> {
        self.shard_of(session)?.mailbox.send(Message::Estimated { session, number, estimate })
    }

    /// Hands the session its login, or tells it why there is none.
    pub fn given(&self, session: u64, login: Result<Arc<Injected>, Masked>) -> Result<(), Unheard> {
        self.shard_of(session)?.mailbox.send(Message::Given { session, login: login.map_err(Box::new) })
    }

    /// Hands the session its job's token, or tells it why there is none.
    pub fn identified(&self, session: u64, token: Result<Arc<Signed>, Masked>) -> Result<(), Unheard> {
        self.shard_of(session)?.mailbox.send(Message::Identified { session, token: token.map_err(Box::new) })
    }

    /// Tells the session that its cancel is over.
    pub fn cancel_is_over(&self, session: u64, number: u64) -> Result<(), Unheard> {
        self.shard_of(session)?.mailbox.send(Message::CancelIsOver { session, number })
    }

    /// The sessions of this job are told what its token says now, on every shard.
    pub fn signed(&self, whose: &Whose, signed: &Arc<Signed>) -> Result<(), Unheard> {
        self.tell_all(|| Message::Signed { whose: whose.clone(), signed: Arc::clone(signed) })
    }

    /// A person ends this session, whatever runs: its agent is told who and why (57P01).
    pub fn end_session(&self, session: u64, why: Masked) -> Result<(), Unheard> {
        self.shard_of(session)?.mailbox.send(Message::End { session, why: Box::new(why) })
    }

    /// The open sessions, at most 1024 of each shard. A shard that does not answer within `patience` is left out.
    pub fn sessions(&self, patience: Duration) -> Vec<LiveSession> {
        self.ask_all(patience, Message::Sessions).into_iter().flatten().collect()
    }

    /// How often each rule decided, by shard. One that does not answer within `patience` is left out.
    pub fn hits(&self, patience: Duration) -> Vec<RuleHits> {
        self.ask_all(patience, Message::Hits)
    }

    fn ask_all<T>(&self, patience: Duration, message: impl Fn(SyncSender<T>) -> Message) -> Vec<T> {
        let alive = self.shards.iter().filter(|shard| shard.fate.get().is_none());
        let asked: Vec<_> = alive
            .filter_map(|shard| {
                let (to, told) = sync_channel(1);
                shard.mailbox.send(message(to)).ok().map(|()| told)
            })
            .collect();
        asked.iter().filter_map(|told| told.recv_timeout(patience).ok()).collect()
    }

    fn shard_of(&self, session: u64) -> Result<&Running, Unheard> {
        self.shards.get(Asks::shard_of(session)).filter(|shard| shard.fate.get().is_none()).ok_or(Unheard)
    }

    /// The counters of each shard.
    pub fn snapshots(&self) -> Vec<Snapshot> {
        self.shards.iter().map(|shard| shard.counters.snapshot()).collect()
    }

    /// How far each shard's record is on disk; readable after the shards have stopped, too.
    pub fn heads(&self) -> Vec<Arc<DurableHead>> {
        self.shards.iter().map(|shard| Arc::clone(&shard.head)).collect()
    }

    /// What each shard saw in the columns of tables; readable while the shards run.
    pub fn evidence(&self) -> impl Iterator<Item = &Evidence> {
        self.shards.iter().map(|shard| &*shard.counters.evidence)
    }

    /// How the times of a stage spread over all shards since their start.
    pub fn spread(&self, stage: Stage) -> Spread {
        let mut spread = Spread::default();
        for shard in &self.shards {
            shard.counters.latencies.add_to(stage, &mut spread);
        }
        spread
    }

    /// Slow statements that nobody was told of yet, oldest first within each shard.
    pub fn slow(&self) -> Vec<Slow> {
        self.shards.iter().flat_map(|shard| shard.slow.try_iter()).collect()
    }

    /// Whether every shard's loop has turned since `since_ns` (monotonic): food for the watchdog. Each turns at least once a second.
    pub fn ticked_since(&self, since_ns: u64) -> bool {
        self.shards.iter().all(|shard| shard.counters.snapshot().ticked_ns >= since_ns)
    }

    /// Why each shard stopped; `None` while it runs.
    pub fn fates(&self) -> Vec<Option<Stopped>> {
        self.shards.iter().map(|shard| shard.fate.get().copied()).collect()
    }

    /// Waits until every shard has stopped; says why each did.
    pub fn join(self) -> Vec<Option<Stopped>> {
        self.shards
            .into_iter()
            .map(|shard| {
                // A panic aborts the process, so a thread that is gone has told its fate or never began.
                let _ = shard.thread.join();
                shard.fate.get().copied()
            })
            .collect()
    }

    fn tell_all(&self, message: impl Fn() -> Message) -> Result<(), Unheard> {
        let alive = self.shards.iter().filter(|shard| shard.fate.get().is_none());
        alive.map(|shard| shard.mailbox.send(message())).fold(Ok(()), Result::and)
    }
}
