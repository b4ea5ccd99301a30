//! A root is written twice a second by a busy shard: neither it nor the hashing before it allocates.
#![allow(clippy::expect_used)] // a failed step of the set-up fails the test

mod log;

use audit::RecordType;
use audit::segment::{Appender, Previous};
use log::{IDENTITY, stamp};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

const ROOTS: u64 = 200;
const RUNS: usize = 5;

/// One test, so that nothing else runs in the process meanwhile.
#[test]
fn records_and_their_root_allocate_nothing() {
    let mut memory = vec![0; 1 << 20];
    let mut shard = Appender::begin(&mut memory, 0, IDENTITY, Previous::NONE, stamp(0)).expect("a segment");
    let mut run = || {
        let region = Region::new(ALLOCATOR);
        for _ in 0..ROOTS {
            shard.append(&mut memory, RecordType::Decision.code(), 0, stamp(1), b"").expect("room");
            shard.root(&mut memory, stamp(1), 0).expect("room");
        }
        let change = region.change();
        change.allocations + change.reallocations
    };
    // The harness has a thread of its own that may allocate meanwhile: the least of a few runs is ours.
    let counts = std::array::from_fn::<_, RUNS, _>(|_| run());
    assert_eq!(counts.iter().min(), Some(&0), "allocations in {ROOTS} records and roots");
}
