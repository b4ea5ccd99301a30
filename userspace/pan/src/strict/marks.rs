//! Which bytes of a window have to go. Marks on bytes that are held back are carried to the next window.

use crate::arch::WORD;

/// Bytes that one step of the scan looks at.
pub(super) const WINDOW: usize = 4096;
/// Words of a window.
pub(super) const WORDS: usize = WINDOW / WORD;
/// Words for the bytes that may be held back.
const HELD: usize = 4;
const _: () = assert!(super::HOLD_MAX <= HELD * WORD);

/// A set of places in the window, and room behind.
pub(super) struct Places([u64; WORDS + 1]);

/// The same for the bytes held back.
pub(super) type Held = [u64; HELD];

/// The lowest `count` bits.
pub(super) fn lowest(count: usize) -> u64 {
    if count < WORD { (1 << count) - 1 } else { u64::MAX }
}

/// 64 bytes from `at` on, zeros behind the end.
#[inline(always)]
pub(super) fn word_at(bytes: &[u8], at: usize) -> [u8; WORD] {
    let rest = bytes.get(at..).unwrap_or_default();
    match rest.first_chunk() {
        Some(word) => *word,
        None => {
            let mut word = [0; WORD];
            word.iter_mut().zip(rest).for_each(|(slot, byte)| *slot = *byte);
            word
        }
    }
}

impl Places {
    #[inline(always)]
    pub(super) fn resume(held: &Held) -> Places {
        let mut places = Places([0; WORDS + 1]);
        places.0.iter_mut().zip(held).for_each(|(place, held)| *place = *held);
        places
    }

    #[inline(always)]
    pub(super) fn set(&mut self, at: usize) {
        if let Some(word) = self.0.get_mut(at / WORD) {
            *word |= 1 << (at % WORD);
        }
    }

    #[inline(always)]
    pub(super) fn has(&self, at: usize) -> bool {
        self.word(at / WORD) >> (at % WORD) & 1 == 1
    }

    pub(super) fn any(&self) -> bool {
        self.0.iter().fold(0, |any, word| any | word) != 0
    }

    /// The places of the window's word at `index`.
    #[inline(always)]
    pub(super) fn word(&self, index: usize) -> u64 {
        self.0.get(index).copied().unwrap_or(0)
    }

    #[inline(always)]
    pub(super) fn set_word(&mut self, index: usize, places: u64) {
        if let Some(word) = self.0.get_mut(index) {
            *word |= places;
        }
    }

    /// What is left from `cut` on.
    #[inline(always)]
    pub(super) fn held(&self, cut: usize) -> Held {
        let (first, shift) = (cut / WORD, cut % WORD);
        std::array::from_fn(|index| {
            let above = self.word(first + index + 1) << 1 << (WORD - 1 - shift);
            self.word(first + index) >> shift | above
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
