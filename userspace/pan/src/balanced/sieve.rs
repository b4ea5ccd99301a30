//! The starts of a block, 64 at once: which of them have the head and the check digit of a card? And which of those are cards whatever else there is?
//!
//! What is dropped here is no card; what is left is judged as ever, unless it is clear. Nothing here branches on what a single number is.

use std::marker::PhantomData;

use crate::{
    arch::{Masks, Set, WORD},
    balanced::block::{Block, GAPS, Groups, LENGTHS, Starts, WORDS},
    balanced::candidate::SHAPES,
    balanced::form::{self, Form, FormId, Forms},
    iin::{Heads, Pairs},
    keep::DIGITS_MIN,
    separator,
};

/// Bytes before a word that its sums read.
const BEFORE: usize = 32;
/// With the word and what a number that starts in it reaches into.
const AROUND: usize = BEFORE + 2 * WORD + 32;

/// The nibbles of letters, by the high nibble.
const A_TO_O: &[u8] = &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
const P_TO_Z: &[u8] = &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
const P_TO_Z_OR_CARET: &[u8] = &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 14];
/// What on the left of a run closes it or depends on more: letters, plus, dot.
static LEFT: Set = Set::of(&[(0x2, &[0xb, 0xe]), (0x4, A_TO_O), (0x5, P_TO_Z), (0x6, A_TO_O), (0x7, P_TO_Z)]);
/// The same behind a run: letters, equals, caret.
static RIGHT: Set = Set::of(&[(0x3, &[0xd]), (0x4, A_TO_O), (0x5, P_TO_Z_OR_CARET), (0x6, A_TO_O), (0x7, P_TO_Z)]);

/// That and what may begin a separator.
static BEHIND: Set = Set::of(&[
    (0x2, &[0x0, 0xd, 0xe]),
    (0x3, &[0xd]),
    (0x4, A_TO_O),
    (0x5, P_TO_Z_OR_CARET),
    (0x6, A_TO_O),
    (0x7, P_TO_Z),
    (0xa, &[0x0]),
    (0xc, &[0x2]),
    (0xe, &[0x2, 0x3]),
]);

/// What is left of the starts of a block. Bit n of word i: the byte 64 i + n.
pub(crate) struct Sieve {
    /// By the form those whose head may be issued and whose check digit is right; only where `found` says so.
    starts: [[u64; WORDS]; form::COUNT],
    /// By word the forms of which there are any.
    found: [u32; WORDS],
    /// All that is left.
    pub(crate) left: [u64; WORDS],
}

/// The cards of a word that depend on nothing: their neighbours are no matter of rules.
#[derive(Clone, Copy, Default)]
pub(crate) struct Clear {
    pub(crate) cards: u64,
    /// The digits that the masked format hides of them, in the word and in the one behind it.
    pub(crate) hidden: [u64; 2],
}

impl Clear {
    /// What is hidden of each is a difference of two powers for each of its intervals, and none touches another's; so one subtraction does for both
    /// words.
    #[inline(always)]
    fn hide(&mut self, cards: u64, form: &Form) {
        self.cards |= cards;
        for &(from, to) in form.stars.iter().take_while(|(from, to)| from < to) {
            let over = |shift: u32| cards >> 1 >> (u64::BITS - 1 - shift);
            let (low, borrow) = (cards << to).overflowing_sub(cards << from);
            self.hidden[0] |= low;
            self.hidden[1] |= over(to).wrapping_sub(over(from)).wrapping_sub(u64::from(borrow));
        }
    }
}

impl Sieve {
    pub(crate) const EMPTY: Sieve = Sieve { starts: [[0; WORDS]; form::COUNT], found: [0; WORDS], left: [0; WORDS] };

    /// Sifts the first `words` words of a block that begins at `at`.
    #[inline(always)]
    pub(crate) fn fill<M: Masks>(&mut self, block: &Block, starts: &Starts, input: Input<'_>) {
        self.left = [0; WORDS];
        self.found = [0; WORDS];
        if starts.plain
            && let Some(runs) = self.starts.first_chunk_mut()
        {
            let any = block.by_length(runs);
            self.sift::<M, 13>(input, any);
            self.sift::<M, 14>(input, any);
            self.sift::<M, 15>(input, any);
            self.sift::<M, 16>(input, any);
            self.sift::<M, 17>(input, any);
            self.sift::<M, 18>(input, any);
            self.sift::<M, 19>(input, any);
        }
        if starts.grouped {
            let groups = block.groups();
            if groups.any[0] {
                self.sift_groups::<M, 1>(&groups, input);
            }
            if groups.any[1] {
                self.sift_groups::<M, 2>(&groups, input);
            }
            if groups.any[2] {
                self.sift_groups::<M, 3>(&groups, input);
            }
        }
    }

    /// Runs of `DIGITS` digits.
    #[inline(always)]
    fn sift<M: Masks, const DIGITS: usize>(&mut self, input: Input<'_>, any: [bool; LENGTHS]) {
        if !any[DIGITS - DIGITS_MIN] {
            return;
        }
        let pairs = input.heads.pairs(DIGITS);
        let form = DIGITS - DIGITS_MIN;
        for index in Busy::of(&self.starts[form], input.words) {
            let starts = &mut self.starts[form][index];
            if let Some(word) = input.word::<M>(index) {
                *starts &= word.headed(&pairs.some) & word.check::<DIGITS>();
            }
            self.left[index] |= *starts;
            self.found[index] |= u32::from(*starts != 0) << form;
        }
    }

    /// Groupings with separators of `GAP` bytes.
    #[inline(always)]
    fn sift_groups<M: Masks, const GAP: usize>(&mut self, groups: &Groups, input: Input<'_>) {
        let first = FormId::grouping(0, GAP).index() as usize;
        let Some(shapes) = self.starts.get_mut(first..).and_then(|forms| forms.first_chunk_mut()) else { return };
        let any = groups.shapes::<GAP>(shapes);
        for (shape, starts) in shapes.iter_mut().enumerate() {
            if !any[shape] {
                continue;
            }
            let pairs = input.heads.pairs(SHAPES[shape].iter().sum());
            for index in Busy::of(starts, input.words) {
                if let Some(word) = input.word::<M>(index) {
                    starts[index] &= word.grouped(shape, GAP as isize, pairs);
                }
                self.left[index] |= starts[index];
                self.found[index] |= u32::from(starts[index] != 0) << (first + shape);
            }
        }
    }

    /// The forms that may be a card's of the start at `bit` of a word that was [sifted](Sieve::sifted), as bits by [`FormId::index`].
    #[inline(always)]
    pub(crate) fn forms(&self, word: usize, bit: u32) -> u32 {
        let (mut forms, mut found) = (0, self.found[word]);
        while found != 0 {
            let form = found.trailing_zeros();
            forms |= ((self.starts[form as usize][word] >> bit & 1) as u32) << form;
            found &= found - 1;
        }
        forms
    }

    /// Whether a word that begins at `at` has bytes enough before it.
    #[inline(always)]
    pub(crate) fn sifted(at: usize) -> bool {
        at >= BEFORE
    }

    /// Of a word's starts that are `open` the cards that are clear; None if there are others.
    #[inline(always)]
    pub(crate) fn clear<M: Masks>(
        &self,
        block: &Block,
        input: Input<'_>,
        forms: &Forms,
        index: usize,
        open: u64,
    ) -> Option<Clear> {
        let (word, mut found) = (input.word::<M>(index)?, self.found[index]);
        if found >= 1 << FormId::grouping(0, 2).index() {
            return None; // a longer separator, of which only the first byte was looked at
        }
        let left = M::of(word.at(-1), &LEFT);
        let mut clear = Clear::default();
        while found != 0 {
            let id = FormId::of(found.trailing_zeros());
            found &= found - 1;
            let (form, starts) = (forms.get(id), self.starts[id.index() as usize][index] & open);
            let next = word.at(form.span as isize);
            let behind = starts & M::of(next, &BEHIND);
            let (right, mut leads) =
                if behind == 0 { (0, 0) } else { (M::of(next, &RIGHT), M::of(next, &separator::LEADS)) };
            leads &= starts;
            let mut closed = left | right | !word.issued(input.heads, form.count, starts);
            if form.groups > 1 {
                // A digit behind it, or groups before it that may be an account number's.
                closed |= block.digit(index, form.span) | M::of(word.at(-1), &separator::LEADS);
            }
            if starts & (closed | clear.cards) != 0 {
                return None;
            }
            if form.end_in_run {
                // A grouping may begin with the kept end of a card: one whose second group has four digits or six.
                while leads != 0 {
                    let behind = block.digits_from(index * WORD + leads.trailing_zeros() as usize + form.span);
                    let group = (behind >> behind.trailing_zeros().min(GAPS as u32)).trailing_ones();
                    if group == 4 || group == 6 {
                        return None;
                    }
                    leads &= leads - 1;
                }
            }
            clear.hide(starts, form);
        }
        // A hidden digit starts nothing.
        (clear.hidden[0] & clear.cards == 0).then_some(clear)
    }
}

/// The words of a block in which a bit is set, in their order: which ones those are is decided without a branch for each.
pub(crate) struct Busy(u64);

impl Busy {
    /// Among the first `words`.
    #[inline(always)]
    pub(crate) fn of(masks: &[u64; WORDS], words: usize) -> Busy {
        let busy = masks.iter().enumerate().fold(0_u64, |busy, (index, &mask)| busy | u64::from(mask != 0) << index);
        Busy(busy & (u64::MAX >> (WORDS - words)))
    }
}

impl Iterator for Busy {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        let Busy(rest) = *self;
        self.0 &= rest.wrapping_sub(1);
        (rest != 0).then_some(rest.trailing_zeros() as usize)
    }
}

/// What a block is judged by.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a> {
    /// All of the pass.
    pub(crate) bytes: &'a [u8],
    /// Where the block begins.
    pub(crate) at: usize,
    pub(crate) words: usize,
    pub(crate) heads: &'a Heads,
}

impl<'a> Input<'a> {
    /// A word with what is around it; None near the beginning.
    #[inline(always)]
    fn word<M: Masks>(self, index: usize) -> Option<Word<'a, M>> {
        let from = (self.at + index * WORD).checked_sub(BEFORE)?;
        Some(Word { bytes: self.bytes.get(from..)?.first_chunk()?, with: PhantomData })
    }
}

/// A word and what is around it.
struct Word<'a, M> {
    bytes: &'a [u8; AROUND],
    with: PhantomData<M>,
}

impl<M: Masks> Word<'_, M> {
    /// Bytes from the word's first on, or from before it.
    #[inline(always)]
    fn at<const N: usize>(&self, offset: isize) -> &[u8; N] {
        let from = BEFORE.wrapping_add_signed(offset);
        self.bytes.get(from..).and_then(|rest| rest.first_chunk()).unwrap_or(&[0; N])
    }

    #[inline(always)]
    fn one(&self, offset: isize) -> M::Lanes {
        M::lanes(self.at(offset))
    }

    #[inline(always)]
    fn two(&self, offset: isize) -> M::Lanes {
        M::doubled(self.at(offset))
    }

    /// Bit n: the same byte stands at n + 4 and at n + `offset`.
    #[inline(always)]
    fn again(&self, offset: isize) -> u64 {
        M::same(self.at(4), self.at(offset))
    }

    /// Where the first two digits are in the set.
    #[inline(always)]
    fn headed(&self, set: &Set) -> u64 {
        M::pairs(self.at(0), self.at(1), set)
    }

    /// Of runs of so many digits those whose first four are issued.
    #[inline(always)]
    fn issued(&self, heads: &Heads, digits: usize, runs: u64) -> u64 {
        let pairs = heads.pairs(digits);
        let mut issued =
            self.headed(&pairs.all) | M::fours([self.at(0), self.at(1), self.at(2), self.at(3)], &pairs.fours);
        let mut unsure = runs & !issued;
        while unsure != 0 {
            let at = unsure.trailing_zeros();
            let bytes = self.bytes.get(BEFORE + at as usize..).and_then(|rest| rest.first_chunk());
            let known = bytes.is_some_and(|bytes| heads.balanced_of(bytes).contains(digits));
            issued |= u64::from(known) << at;
            unsure &= unsure - 1;
        }
        issued
    }

    /// Where sixteen and less or more digits end in their check digit.
    #[inline(always)]
    fn check<const DIGITS: usize>(&self) -> u64 {
        // Counted from its end the last digit of a number counts one, the next double; so sixteen that end where the number does are the middle of the
        // sum, and what is too much or too little is at the front.
        let sixteen = M::sixteen(self.at(DIGITS as isize - 16));
        let sums = match DIGITS {
            13 => M::minus(sixteen, M::plus(M::plus(self.two(-3), self.one(-2)), self.two(-1))),
            14 => M::minus(sixteen, M::plus(self.two(-2), self.one(-1))),
            15 => M::minus(sixteen, self.two(-1)),
            16 => sixteen,
            17 => M::plus(sixteen, self.one(0)),
            18 => M::plus(sixteen, M::plus(self.two(0), self.one(1))),
            _ => M::plus(sixteen, M::plus(M::plus(self.one(0), self.two(1)), self.one(2))),
        };
        M::tenths(sums, DIGITS.div_ceil(2))
    }

    /// Four digits, of which the first counts one, or double.
    #[inline(always)]
    fn four_one(&self, at: isize) -> M::Lanes {
        M::plus(M::plus(self.one(at), self.two(at + 1)), M::plus(self.one(at + 2), self.two(at + 3)))
    }

    #[inline(always)]
    fn four_two(&self, at: isize) -> M::Lanes {
        M::plus(M::plus(self.two(at), self.one(at + 1)), M::plus(self.two(at + 2), self.one(at + 3)))
    }

    /// Where groupings of this shape, with separators of `gap` bytes, have the same separator throughout, a head and a check digit.
    #[inline(always)]
    fn grouped(&self, shape: usize, gap: isize, pairs: &Pairs) -> u64 {
        let (second, third, fourth, fifth) = (4 + gap, 2 * (4 + gap), 3 * (4 + gap), 4 * (4 + gap));
        let behind_six = third + 2;
        let leads = M::of(self.at(4), if gap == 1 { &separator::SINGLE } else { &separator::LEADS });
        let (same, sums, singles) = match shape {
            0 => {
                let fours =
                    sum::<M, _>([self.four_one(0), self.four_one(second), self.four_one(third), self.four_one(fourth)]);
                let last = sum::<M, _>([self.one(fifth), self.two(fifth + 1), self.one(fifth + 2)]);
                let same = self.again(third - gap) & self.again(fourth - gap) & self.again(fifth - gap);
                (same, M::plus(fours, last), 10)
            }
            1 => {
                let fours =
                    sum::<M, _>([self.four_two(0), self.four_two(second), self.four_two(third), self.four_two(fourth)]);
                (self.again(third - gap) & self.again(fourth - gap), fours, 8)
            }
            2 => {
                let six = sum::<M, _>([self.four_one(second), self.one(second + 4), self.two(second + 5)]);
                let five = M::plus(self.four_one(behind_six), self.one(behind_six + 4));
                (self.again(behind_six - gap), sum::<M, _>([self.four_one(0), six, five]), 8)
            }
            3 => {
                let six = sum::<M, _>([self.four_two(second), self.two(second + 4), self.one(second + 5)]);
                (self.again(behind_six - gap), sum::<M, _>([self.four_two(0), six, self.four_two(behind_six)]), 7)
            }
            _ => {
                let five = M::plus(self.four_one(third), self.one(third + 4));
                (self.again(third - gap), sum::<M, _>([self.four_one(0), self.four_one(second), five]), 7)
            }
        };
        leads & same & self.headed(&pairs.some) & M::tenths(sums, singles)
    }
}

#[inline(always)]
fn sum<M: Masks, const N: usize>(terms: [M::Lanes; N]) -> M::Lanes {
    let mut sum = terms[0];
    for &term in &terms[1..] {
        sum = M::plus(sum, term);
    }
    sum
}
