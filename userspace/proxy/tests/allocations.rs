//! The whole data plane, ring and disk with it, allocates nothing for a statement that was seen before.
#![allow(clippy::unwrap_used)] // a failed step of the set-up fails the test

mod stand;

use stand::{Stand, agent, ask, database, message, query};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

const WARM: usize = 300;
const COUNTED: usize = 500;
const RUNS: usize = 5;

fn allocations() -> usize {
    let stats = ALLOCATOR.stats();
    stats.allocations + stats.reallocations
}

/// Allocations of the whole process (the database's and the agent's ends allocate none) while `request` is asked many times.
fn counted(name: &str, prepare: &[u8], request: Vec<u8>) -> usize {
    let (address, thread) = database(vec![request.clone()]);
    let stand = Stand::start(name, address, 8);
    let mut agent = agent(stand.port());
    ask(&mut agent, prepare);
    for _ in 0..WARM {
        ask(&mut agent, &request);
    }
    // The harness has a thread of its own that may allocate meanwhile: the least of a few runs is ours.
    let run = || {
        let before = allocations();
        for _ in 0..COUNTED {
            ask(&mut agent, &request);
        }
        allocations() - before
    };
    let count = std::iter::repeat_with(run).take(RUNS).min().unwrap();
    drop(agent);
    drop(stand);
    thread.join().unwrap();
    count
}

/// One test, so that nothing else runs in the process meanwhile.
#[test]
fn a_statement_that_was_seen_before_allocates_nothing() {
    const TEXT: &str = "SELECT pan FROM payments";
    let simple = counted("simple", &query(TEXT), query(TEXT));
    let parse = [message(b'P', b"s\0SELECT pan FROM payments\0\0\0"), message(b'S', b"")].concat();
    let execute =
        [message(b'B', b"\0s\0\0\0\0\0\0\0"), message(b'D', b"P\0"), message(b'E', b"\0\0\0\0\0"), message(b'S', b"")]
            .concat();
    let prepared = counted("prepared", &parse, execute);
    assert_eq!((simple, prepared), (0, 0), "allocations in {COUNTED} statements, simple and prepared");
}
