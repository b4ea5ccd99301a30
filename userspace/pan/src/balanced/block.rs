//! Where could a number start? Two thousand bytes at a time become bits, and the question is answered for 64 positions at once.

use crate::arch::{Masks, WORD};

/// Words of a block whose starts are looked for.
pub(crate) const WORDS: usize = 32;
/// Words behind them that a number may reach into.
pub(crate) const AHEAD: usize = 2;
/// Words whose bits are read.
const READ: usize = WORDS + AHEAD;

/// One block.
pub(crate) struct Block {
    /// Bit n of word i + 1: the byte 64 i + n is a digit. Word 0 is what precedes the block.
    digits: [u64; 1 + READ],
    /// Bit n of word i: at 64 i + n a run of 13 to 19 digits starts, or what is shaped like a printed grouping.
    pub(crate) starts: [u64; WORDS],
}

impl Block {
    pub(crate) const EMPTY: Block = Block { digits: [0; 1 + READ], starts: [0; WORDS] };

    /// Reads the first `words` words of `bytes`, which have `AHEAD` more behind them. `carry`: a digit stands before them. False: nothing
    /// starts here.
    #[inline(always)]
    pub(crate) fn read<M: Masks>(&mut self, bytes: &[u8], words: usize, carry: bool) -> bool {
        self.digits[0] = u64::from(carry) << 63;
        let (chunks, _) = bytes.as_chunks::<WORD>();
        let read = words + AHEAD;
        // Four digits side by side within a word: of every run of 13, and of one of the first two groups of every grouping, one word has so many.
        let mut any_four = 0;
        for (slot, chunk) in self.digits[1..=read].iter_mut().zip(chunks) {
            let digits = M::digits(chunk);
            *slot = digits;
            let two = digits & digits >> 1;
            any_four |= two & two >> 2;
        }
        if any_four == 0 {
            return false;
        }
        self.digits[1 + read..].fill(0);
        let (plain, grouped) = self.find_runs();
        if grouped != 0 {
            self.find_groupings::<M>(chunks, read);
        }
        self.starts[words..].fill(0);
        plain | grouped != 0
    }

    /// Runs of 13 to 19 digits. Answers whether there are any, and whether a group of four has another group of four and more behind one to three
    /// bytes, as every grouping begins.
    #[inline(always)]
    fn find_runs(&mut self) -> (u64, u64) {
        let (mut any_run, mut any_group) = (0, 0);
        for index in 0..WORDS {
            let (before, here, behind) = (self.digits[index], self.digits[index + 1], self.digits[index + 2]);
            // Bit n of here4: digits stand at n, n + 1, n + 2, n + 3; and so on.
            let (here2, behind2) = (here & shift(here, behind, 1), behind & behind >> 1);
            let (here4, behind4) = (here2 & shift(here2, behind2, 2), behind2 & behind2 >> 2);
            let (here8, behind8) = (here4 & shift(here4, behind4, 4), behind4 & behind4 >> 4);
            let (here13, behind13) = (here8 & shift(here8, behind8, 5), behind8 & behind8 >> 5);
            let here20 = here13 & shift(here13, behind13, 7);
            let begins = !(here << 1 | before >> 63);
            let next = shift(here4, behind4, 5) | shift(here4, behind4, 6) | shift(here4, behind4, 7);
            let run = begins & here13 & !here20;
            self.starts[index] = run;
            any_run |= run;
            any_group |= begins & here4 & !shift(here, behind, 4) & next;
        }
        (any_run, any_group)
    }

    /// Adds what is shaped like a grouping: groups of the right lengths behind bytes that may begin a separator of that length.
    #[inline(always)]
    fn find_groupings<M: Masks>(&mut self, chunks: &[[u8; WORD]], read: usize) {
        let mut separators = [0; READ + 1];
        for (slot, chunk) in separators.iter_mut().zip(chunks).take(read) {
            *slot = M::separators(chunk);
        }
        let mut groups = Groups::EMPTY;
        let [one, two, three] = groups.find(&self.digits, &separators);
        if one {
            groups.add_starts::<1>(&mut self.starts);
        }
        if two {
            groups.add_starts::<2>(&mut self.starts);
        }
        if three {
            groups.add_starts::<3>(&mut self.starts);
        }
    }

    /// The digits of a word and of the one behind it.
    #[inline(always)]
    pub(crate) fn word(&self, word: usize) -> (u64, u64) {
        (self.digits[word + 1], self.digits[word + 2])
    }

    /// How many starts there are.
    #[inline(always)]
    pub(crate) fn count(&self) -> u32 {
        self.starts.iter().map(|starts| starts.count_ones()).sum()
    }

    /// The bits of the 64 bytes from `at` on, which lies in the block's words or the first one behind them.
    #[inline(always)]
    pub(crate) fn digits_from(&self, at: usize) -> u64 {
        let (word, bit) = (1 + at / WORD, at % WORD);
        self.digits[word] >> bit | self.digits[word + 1] << 1 << (WORD - 1 - bit)
    }
}

/// Where groups of digits stand. Word i of each array begins at 64 i.
struct Groups {
    /// A run of exactly four, with what may begin a separator behind it.
    four: [u64; READ],
    /// The same of six.
    six: [u64; READ],
    /// A run of at least four, five begins.
    four_on: [u64; READ],
    five_on: [u64; READ],
}

impl Groups {
    const EMPTY: Groups = Groups { four: [0; READ], six: [0; READ], four_on: [0; READ], five_on: [0; READ] };

    /// Finds them. Answers whether any two follow each other as the first two of a grouping do, with one, two, three bytes between them.
    #[inline(always)]
    fn find(&mut self, digits: &[u64; 1 + READ], separators: &[u64; READ + 1]) -> [bool; 3] {
        for index in 0..READ - 1 {
            let (before, here, behind) = (digits[index], digits[index + 1], digits[index + 2]);
            let ends = |n| shift(separators[index], separators[index + 1], n);
            let begins = here & !(here << 1 | before >> 63);
            let four = begins & shift(here, behind, 1) & shift(here, behind, 2) & shift(here, behind, 3);
            let five = four & shift(here, behind, 4);
            self.four_on[index] = four;
            self.five_on[index] = five;
            self.four[index] = four & !five & ends(4);
            self.six[index] = five & shift(here, behind, 5) & !shift(here, behind, 6) & ends(6);
        }
        let mut any = [0; 3];
        for index in 0..WORDS {
            let (four, here, behind) = (self.four[index], self.four_on[index], self.four_on[index + 1]);
            any[0] |= four & shift(here, behind, 5);
            any[1] |= four & shift(here, behind, 6);
            any[2] |= four & shift(here, behind, 7);
        }
        any.map(|any| any != 0)
    }

    /// The shapes of `crate::balanced::candidate::SHAPES`, by the length of the separator.
    #[inline(always)]
    fn add_starts<const GAP: u32>(&self, starts: &mut [u64; WORDS]) {
        let step = 4 + GAP;
        for (index, slot) in starts.iter_mut().enumerate() {
            let at = |mask: &[u64; READ], n| shift(mask[index], mask[index + 1], n);
            let first = self.four[index];
            let (second, third) = (at(&self.four, step), at(&self.four, 2 * step));
            // 4-4-4-4, whose start 4-4-4-4-3 shares; 4-4-5; 4-6-4, whose start 4-6-5 shares.
            let fours = second & (third & at(&self.four_on, 3 * step) | at(&self.five_on, 2 * step));
            let six = at(&self.six, step) & at(&self.four_on, 2 * step + 2);
            *slot |= first & (fours | six);
        }
    }
}

/// `here >> n`, filled from `behind`.
#[inline(always)]
pub(crate) fn shift(here: u64, behind: u64, n: u32) -> u64 {
    here >> n | behind << (64 - n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balanced::candidate::SHAPES;

    struct Naive;

    impl Masks for Naive {
        fn digits(bytes: &[u8; WORD]) -> u64 {
            mask(bytes, |byte| byte.is_ascii_digit())
        }

        fn separators(bytes: &[u8; WORD]) -> u64 {
            mask(bytes, |byte| byte == b' ')
        }
    }

    fn mask(bytes: &[u8; WORD], is: impl Fn(u8) -> bool) -> u64 {
        bytes.iter().enumerate().fold(0, |mask, (at, &byte)| mask | u64::from(is(byte)) << at)
    }

    /// A naive twin: position by position. What stands in a gap behind its first byte is nobody's business yet.
    fn start_at(bytes: &[u8], at: usize) -> bool {
        let run = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let begins = |at: usize| at == 0 || !bytes[at - 1].is_ascii_digit();
        let grouping = |shape: &[usize], gap: usize| {
            let mut from = at;
            shape.iter().enumerate().all(|(index, &wanted)| {
                let last = index + 1 == shape.len();
                let fits = begins(from)
                    && if last { run(from) >= wanted } else { run(from) == wanted && bytes[from + wanted] == b' ' };
                from += wanted + gap;
                fits
            })
        };
        let groupings = (1..=3).any(|gap| SHAPES[1..].iter().any(|shape| grouping(shape, gap)));
        begins(at) && ((13..=19).contains(&run(at)) || groupings)
    }

    #[test]
    fn equals_the_naive_twin() {
        let (mut state, mut found_at_all) = (1_u64, 0);
        for round in 0..600 {
            let mut next = |end: u64| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) % end
            };
            let words = 1 + next(WORDS as u64) as usize;
            let mut bytes = vec![b'-'; (words + AHEAD) * WORD];
            let (dense, mut run) = (2 + next(12), 0);
            for byte in &mut bytes {
                // Runs of four above all, and some of any length.
                let ends = if round % 2 == 0 { next(dense) == 0 } else { run >= [4, 4, 4, 5, 6, 16][next(6) as usize] };
                run = if ends { 0 } else { run + 1 };
                *byte = if ends { *b"    \xc2".get(next(6) as usize).unwrap_or(&b'.') } else { b'7' };
            }
            let mut block = Block::EMPTY;
            let carry = round % 4 > 1 && bytes[0] != b'7';
            block.read::<Naive>(&bytes, words, carry);
            for at in 0..words * WORD {
                let found = block.starts[at / WORD] >> (at % WORD) & 1 == 1;
                assert_eq!(found, start_at(&bytes, at), "round {round}, at {at}");
                found_at_all += u32::from(found);
            }
        }
        assert!(found_at_all > 1_000);
    }
}
