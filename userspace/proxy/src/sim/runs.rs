//! Whole runs: some agents, some databases, one shard, one seed.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use audit::segment::{Identity, Stamp};
use audit::token::CardKey;
use policy::{Names, Policy};
use session::{AgentTls, AskId, Asking, Database, Limits, Masked, Mode, Subject, Vote};
use uring::Listener;

use super::adversary::{Adversary, LOST, changed, reply};
use super::disk::{self, Disk, Here, SEGMENT_BYTES, SimMemory, SimSupply, SimTarget};
use super::ledger::Ledger;
use super::peer::{Manners, Peer};
use super::rng::Rng;
use super::secure::{Configs, Legs};
use super::world::{Faults, World};
use crate::asks::ask_line;
use crate::cancels::Registry;
use crate::counters::{Counters, Snapshot};
use crate::journal::Journal;
use crate::mailbox::{Mailbox, Message, mailbox};
use crate::origins::{Admitted, Origins};
use crate::recovery::{self, OpenError, Place};
use crate::settings::{Durability, ShardLimits};
use crate::shard::{Parts, Shard, Stopped};
use crate::slow::slow_log;
use crate::tainted::TaintFile;
use crate::tls::Tls;

/// What one run is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) agents: usize,
    pub(super) stream_max: usize,
    pub(super) buffers: usize,
    pub(super) segments: i32,
    /// Sessions write no more than they were given room for; others are ended at once.
    pub(super) obeys: bool,
    pub(super) faults: Faults,
    pub(super) disk: disk::Faults,
    /// Each peer misbehaves once in so many; 0: none does.
    pub(super) rude: usize,
    pub(super) aborts: bool,
    pub(super) drain: bool,
    /// A person ends sessions.
    pub(super) ends: bool,
    pub(super) durability: Durability,
    pub(super) legs: Legs,
}

pub(super) const PLAN: Plan = Plan {
    agents: 5,
    stream_max: 100_000,
    buffers: 16,
    segments: i32::MAX,
    obeys: true,
    faults: Faults { connect_refused: false, connect_hangs: false, accept_fails: false },
    disk: disk::Faults { sync: 0, store: 0, create: 0 },
    rude: 0,
    aborts: false,
    drain: false,
    ends: false,
    durability: Durability::Standard,
    legs: Legs { agent: false, database: false },
};

/// What is left of a run.
pub(super) struct Done {
    pub(super) shard: Shard<World, Adversary>,
    pub(super) ledger: Rc<RefCell<Ledger>>,
    agents: Vec<(Vec<u8>, Manners)>,
    databases: Vec<Vec<u8>>,
    pub(super) stopped: Option<Stopped>,
    /// Sessions may have ended for want of a segment.
    scarce: bool,
}

struct SimOrigins(Arc<Tls>);

impl Origins for SimOrigins {
    fn take(&mut self, agent: SocketAddr, _local: SocketAddr) -> Option<Admitted> {
        let subject = Subject {
            policy: Arc::new(policy::Subject {
                agent: format!("agent-{}", agent.port()),
                groups: Vec::new(),
                signed: None,
            }),
            token: Arc::default(),
            cgroup: 1,
            pid: 2,
            uid: 3,
            exe_device: 4,
            exe_inode: 5,
            exe_name: "sim".into(),
        };
        let database = Database {
            name: "sim".into(),
            dbnames: Vec::new(),
            mode: Mode::Enforce,
            mask: true,
            masking: Default::default(),
            agent_tls: if self.0.agent.is_some() { AgentTls::Require } else { AgentTls::Disable },
            database_tls: self.0.database.is_some(),
            verifiers: None,
            logins: None,
            tell_agent: false,
            asks_login: false,
            estimates: false,
            results: false,
            agent_certificate: false,
        };
        // The agent's port is its number; the origin carries it on to the database's side.
        Some(Admitted {
            destination: agent,
            database: Arc::new(database),
            tls: Arc::clone(&self.0),
            subject: Arc::new(subject),
            signed: None,
        })
    }

    fn sweep(&mut self) {}
}

/// One peer in `rude` has bad manners.
fn manners(rng: &mut Rng, rude: usize, agent: bool, tls: bool) -> Manners {
    let mut manners = Manners { sleeps: rng.once_in(4), ..Manners::default() };
    if rude > 0 && rng.once_in(rude) {
        match rng.below(if tls { 3 } else { 2 }) {
            0 if agent => manners.silent = true,
            2 => manners.corrupts = true,
            _ => manners.resets = true,
        }
    }
    manners
}

/// The record, from where the disk has it.
pub(super) fn journal(segments: i32, stamp: Stamp) -> Result<Journal<SimTarget, SimMemory>, OpenError> {
    let identity = Identity { shards: 1, boot_id: [1; 16], host_id: [2; 16], config: [3; 32] };
    let place = Place { shard: 0, identity, segment_bytes: SEGMENT_BYTES, stamp };
    let place = recovery::reopen(&Here, &place)?;
    let supply = SimSupply::new(place.appender.header().number() + 1, segments);
    Ok(Journal::resume(0, identity, place, Box::new(supply)))
}

fn build(seed: u64, plan: Plan) -> (Done, Mailbox, Receiver<Asking>) {
    let disk = Disk::begin(seed, disk::Faults::default());
    let journal = journal(plan.segments, Stamp::default()).unwrap();
    disk.borrow_mut().faults = plan.disk;
    build_on(seed, plan, journal)
}

/// A process that goes on with this record.
pub(super) fn build_on(
    seed: u64,
    plan: Plan,
    journal: Journal<SimTarget, SimMemory>,
) -> (Done, Mailbox, Receiver<Asking>) {
    let scarce = plan.segments < i32::MAX;
    let ledger = Ledger::begin(seed, plan.aborts, scarce);
    ledger.borrow_mut().obeys = plan.obeys;
    ledger.borrow_mut().strict = plan.durability == Durability::Strict;
    let mut world = World::new(seed, plan.buffers, Rc::clone(&ledger));
    world.faults = plan.faults;
    let mut rng = Rng::new(seed ^ 0x9EE5);
    let configs = Configs::new(&mut rng, plan.legs);
    let (mut agents, mut databases) = (Vec::new(), Vec::new());
    let mut at_ns = world.now_ns;
    // Where the wires hold little, streams are short, or a run takes for ever.
    let stream_max = plan.stream_max.min(world.room * 15 + 50);
    for _ in 0..plan.agents {
        let manners_of_agent = manners(&mut rng, plan.rude, true, plan.legs.agent);
        let agent_len = rng.skewed(stream_max) + 1;
        let mut agent = Peer::new(&mut rng, agent_len, manners_of_agent);
        let manners_of_database = manners(&mut rng, plan.rude, false, plan.legs.database);
        let database_len = rng.skewed(stream_max) + 1;
        let mut database = Peer::new(&mut rng, database_len, manners_of_database);
        if plan.legs.agent {
            let tls = configs.of_agent(&mut rng);
            agent.secure(&mut rng, tls);
        }
        if plan.legs.database {
            database.secure(&mut rng, configs.of_database());
        }
        agents.push((agent.stream().to_vec(), manners_of_agent));
        databases.push(database.stream().to_vec());
        at_ns += rng.skewed(50_000_000) as u64;
        world.arrive(at_ns, agent, database);
    }
    let (mailbox, inbox) = mailbox().unwrap();
    let (ask_line, asks) = ask_line(3);
    let shard = Shard::new(Parts {
        driver: world,
        shard: 0,
        listeners: vec![Listener(0)],
        origins: Box::new(SimOrigins(configs.shard)),
        shard_limits: ShardLimits { linger: Duration::from_secs(120), ..ShardLimits::default() },
        limits: Limits::default(),
        durability: plan.durability,
        policy: Arc::new(Policy::parse("", &Names::default()).unwrap()),
        cancels: Arc::new(Registry::default()),
        tainted: Arc::new(TaintFile::in_memory()),
        budgets: Arc::default(),
        journal,
        inbox,
        counters: Arc::new(Counters::default()),
        slow: slow_log(Some(Duration::from_millis(1))).0,
        ask_line,
        large: crate::aside::large_line(1).0,
        results: crate::results::result_line(1).0,
        hashing: crate::hashing::HashLine::nobody(),
        card_key: Arc::new(CardKey::derived(b"a simulated host").unwrap()),
        shards: vec![mailbox.clone()],
    });
    (Done { shard, ledger, agents, databases, stopped: None, scarce }, mailbox, asks)
}

/// The other end of the asks: decides some, now and then, also those that wait no more.
#[derive(Default)]
pub(super) struct Control {
    known: Vec<(u64, AskId)>,
    /// It ends sessions, too.
    ends: bool,
}

impl Control {
    /// True: there is mail for the shard.
    pub(super) fn turn(&mut self, asks: &Receiver<Asking>, mailbox: &Mailbox, ledger: &mut Ledger) -> bool {
        if ledger.rng.once_in(3) {
            self.known.extend(asks.try_iter().filter_map(|asking| match asking {
                Asking::Ask(ask) => Some((ask.session, ask.id)),
                _ => None,
            }));
        }
        if self.known.is_empty() || !ledger.rng.once_in(4) {
            return false;
        }
        let at = ledger.rng.below(self.known.len());
        let (session, ask) = self.known[at];
        if ledger.rng.once_in(2) {
            self.known.swap_remove(at);
        }
        let (reviewer, login, reason) = (String::new(), String::new(), String::new());
        let groups = Vec::new();
        let vote =
            Box::new(Vote { ask, approve: true, reviewer, groups, login, reason, standing: None, break_glass: false });
        let message = match ledger.rng.below(if self.ends { 9 } else { 8 }) {
            8 => Message::End { session, why: Box::new(Masked::literal("by ann")) },
            0 => Message::Unheard { session, ask },
            1 => Message::CancelHeld { session },
            2 => Message::Vote { session: session + 1, vote },
            _ => Message::Vote { session, vote },
        };
        mailbox.send(message).is_ok()
    }
}

/// Runs until all sessions are over, or the shard stopped.
fn run(seed: u64, plan: Plan) -> Done {
    let (mut done, mailbox, asks) = build(seed, plan);
    let mut control = Control { ends: plan.ends, ..Control::default() };
    let drain_turn = plan.drain.then(|| 50 + seed % 700);
    done.shard.start();
    for turn in 0_u64.. {
        if drain_turn == Some(turn) {
            let until_ns = done.shard.parts.driver.now_ns + 30_000_000_000;
            mailbox.send(Message::Drain { until_ns }).unwrap();
            done.shard.parts.driver.mail = true;
        }
        done.shard.parts.driver.mail |= control.turn(&asks, &mailbox, &mut done.ledger.borrow_mut());
        if let Err(stopped) = done.shard.turn() {
            done.stopped = Some(stopped);
            if stopped.is_record_lost() {
                done.shard.parts.driver.is_last_words = true;
                done.shard.last_words();
            }
            break;
        }
        let world = &done.shard.parts.driver;
        let over = done.shard.links.len() == 0 && world.nobody_left_to_come() && world.in_flight() == 0;
        if over && drain_turn.is_none() && done.shard.parts.journal.is_synced() {
            break;
        }
        assert!(
            turn < 3_000_000 && world.now_ns < 4_000_000_000_000,
            "stuck: {} sessions left",
            done.shard.links.len()
        );
    }
    done.shard.parts.driver.deliver_rest();
    done
}

/// Nothing may be left over, whatever happened.
fn check_nothing_leaked(done: &Done) {
    let world = &done.shard.parts.driver;
    assert_eq!((world.buffers_taken(), world.staged_taken()), (0, 0), "memory leaked");
    assert_eq!((done.shard.links.len(), done.shard.turns.len()), (0, 0), "places leaked");
    assert_eq!(done.shard.owed, 0, "room is set aside for nobody");
    assert_eq!(done.shard.asks.waiting(), 0, "somebody who left waits for a person");
    assert_eq!((done.shard.handshakes, done.shard.per_agent.len()), (0, 0), "counts leaked");
    assert!(world.wires.iter().all(|wire| wire.closed), "a socket was left open");
    assert_eq!(done.ledger.borrow().closed.len() as u64, done.shard.sessions_opened, "a session has no last record");
    assert!(done.ledger.borrow().retired.is_sorted(), "segments came back out of order");
    assert!(done.scarce || done.ledger.borrow().last_seq <= done.shard.parts.journal.last_seq(), "a record was lost");
}

/// Every byte that arrived is right and in its place; all arrived where nothing went wrong.
fn check_streams(done: &Done) {
    let world = &done.shard.parts.driver;
    for (number, (agent_sent, manners)) in done.agents.iter().enumerate() {
        let mut wires = world.wires.iter().filter(|wire| wire.agent == number);
        let agent_got = wires.next().and_then(|wire| wire.peer.as_ref()).map_or(&[][..], |peer| &peer.got);
        let database = wires.next().and_then(|wire| wire.peer.as_ref());
        let database_got = database.map_or(&[][..], |peer| &peer.got);
        let wrong = |manners: Manners| manners.resets || manners.silent || manners.corrupts;
        let rude = wrong(*manners) || database.is_none_or(|peer| wrong(peer.manners()));
        let whole = !rude && !done.scarce && done.stopped.is_none() && !done.ledger.borrow().spoiled.contains(&number);

        let to_database: Vec<u8> = agent_sent.iter().map(|byte| changed(*byte)).collect();
        assert!(to_database.starts_with(database_got), "agent {number}: wrong bytes reached the database");
        let told = agent_got.iter().position(|byte| *byte == LOST);
        assert!(told.is_none_or(|at| at + 1 == agent_got.len() && done.stopped.is_some()), "agent {number}: more came");
        let agent_got = agent_got.get(..told.unwrap_or(agent_got.len())).unwrap_or_default();
        let (ours, theirs): (Vec<u8>, Vec<u8>) = agent_got.iter().partition(|byte| **byte >= 0x80);
        let to_agent: Vec<u8> = done.databases[number].iter().map(|byte| changed(*byte)).collect();
        assert!(to_agent.starts_with(&theirs), "agent {number}: wrong bytes reached the agent");
        let in_order = ours.iter().zip(0..).all(|(byte, n)| *byte == reply(n));
        assert!(in_order, "agent {number}: our replies are out of order");
        if whole {
            assert_eq!(database_got.len(), to_database.len(), "agent {number}: bytes to the database are missing");
            assert_eq!(theirs.len(), to_agent.len(), "agent {number}: bytes to the agent are missing");
        }
    }
}

/// Runs the plan for many seeds. Of four one has plain legs, one has TLS on the agent's leg, one on the database's, one on both.
fn seeds(name: &str, count: u64, plan: impl Fn(u64) -> Plan, check: impl Fn(&Done, Snapshot)) {
    each_seed(name, count, |seed| {
        let legs = Legs { agent: seed & 1 != 0, database: seed & 2 != 0 };
        let done = run(seed, Plan { legs, ..plan(seed) });
        check(&done, done.shard.parts.counters.snapshot());
    });
}

/// Does something for many seeds, or for the one in `SEED`; a panic names its seed. `INTERCEPTOR_SIM_TIMES` is how many times as many
/// seeds there are.
pub(super) fn each_seed(name: &str, count: u64, mut does: impl FnMut(u64)) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let count = count * number("INTERCEPTOR_SIM_TIMES").unwrap_or(1);
    let range = number("SEED").map_or(0..count, |seed| seed..seed + 1);
    for seed in range {
        let failed = NameOnPanic { name, seed };
        does(seed);
        drop(failed);
    }
}

struct NameOnPanic<'a> {
    name: &'a str,
    seed: u64,
}

impl Drop for NameOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("replay with: SEED={} cargo test -p proxy {}", self.seed, self.name);
        }
    }
}

#[test]
fn streams_are_exact_when_nobody_does_wrong() {
    let (rolled, durable, chained, asked) = (Cell::new(0), Cell::new(0), Cell::new((0, 0)), Cell::new((0, 0)));
    seeds(
        "streams_are_exact",
        400,
        |_| PLAN,
        |done, counters| {
            check_nothing_leaked(done);
            check_streams(done);
            assert_eq!(counters.accepted, PLAN.agents as u64);
            assert_eq!(done.ledger.borrow().closed.len(), PLAN.agents);
            rolled.set(rolled.get() + done.ledger.borrow().retired.len());
            durable.set(durable.get() + done.ledger.borrow().durable_calls);
            let (heard, gone) = asked.get();
            asked.set((heard + done.ledger.borrow().asked, gone + counters.asks_unheard as usize));
            let ((begun, cancelled), (more, lost)) = (chained.get(), done.shard.parts.driver.chained);
            chained.set((begun + more, cancelled + lost));
        },
    );
    let tame = rolled.get() < 100 || durable.get() < 1000;
    let tame = tame || asked.get().0 < 2_000 || asked.get().1 < 100;
    let tame = tame || chained.get().0 < 10_000 || chained.get().1 < 100;
    assert!(
        !tame || std::env::var("SEED").is_ok(),
        "{rolled:?} segments, {durable:?} durable calls, {asked:?} asks and {chained:?} receives behind a send: too tame"
    );
}

#[test]
fn a_pool_of_two_buffers_starves_nobody_for_ever() {
    let plan = Plan { buffers: 2, stream_max: 20_000, ..PLAN };
    seeds(
        "a_pool_of_two",
        40,
        |_| plan,
        |done, _| {
            check_nothing_leaked(done);
            check_streams(done);
        },
    );
}

#[test]
fn strict_durability_keeps_streams_exact() {
    let plan = Plan { durability: Durability::Strict, stream_max: 20_000, ..PLAN };
    seeds(
        "strict_durability",
        30,
        |_| plan,
        |done, _| {
            check_nothing_leaked(done);
            check_streams(done);
        },
    );
}

#[test]
fn resets_silence_and_refusals_end_sessions_and_leak_nothing() {
    let faults = Faults { connect_refused: true, accept_fails: true, ..Faults::default() };
    let plan = Plan { agents: 8, rude: 3, aborts: true, faults, stream_max: 20_000, ..PLAN };
    seeds(
        "resets_silence",
        380,
        |_| plan,
        |done, _| {
            check_nothing_leaked(done);
            check_streams(done);
        },
    );
}

#[test]
fn a_database_that_never_answers_fails_the_session_in_time() {
    let faults = Faults { connect_hangs: true, ..Faults::default() };
    let plan = Plan { agents: 3, faults, stream_max: 2000, ..PLAN };
    seeds(
        "a_database_that_never",
        20,
        |_| plan,
        |done, counters| {
            check_nothing_leaked(done);
            check_streams(done);
            // An agent whose handshake took too long never came to its database.
            assert_eq!(counters.connect_errors + done.ledger.borrow().late, 3);
        },
    );
}

#[test]
fn a_person_ends_sessions_and_nothing_leaks() {
    let plan = Plan { ends: true, rude: 5, aborts: true, ..PLAN };
    seeds(
        "a_person_ends",
        40,
        |_| plan,
        |done, _| {
            check_nothing_leaked(done);
            check_streams(done);
        },
    );
}

#[test]
fn a_drain_ends_all_sessions_by_its_deadline() {
    let plan = Plan { drain: true, rude: 5, ..PLAN };
    seeds(
        "a_drain_ends",
        40,
        |_| plan,
        |done, _| {
            assert_eq!(done.stopped, Some(Stopped::Drained));
            check_nothing_leaked(done);
            check_streams(done);
        },
    );
}

#[test]
fn without_a_next_segment_sessions_refuse_and_live_to_their_end() {
    let refusing = Cell::new(0);
    seeds(
        "without_a_next",
        40,
        |seed| Plan { agents: 8, segments: (seed % 4) as i32, ..PLAN },
        |done, counters| {
            assert_eq!((done.stopped, counters.aborted), (None, 0), "what was owed had its room");
            check_nothing_leaked(done);
            check_streams(done);
            assert_eq!(counters.accepted, 8);
            refusing.set(refusing.get() + done.ledger.borrow().refusing);
        },
    );
    assert!(refusing.get() > 40 || std::env::var("SEED").is_ok(), "{refusing:?} sessions refused: too tame");
}

#[test]
fn a_session_that_writes_more_than_its_room_is_ended_and_nothing_leaves_unrecorded() {
    let aborted = Cell::new(0);
    seeds(
        "a_session_that_writes_more",
        30,
        |seed| Plan { agents: 8, segments: (seed % 4) as i32, obeys: false, ..PLAN },
        |done, counters| {
            // It may leave too little for the roots; then the shard stops.
            if done.stopped.is_none() {
                check_nothing_leaked(done);
            }
            check_streams(done);
            aborted.set(aborted.get() + counters.aborted);
        },
    );
    assert!(aborted.get() > 0 || std::env::var("SEED").is_ok());
}

/// Agents that were told why they are cut off.
fn told(done: &Done) -> usize {
    let wires = done.shard.parts.driver.wires.iter().filter_map(|wire| wire.peer.as_ref());
    wires.filter(|peer| peer.got.last() == Some(&LOST)).count()
}

#[test]
fn a_failed_fsync_stops_the_shard_and_agents_are_told() {
    let disk = disk::Faults { sync: 10, ..disk::Faults::default() };
    let plan = Plan { disk, durability: Durability::Strict, ..PLAN };
    let agents = Cell::new(0);
    seeds(
        "a_failed_fsync",
        20,
        |seed| Plan { durability: if seed & 4 == 0 { Durability::Standard } else { plan.durability }, ..plan },
        |done, _| {
            check_streams(done);
            if let Some(stopped) = done.stopped {
                assert!(matches!(stopped, Stopped::Sync(_)));
            }
            agents.set(agents.get() + told(done));
        },
    );
    assert!(agents.get() > 20 || std::env::var("SEED").is_ok(), "{agents:?} agents were told");
}
