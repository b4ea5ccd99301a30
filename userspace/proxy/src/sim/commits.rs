//! When fsyncs begin and how many records each of them covers, on a disk whose times are made up: as many as came while the one before was
//! under way, and none waits for others that may not come.

use audit::RecordType;
use audit::segment::Stamp;

use super::disk::{Disk, Faults};
use super::ledger::Ledger;
use super::rng::Rng;
use super::runs::{each_seed, journal};
use super::world::World;
use crate::driver::Driver;
use crate::timers::NEVER;
use crate::token::Task;

/// Sessions that each append a record, wait until it is on disk where they must, do something else for a while, and append the next.
#[derive(Clone, Copy)]
struct Load {
    sessions: usize,
    /// For so long at most, nanoseconds.
    elsewhere_ns: usize,
    /// The record must be on disk before anything goes on.
    waits: bool,
}

/// What a session is at.
#[derive(Clone, Copy)]
enum At {
    Elsewhere { until_ns: u64 },
    Waits { seq: u64 },
}

const RECORDS: usize = 600;
/// A record that nobody waits for is on its way to the disk within this time, whatever else comes.
const ON_ITS_WAY_NS: u64 = 8_000_000;

/// How many fsyncs so many records took. In between the disk is never idle while somebody waits for it, and no record waits for
/// others longer than it may.
fn syncs(seed: u64, load: Load) -> usize {
    let disk = Disk::begin(seed, Faults::default());
    let mut world = World::new(seed, 1, Ledger::begin(seed, false, false));
    let mut journal = journal(i32::MAX, Stamp::default()).unwrap();
    let mut rng = Rng::new(seed ^ 0x10AD);
    let mut elsewhere = |now_ns: u64| At::Elsewhere { until_ns: now_ns + rng.below(load.elsewhere_ns + 1) as u64 };
    let mut sessions: Vec<At> = (0..load.sessions).map(|_| elsewhere(world.mono_ns())).collect();
    let (mut appended, mut syncs, mut completions) = (Vec::new(), 0, Vec::new());
    while appended.len() < RECORDS {
        let now = world.now();
        for session in &mut sessions {
            if matches!(session, At::Elsewhere { until_ns } if *until_ns <= now.mono_ns) {
                journal.prepare(now).unwrap();
                let seq = journal.append(RecordType::Canary.code(), 0, now, &[0; 40], 0).unwrap();
                appended.push((seq, now.mono_ns));
                if load.waits {
                    journal.want_sync();
                    *session = At::Waits { seq };
                } else {
                    *session = elsewhere(now.mono_ns);
                }
            }
        }
        journal.turn(&mut world, now).unwrap();

        let first = appended.iter().rev().take_while(|(seq, _)| *seq > journal.synced_seq()).last();
        let has_waited = |(_, since_ns): &(u64, u64)| load.waits || now.mono_ns - since_ns >= ON_ITS_WAY_NS;
        assert!(!first.is_some_and(has_waited) || disk.borrow().is_syncing(), "the disk is idle and a record waits");

        let next_ns = sessions.iter().map(|session| match session {
            At::Elsewhere { until_ns } => *until_ns,
            At::Waits { .. } => NEVER,
        });
        let until_ns = next_ns.chain([journal.due_ns()]).min().unwrap();
        world.complete(until_ns, &mut completions).unwrap();
        for completion in completions.drain(..) {
            assert_eq!(Task::of(completion.token).0, Task::Sync);
            journal.synced(completion.result, world.mono_ns()).unwrap();
            syncs += 1;
        }
        for session in &mut sessions {
            if matches!(session, At::Waits { seq } if *seq <= journal.synced_seq()) {
                *session = elsewhere(world.mono_ns());
            }
        }
    }
    syncs
}

#[test]
fn a_record_that_is_alone_waits_for_no_other() {
    each_seed("sim::commits", 20, |seed| {
        // Seldom enough that each finds the disk idle: an fsync each, which begins at once.
        let syncs = syncs(seed, Load { sessions: 1, elsewhere_ns: 20_000_000, waits: true });
        assert!(syncs >= RECORDS - 1, "{syncs}");
    });
}

#[test]
fn the_more_wait_the_more_are_covered_by_one_fsync() {
    each_seed("sim::commits", 20, |seed| {
        let mut before = usize::MAX;
        for sessions in [1, 4, 16, 64] {
            let syncs = syncs(seed, Load { sessions, elsewhere_ns: 100_000, waits: true });
            assert!(syncs < before, "{sessions}: {syncs}, and {before} with fewer");
            before = syncs;
        }
        assert!(RECORDS / before >= 4, "64 sessions: {RECORDS} records in {before} fsyncs");
    });
}

#[test]
fn records_that_nobody_waits_for_go_to_disk_together_and_soon() {
    each_seed("sim::commits", 20, |seed| {
        let often = syncs(seed, Load { sessions: 4, elsewhere_ns: 100_000, waits: false });
        let seldom = syncs(seed, Load { sessions: 1, elsewhere_ns: 100_000_000, waits: false });
        assert!(often * 32 <= RECORDS && seldom * 2 >= RECORDS, "{often} and {seldom} for {RECORDS} records");
    });
}
