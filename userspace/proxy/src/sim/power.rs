//! Lives of one record on one disk: processes that are killed, lose the power, are stopped by a fault of the disk or stop in order, one
//! behind the other.
//!
//! At every send (`world::check_gates`): nothing goes on before its record is as safe as the durability says. Behind each life: what was
//! acknowledged is there, what is there is what was stored, what was cut off is told, and the record verifies.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::rc::Rc;
use std::sync::mpsc::Receiver;

use audit::segment::{Stamp, frames};
use audit::verify::{Anchor, Options, Verdict};
use audit::{RecordType, chain};
use session::Asking;

use super::disk::{Disk, Faults, SimMemory, SimTarget};
use super::rng::Rng;
use super::runs::{Control, Done, PLAN, Plan, build_on, each_seed, journal};
use crate::journal::Journal;
use crate::mailbox::{Mailbox, Message};
use crate::recovery::OpenError;
use crate::settings::Durability;
use crate::shard::Stopped;

/// How a life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Death {
    InOrder,
    Killed,
    PowerCut,
}

/// What is known of the record, whatever happens to the disk.
#[derive(Default)]
struct Known {
    /// Up to here it was acknowledged, or is on disk all the same.
    safe_seq: u64,
    /// What was told to whoever signs it.
    anchors: Vec<Anchor>,
    /// The records that were stored and may be there, by their leaves.
    stored: BTreeMap<u64, HashSet<chain::Hash>>,
    /// The last life ended so, and without a fault of the disk.
    death: Option<(Death, bool)>,
}

/// What happened in all runs, so that none is too tame.
#[derive(Debug, Default)]
struct Tally {
    lives: usize,
    starts: u64,
    cut: usize,
    torn: usize,
    acknowledged: u64,
    faults: [usize; 3],
    failed_starts: usize,
}

struct Seen {
    kind: u8,
    leaf: chain::Hash,
    payload: Vec<u8>,
}

/// The records in the images of the files, by number.
fn records(images: &[(String, Vec<u8>)]) -> BTreeMap<u64, Seen> {
    let all = images.iter().flat_map(|(_, bytes)| frames(bytes));
    let seen = all.map(|frame| {
        let payload = frame.payload().to_vec();
        (frame.seq, Seen { kind: frame.kind, leaf: chain::leaf(frame.bytes()), payload })
    });
    seen.collect()
}

impl Known {
    fn add(&mut self, images: &[(String, Vec<u8>)]) {
        for (seq, seen) in records(images) {
            self.stored.entry(seq).or_default().insert(seen.leaf);
        }
    }

    /// A life is over; the disk is as the process left it.
    fn dies(&mut self, done: &Done, death: Death, disk: &mut Disk, is_faultless: bool) {
        self.add(&disk.images());
        self.death = Some((death, is_faultless));
        let (durable_seq, acknowledged_seq) = (disk.durable_seq(), done.ledger.borrow().acknowledged_seq);
        assert!(acknowledged_seq <= durable_seq.max(self.safe_seq), "what was acknowledged is not on disk");
        self.safe_seq = self.safe_seq.max(durable_seq);
        if let Some(head) = done.shard.parts.journal.head().get() {
            assert!(head.size <= self.safe_seq, "what is not on disk was told to whoever signs it");
            self.anchors.push(Anchor { shard: 0, seq: head.size, root: Some(head.root) });
        }
    }

    /// The record after a start: nothing that was safe is gone, nothing is there that was not stored, what is gone is told.
    fn meets(&mut self, images: &[(String, Vec<u8>)], tally: &mut Tally) {
        let mut found = records(images);
        let told = found.last_entry().filter(|last| {
            last.get().kind == RecordType::Recovered.code()
                && self.stored.get(last.key()).is_none_or(|leaves| !leaves.contains(&last.get().leaf))
        });
        let told = told.map(|last| last.remove());
        let last_seq = found.last_key_value().map_or(0, |(seq, _)| *seq);
        assert!(last_seq >= self.safe_seq, "records {} to {} were safe and are lost", last_seq + 1, self.safe_seq);
        for (seq, seen) in &found {
            assert!(
                self.stored.get(seq).is_some_and(|leaves| leaves.contains(&seen.leaf)),
                "nobody stored record {seq}"
            );
        }
        // Where nothing is left of the last life, the record ends as the one before left it.
        let is_told =
            told.is_some() || found.last_key_value().is_none_or(|(_, last)| last.kind == RecordType::Stop.code());
        let stored_seq = self.stored.last_key_value().map_or(0, |(seq, _)| *seq);
        match self.death {
            None => {}
            Some((Death::InOrder, _)) => assert!(told.is_none() && last_seq == stored_seq, "it ended in order"),
            Some((Death::Killed, true)) => assert!(is_told && last_seq == stored_seq, "a kill loses nothing"),
            Some((_, _)) => assert!(is_told, "nobody tells that writing went on"),
        }
        // The one field of its payload is a number that is not there where no byte was cut off.
        tally.torn += usize::from(told.is_some_and(|told| told.payload.len() > 2));
        self.stored.retain(|seq, _| *seq <= last_seq);
        self.add(images);
        self.verify(images, true);
    }

    fn verify(&self, images: &[(String, Vec<u8>)], open: bool) {
        let files = images.iter().map(|(name, bytes)| (name.clone(), Ok(bytes.as_slice())));
        let verdict = audit::verify::verify(files, &Options { anchors: &self.anchors, open, keys: None });
        assert!(matches!(verdict, Verdict::Whole(_)), "the record does not verify: {verdict:?}");
    }
}

/// Starts on what the last life left. A fault of the disk ends a start, and another follows.
fn start(
    disk: &Rc<RefCell<Disk>>,
    known: &mut Known,
    rng: &mut Rng,
    tally: &mut Tally,
) -> Journal<SimTarget, SimMemory> {
    for attempt in 0_u64.. {
        if attempt == 10 {
            disk.borrow_mut().faults = Faults::default();
        }
        // No two starts at one time.
        tally.starts += 1;
        let opened = journal(i32::MAX, Stamp { mono_ns: tally.starts, wall_ns: tally.starts });
        let images = disk.borrow().images();
        match opened {
            Ok(journal) => {
                known.meets(&images, tally);
                return journal;
            }
            Err(OpenError::File(..)) => {
                tally.failed_starts += 1;
                known.add(&images);
                known.death = known.death.map(|_| (Death::PowerCut, false));
                if rng.once_in(2) { disk.borrow_mut().kill() } else { disk.borrow_mut().cut() }
            }
            Err(other) => panic!("no crash leaves a record that cannot be continued: {other}"),
        }
    }
    unreachable!("a disk without faults is started on")
}

/// The fsync that covers a record begins so soon.
const ON_DISK_NS: u64 = 10_000_000;

/// One process: it serves until its time is over, or until it stops.
fn live(turns: u64, death: Death, (mut done, mailbox, asks): (Done, Mailbox, Receiver<Asking>)) -> (Done, Death) {
    let disk = Disk::current();
    let mut control = Control::default();
    let mut unsynced = VecDeque::new();
    done.shard.start();
    for turn in 0.. {
        if turn == turns && death == Death::InOrder {
            let until_ns = done.shard.parts.driver.now_ns + 1_000_000_000;
            mailbox.send(Message::Drain { until_ns }).unwrap();
            done.shard.parts.driver.mail = true;
        } else if turn == turns {
            break;
        }
        done.shard.parts.driver.mail |= control.turn(&asks, &mailbox, &mut done.ledger.borrow_mut());
        if let Err(stopped) = done.shard.turn() {
            done.stopped = Some(stopped);
            break;
        }
        assert!(!disk.borrow().sync_failed, "a shard goes on behind a failed fsync");
        let now_ns = done.shard.parts.driver.now_ns;
        let stored_seq = disk.borrow_mut().stored_seq();
        let durable_seq = disk.borrow_mut().durable_seq();
        if unsynced.back().is_none_or(|(seq, _)| *seq < stored_seq) {
            unsynced.push_back((stored_seq, now_ns));
        }
        while unsynced.pop_front_if(|(seq, _)| *seq <= durable_seq).is_some() {}
        let late = unsynced.front().is_some_and(|(_, since_ns)| now_ns > since_ns + ON_DISK_NS);
        assert!(!late || disk.borrow().is_syncing(), "a record is older than it may be, and no fsync is on its way");
        assert!(turn < 1_000_000, "stuck");
    }
    let sync_failed = disk.borrow().sync_failed;
    let death = match done.stopped {
        None => death,
        Some(Stopped::Drained) => Death::InOrder,
        Some(Stopped::RecordFull) => Death::Killed,
        Some(stopped) => {
            assert_eq!(matches!(stopped, Stopped::Sync(_)), sync_failed, "{stopped}");
            done.shard.parts.driver.is_last_words = true;
            done.shard.last_words();
            Death::Killed
        }
    };
    assert!(!sync_failed || matches!(done.stopped, Some(Stopped::Sync(_))), "a failed fsync ends the shard");
    (done, death)
}

fn lives(seed: u64, tally: &mut Tally) {
    let mut rng = Rng::new(seed ^ 0x11FE);
    let mut often = |once_in: usize| if rng.once_in(3) { once_in } else { 0 };
    let disk = Disk::begin(seed, Faults { sync: often(30), store: often(200), create: often(3) });
    let mut known = Known::default();
    let lives = 2 + rng.below(4);
    for life in 1..=lives {
        let durability = if rng.once_in(2) { Durability::Strict } else { Durability::Standard };
        let plan = Plan { agents: 2 + rng.below(3), stream_max: 5000, durability, ..PLAN };
        let journal = start(&disk, &mut known, &mut rng, tally);
        let faults = disk.borrow().failed;
        let death = match rng.below(8) {
            _ if life == lives => Death::InOrder,
            0 => Death::InOrder,
            1 | 2 => Death::Killed,
            _ => Death::PowerCut,
        };
        if life == lives {
            disk.borrow_mut().faults = Faults::default();
        }
        let turns = 1 + rng.skewed(500) as u64;
        let built = build_on(rng.next(), plan, journal);
        // A start may find a segment that is almost full, and the next one not ready.
        built.0.ledger.borrow_mut().scarce = true;
        let (done, death) = live(turns, death, built);
        let is_faultless = faults == disk.borrow().failed;
        known.dies(&done, death, &mut disk.borrow_mut(), is_faultless);
        tally.acknowledged += u64::from(done.ledger.borrow().acknowledged_seq > 0);
        drop(done);
        match death {
            Death::Killed => disk.borrow_mut().kill(),
            // All is on disk: a power cut takes nothing any more.
            Death::InOrder | Death::PowerCut => disk.borrow_mut().cut(),
        }
        tally.lives += 1;
        tally.cut += usize::from(death == Death::PowerCut);
    }
    known.verify(&disk.borrow().images(), false);
    tally.faults.iter_mut().zip(disk.borrow().failed).for_each(|(all, more)| *all += more);
}

#[test]
fn a_record_outlives_what_its_disk_does() {
    let mut tally = Tally::default();
    each_seed("a_record_outlives", 1000, |seed| lives(seed, &mut tally));
    println!("{tally:?}");
    let Tally { cut, torn, acknowledged, faults, failed_starts, .. } = tally;
    let tame =
        cut < 500 || torn < 100 || acknowledged < 500 || faults.iter().any(|count| *count < 50) || failed_starts < 20;
    assert!(!tame || std::env::var("SEED").is_ok(), "too tame: {tally:?}");
}
