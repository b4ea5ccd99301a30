//! What can happen to a session.

use std::sync::Arc;

use pan::Masked;

use crate::{AskId, Estimate, Injected, LargeVerdict, Secured, Signed, Vote};

/// Both clocks, read by the shard; the session reads none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Monotonic nanoseconds: order, durations, deadlines.
    pub mono_ns: u64,
    /// Nanoseconds since 1970: records and the time windows of rules.
    pub wall_ns: u64,
}

/// Why the database could not be reached, or was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The connection was refused or reset.
    Refused,
    /// No route, or no such host.
    Unreachable,
    /// No answer in time.
    TimedOut,
    /// The shard has no room for one more connection.
    Exhausted,
    /// TLS did not come about, or broke: why.
    Insecure(&'static str),
}

/// One event. Chunks are the shard's receive buffers, masked in place; [`crate::Effects`] points back into them.
#[derive(Debug)]
pub enum Input<'a> {
    /// Bytes of the agent.
    FromAgent(&'a mut [u8]),
    /// Bytes of the database, those held back by the last call first.
    FromDatabase(&'a mut [u8]),
    /// The agent sent its last byte; it may still read.
    AgentClosed,
    /// The database sent its last byte.
    DatabaseClosed,
    /// The connection asked for with `connect` stands.
    DatabaseConnected,
    /// The connection asked for with `connect` could not be made, or broke.
    DatabaseFailed(Failure),
    /// TLS stands between the agent and us: what came since is what it encrypted.
    AgentSecured(Secured),
    /// TLS with the agent did not come about, or broke: why. Nothing more can be said to it.
    AgentInsecure(&'static str),
    /// TLS stands between us and the database.
    DatabaseSecured(Secured),
    /// The wake-up asked for with `deadline`.
    Deadline,
    /// A person's word about the held statement.
    Vote(Box<Vote>),
    /// Nobody can be asked about the held statement of this id.
    Unheard(AskId),
    /// What the planner expects of the statement that waits for it; `None`: it could not be asked, or did not say.
    Estimated {
        /// Of [`crate::EstimateAsk`].
        number: u64,
        /// The answer.
        estimate: Option<Estimate>,
    },
    /// What the large text comes to that waits for its verdict; `None`: nobody could judge it.
    Judged {
        /// Of [`crate::JudgeAsk`].
        number: u64,
        /// The answer.
        verdict: Option<LargeVerdict>,
    },
    /// The login that the session waits for ([`crate::LoginAsk`]), or why there is none.
    Given(Result<Arc<Injected>, Box<Masked>>),
    /// The token that the session waits for ([`crate::TokenAsk`]), or why there is none.
    Identified(Result<Arc<Signed>, Box<Masked>>),
    /// The cancel of this number ([`crate::CancelAsk`]) was worked off, or has failed.
    CancelIsOver(u64),
    /// The agent has asked, on another connection, to cancel what runs; it waits for a person.
    CancelHeld,
    /// The record cannot be kept any more, and the shard ends: all that waits for it is forgotten, and what the session says now is its
    /// last. Its agent stands between two messages.
    RecordLost,
    /// A reviewer ends what is shown under this approval.
    EndReveal(AskId),
    /// A token is bound to the agent's job, or what was bound is another or revoked.
    Signed(Arc<Signed>),
    /// A person ends the session now, whatever runs: who, and why.
    End(Box<Masked>),
    /// The service stops: finish the statement that runs, then end the session.
    Stop,
}
