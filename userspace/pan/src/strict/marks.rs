//! Which bytes of a window have to go. Marks on bytes that are held back are carried to the next window.

/// Bytes that one step of the scan looks at.
pub(super) const WINDOW: usize = 1024;
const WORDS: usize = WINDOW / 64;
/// Words for the bytes that may be held back.
const HELD: usize = 4;
const _: () = assert!(super::HOLD_MAX <= HELD * 64);

/// A set of places in the window.
#[derive(Clone, Copy)]
pub(super) struct Places([u64; WORDS]);

/// The same for the bytes held back.
pub(super) type Held = [u64; HELD];

impl Places {
    pub(super) fn resume(held: &Held) -> Places {
        let mut words = [0; WORDS];
        words.iter_mut().zip(held).for_each(|(word, held)| *word = *held);
        Places(words)
    }

    pub(super) fn set(&mut self, at: usize) {
        if let Some(word) = self.0.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
    }

    pub(super) fn has(&self, at: usize) -> bool {
        self.0.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    /// The first place at or after `from` and before `end`.
    pub(super) fn next(&self, from: usize, end: usize) -> Option<usize> {
        let mut index = from / 64;
        let mut word = self.0.get(index)? >> (from % 64) << (from % 64);
        while word == 0 {
            index += 1;
            if index * 64 >= end {
                return None;
            }
            word = *self.0.get(index)?;
        }
        Some(index * 64 + word.trailing_zeros() as usize).filter(|&at| at < end)
    }

    /// The places of either, and those behind `pairs`.
    pub(super) fn touched(&self, pairs: &Places) -> Places {
        let mut words = self.0;
        let mut carry = 0;
        for (word, pairs) in words.iter_mut().zip(pairs.0) {
            *word |= pairs | pairs << 1 | carry;
            carry = pairs >> 63;
        }
        Places(words)
    }

    /// What is left from `cut` on.
    pub(super) fn held(&self, cut: usize) -> Held {
        let word = |index: usize| self.0.get(index).copied().unwrap_or(0);
        std::array::from_fn(|index| {
            let (at, shift) = (cut / 64 + index, cut % 64);
            word(at) >> shift | if shift > 0 { word(at + 1) << (64 - shift) } else { 0 }
        })
    }
}

/// What the readings found in a window.
pub(super) struct Marks {
    /// Digits by their first byte, and single bytes that become stars.
    pub(super) hidden: Places,
    /// Digits written as a pair of hex digits, by the first.
    pub(super) pairs: Places,
}
