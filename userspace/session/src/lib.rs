//! One connection pair as a state machine: input in, effects out. No IO, no clock, no randomness, so one seed replays any bug.
//!
//! The shard owns sockets and buffers. It hands each event to [`Session::handle`] and carries out the [`Effects`].
#![forbid(unsafe_code)]

mod approval;
mod block;
mod budgets;
mod cancel;
mod catalogs;
mod derived;
mod effects;
mod estimate;
mod evidence;
mod injected;
mod inner;
mod input;
mod large;
mod limits;
mod login_ask;
mod open;
pub mod planner;
pub mod postgres;
mod result_memory;
mod scram;
mod shared;
mod signed;
mod taints;
mod tls;
mod token_ask;
mod verdicts;

pub use approval::{Ask, AskEnd, AskId, Asking, MalformedAskId, Revealing, Standing, Vote};
pub use audit::RecordId;
pub use block::Block;
pub use budgets::Budgets;
pub use cancel::{CancelAsk, CancelTarget, Cancels, Key, SECRET_MAX};
pub use catalogs::Catalogs;
pub use effects::{Effects, Ended, Finish, HOLD_MAX, Piece, Records};
pub use estimate::{Estimate, EstimateAsk};
pub use evidence::{COLUMNS_MAX, ColumnName, Evidence, Place, Raised, SeenColumn};
pub use injected::{Injected, Logins, Placeholder, Secret};
pub use input::{Failure, Input, Now};
pub use large::{JudgeAsk, LargeVerdict};
pub use limits::Limits;
pub use login_ask::LoginAsk;
pub use open::{Database, Mode, Open, Subject};
pub use pan::Masked;
pub use postgres::catalog::survey::{Asker, Explanation, OfStatement, Row, Survey, Surveyed};
pub use postgres::received::{LongResult, PackedResult};
pub use result_memory::ResultMemory;
pub use scram::{BadVerifiers, NONCE_LEN, Verifiers};
pub use shared::Shared;
pub use signed::{Signed, TokenTerms};
pub use taints::{TAINTS_MAX, Tainted, Taints};
pub use tls::{AgentTls, ClientCertificate, Secure, Secured};
pub use token_ask::TokenAsk;
pub use verdicts::{Lookups, RuleHits, StatementCache};

/// One agent connection and its one connection to the database.
pub struct Session {
    connection: postgres::Connection,
}

impl Session {
    /// A session that has seen nothing yet. The shard hands it `Input::Deadline` at once: the first call, whatever its input,
    /// records the session's start and answers with the deadline of the login.
    pub fn new(open: Open) -> Session {
        Session { connection: postgres::Connection::new(open) }
    }

    /// One event. `out` must have been cleared.
    pub fn handle(&mut self, input: Input<'_>, now: Now, shared: &mut Shared<'_>, out: &mut Effects) {
        self.connection.handle(input, &mut postgres::Cx { now, shared, out });
    }

    /// The session is over, whatever the reason: its last record and the end of its cancel key. Nothing is sent after it.
    pub fn close(&mut self, now: Now, shared: &mut Shared<'_>, out: &mut Effects) {
        self.connection.close(&mut postgres::Cx { now, shared, out });
    }

    /// Bytes of records that the session will write whatever happens: the outcomes of what runs, its login and its end. The shard
    /// keeps that much room for it, so what went on can always be told to its end.
    pub fn owes(&self) -> usize {
        self.connection.owes()
    }

    /// Whether all that its agent was sent, with what is on its way, ends with a whole message.
    pub fn is_between_messages(&self) -> bool {
        self.connection.is_between_messages()
    }

    /// The token that is bound to its agent's job, and whether it is one that the agent may have.
    pub fn signed(&self) -> Option<(&std::sync::Arc<Signed>, bool)> {
        self.connection.signed()
    }

    /// What the session was opened with.
    pub fn open(&self) -> &Open {
        self.connection.open()
    }
}
