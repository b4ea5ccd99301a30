//! The red team: every case of the evasion corpus, variants of them, composed expressions, predicate probes and ordinary applications,
//! each run against a real PostgreSQL through the real service, as an agent. Needs root; says so loudly where it may not run.

#![allow(unreachable_pub, clippy::expect_used, clippy::print_stdout)] // one test program, its rooms are files; it reports on stdout

#[path = "../../../xtask/src/stand.rs"]
mod stand;

// What the end-to-end tests start from: a service in front of a database, and an agent that hands its connections over.
#[allow(dead_code)]
#[path = "../e2e/raw.rs"]
mod raw;
#[allow(dead_code)]
#[path = "../e2e/stage.rs"]
mod stage;

mod alarms;
mod cases;
mod client;
mod corpus;
#[allow(dead_code)] // the end-to-end tests' too
mod dice;
mod disguise;
mod field;
mod fuzz;
mod grammar;
mod ground;
mod judge;
mod orders;
mod probes;
mod recipes;
mod report;
mod secrets;
mod server_log;
mod tokens;
mod twins;
mod variants;
mod words;
