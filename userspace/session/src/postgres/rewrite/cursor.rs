//! The bytes at hand of one message body, and how far they are final.

use super::search::Patterns;

/// A place in the bytes of one call. What lies before it is final; what is left when the call ends is held.
pub(super) struct Cursor<'a> {
    bytes: &'a mut [u8],
    at: usize,
    /// What the columns' `Sought` speaks of.
    pub(super) patterns: Option<&'a Patterns>,
    pub(super) cards: u32,
    pub(super) sensitive: u32,
}

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The thing ended.
    Done,
    /// It needs bytes that are not here yet.
    More,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a mut [u8], patterns: Option<&'a Patterns>) -> Cursor<'a> {
        Cursor { bytes, at: 0, patterns, cards: 0, sensitive: 0 }
    }

    /// Bytes from the start that are final.
    pub(super) fn done(&self) -> usize {
        self.at
    }

    /// What is not final yet.
    pub(super) fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// The next `count` bytes, or as many as there are.
    pub(super) fn chunk(&mut self, count: usize) -> &mut [u8] {
        let end = self.bytes.len().min(self.at.saturating_add(count));
        self.bytes.get_mut(self.at..end).unwrap_or_default()
    }

    /// The next `count` bytes are final.
    pub(super) fn advance(&mut self, count: usize) {
        self.at = self.bytes.len().min(self.at.saturating_add(count));
    }

    /// The next N bytes, without moving on.
    pub(super) fn peek<const N: usize>(&self) -> Option<[u8; N]> {
        self.rest().first_chunk::<N>().copied()
    }

    /// The next N bytes, which are final as they are.
    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let word = self.peek::<N>()?;
        self.advance(N);
        Some(word)
    }
}
