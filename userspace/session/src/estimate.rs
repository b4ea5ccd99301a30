//! What the database's planner expects of a statement, asked on a connection of our own: neither the shard nor the agent's connection
//! waits on it, and nothing but EXPLAIN is ever said there.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// What the planner expects of a statement. Nothing has run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// The most rows that any step of the plan is expected to give.
    pub rows: u64,
    /// The cost of all of it, in the planner's units, rounded.
    pub cost: u64,
}

/// What is to be explained. Whoever answers does so by [`crate::Input::Estimated`] with the same number.
#[derive(Clone)]
pub struct EstimateAsk {
    /// Which question of the session.
    pub number: u64,
    /// The session that waits.
    pub session: u64,
    /// The configured name of the database's endpoint.
    pub database: String,
    /// The address that the agent dialled.
    pub origin: SocketAddr,
    /// The database named at startup.
    pub dbname: String,
    /// The schemas that its bare names are searched in, in order.
    pub schemas: Arc<[String]>,
    /// One statement, as the agent wrote it.
    pub text: String,
    /// What Bind says behind its two names: formats and values of its parameters; none for a Query.
    pub values: Option<Box<[u8]>>,
    /// Nobody waits any more from then on, monotonic nanoseconds.
    pub until_ns: u64,
}

impl fmt::Debug for EstimateAsk {
    /// No word of the statement.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EstimateAsk")
            .field("number", &self.number)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}
