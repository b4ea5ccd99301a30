//! Check sums of 64 positions at once, for blocks where numbers stand close to each other. A sieve: it drops only starts whose check digit is wrong,
//! and what it leaves is judged as ever.

use crate::{
    arch::{Masks, WORD},
    balanced::block::{Block, WORDS, shift},
    keep::DIGITS_MIN,
};

/// A number that starts in a block's last byte reaches into the word behind it.
const LENGTH: usize = (WORDS + 1) * WORD;

/// Of each position a sum over what follows it; wrong where that is no digit, which nobody asks for. "One" and "two" say what the first
/// digit counts: every second one counts double (less 9 from five on).
pub(crate) struct Sums {
    one: [u8; LENGTH],
    two: [u8; LENGTH],
    /// Two digits: the first counts one, the second two; and the other way.
    one_two: [u8; LENGTH],
    two_one: [u8; LENGTH],
    /// Four, eight and sixteen digits of the same kinds.
    four_one: [u8; LENGTH],
    four_two: [u8; LENGTH],
    eight_two: [u8; LENGTH],
    sixteen_two: [u8; LENGTH],
}

/// A row of sums, and how far behind the start.
type Term<'a> = (&'a [u8; LENGTH], usize);

impl Sums {
    pub(crate) const EMPTY: Sums = Sums {
        one: [0; LENGTH],
        two: [0; LENGTH],
        one_two: [0; LENGTH],
        two_one: [0; LENGTH],
        four_one: [0; LENGTH],
        four_two: [0; LENGTH],
        eight_two: [0; LENGTH],
        sixteen_two: [0; LENGTH],
    };

    #[inline(always)]
    fn fill(&mut self, bytes: &[u8; LENGTH]) {
        for ((byte, one), two) in bytes.iter().zip(&mut self.one).zip(&mut self.two) {
            let digit = byte.wrapping_sub(b'0');
            *one = digit;
            *two = digit.wrapping_add(digit).wrapping_sub(if digit > 4 { 9 } else { 0 });
        }
        add::<1>(&mut self.one_two, &self.one, &self.two);
        add::<1>(&mut self.two_one, &self.two, &self.one);
        add::<2>(&mut self.four_one, &self.one_two, &self.one_two);
        add::<2>(&mut self.four_two, &self.two_one, &self.two_one);
        add::<4>(&mut self.eight_two, &self.four_two, &self.four_two);
        add::<8>(&mut self.sixteen_two, &self.eight_two, &self.eight_two);
    }

    /// Drops starts of the block's first `words` words whose check digit is wrong. `bytes` begin with the block.
    #[inline(always)]
    pub(crate) fn sieve<M: Masks>(&mut self, block: &mut Block, bytes: &[u8; LENGTH], words: usize) {
        self.fill(bytes);
        for word in 0..words {
            let starts = block.starts[word];
            if starts != 0 {
                block.starts[word] = self.right::<M>(block, word, starts);
            }
        }
    }

    /// Of the starts of a word those whose check digit may be right.
    #[inline(always)]
    fn right<M: Masks>(&self, block: &Block, word: usize, starts: u64) -> u64 {
        let (here, behind) = block.word(word);
        let digit = |at: u32| shift(here, behind, at);
        let mut plain = starts & digit(4);
        let grouped = starts & !plain;
        let mut keep = 0;
        while plain != 0 {
            let digits = block.digits_from(word * WORD + plain.trailing_zeros() as usize).trailing_ones();
            let as_long = (DIGITS_MIN as u32..digits).fold(plain, |starts, at| starts & digit(at));
            let same = as_long & !digit(digits);
            keep |= same & self.plain::<M>(word, digits as usize);
            plain &= !same;
        }
        if grouped != 0 {
            let (one, two) = (grouped & digit(5), grouped & !digit(5) & digit(6));
            let three = grouped & !one & !two;
            keep |= if one != 0 { self.grouped::<M, 1>(word, here, behind, one) } else { 0 };
            keep |= if two != 0 { self.grouped::<M, 2>(word, here, behind, two) } else { 0 };
            keep |= if three != 0 { self.grouped::<M, 3>(word, here, behind, three) } else { 0 };
        }
        keep
    }

    /// Bit n: the terms of the position n of this word add up to a multiple of ten.
    #[inline(always)]
    fn tenths<M: Masks, const N: usize>(word: usize, terms: [Term<'_>; N]) -> u64 {
        let rows = terms.map(|(row, offset)| {
            let row = row.get(word * WORD + offset..).and_then(|row| row.first_chunk());
            row.unwrap_or(&[0; WORD])
        });
        M::tenths(&rows)
    }

    /// The check digit of a plain run of so many digits.
    #[inline(always)]
    fn plain<M: Masks>(&self, word: usize, digits: usize) -> u64 {
        // Counted from its end the last digit of a number counts one; so of an even number of digits the first counts two.
        let (one, two, four, eight, sixteen) =
            (&self.one, &self.two_one, &self.four_two, &self.eight_two, &self.sixteen_two);
        match digits {
            13 => Sums::tenths::<M, _>(word, [(one, 0), (eight, 1), (four, 9)]),
            14 => Sums::tenths::<M, _>(word, [(eight, 0), (four, 8), (two, 12)]),
            15 => Sums::tenths::<M, _>(word, [(one, 0), (eight, 1), (four, 9), (two, 13)]),
            16 => Sums::tenths::<M, _>(word, [(sixteen, 0)]),
            17 => Sums::tenths::<M, _>(word, [(one, 0), (sixteen, 1)]),
            18 => Sums::tenths::<M, _>(word, [(sixteen, 0), (two, 16)]),
            _ => Sums::tenths::<M, _>(word, [(one, 0), (sixteen, 1), (two, 17)]),
        }
    }

    /// Of the `starts` of groupings with separators of `GAP` bytes those whose check digit may be right.
    #[inline(always)]
    fn grouped<M: Masks, const GAP: usize>(&self, word: usize, here: u64, behind: u64, starts: u64) -> u64 {
        let digit = |at: usize| shift(here, behind, at as u32);
        let (second, step) = (4 + GAP, 4 + GAP);
        // A group that a card's kept digits complete may be longer than it should: then a run of 13 and more begins there.
        let ends = |at: usize, length: usize| !digit(at + length) | digit(at + 12);
        let six = starts & digit(second + 4);
        let four = starts & !six;
        let five = four & digit(2 * step + 4);
        let fours = four & !five;
        let with_three = fours & digit(4 * step + 2) & ends(4 * step, 3);
        let (one, two) = (&self.four_one, &self.four_two);
        let third = second + 6 + GAP;
        let mut keep = 0;
        let fours = fours & ends(3 * step, 4);
        if fours != 0 {
            keep |= fours & Sums::tenths::<M, _>(word, [(two, 0), (two, step), (two, 2 * step), (two, 3 * step)]);
        }
        let five = five & ends(2 * step, 5);
        if five != 0 {
            let last = (&self.one, 2 * step + 4);
            keep |= five & Sums::tenths::<M, _>(word, [(one, 0), (one, step), (one, 2 * step), last]);
        }
        let with_four = six & ends(third, 4);
        if with_four != 0 {
            let sixth = (&self.two_one, second + 4);
            keep |= with_four & Sums::tenths::<M, _>(word, [(two, 0), (two, second), sixth, (two, third)]);
        }
        if with_three != 0 {
            let last = [(&self.one_two, 4 * step), (&self.one, 4 * step + 2)];
            let terms = [(one, 0), (one, step), (one, 2 * step), (one, 3 * step), last[0], last[1]];
            keep |= with_three & Sums::tenths::<M, _>(word, terms);
        }
        let with_five = six & digit(third + 4) & ends(third, 5);
        if with_five != 0 {
            let sixth = (&self.one_two, second + 4);
            let terms = [(one, 0), (one, second), sixth, (one, third), (&self.one, third + 4)];
            keep |= with_five & Sums::tenths::<M, _>(word, terms);
        }
        keep
    }
}

/// `sums[n] = first[n] + second[n + OFFSET]`.
#[inline(always)]
fn add<const OFFSET: usize>(sums: &mut [u8; LENGTH], first: &[u8; LENGTH], second: &[u8; LENGTH]) {
    for at in 0..LENGTH - OFFSET {
        sums[at] = first[at].wrapping_add(second[at + OFFSET]);
    }
}
