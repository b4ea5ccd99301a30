//! A repeated statement allocates nothing in the session, simple or extended.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod world;

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use world::{World, extended, query};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn allocations() -> usize {
    let stats = GLOBAL.stats();
    stats.allocations + stats.reallocations
}

fn steady(bytes: &[u8], rounds: usize) -> usize {
    let mut world = World::ready();
    world.probe = allocations;
    world.ask(&extended(&["P s SELECT * FROM payments", "S"]));
    for _ in 0..20 {
        world.ask(bytes);
    }
    assert_ne!(world.allocations, 0, "the counter counts");
    world.allocations = 0;
    for _ in 0..rounds {
        assert_eq!(world.ask(bytes).last().map(String::as_str), Some("Z I"));
    }
    world.allocations
}

// One test: the counter is the process's.
#[test]
fn a_repeated_select_allocates_nothing() {
    assert_eq!(steady(&query("SELECT * FROM payments"), 100), 0, "simple");
    assert_eq!(steady(&extended(&["B  s", "D P ", "E ", "S"]), 100), 0, "prepared");
    assert_eq!(steady(&extended(&["B  s", "E ", "S"]), 100), 0, "prepared, our own Describe");
    assert_eq!(steady(&extended(&["P  SELECT * FROM payments", "B  ", "E ", "S"]), 100), 0, "parsed each time");
}
