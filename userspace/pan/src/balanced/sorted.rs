//! Numbers of one form, sorted by what stands beside and within them: no card, a card without a doubt, or one that has to be looked at closer.
//!
//! No number is branched on: which of hostile ones are cards nobody foresees, and to be wrong costs as much as to sort a number.

use crate::{
    arch::WORD,
    balanced::beside::{self, CLOSED, CLOSER, LEADS},
    balanced::block::{Block, WORDS},
    balanced::form::{Form, FormId, SPAN_MAX},
    balanced::places::Places,
    separator,
};

/// The numbers of a block that may be cards. Bit n of word i: the byte 64 i + n.
pub(crate) struct Sorted {
    /// All of them.
    pub(crate) left: [u64; WORDS],
    /// Those that have to be looked at closer.
    closer: [u64; WORDS],
    /// Those that may have another form too.
    several: [u64; WORDS],
    /// Where a card's kept end may stand, and a grouping begin with it: it does so only where the digit before it is hidden.
    pub(crate) kept: [u64; WORDS],
    /// [`ENDS`], where any of them has it.
    ends: u8,
    /// Of each number the first form that it may have; behind them what is of no interest.
    forms: [u8; 2 * BLOCK],
}

/// What is known of a number.
#[derive(Clone, Copy)]
pub(crate) struct Known {
    pub(crate) form: FormId,
    /// It is a card.
    pub(crate) clear: bool,
    /// It may have another form too.
    pub(crate) several: bool,
    /// It begins with what may be a card's kept end.
    pub(crate) kept: bool,
}

impl Sorted {
    pub(crate) const EMPTY: Sorted = Sorted {
        left: [0; WORDS],
        closer: [0; WORDS],
        several: [0; WORDS],
        kept: [0; WORDS],
        ends: 0,
        forms: [0; 2 * BLOCK],
    };

    #[inline(always)]
    pub(crate) fn clear(&mut self) {
        (self.left, self.closer, self.several) = ([0; WORDS], [0; WORDS], [0; WORDS]);
        (self.kept, self.ends) = ([0; WORDS], 0);
    }

    /// Whether a grouping may begin with the kept end of any of them.
    #[inline(always)]
    pub(crate) fn ends_may_begin(&self) -> bool {
        self.ends != 0
    }

    /// Adds the numbers of a form; forms come from the last to the first.
    #[inline(always)]
    pub(crate) fn add(&mut self, numbers: Numbers<'_>) {
        match numbers.form.gap {
            0 => self.add_each::<0>(numbers),
            1 => self.add_each::<1>(numbers),
            2 => self.add_each::<2>(numbers),
            _ => self.add_each::<3>(numbers),
        }
    }

    #[inline(always)]
    fn add_each<const GAP: usize>(&mut self, numbers: Numbers<'_>) {
        for place in numbers.places.iter() {
            let says = if GAP == 0 { numbers.plain(place) } else { numbers.grouping::<GAP>(place) };
            self.ends |= says & ENDS;
            let says = u64::from(says);
            let (word, bit) = (place / WORD % WORDS, place % WORD);
            let here = (!says & u64::from(CLOSED)) << bit;
            let closer = ((says / u64::from(CLOSER)) & 1) << bit;
            self.several[word] |= self.left[word] & here;
            self.left[word] |= here;
            self.closer[word] = (self.closer[word] & !here) | (closer & here);
            // What is closed goes where nobody looks.
            let slot = place + (says & u64::from(CLOSED)) as usize * BLOCK;
            self.forms[slot % (2 * BLOCK)] = numbers.id.index() as u8;
        }
    }

    /// What is known of the number at `bit` of a word.
    #[inline(always)]
    pub(crate) fn known(&self, word: usize, bit: u32) -> Known {
        Known {
            form: FormId::of(u32::from(self.forms[word * WORD + bit as usize])),
            clear: self.closer[word] >> bit & 1 == 0,
            several: self.several[word] >> bit & 1 == 1,
            kept: self.kept[word] >> bit & 1 == 1,
        }
    }
}

/// Numbers of one form in a block.
#[derive(Clone, Copy)]
pub(crate) struct Numbers<'a> {
    pub(crate) places: &'a Places,
    pub(crate) block: &'a Block,
    /// From `LEAD` bytes before the block on.
    pub(crate) bytes: &'a [u8],
    /// Bytes in which a start is one of the block.
    pub(crate) length: usize,
    pub(crate) id: FormId,
    pub(crate) form: &'a Form,
}

impl Numbers<'_> {
    /// What stands around a number, so that nothing in it needs a check of its bounds.
    #[inline(always)]
    fn around(&self, place: usize) -> Option<&[u8; AROUND]> {
        self.bytes.get(place..).and_then(<[u8]>::first_chunk)
    }

    /// Whether so much stands around a number of the block at `at` that it was sorted and not left to be looked at.
    #[inline(always)]
    pub(crate) fn has_room(bytes: &[u8], at: usize, start: usize) -> bool {
        at >= LEAD && start + AROUND <= bytes.len()
    }

    /// A run of digits.
    #[inline(always)]
    fn plain(&self, place: usize) -> u8 {
        let Some(around) = self.around(place) else { return CLOSER | ENDS };
        let behind = beside::PLAIN_THEN[usize::from(around[LEAD + self.form.span % SPAN_MAX])];
        let left = beside::left_flag(around[LEAD - 2], around[LEAD - 1]);
        left | (behind & (CLOSED | CLOSER)) | self.end_starts(place, behind, self.digits_behind(place))
    }

    /// A grouping with separators of `GAP` bytes: these have to be one, and the same one. What stands in front of four groups as that does may make
    /// them an account number's.
    #[inline(always)]
    fn grouping<const GAP: usize>(&self, place: usize) -> u8 {
        let (form, Some(around)) = (self.form, self.around(place)) else { return CLOSER | ENDS };
        let mask = (1 << (8 * GAP)) - 1;
        let [first, second, third, fourth] =
            form.gaps.map(|gap| four(around, LEAD + usize::from(gap) % SPAN_MAX) & mask);
        let same = (second == first) & (third == first) & (fourth == first) & separator::is(first, GAP);
        let account = form.groups >= 4 && (four(around, LEAD - GAP) & mask == first) & self.letters_before(place);
        let behind = beside::GROUP_THEN[usize::from(around[LEAD + form.span % SPAN_MAX])];
        let then = if form.end_in_run { behind } else { 0 };
        let digits = self.digits_behind(place);
        beside::group_left_flag(around[LEAD - 2], around[LEAD - 1])
            | (behind & (CLOSED | CLOSER))
            | self.end_starts(place, then, digits)
            | (u8::from(!same | !self.may_end(digits)) * CLOSED)
            | (u8::from(account) * CLOSER)
    }

    /// The bits of the digits behind a number.
    #[inline(always)]
    fn digits_behind(&self, place: usize) -> u64 {
        self.block.digits_from((place + self.form.span).min(BLOCK + WORD - 1))
    }

    /// Whether a grouping may end where it does: no digit stands behind it, or so many that its last group may begin a card.
    #[inline(always)]
    fn may_end(&self, digits: u64) -> bool {
        let more = digits.trailing_ones();
        (more == 0) | (self.form.last_group as u32 + more == self.form.completed_by)
    }

    /// Whether a large letter stands before a number, so near that it may be an account number's.
    #[inline(always)]
    fn letters_before(&self, place: usize) -> bool {
        let before =
            (place + LEAD).checked_sub(SPAN_MAX).and_then(|at| self.bytes.get(at..)?.first_chunk::<SPAN_MAX>());
        before.is_none_or(|before| before.iter().fold(false, |any, byte| any | byte.is_ascii_uppercase()))
    }

    /// Whether a grouping may begin with the kept end of the number at `place`: where what follows may begin a separator, and four digits or six stand
    /// behind it. An end behind the block is not among what is sorted here.
    #[inline(always)]
    fn end_starts(&self, place: usize, behind: u8, digits: u64) -> u8 {
        // At most a separator's bytes.
        let gap = (digits | 1 << separator::BYTES_MAX).trailing_zeros();
        let behind_gap = digits >> gap;
        let starts = u8::from(behind_gap & 0x1f == 0xf) | u8::from(behind_gap & 0x7f == 0x3f);
        let beyond = u8::from(place + self.form.span >= self.length + KEPT);
        ((behind / LEADS) & starts) * (ENDS | (beyond * CLOSER))
    }
}

const BLOCK: usize = WORDS * WORD;
/// A grouping may begin with the kept end.
const ENDS: u8 = 8;
const _: () = assert!(ENDS & (CLOSED | CLOSER | LEADS) == 0);
/// Digits of a kept end that a grouping may begin with.
const KEPT: usize = 4;
/// Bytes before a number that may have a say: a separator and what stands before it.
pub(crate) const LEAD: usize = 4;
const AROUND: usize = LEAD + SPAN_MAX + 4;

/// The four bytes from `at` on.
#[inline(always)]
fn four(around: &[u8; AROUND], at: usize) -> u32 {
    u32::from_le_bytes([around[at], around[at + 1], around[at + 2], around[at + 3]])
}
