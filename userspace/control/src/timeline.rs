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
    /// What the agent received of a statement, where its result is in the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received: Option<Received>,
}

/// What an agent received of a statement, as far as it is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Received {
    /// The messages in their order, the first ones.
    pub lines: Vec<Line>,
    /// So many bytes came besides.
    pub more: u64,
}

/// One message that an agent received, masked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    /// What the columns of the rows behind it are called.
    Columns(Vec<String>),
    /// A row; `None`: null.
    Row(Vec<Option<String>>),
    /// What came besides: a tag, an error, a notice, a line of COPY.
    Said(String),
}
