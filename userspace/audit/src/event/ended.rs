//! What statements and sessions came to.

use super::sql_state::SqlState;
use crate::encode::ActorPart;
use crate::id::RecordId;

/// How a statement ended.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// Who.
    pub actor: &'a ActorPart,
    /// The record of its decision (or of our own statement).
    pub decision: RecordId,
    /// It ended without an error.
    pub success: bool,
    /// The code of its error.
    pub sqlstate: Option<SqlState>,
    /// Why, where no SQLSTATE says it: `cancelled`, `connection lost`, …
    pub cause: Option<&'static str>,
    /// Rows that passed, or that the command reports.
    pub rows: u64,
    /// Bytes that passed to the agent.
    pub bytes: u64,
    /// Values masked by content.
    pub masked: u64,
    /// Values masked because policy names their column.
    pub sensitive: u64,
    /// From the decision to the end of the answer.
    pub duration_ns: u64,
    /// What was received is a record of its own, which follows.
    pub result_follows: bool,
    /// The session's own count of its records, from 1.
    pub number: u64,
}

/// A session's sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionTotals {
    /// Statements decided.
    pub statements: u64,
    /// Of them, those that did not go on.
    pub refused: u64,
    /// Rows to the agent.
    pub rows: u64,
    /// Bytes to the agent.
    pub bytes: u64,
    /// Bytes to the database.
    pub sent: u64,
    /// Values masked by content.
    pub masked: u64,
    /// Values masked because policy names their column.
    pub sensitive: u64,
    /// The session's length.
    pub duration_ns: u64,
}
