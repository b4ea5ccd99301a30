//! The first steps of a verdict without those after them: what all else is measured against.

use crate::{Limits, grammar};

/// Whether the grammar takes a text: the library's parse. Nothing is read of its tree.
pub fn parses(text: &str) -> bool {
    grammar::takes(text)
}

/// Whether its tree can be read: the same, and the tree as a walk has it. Nothing is walked.
pub fn reads(text: &str, limits: &Limits) -> bool {
    grammar::parse(text, &grammar::Arena::take(), limits.depth, limits.tree_bytes).is_ok()
}
