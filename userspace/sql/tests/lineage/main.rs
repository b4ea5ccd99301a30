//! Statements and what lineage says of them, in words.
#![allow(clippy::expect_used)] // outside of #[test] functions clippy takes tests for code

mod composed;
mod computed;
mod database;
mod effects;
mod evasions;
mod explained;
mod forms;
mod limits;
mod literals;
mod queries;
mod tools;
mod words;
