//! A statement's text without its constants, by the grammar's own scanner.

use crate::grammar;

/// A statement's text without its constants and comments: fit for a record or a log once names are masked too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redacted(String);

impl Redacted {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What stands for a text that the scanner does not take.
const UNSCANNABLE: &str = "[text that cannot be scanned]";

/// The scanner's numbers of constants (`pg_query_scan_tokens.h`, pg_query 18.1.0): FCONST, SCONST, USCONST, BCONST, XCONST,
/// ICONST.
const CONSTANTS: [i32; 6] = [260, 261, 262, 263, 264, 266];

/// Its numbers of comments: SQL_COMMENT and C_COMMENT.
pub(crate) const COMMENTS: [i32; 2] = [275, 276];

/// Replaces every literal constant by `?` and every comment by a space. A text that cannot be scanned becomes one fixed
/// sentence. What lies between two tokens is white space and is kept.
pub fn redact(text: &str) -> Redacted {
    let Ok(tokens) = grammar::scan(text) else { return Redacted(UNSCANNABLE.to_owned()) };
    let mut redacted = String::with_capacity(text.len());
    let mut end = 0;
    for token in tokens {
        let (Some(between), Some(words)) = (text.get(end..token.start), text.get(token.start..token.end)) else {
            return Redacted(UNSCANNABLE.to_owned());
        };
        // Anything else between two tokens was part of one (a string's continuation).
        redacted.extend(between.chars().filter(|c| c.is_ascii_whitespace()));
        match token.number {
            constant if CONSTANTS.contains(&constant) => redacted.push('?'),
            comment if COMMENTS.contains(&comment) => redacted.push(' '),
            _ => redacted.push_str(words),
        }
        end = token.end;
    }
    Redacted(redacted.trim().to_owned())
}
