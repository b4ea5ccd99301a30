//! What a session borrows from its shard for the length of one call.

use std::sync::Arc;

use audit::token::CardKey;

use crate::{AskId, Cancels, Catalogs, Limits, RecordId, ResultMemory, StatementCache};

/// The shard's side of one call.
pub struct Shared<'a> {
    /// The policy in force.
    pub policy: &'a Arc<policy::Policy>,
    /// Judged statements of all sessions of the shard.
    pub statements: &'a mut StatementCache,
    /// Sensitive columns per database, for all sessions of the shard.
    pub catalogs: &'a mut Catalogs,
    /// Issued cancel keys.
    pub cancels: &'a dyn Cancels,
    /// The id that the first record of this call will get; the next ones follow without a gap.
    pub next_record: RecordId,
    /// The id of the next ask, fresh and random; `None`: there is no randomness, so nobody can be asked. The shard draws another once
    /// an ask has taken it.
    pub next_ask: Option<AskId>,
    /// Bytes of records that this call may write and come to owe, beside those that the session owed before it
    /// ([`crate::Session::owes`]). What has no room here is refused, and leaves no record.
    pub room: usize,
    /// What results that are being recorded may take, of all sessions of the shard.
    pub results: &'a ResultMemory,
    /// What card numbers are told by in the record.
    pub card_key: &'a Arc<CardKey>,
    /// The bounds.
    pub limits: &'a Limits,
}
