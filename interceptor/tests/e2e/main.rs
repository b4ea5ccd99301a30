//! End to end: the unchanged psql, the real kernel, a real PostgreSQL. Needs root; says so loudly where it may not run, and fails in CI.

#![allow(unreachable_pub)] // one test program, its rooms are files

#[path = "../../../xtask/src/stand.rs"]
mod stand;

mod psql;
mod record;
mod stage;
