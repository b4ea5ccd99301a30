//! The library's parse and nothing after it: what all else is measured against.

use crate::grammar;

/// Whether the grammar takes a text. Nothing is read of its tree.
pub fn parses(text: &str) -> bool {
    grammar::takes(text)
}
