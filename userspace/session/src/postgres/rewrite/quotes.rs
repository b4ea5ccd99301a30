//! Messages of the server that quote a value: `invalid input syntax for type integer: "…"`.
//!
//! The value is not escaped in there, so only the last quote surely ends it. Translated messages have other quotes (»…«, “…”): every
//! byte beyond ASCII counts as one.

use super::HOLD_MAX;
use super::search::{Ahead, Patterns, Search, Sought};
use pan::Fill;

/// A SQLSTATE's five characters.
pub(super) const SQLSTATE_LEN: usize = 5;

/// A message whose quoted part is hidden, as it streams.
#[derive(Clone)]
pub(super) enum Quoted {
    /// Nothing of it has left yet.
    Whole(Sought),
    /// It is longer than can be held: once a quote has passed, all is hidden to the end.
    Long { hiding: bool, search: Search },
}

impl Quoted {
    pub(super) fn new(sought: Sought) -> Quoted {
        Quoted::Whole(sought)
    }

    /// Bytes that are final, and the cards in them.
    pub(super) fn mask(
        &mut self,
        chunk: &mut [u8],
        ends: bool,
        patterns: Option<&Patterns>,
        ahead: &mut Ahead,
    ) -> (usize, u32) {
        if let Quoted::Whole(sought) = *self
            && chunk.len() > HOLD_MAX
        {
            *self = Quoted::Long { hiding: false, search: Search::new(sought, Fill::Text) };
        }
        match self {
            Quoted::Whole(_) if !ends => (0, 0),
            Quoted::Whole(sought) => {
                let last = chunk.iter().rposition(|byte| is_quote(*byte));
                let first = chunk.iter().position(|byte| is_quote(*byte));
                if let (Some(first), Some(last)) = (first, last) {
                    let end = if last > first { last + 1 } else { chunk.len() };
                    hide(chunk.get_mut(first..end).unwrap_or_default());
                }
                let scan = Search::new(*sought, Fill::Text).scan(chunk, true, patterns, ahead);
                (chunk.len(), scan.cards)
            }
            Quoted::Long { hiding, search } => {
                let first = if *hiding { Some(0) } else { chunk.iter().position(|byte| is_quote(*byte)) };
                if let Some(first) = first {
                    chunk.get_mut(first..).unwrap_or_default().fill(b'*');
                }
                let scan = search.scan(chunk, ends, patterns, ahead);
                let done = chunk.len().saturating_sub(scan.hold);
                *hiding = first.is_some(); // the quote itself is hidden, so only this remembers it
                (done, scan.cards)
            }
        }
    }
}

/// Hides what is between the ASCII quotes at both ends, and all else.
fn hide(part: &mut [u8]) {
    let len = part.len();
    for (at, byte) in part.iter_mut().enumerate() {
        let edge = at == 0 || at + 1 == len;
        if !(edge && matches!(byte, b'"' | b'\'' | b'`')) {
            *byte = b'*';
        }
    }
}

fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`') || !byte.is_ascii()
}
