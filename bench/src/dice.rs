//! The benchmark's randomness: seeded, so that two runs see the same rounds and the same bytes.

/// A small generator (xorshift64*): the order of rounds, the resamples and the input classes need no better.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((self.next() >> 33) as usize) % bound.max(1)
    }

    /// As `below`, for bounds that 31 bits do not hold.
    pub(crate) fn below_wide(&mut self, bound: u64) -> u64 {
        (self.next() >> 1) % bound.max(1)
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    pub(crate) fn of<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> &'a T {
        items[self.below(items.len())]
    }

    /// ASCII digits.
    pub(crate) fn digits(&mut self, count: usize) -> String {
        self.text(b"0123456789", count)
    }

    /// Letters of an alphabet of ASCII, each from 16 bits: four of a draw.
    pub(crate) fn text(&mut self, alphabet: &[u8], count: usize) -> String {
        let mut text = String::with_capacity(count);
        while text.len() < count {
            let draw = self.next();
            for part in [draw, draw >> 16, draw >> 32, draw >> 48].into_iter().take(count - text.len()) {
                text.push(char::from(alphabet[((part & 0xffff) as usize * alphabet.len()) >> 16]));
            }
        }
        text
    }
}
