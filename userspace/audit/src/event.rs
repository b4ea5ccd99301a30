//! What can be recorded: one closed enum, whose texts are masked by their type.
use std::net::SocketAddr;

use pan::Masked;

use crate::encode::ActorPart;
use crate::id::RecordId;
use crate::keys::KeyTold;
use crate::received::Received;
use crate::record_type::RecordType;
use crate::removal::Removed;

mod credential;
mod ended;
mod held;
mod identity;
mod node;
mod sql_state;
mod statement;

pub use credential::CredentialSeen;
pub use ended::{Outcome, SessionTotals};
pub use held::{Approval, AskOver, Asked, Grant, GrantOver, RevealOver, Revealed, Revealing};
pub use identity::{Identified, Principal, TokenSeen};
pub use node::{Clock, Head};
pub use sql_state::SqlState;
pub use statement::{Decided, Parameters, Statement, Verdict, VerdictFacts};

/// Text that a record accepts: our own words, or what [`pan::Masked`] has been over. Names that an agent chooses (tables,
/// dbname, database user, application_name, its executable) are of the second kind like any other text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text<'a> {
    /// Our own words.
    Literal(&'static str),
    /// Anything else.
    Masked(&'a Masked),
}

impl Text<'_> {
    /// The text.
    pub fn as_str(&self) -> &str {
        match self {
            Text::Literal(text) => text,
            Text::Masked(text) => text.as_str(),
        }
    }
}

impl From<&'static str> for Text<'_> {
    fn from(text: &'static str) -> Self {
        Text::Literal(text)
    }
}

impl<'a> From<&'a Masked> for Text<'a> {
    fn from(text: &'a Masked) -> Self {
        Text::Masked(text)
    }
}

/// How far something that root does to the host has come: each is a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It begins: neither a success nor a failure yet. A later record says how it ended.
    Begins,
    /// It holds.
    Done,
    /// It does not hold.
    Failed,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Stage; 3] = [Stage::Begins, Stage::Done, Stage::Failed];

    /// The word in JSON and in a line.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Begins => "begins",
            Stage::Done => "done",
            Stage::Failed => "failed",
        }
    }

    /// The number on disk.
    pub fn code(self) -> u8 {
        match self {
            Stage::Begins => 1,
            Stage::Done => 2,
            Stage::Failed => 3,
        }
    }

    /// Whether it succeeded, once that can be said.
    pub fn success(self) -> Option<bool> {
        match self {
            Stage::Begins => None,
            Stage::Done => Some(true),
            Stage::Failed => Some(false),
        }
    }
}

/// Who acts, over which connection, frozen at connect: all that stays the same in a session.
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a> {
    /// The configured name of the agent.
    pub agent: Text<'a>,
    /// Its cgroup's id.
    pub cgroup: u64,
    /// The process that called connect().
    pub pid: u32,
    /// Its user.
    pub uid: u32,
    /// The device of its executable.
    pub exe_device: u64,
    /// The inode of its executable.
    pub exe_inode: u64,
    /// The name of its executable (the agent may choose it).
    pub exe_name: Text<'a>,
    /// Its end of the socket: PCI DSS 10.2.2 origination, with the host id in the segment's header.
    pub agent_address: SocketAddr,
    /// The configured name of the database's endpoint.
    pub database: Text<'a>,
    /// The address that the agent dialled.
    pub database_address: SocketAddr,
    /// The database named at startup, once it is known.
    pub dbname: Option<Text<'a>>,
    /// The role named at startup, once it is known.
    pub database_user: Option<Text<'a>>,
    /// application_name, once it is known.
    pub application: Option<Text<'a>>,
    /// The subject of the certificate that it showed, if it did.
    pub certificate: Option<Text<'a>>,
    /// Who it is by a token that is bound to its job.
    pub signed: Option<Principal<'a>>,
}

/// Who did something to the service itself.
#[derive(Clone, Copy, Debug)]
pub struct Operator<'a> {
    /// `service`, or the operator's name.
    pub name: Text<'a>,
    /// The user id of the process.
    pub uid: u32,
    /// The process.
    pub pid: u32,
}

/// Who signed a policy off. It is what the policy's file says, and the file's writer may say anything.
#[derive(Clone, Copy, Debug)]
pub struct SignedOff<'a> {
    /// People.
    pub by: Text<'a>,
    /// Why, or under which number.
    pub reason: Text<'a>,
}

/// TLS of a session's two legs.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoginTls<'a> {
    /// The agent's: version and suite.
    pub agent: Option<Text<'a>>,
    /// The database's: version and suite.
    pub database: Option<Text<'a>>,
    /// The name that the database's certificate was verified for.
    pub peer: Option<Text<'a>>,
    /// The serial number of the agent's certificate.
    pub serial: Option<Text<'a>>,
    /// Its SHA-256.
    pub sha256: Option<[u8; 32]>,
}

/// Everything that is recorded. Each variant carries or implies the six fields of PCI DSS v4.0.1 10.2.2: the user (agent and
/// database user, or operator), the type ([`RecordType`]), date and time (the frame's clocks), success, origination (the
/// address and process; the host is in the segment's header) and the resource (database and tables, unit, policy, object).
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A connection was accepted.
    SessionStart {
        /// Who.
        actor: &'a ActorPart,
        /// The session's own count of its records, from 1.
        number: u64,
    },
    /// The database accepted or refused the login (10.2.1.4).
    Login {
        /// Who, with the names of the startup packet.
        actor: &'a ActorPart,
        /// Accepted.
        success: bool,
        /// The error's code.
        sqlstate: Option<SqlState>,
        /// Where we refused it ourselves: why.
        cause: Option<Text<'a>>,
        /// How it was made: what the database asked for, and whether SCRAM ended here.
        way: Option<&'static str>,
        /// How both legs were encrypted.
        tls: LoginTls<'a>,
        /// The session's own count of its records.
        number: u64,
    },
    /// A connection ended.
    SessionEnd {
        /// Who.
        actor: &'a ActorPart,
        /// Its end was an orderly one.
        success: bool,
        /// Why it ended.
        cause: Text<'a>,
        /// The code of the last error that we or the database closed it with.
        sqlstate: Option<SqlState>,
        /// Its sums.
        totals: SessionTotals,
        /// The session's own count of its records.
        number: u64,
    },
    /// A statement was judged.
    Decision(Decided<'a>),
    /// A statement that went on ended.
    Outcome(Outcome<'a>),
    /// What an agent received of a statement.
    Result(Received<'a>),
    /// A statement of ours to the database: never counted as an agent's.
    Own {
        /// For whose session.
        actor: &'a ActorPart,
        /// What for.
        purpose: &'static str,
        /// Its text.
        text: Text<'a>,
        /// The session's own count of its records.
        number: u64,
    },
    /// A column holds card numbers plainly and no rule names it (12.10.7).
    Finding {
        /// In whose session it was seen.
        actor: &'a ActorPart,
        /// The column.
        object: Text<'a>,
        /// What was seen of it.
        counters: &'a [(&'static str, u64)],
        /// The session's own count of its records, from 1.
        number: u64,
    },
    /// What a token says of the agent.
    Identity(Identified<'a>),
    /// A token came, or was revoked.
    Token(TokenSeen<'a>),
    /// A login of ours was made, dropped or could not be.
    Credential(CredentialSeen<'a>),
    /// A statement waits for a person.
    Ask(Asked<'a>),
    /// A person approved or denied a held statement.
    Approval(Approval<'a>),
    /// A held statement waits no more: it expired, was cancelled, or its connection ended.
    AskOver(AskOver<'a>),
    /// Clear values are shown from now on.
    Reveal(Revealing<'a>),
    /// A statement was shown clear values.
    Revealed(Revealed<'a>),
    /// They are shown no more.
    RevealOver(RevealOver<'a>),
    /// A person's word that stands for a while.
    Grant(Grant<'a>),
    /// It was taken back.
    GrantOver(GrantOver<'a>),
    /// A held statement of a service that was killed: it ended with its connection, and the next service says so.
    AskLeft {
        /// Who says it.
        operator: Operator<'a>,
        /// Whose statement.
        agent: Text<'a>,
        /// The id.
        approval: Text<'a>,
        /// The record that asks.
        ask: RecordId,
        /// Why it ended.
        cause: &'static str,
    },
    /// A cancel request.
    Cancel {
        /// Who asked.
        actor: &'a ActorPart,
        /// The session that it is for, if its key is known.
        target: Option<u64>,
        /// It was passed on.
        success: bool,
        /// Why not.
        cause: Option<&'static str>,
    },
    /// An agent's unit, cgroup or user was put under protection, or refused.
    Admission {
        /// Who admitted it.
        operator: Operator<'a>,
        /// The agent's configured name.
        agent: Text<'a>,
        /// The unit, cgroup or user.
        unit: Text<'a>,
        /// How far it has come.
        stage: Stage,
        /// What was done, or why not.
        message: Option<Text<'a>>,
    },
    /// A policy was loaded, or refused.
    PolicyLoad {
        /// Who asked.
        operator: Operator<'a>,
        /// The version that holds now (after a refusal: still).
        policy: Text<'a>,
        /// The version before.
        previous: Option<Text<'a>>,
        /// How many rules hold.
        rules: u32,
        /// Who signed it off, as its file says.
        approved: Option<SignedOff<'a>>,
        /// It was loaded.
        success: bool,
        /// Why not.
        message: Option<Text<'a>>,
    },
    /// The kernel half was attached.
    Attach {
        /// Who.
        operator: Operator<'a>,
        /// What: programs, links, directory.
        object: Text<'a>,
        /// How far it has come.
        stage: Stage,
        /// Why not.
        message: Option<Text<'a>>,
    },
    /// The kernel half was removed.
    Detach {
        /// Who.
        operator: Operator<'a>,
        /// What.
        object: Text<'a>,
        /// How far it has come.
        stage: Stage,
        /// Why not.
        message: Option<Text<'a>>,
    },
    /// Somebody read this record, or checked it (10.2.1.3). Written before anything is shown.
    Reading {
        /// Who.
        operator: Operator<'a>,
        /// The verb, and what it was asked for.
        object: Text<'a>,
        /// It was shown; of a check: it is whole.
        success: bool,
        /// What the check found.
        message: Option<Text<'a>>,
    },
    /// Something that a person must look at (10.4.1.1, 10.7.2, 12.10.7).
    Alert {
        /// Who found it.
        operator: Operator<'a>,
        /// What it is about: `rule blocks`, `denials`, `sink NAME`, …
        object: Text<'a>,
        /// The record that it begins with, if it is one.
        about: Option<RecordId>,
        /// What was seen.
        message: Text<'a>,
    },
    /// A segment was removed for good (10.5.1): written, and on disk, before it is.
    Tombstone {
        /// Who.
        operator: Operator<'a>,
        /// What.
        removed: &'a Removed,
        /// Why: how long it had to be kept.
        cause: Text<'a>,
        /// By the root key; `None`: this host has none yet.
        signature: Option<&'a [u8; 64]>,
    },
    /// Segments were moved, or kept though their time was over.
    Retention {
        /// Who.
        operator: Operator<'a>,
        /// To where, or under which hold.
        object: Text<'a>,
        /// All was done that was due.
        success: bool,
        /// Which, and how many.
        message: Text<'a>,
    },
    /// A key of a run of the service, or the next root key.
    Key {
        /// Who.
        operator: Operator<'a>,
        /// Which, and the root key's word for it.
        told: &'a KeyTold,
    },
    /// The service, and with it this record, started (10.2.1.6).
    ServiceStart {
        /// Who.
        operator: Operator<'a>,
        /// The program's version.
        version: &'static str,
        /// The kernel's release.
        kernel: Text<'a>,
        /// The policy's version.
        policy: Text<'a>,
        /// Who signed it off, as its file says.
        approved: Option<SignedOff<'a>>,
        /// It serves.
        success: bool,
        /// Why not.
        message: Option<Text<'a>>,
    },
    /// The service stops.
    ServiceStop {
        /// Who.
        operator: Operator<'a>,
        /// Why.
        cause: Text<'a>,
        /// All sessions ended in order.
        success: bool,
    },
    /// The canary: redirection was found broken, or works again (10.7.2).
    Canary {
        /// Who.
        operator: Operator<'a>,
        /// What was checked.
        object: Text<'a>,
        /// Redirection works.
        success: bool,
        /// What was seen.
        message: Option<Text<'a>>,
    },
    /// What sweeps removed, what queues and maps refused, since the last such record.
    Counters {
        /// Who.
        operator: Operator<'a>,
        /// Of what.
        object: &'static str,
        /// Nothing was lost or refused.
        success: bool,
        /// The counters.
        counters: &'a [(&'static str, u64)],
    },
    /// How far all series are: the node's own series has these, and a signed checkpoint binds it, and so all of them.
    Checkpoint {
        /// Who.
        operator: Operator<'a>,
        /// The policy in force.
        policy: Text<'a>,
        /// The program that runs; `None`: it cannot be read.
        program: Option<&'a crate::chain::Hash>,
        /// The kernel half in it.
        objects: &'a crate::chain::Hash,
        /// How far the clock can be trusted; `None`: the kernel did not say.
        clock: Option<Clock>,
        /// The next checkpoint comes within so many seconds; 0: none is due, the service stops.
        next_within_s: u32,
        /// One per shard that has records on disk.
        heads: &'a [Head],
    },
}

impl Event<'_> {
    /// The type byte of its frame, as the appender wants it.
    pub fn kind(&self) -> u8 {
        self.record_type().code()
    }

    /// The type of its record.
    pub fn record_type(&self) -> RecordType {
        match self {
            Event::SessionStart { .. } => RecordType::SessionStart,
            Event::SessionEnd { .. } => RecordType::SessionEnd,
            Event::Login { .. } => RecordType::Login,
            Event::Decision(_) => RecordType::Decision,
            Event::Outcome(_) => RecordType::Outcome,
            Event::Result(_) => RecordType::Result,
            Event::Own { .. } => RecordType::Own,
            Event::Cancel { .. } => RecordType::Cancel,
            Event::Finding { .. } => RecordType::Finding,
            Event::Identity(_) => RecordType::Identity,
            Event::Token(_) => RecordType::Token,
            Event::Credential(_) => RecordType::Credential,
            Event::Ask(_) => RecordType::Ask,
            Event::Approval(_) => RecordType::Approval,
            Event::AskOver(_) | Event::AskLeft { .. } => RecordType::AskOver,
            Event::Reveal(_) => RecordType::Reveal,
            Event::Revealed(_) => RecordType::Revealed,
            Event::RevealOver(_) => RecordType::RevealOver,
            Event::Grant(_) => RecordType::Grant,
            Event::GrantOver(_) => RecordType::GrantOver,
            Event::Admission { .. } => RecordType::Admission,
            Event::PolicyLoad { .. } => RecordType::PolicyLoad,
            Event::Attach { .. } => RecordType::Attach,
            Event::Detach { .. } => RecordType::Detach,
            Event::Reading { .. } => RecordType::Reading,
            Event::Alert { .. } => RecordType::Alert,
            Event::Tombstone { .. } => RecordType::Tombstone,
            Event::Retention { .. } => RecordType::Retention,
            Event::Key { told, .. } => told.record_type(),
            Event::ServiceStart { .. } => RecordType::ServiceStart,
            Event::ServiceStop { .. } => RecordType::ServiceStop,
            Event::Canary { .. } => RecordType::Canary,
            Event::Counters { .. } => RecordType::Counters,
            Event::Checkpoint { .. } => RecordType::Checkpoint,
        }
    }
}
