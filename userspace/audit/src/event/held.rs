//! What is recorded of a held statement: that a person is asked, what people say, and that nobody did.

use pan::Masked;

use super::{Operator, Text};
use crate::encode::{ActorPart, ParametersPart, StatementPart, VerdictPart};
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
    pub parameters: Option<&'a ParametersPart>,
    /// `none` or `open`.
    pub transaction: &'static str,
    /// How long that one has been open.
    pub transaction_ns: Option<u64>,
    /// So many rows may leave if it is approved.
    pub rows_bound: Option<u64>,
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
    /// Given before, this one is taken from: one that covers further runs, or a grant.
    pub under: Option<Text<'a>>,
    /// Yes or no.
    pub approved: bool,
    /// The person let it go on alone, in an emergency.
    pub break_glass: bool,
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

/// Clear values are shown from now on.
#[derive(Clone, Copy, Debug)]
pub struct Revealing<'a> {
    /// To whom.
    pub actor: &'a ActorPart,
    /// The approval of the question.
    pub reveal: Text<'a>,
    /// The rule: `reveal NAME`.
    pub rule: Text<'a>,
    /// The agent's reason.
    pub justification: Text<'a>,
    /// Whose values.
    pub columns: &'a [Masked],
    /// The end at the latest, seconds since 1970.
    pub until_s: u64,
    /// The session's own count of its records, from 1.
    pub number: u64,
}

/// A statement was shown clear values.
#[derive(Clone, Copy, Debug)]
pub struct Revealed<'a> {
    /// To whom.
    pub actor: &'a ActorPart,
    /// The decision on it.
    pub decision: RecordId,
    /// The approval of the question.
    pub reveal: Text<'a>,
    /// Columns, and how many values of each.
    pub counts: &'a [(Masked, u64)],
    /// The session's own count of its records, from 1.
    pub number: u64,
}

/// They are shown no more.
#[derive(Clone, Copy, Debug)]
pub struct RevealOver<'a> {
    /// To whom.
    pub actor: &'a ActorPart,
    /// The approval of the question.
    pub reveal: Text<'a>,
    /// Why.
    pub cause: &'static str,
    /// How many values of each column, of all statements.
    pub counts: &'a [(Masked, u64)],
    /// The session's own count of its records, from 1.
    pub number: u64,
}

/// A person's word that stands for a while.
#[derive(Clone, Copy, Debug)]
pub struct Grant<'a> {
    /// Who writes it down: the service.
    pub operator: Operator<'a>,
    /// The id: of the approval that covers further runs, or of the grant.
    pub approval: Text<'a>,
    /// The rules that take it.
    pub rules: &'a [Masked],
    /// For which agent.
    pub agent: Text<'a>,
    /// On which database.
    pub database: Text<'a>,
    /// The policy under which it counts.
    pub policy: Text<'a>,
    /// The person.
    pub reviewer: Text<'a>,
    /// How the person's identity was confirmed.
    pub login: Text<'a>,
    /// The reason.
    pub justification: Text<'a>,
    /// When it was given, seconds since 1970.
    pub given_s: u64,
    /// When it is over.
    pub until_s: u64,
    /// Of one that covers further runs: what it is bound to.
    pub binding: Option<[u8; 32]>,
}

/// It was taken back.
#[derive(Clone, Copy, Debug)]
pub struct GrantOver<'a> {
    /// Who writes it down: the service.
    pub operator: Operator<'a>,
    /// For which agent it was.
    pub agent: Text<'a>,
    /// The id.
    pub approval: Text<'a>,
    /// The person who took it back.
    pub reviewer: Text<'a>,
    /// How the person's identity was confirmed.
    pub login: Text<'a>,
    /// The reason.
    pub justification: Text<'a>,
}
