//! Records of who did what: encoding, segments, chain and verifier; bytes in, bytes out.
//!
//! The way of a record: a session [`encode`]s an [`Event`] to a payload, its shard appends that
//! to a segment in memory ([`segment::Appender`]), a batch step hashes what was appended into the series' tree
//! ([`chain`]), a signed [`note`] tells of its root, [`proof`]s need nothing else, and [`verify`] finds whatever was changed later.
//! `docs/AUDIT-FORMAT.md` describes every byte.
//!
//! What is absent here, and a reviewer may rely on it: no file, no clock, no randomness, no `unsafe`; and no way to write
//! text into an event that [`pan::Masked`] has not been over ([`Text`]).
#![forbid(unsafe_code)]

pub mod cef;
pub mod chain;
pub mod decode;
mod encode;
mod event;
pub mod field;
mod id;
pub mod keys;
pub mod note;
pub mod ocsf;
pub mod proof;
pub mod received;
mod record_type;
pub mod removal;
pub mod segment;
pub mod show;
pub mod silence;
pub mod token;
pub mod verify;
pub mod witness;

pub use encode::{ActorPart, ParametersPart, StatementPart, VerdictPart, encode};
pub use event::{
    Actor, Approval, AskOver, Asked, Clock, CredentialSeen, Decided, Event, Grant, GrantOver, Head, Identified,
    LoginTls, Operator, Outcome, Parameters, Principal, RevealOver, Revealed, Revealing, SessionTotals, SignedOff,
    SqlState, Stage, Statement, Text, TokenSeen, Verdict, VerdictFacts,
};
pub use id::{MalformedId, RecordId};
pub use pan::Masked;
pub use record_type::RecordType;

/// The longest statement text that a record keeps; what is longer is cut, and its true length is in the record.
pub const TEXT_MAX: usize = 1 << 20;
/// The longest name (table, rule, user, …) that a record keeps.
pub const NAME_MAX: usize = 256;
/// The longest reason of a reviewer that a record keeps.
pub const JUSTIFICATION_MAX: usize = 1024;
/// The most entries of one list (tables, kinds, counters) that a record keeps; how many were left off is in the record.
pub const LIST_MAX: usize = 256;
/// The longest payload: one text, a few full lists, and the rest. The appender refuses more, the readers read no more.
pub const PAYLOAD_MAX: usize = 2 << 20;

const _: () = assert!(TEXT_MAX + 5 * LIST_MAX * (NAME_MAX + 16) + 32 * NAME_MAX < PAYLOAD_MAX);
