//! Numbers of one form, sorted by what stands beside and within them: no card, a card without a doubt, or one that has to be looked at closer.
//!
//! No number is branched on: which of hostile ones are cards nobody foresees, and to be wrong costs as much as to sort a number.

use crate::{
    arch::WORD,
    balanced::beside::{self, CLOSED, CLOSER, LEADS},
    balanced::block::{Block, WORDS},
    balanced::form::{Form, FormId},
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
    /// Of each number the first form that it may have; behind them what is of no interest.
    forms: [u8; 2 * WORDS * WORD],
}

/// What is known of a number.
#[derive(Clone, Copy)]
pub(crate) struct Known {
    pub(crate) form: FormId,
    /// It is a card.
    pub(crate) clear: bool,
    /// It may have another form too.
    pub(crate) several: bool,
}

impl Sorted {
    pub(crate) const EMPTY: Sorted =
        Sorted { left: [0; WORDS], closer: [0; WORDS], several: [0; WORDS], forms: [0; 2 * WORDS * WORD] };

    #[inline(always)]
    pub(crate) fn clear(&mut self) {
        (self.left, self.closer, self.several) = ([0; WORDS], [0; WORDS], [0; WORDS]);
    }

    /// Adds the numbers of a form; forms come from the last to the first. `bytes` begin two bytes before the block.
    #[inline(never)]
    pub(crate) fn add(&mut self, places: &Places, block: &Block, bytes: &[u8], id: FormId, form: &Form) {
        match form.gap {
            0 => self.add_each(places, id, |place| plain(block, bytes, place, form)),
            1 => self.add_each(places, id, |place| grouping::<1>(block, bytes, place, form)),
            2 => self.add_each(places, id, |place| grouping::<2>(block, bytes, place, form)),
            _ => self.add_each(places, id, |place| grouping::<3>(block, bytes, place, form)),
        }
    }

    #[inline(always)]
    fn add_each(&mut self, places: &Places, id: FormId, says: impl Fn(usize) -> u8) {
        for place in places.iter() {
            let says = says(place);
            let (word, bit, open) = (place / WORD % WORDS, place % WORD, says & CLOSED == 0);
            let here = u64::from(open) << bit;
            self.several[word] |= self.left[word] & here;
            self.left[word] |= here;
            self.closer[word] = self.closer[word] & !here | here & u64::from(says & CLOSER != 0) << bit;
            let slot = place + if open { 0 } else { WORDS * WORD };
            self.forms[slot % (2 * WORDS * WORD)] = id.index() as u8;
        }
    }

    /// What is known of the number at `bit` of a word.
    #[inline(always)]
    pub(crate) fn known(&self, word: usize, bit: u32) -> Known {
        Known {
            form: FormId::of(u32::from(self.forms[word * WORD + bit as usize])),
            clear: self.closer[word] >> bit & 1 == 0,
            several: self.several[word] >> bit & 1 == 1,
        }
    }
}

/// A run of digits.
#[inline(always)]
fn plain(block: &Block, bytes: &[u8], place: usize, form: &Form) -> u8 {
    let around = bytes.get(place..).unwrap_or_default();
    let (Some(&behind), Some(&[second, first])) = (around.get(2 + form.span), around.first_chunk()) else {
        return CLOSER;
    };
    let behind = beside::PLAIN_THEN[usize::from(behind)];
    beside::left_flag(second, first) | behind | end_starts(block, place + form.span, behind)
}

/// A grouping with separators of `GAP` bytes: these have to be one, and the same one. What stands in front of four groups as that does may make
/// them an account number's.
#[inline(always)]
fn grouping<const GAP: usize>(block: &Block, bytes: &[u8], place: usize, form: &Form) -> u8 {
    let at = |offset: usize| {
        let four = bytes.get(place + offset..).and_then(|rest| rest.first_chunk());
        four.copied().map_or(0, u32::from_le_bytes)
    };
    let (Some(&behind), Some(before)) = (bytes.get(place + 2 + form.span), (place + 2).checked_sub(GAP)) else {
        return CLOSER;
    };
    let mask = (1 << (8 * GAP)) - 1;
    let gap = |index: usize| at(2 + usize::from(form.gaps[index])) & mask;
    let first = gap(0);
    let same = (gap(1) == first) & (gap(2) == first) & (gap(3) == first) & separator::is(first, GAP);
    let before = bytes.get(before..).and_then(|rest| rest.first_chunk()).copied().map_or(0, u32::from_le_bytes);
    let account = (form.groups >= 4) & (before & mask == first);
    let [left_second, left_first, ..] = at(0).to_le_bytes();
    let behind = beside::GROUP_THEN[usize::from(behind)];
    let then = if form.end_in_run { behind } else { 0 };
    beside::left_flag(left_second, left_first)
        | behind
        | end_starts(block, place + form.span, then)
        | if same { 0 } else { CLOSED }
        | if account { CLOSER } else { 0 }
}

/// Whether a grouping may begin with the kept end of the number that ends at `end`: where what follows may begin a separator, and four digits or six
/// stand behind it.
#[inline(always)]
fn end_starts(block: &Block, end: usize, behind: u8) -> u8 {
    let digits = block.digits_from(end % BLOCK_END);
    let gap = digits.trailing_zeros().min(separator::BYTES_MAX as u32);
    let run = (digits >> gap).trailing_ones();
    if (behind & LEADS != 0) & ((run == 4) | (run == 6)) { CLOSER } else { 0 }
}

/// Where numbers of the block end.
const BLOCK_END: usize = (WORDS + 1) * WORD;
