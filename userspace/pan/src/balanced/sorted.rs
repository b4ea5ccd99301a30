//! Numbers of one form, sorted by what stands beside and within them: no card, a card without a doubt, or one that has to be looked at closer.
//!
//! No number is branched on: which of hostile ones are cards nobody foresees, and to be wrong costs as much as to sort a number.

use crate::{
    arch::{Masks, WORD},
    balanced::beside::{self, CLOSED, CLOSER, LEADS, LETTER, TRACK_1, TRACK_2},
    balanced::block::{Block, WORDS},
    balanced::form::{Form, FormId, SPAN_MAX},
    balanced::places::Places,
    iin::{Heads, Lengths},
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
    /// Those that are an account number's by what stood before them when the block was read, where that is `told`.
    account: [u64; WORDS],
    /// Where that is `told`: the places that are, by the length of the separator behind them, where it is `asked` for.
    accounts: [[u64; WORDS]; separator::BYTES_MAX],
    pub(crate) asked: [bool; separator::BYTES_MAX],
    pub(crate) told: bool,
    /// How often an account number's head seemed to stand there, in this block and in the one before.
    heads: u32,
    heads_before: u32,
    /// Where a card's kept end may stand, and a grouping begin with it: it does so only where the digit before it is hidden.
    pub(crate) kept: [u64; WORDS],
    /// [`MAY_BEGIN`], where any of them has it.
    ends: u8,
    /// They are so many that a word mostly has several.
    pub(crate) crowded: bool,
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
    /// It is an account number's and has no other form, if nothing was hidden there but digits.
    pub(crate) account: bool,
    /// It begins with what may be a card's kept end.
    pub(crate) kept: bool,
}

impl Sorted {
    pub(crate) const EMPTY: Sorted = Sorted {
        left: [0; WORDS],
        closer: [0; WORDS],
        several: [0; WORDS],
        account: [0; WORDS],
        accounts: [[0; WORDS]; _],
        asked: [false; _],
        told: false,
        heads: 0,
        heads_before: 0,
        kept: [0; WORDS],
        ends: 0,
        crowded: false,
        forms: [0; 2 * BLOCK],
    };

    #[inline(always)]
    pub(crate) fn clear(&mut self) {
        if self.told {
            self.account = [0; WORDS];
        }
        (self.told, self.heads_before, self.heads) = (false, self.heads, 0);
        (self.left, self.closer, self.several) = ([0; WORDS], [0; WORDS], [0; WORDS]);
        (self.kept, self.ends, self.crowded) = ([0; WORDS], 0, false);
    }

    /// Whether account numbers are better told at all places: by what the block before was.
    #[inline(always)]
    pub(crate) fn has_many_heads(&self) -> bool {
        self.heads_before >= MANY_HEADS
    }

    /// Notes which places of a word are an account number's, by the length of the separator behind them.
    #[inline(always)]
    pub(crate) fn tell(&mut self, word: usize, places: [u64; separator::BYTES_MAX]) {
        for (accounts, places) in self.accounts.iter_mut().zip(places) {
            accounts[word] = places;
        }
    }

    /// All of them are told; that many heads seem to stand there.
    #[inline(always)]
    pub(crate) fn all_told(&mut self, heads: u32) {
        (self.told, self.heads) = (true, heads);
    }

    /// Whether a grouping may begin with the kept end of any of them.
    #[inline(always)]
    pub(crate) fn ends_may_begin(&self) -> bool {
        self.ends != 0
    }

    /// Adds the numbers of a form that their heads allow; forms come from the last to the first.
    #[inline(always)]
    pub(crate) fn add(&mut self, numbers: Numbers<'_>) {
        let ends = numbers.form.end_in_run && !numbers.ends_known;
        match (numbers.form.gap, ends) {
            (0, true) => self.add_each::<0, true>(numbers),
            (0, false) => self.add_each::<0, false>(numbers),
            (1, true) => self.add_each::<1, true>(numbers),
            (1, false) => self.add_each::<1, false>(numbers),
            (2, _) => self.add_each::<2, true>(numbers),
            _ => self.add_each::<3, true>(numbers),
        }
    }

    /// `ENDS`: it is asked whether a grouping may begin with a kept end.
    #[inline(always)]
    fn add_each<const GAP: usize, const ENDS: bool>(&mut self, numbers: Numbers<'_>) {
        let (lengths, told) = (Lengths::of_one(numbers.form.count), self.told && numbers.form.groups >= 4);
        for (place, head) in numbers.places.weighed() {
            let issued = numbers.heads.balanced_at(head).any_of(lengths);
            let says = if GAP == 0 { numbers.plain::<ENDS>(place) } else { numbers.grouping::<GAP, ENDS>(place, told) };
            let says = says | (u8::from(!issued) * CLOSED);
            self.ends |= says & MAY_BEGIN;
            self.heads += u32::from(says / HEAD);
            let says = u64::from(says);
            let (word, bit) = (place / WORD % WORDS, place % WORD);
            let here = (!says & u64::from(CLOSED)) << bit;
            let closer = ((says / u64::from(CLOSER)) & 1) << bit;
            self.several[word] |= self.left[word] & here;
            self.left[word] |= here;
            self.closer[word] = (self.closer[word] & !here) | (closer & here);
            if GAP > 0 && told {
                self.account[word] |= self.accounts[GAP - 1][word] & here;
            }
            // What is closed goes where nobody looks.
            let slot = place + (says & u64::from(CLOSED)) as usize * BLOCK;
            self.forms[slot % (2 * BLOCK)] = numbers.id.index() as u8;
        }
    }

    /// Adds the numbers at these places of a word, each with its `name`. `closer`: they have to be looked at closer; `odd`: in all their forms. Behind
    /// each is a separator of `gap` bytes.
    #[inline(always)]
    pub(crate) fn add_word(&mut self, word: usize, gap: usize, here: u64, [closer, odd]: [u64; 2]) {
        self.several[word] |= self.left[word] & here | odd;
        self.left[word] |= here;
        self.closer[word] = self.closer[word] & !here | closer;
        self.account[word] |= here & self.accounts[gap - 1][word];
    }

    /// Notes the form of the numbers at these places of a word; where there is none, it is of no interest.
    #[inline(always)]
    pub(crate) fn name<M: Masks>(&mut self, word: usize, places: u64, id: FormId) {
        if let Some(forms) = self.forms.as_chunks_mut().0.get_mut(word) {
            M::put(forms, places, id.index() as u8);
        }
    }

    /// The numbers of a word but for those that are an account number's.
    #[inline(always)]
    pub(crate) fn open(&self, word: usize) -> u64 {
        self.left[word] & (!self.account[word] | self.several[word])
    }

    /// Whether all open numbers of a word are cards as they stand there, in whatever order they are taken.
    #[inline(always)]
    pub(crate) fn all_clear(&self, word: usize) -> bool {
        self.open(word) & (self.closer[word] | self.account[word] | self.kept[word]) == 0
    }

    /// The forms of the numbers that begin in a word, each at its place.
    #[inline(always)]
    pub(crate) fn forms(&self, word: usize) -> &[u8; WORD] {
        self.forms.as_chunks().0.get(word).unwrap_or(&[0; WORD])
    }

    /// What is known of the number at `bit` of a word.
    #[inline(always)]
    pub(crate) fn known(&self, word: usize, bit: u32) -> Known {
        Known {
            form: FormId::of(u32::from(self.forms[word * WORD + bit as usize])),
            clear: (self.closer[word] | self.account[word]) >> bit & 1 == 0,
            several: self.several[word] >> bit & 1 == 1,
            account: self.open(word) >> bit & 1 == 0,
            kept: self.kept[word] >> bit & 1 == 1,
        }
    }
}

/// Numbers of one form in a block.
#[derive(Clone, Copy)]
pub(crate) struct Numbers<'a> {
    pub(crate) places: &'a Places,
    pub(crate) heads: &'a Heads,
    pub(crate) block: &'a Block,
    /// From `LEAD` bytes before the block on.
    pub(crate) bytes: &'a [u8],
    /// Bytes in which a start is one of the block.
    pub(crate) length: usize,
    pub(crate) id: FormId,
    pub(crate) form: &'a Form,
    /// The groupings that begin with a kept end are known without being asked for.
    pub(crate) ends_known: bool,
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
    fn plain<const ENDS: bool>(&self, place: usize) -> u8 {
        let Some(around) = self.around(place) else { return CLOSER | MAY_BEGIN };
        let behind = beside::PLAIN_THEN[usize::from(around[LEAD + self.form.span % SPAN_MAX])];
        let left = beside::left_flag(around[LEAD - 2], around[LEAD - 1]);
        left | self.track(around, behind) | self.end_starts::<ENDS>(place, behind)
    }

    /// A grouping with separators of `GAP` bytes: these have to be one, and the same one. What stands in front of four groups as that does may make
    /// them an account number's, if that is not `told`.
    #[inline(always)]
    fn grouping<const GAP: usize, const ENDS: bool>(&self, place: usize, told: bool) -> u8 {
        let (form, Some(around)) = (self.form, self.around(place)) else { return CLOSER | MAY_BEGIN };
        let mask = (1 << (8 * GAP)) - 1;
        let [first, second, third, fourth] =
            form.gaps.map(|gap| four(around, LEAD + usize::from(gap) % SPAN_MAX) & mask);
        let same = (second == first) & (third == first) & (fourth == first) & separator::is(first, GAP);
        let account =
            !told && form.groups >= 4 && (four(around, LEAD - GAP) & mask == first) & self.letters_before(place, GAP);
        let behind = beside::GROUP_THEN[usize::from(around[LEAD + form.span % SPAN_MAX])];
        beside::group_left_flag(around[LEAD - 2], around[LEAD - 1])
            | self.track(around, behind)
            | self.end_starts::<ENDS>(place, behind)
            | (u8::from(!same) * CLOSED)
            | (u8::from(account) * (CLOSER | HEAD))
    }

    /// The bits of the digits behind a number.
    #[inline(always)]
    fn digits_behind(&self, place: usize) -> u64 {
        self.block.digits_from((place + self.form.span).min(BLOCK + WORD - 1))
    }

    /// What the byte behind a number says, and the next one where it may begin the rest of a track.
    #[inline(always)]
    fn track(&self, around: &[u8; AROUND], behind: u8) -> u8 {
        let goes_on = around[LEAD + self.form.span % SPAN_MAX + 1].is_ascii_digit();
        let begins = (around[LEAD - 2] == b'%') & (around[LEAD - 1] | 0x20 == b'b');
        let two = behind & TRACK_2 != 0;
        let closed = two & (behind & LETTER != 0) & !goes_on;
        let closer = (two & goes_on) | ((behind & TRACK_1 != 0) & begins);
        (behind & (CLOSED | CLOSER)) | (u8::from(closed) * CLOSED) | (u8::from(closer) * CLOSER)
    }

    /// Whether an account number's head may stand before a number.
    #[inline(always)]
    fn letters_before(&self, place: usize, gap: usize) -> bool {
        let before =
            (place + LEAD).checked_sub(SPAN_MAX).and_then(|at| self.bytes.get(at..)?.first_chunk::<SPAN_MAX>());
        before.is_none_or(|before| letters_in(before, gap))
    }

    /// Whether a grouping may begin with the kept end of the number at `place`: where what follows may begin a separator, and four digits or six stand
    /// behind it. An end behind the block is not among what is sorted here.
    #[inline(always)]
    fn end_starts<const ENDS: bool>(&self, place: usize, behind: u8) -> u8 {
        let then = if self.form.end_in_run { behind / LEADS } else { 0 };
        let beyond = u8::from(place + self.form.span >= self.length + KEPT);
        if !ENDS {
            return (then & beyond) * CLOSER;
        }
        let digits = self.digits_behind(place);
        // At most a separator's bytes.
        let gap = (digits | 1 << separator::BYTES_MAX).trailing_zeros();
        let behind_gap = digits >> gap;
        let starts = u8::from(behind_gap & 0x1f == 0xf) | u8::from(behind_gap & 0x7f == 0x3f);
        (then & starts) * (MAY_BEGIN | (beyond * CLOSER))
    }
}

/// Whether any of the four groups before a number may be the head of an account number: it begins with two large letters.
#[inline(always)]
pub(crate) fn letters_in(before: &[u8; SPAN_MAX], gap: usize) -> bool {
    let group = 4 + gap % (separator::BYTES_MAX + 1);
    let two = |back: usize| {
        let at = SPAN_MAX - back * group;
        u64::from(u16::from_le_bytes([before[at], before[at + 1]]))
    };
    let heads = two(1) | two(2) << 16 | two(3) << 32 | two(4) << 48;
    // Seven bits and 0x3f or 0x25 never carry into the next byte: the high bit is set from `A` on, and from `[` on.
    let low = heads & (0x7f * ONES);
    let large = (low + 0x3f * ONES) & !(low + 0x25 * ONES) & !heads;
    large & large << 8 & 0x8000_8000_8000_8000 != 0
}

const ONES: u64 = u64::MAX / 0xff;
const BLOCK: usize = WORDS * WORD;
/// A grouping may begin with the kept end.
const MAY_BEGIN: u8 = 8;
/// The head of an account number may stand before it.
const HEAD: u8 = 128;
/// So many of them in a block are better told at all places.
const MANY_HEADS: u32 = 16;
const _: () = assert!((MAY_BEGIN | HEAD) & (CLOSED | CLOSER | LEADS | TRACK_1 | TRACK_2 | LETTER) == 0);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_large_letters_four_groups_before() {
        for (gap, at, byte) in (1..4)
            .flat_map(|gap| (0..SPAN_MAX).map(move |at| (gap, at)))
            .flat_map(|(gap, at)| [b'A', b'Z', b'@', b'[', b'a', 0xc1, 0xda].map(|byte| (gap, at, byte)))
        {
            let mut before = [b'1'; SPAN_MAX];
            before[at..].iter_mut().take(2).for_each(|slot| *slot = byte);
            let head = (1..=4).any(|back| at == SPAN_MAX - back * (4 + gap)) && byte.is_ascii_uppercase();
            assert_eq!(letters_in(&before, gap), head, "{byte:#x} at {at}, gap {gap}");
            before[at] = b'1';
            assert!(!letters_in(&before, gap), "one letter at {at}");
        }
    }
}
