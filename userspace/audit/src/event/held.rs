//! What is recorded of a held statement: that a person is asked, what people say, and that nobody did.

use pan::Masked;

use super::Text;
use crate::encode::{ActorPart, StatementPart, VerdictPart};
use crate::id::RecordId;

/// A statement that waits for a person.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Who.
    pub actor: &'a ActorPart,
    /// What.
    pub statement: &'a StatementPart,
    /// That it is held, by which rule of which policy.
    pub verdict: &'a VerdictPart,
    /// How it came: `query`, `bind`, …
    pub request: &'static str,
    /// The id that a person types.
    pub approval: Text<'a>,
    /// When it is denied if nobody decides, seconds since 1970.
    pub expires_s: u64,
    /// The rule's message.
    pub need: Text<'a>,
    /// Who may approve; empty: any reviewer.
    pub approvers: &'a [Masked],
    /// How many must.
    pub approvals: u32,
    /// The parameters' values.
    pub parameters: &'a [Masked],
    /// `none` or `open`.
    pub transaction: &'static str,
    /// What the planner expects of it: the most rows of any step, and the cost; `None`: it was not asked, or did not say.
    pub estimate: Option<(u64, u64)>,
    /// The session's own count of its records, from 1.
    pub number: u64,
}

/// What a person said about a held statement. The six points of PCI DSS v4.0.1 8.6.1 are `need`, `expires_s`, `justification`,
/// `approved`, `login` (the identity confirmed) and `reviewer` with `actor` (attributable).
#[derive(Clone, Copy, Debug)]
pub struct Approval<'a> {
    /// Whose statement.
    pub actor: &'a ActorPart,
    /// The id.
    pub approval: Text<'a>,
    /// The record that asks.
    pub ask: RecordId,
    /// Yes or no.
    pub approved: bool,
    /// The person.
    pub reviewer: Text<'a>,
    /// How the person's identity was confirmed.
    pub login: Text<'a>,
    /// The reason that the person gave.
    pub justification: Text<'a>,
    /// The rule's message.
    pub need: Text<'a>,
    /// When it would have been denied, seconds since 1970.
    pub expires_s: u64,
    /// The session's own count of its records, from 1.
    pub number: u64,
}

/// A held statement waits no more, without a person's last word.
#[derive(Clone, Copy, Debug)]
pub struct AskOver<'a> {
    /// Whose statement.
    pub actor: &'a ActorPart,
    /// The id.
    pub approval: Text<'a>,
    /// The record that asks.
    pub ask: RecordId,
    /// Why: it expired, it was cancelled, …
    pub cause: &'static str,
    /// The session's own count of its records, from 1.
    pub number: u64,
}
