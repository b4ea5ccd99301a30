//! A seeded source of numbers (splitmix64), so that a failure names all that is needed to see it again.

pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn seeded(seed: u64) -> Random {
        Random(seed)
    }

    pub(crate) fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.word() % bound as u64) as usize
    }

    /// Bytes of the kind that parsers decide on: mostly small numbers, zeros, letters and the edges of signed ones.
    pub(crate) fn byte(&mut self) -> u8 {
        match self.below(8) {
            0..3 => 0,
            3 => 1,
            4 => self.below(8) as u8,
            5 => [0x7f, 0x80, 0xff, b'S', b'P'][self.below(5)],
            _ => self.word() as u8,
        }
    }

    pub(crate) fn bytes(&mut self, len_max: usize) -> Vec<u8> {
        let len = self.below(len_max + 1);
        (0..len).map(|_| self.byte()).collect()
    }
}
