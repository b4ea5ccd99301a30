//! One session's records, for people.

use serde::Serialize;

/// What a session did, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Timeline {
    /// `SHARD.NUMBER`.
    pub id: String,
    /// The agent's configured name.
    pub agent: String,
    /// The configured name of the database's endpoint.
    pub database: String,
    /// So many earlier ones are not told.
    pub left_off: usize,
    /// Its records, the oldest first.
    pub moments: Vec<Moment>,
}

/// One record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// Its id.
    pub record: String,
    /// When it was written.
    pub time: String,
    /// Microseconds since the first that is known.
    pub since_us: u64,
    /// What it is: a verdict, an outcome, the kind of another record.
    pub what: String,
    /// Rule, reason, who, why.
    pub words: String,
    /// The statement, masked; empty: it has none.
    pub text: String,
    /// It was refused, denied or failed.
    pub failed: bool,
}
