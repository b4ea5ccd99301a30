//! Where could a number start? Two thousand bytes at a time become bits, and the question is answered for 64 positions at once.

use crate::arch::{Masks, WORD};

/// Words of a block whose starts are looked for.
pub(crate) const WORDS: usize = 32;
/// Words behind them that a number may reach into.
pub(crate) const AHEAD: usize = 2;

/// One block.
pub(crate) struct Block {
    /// Bit n of word i + 1: the byte 64 i + n is a digit. Word 0 is what precedes the block.
    digits: [u64; 1 + WORDS + AHEAD],
    /// Bit n of word i: a run of 13 to 19 digits starts at 64 i + n, or a group of four with another group of four and more behind one to
    /// three bytes, as every grouping begins.
    pub(crate) starts: [u64; WORDS],
}

impl Block {
    /// Reads the first `words` words of `bytes`, which have `AHEAD` more behind them. `carry`: a digit stands before them.
    #[inline(always)]
    pub(crate) fn read<M: Masks>(bytes: &[u8], words: usize, carry: bool) -> Block {
        let mut block = Block { digits: [0; 1 + WORDS + AHEAD], starts: [0; WORDS] };
        block.digits[0] = u64::from(carry) << 63;
        let (chunks, _) = bytes.as_chunks::<WORD>();
        let mut any = 0;
        for (slot, chunk) in block.digits.iter_mut().skip(1).zip(chunks).take(words + AHEAD) {
            *slot = M::digits(chunk);
            any |= *slot;
        }
        if any != 0 {
            block.find_starts();
            block.starts.iter_mut().skip(words).for_each(|starts| *starts = 0);
        }
        block
    }

    #[inline(always)]
    fn find_starts(&mut self) {
        for index in 0..WORDS {
            let (before, here, behind) = (self.digits[index], self.digits[index + 1], self.digits[index + 2]);
            self.starts[index] = starts(before, here, behind);
        }
    }

    /// The bits of the 64 bytes from `at` on, which lies in the block's words or the first one behind them.
    #[inline(always)]
    pub(crate) fn digits_from(&self, at: usize) -> u64 {
        let (word, bit) = (1 + at / WORD, at % WORD);
        self.digits[word] >> bit | self.digits[word + 1] << 1 << (WORD - 1 - bit)
    }
}

/// `here >> n`, filled from `behind`.
#[inline(always)]
fn shift(here: u64, behind: u64, n: u32) -> u64 {
    here >> n | behind << (64 - n)
}

#[inline(always)]
fn starts(before: u64, here: u64, behind: u64) -> u64 {
    // Bit n of x4: digits stand at n, n + 1, n + 2, n + 3; and so on.
    let (here2, behind2) = (here & shift(here, behind, 1), behind & behind >> 1);
    let (here4, behind4) = (here2 & shift(here2, behind2, 2), behind2 & behind2 >> 2);
    let (here8, behind8) = (here4 & shift(here4, behind4, 4), behind4 & behind4 >> 4);
    let (here13, behind13) = (here8 & shift(here8, behind8, 5), behind8 & behind8 >> 5);
    let here20 = here13 & shift(here13, behind13, 7);
    let begins = !(here << 1 | before >> 63);
    let four = here4 & !shift(here, behind, 4);
    let next = shift(here4, behind4, 5) | shift(here4, behind4, 6) | shift(here4, behind4, 7);
    begins & (here13 & !here20 | four & next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::Backend;

    /// A naive twin: position by position.
    fn start_at(bytes: &[u8], at: usize) -> bool {
        let run = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let begins = at == 0 || !bytes[at - 1].is_ascii_digit();
        let grouping = run(at) == 4 && (5..=7).any(|next| run(at + next) >= 4);
        begins && ((13..=19).contains(&run(at)) || grouping)
    }

    #[test]
    fn equals_the_naive_twin() {
        struct Naive;
        impl Masks for Naive {
            fn digits(bytes: &[u8; WORD]) -> u64 {
                bytes.iter().enumerate().fold(0, |mask, (at, byte)| mask | u64::from(byte.is_ascii_digit()) << at)
            }
        }
        let mut state = 1_u64;
        for round in 0..400 {
            let mut next = |end: u64| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) % end
            };
            let words = 1 + next(WORDS as u64) as usize;
            let mut bytes = vec![b'-'; (words + AHEAD) * WORD];
            let dense = 2 + next(12);
            bytes.iter_mut().for_each(|byte| *byte = if next(dense) > 0 { b'7' } else { b' ' });
            let block = Block::read::<Naive>(&bytes, words, round % 2 == 1 && bytes[0] != b'7');
            for at in 0..words * WORD {
                let found = block.starts[at / WORD] >> (at % WORD) & 1 == 1;
                assert_eq!(found, start_at(&bytes, at), "round {round}, at {at}");
            }
        }
        assert!(!Backend::available().is_empty());
    }
}
