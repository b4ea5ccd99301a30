//! Statements and what lineage says of them, in words.
#![allow(clippy::expect_used)] // outside of #[test] functions clippy takes tests for code

mod database;
mod evasions;
mod queries;
mod words;
