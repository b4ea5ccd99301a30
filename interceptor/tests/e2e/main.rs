//! End to end: the unchanged psql, the real kernel, a real PostgreSQL. Needs root; says so loudly where it may not run, and fails in CI.

#![allow(unreachable_pub, clippy::expect_used, clippy::print_stdout)] // one test program, its rooms are files; a test fails by a panic

#[path = "../../../userspace/control/tests/stand/chromium.rs"]
mod chromium;
#[allow(dead_code)] // the evasions' too
#[path = "../evasion/dice.rs"]
mod dice;
#[path = "../../../xtask/src/stand.rs"]
mod stand;

mod bounds;
mod catalogs;
mod clients;
mod conditions;
mod estimates;
mod evidence;
mod faults;
mod health;
mod holds;
mod host_record;
mod identities;
mod injected;
mod kills;
mod plugin;
mod psql;
mod raw;
mod read_only;
mod record;
mod reviewers;
mod roles;
mod saml;
mod scram;
mod searched;
mod spiffe;
mod stage;
mod terminal;
mod tls;
mod volumes;
