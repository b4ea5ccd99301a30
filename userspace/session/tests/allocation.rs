//! A repeated statement allocates nothing in the session, simple or extended.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod world;

use std::alloc::System;

use session::Mode;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use world::{World, extended, open, query};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn allocations() -> usize {
    let stats = GLOBAL.stats();
    stats.allocations + stats.reallocations
}

fn steady(policy: &str, bytes: &[u8], rounds: usize) -> usize {
    let mut world = World::with(open("reconciler", Mode::Enforce, true), policy).login();
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

/// The counter is the process's, and the harness has a thread that may allocate meanwhile: the least of a few runs is ours.
fn least(bytes: &[u8]) -> usize {
    least_under(world::POLICY, bytes)
}

fn least_under(policy: &str, bytes: &[u8]) -> usize {
    (0..5).map(|_| steady(policy, bytes, 100)).min().unwrap_or(usize::MAX)
}

// One test: the counter is the process's.
#[test]
fn a_repeated_select_allocates_nothing() {
    assert_eq!(least(&query("SELECT * FROM payments")), 0, "simple");
    assert_eq!(least(&extended(&["B  s", "D P ", "E ", "S"])), 0, "prepared");
    assert_eq!(least(&extended(&["B  s", "E ", "S"])), 0, "prepared, our own Describe");
    assert_eq!(least(&extended(&["P  SELECT * FROM payments", "B  ", "E ", "S"])), 0, "parsed each time");
    let note = query("SELECT note FROM tickets");
    assert_eq!(least(&note), 0, "a column that is counted");
    let pattern = "[[pattern]]\nname = \"p\"\nregex = '\\b[a-z]{3}\\d{6}\\b|1'\n";
    assert_eq!(least_under(&format!("{pattern}{}", world::POLICY), &note), 0, "a pattern");
}
