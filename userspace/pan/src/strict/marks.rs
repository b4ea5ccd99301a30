//! Which bytes of a window have to go. Marks on bytes that are held back are carried to the next window.

/// Bytes that one step of the scan looks at.
pub(super) const WINDOW: usize = 2048;
/// Words for the bytes that may be held back.
const HELD: usize = 4;
const _: () = assert!(super::HOLD_MAX <= HELD * 64);

/// A set of places in the window, a byte each: most are written and read in blocks.
pub(super) struct Places(pub(super) [u8; WINDOW]);

/// The same for the bytes held back.
pub(super) type Held = [u64; HELD];

impl Places {
    #[inline(always)]
    pub(super) fn resume(held: &Held) -> Places {
        let mut places = Places([0; WINDOW]);
        for (index, &word) in held.iter().enumerate() {
            let mut word = word;
            while word != 0 {
                places.set(index * 64 + word.trailing_zeros() as usize);
                word &= word - 1;
            }
        }
        places
    }

    #[inline(always)]
    pub(super) fn set(&mut self, at: usize) {
        if let Some(place) = self.0.get_mut(at) {
            *place = 1;
        }
    }

    #[inline(always)]
    pub(super) fn has(&self, at: usize) -> bool {
        self.0.get(at).is_some_and(|place| *place != 0)
    }

    /// What is left from `cut` on.
    #[inline(always)]
    pub(super) fn held(&self, cut: usize) -> Held {
        let mut held = [0; HELD];
        let rest = self.0.get(cut..).unwrap_or_default();
        for (word, places) in held.iter_mut().zip(rest.chunks(64)) {
            if places.iter().fold(0, |any, place| any | place) != 0 {
                for (bit, _) in places.iter().enumerate().filter(|(_, place)| **place != 0) {
                    *word |= 1 << bit;
                }
            }
        }
        held
    }
}

/// What the readings found in a window.
pub(super) struct Marks {
    /// Digits by their first byte, and single bytes that become stars.
    pub(super) hidden: Places,
    /// Digits written as a pair of hex digits, by the first.
    pub(super) pairs: Places,
}
