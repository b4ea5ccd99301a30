//! What is recorded of a statement, of what it is bound to, and of what is decided.

use pan::Masked;

use super::Text;
use crate::encode::{ActorPart, ParametersPart, StatementPart, VerdictPart};
use crate::token::CardTokens;

/// What a statement is: the same at each of its executions.
#[derive(Clone, Copy, Debug)]
pub struct Statement<'a> {
    /// Kinds by effect, as policy names them.
    pub kinds: &'a [&'static str],
    /// Tables and functions that it names, qualified where they are resolved.
    pub tables: &'a [Masked],
    /// The text, masked or redacted.
    pub text: Text<'a>,
    /// The whole text's length as it came.
    pub text_bytes: u64,
    /// Literals were replaced before the text was kept.
    pub redacted: bool,
    /// Of the card numbers in the text.
    pub tokens: &'a CardTokens,
}

/// What a statement was bound to.
#[derive(Clone, Copy, Debug)]
pub struct Parameters<'a> {
    /// The parameters' values; none where they are not kept.
    pub values: &'a [Masked],
    /// Of the card numbers in them.
    pub tokens: &'a CardTokens,
    /// Bytes of them in which no card number was looked for.
    pub unread: u64,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Allow,
    /// It waits for a person.
    Hold,
    /// It is refused.
    Block,
    /// `observe`: policy would have refused it; it goes on.
    WouldBlock,
    /// `observe`: it could not be judged; it goes on, and the reason says why.
    Unjudged,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Verdict; 5] =
        [Verdict::Allow, Verdict::Hold, Verdict::Block, Verdict::WouldBlock, Verdict::Unjudged];

    /// The word in JSON and in a line.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Allow => "allow",
            Verdict::Hold => "hold",
            Verdict::Block => "block",
            Verdict::WouldBlock => "would-block",
            Verdict::Unjudged => "unjudged",
        }
    }

    /// The number on disk.
    pub fn code(self) -> u8 {
        match self {
            Verdict::Allow => 1,
            Verdict::Hold => 2,
            Verdict::Block => 3,
            Verdict::WouldBlock => 4,
            Verdict::Unjudged => 5,
        }
    }

    /// Whether the statement goes on: the decision's success.
    pub fn goes_on(self) -> bool {
        matches!(self, Verdict::Allow | Verdict::WouldBlock | Verdict::Unjudged)
    }
}

/// A verdict and what it rests on: the same for each execution until policy or name resolution changes.
#[derive(Clone, Copy, Debug)]
pub struct VerdictFacts<'a> {
    /// What was decided.
    pub verdict: Verdict,
    /// The rule that decided, if one did.
    pub rule: Option<Text<'a>>,
    /// Why, where no rule says it.
    pub reason: Option<Text<'a>>,
    /// The version of the policy.
    pub policy: Text<'a>,
}

/// One decision.
#[derive(Clone, Copy, Debug)]
pub struct Decided<'a> {
    /// Who.
    pub actor: &'a ActorPart,
    /// What.
    pub statement: &'a StatementPart,
    /// The answer.
    pub verdict: &'a VerdictPart,
    /// What it was bound to, as far as that is kept.
    pub parameters: Option<&'a ParametersPart>,
    /// How it came: `query`, `parse`, `bind`, `execute`, `function-call`, …
    pub request: &'static str,
    /// The approval that lets it go on, or that was refused.
    pub approval: Option<Text<'a>>,
    /// The approval under which it is shown clear values.
    pub reveal: Option<Text<'a>>,
    /// The session's own count of its records, from 1.
    pub number: u64,
}
