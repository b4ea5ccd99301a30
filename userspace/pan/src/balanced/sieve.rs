//! The starts of a block, form by form: which of them have the check digit of a card, and its head?
//!
//! What is dropped here is no card; what is left is judged as ever. Nothing here branches on what a single number is.

use crate::{
    arch::{Masks, WORD},
    balanced::block::{AHEAD, Block, Groups, Starts, WORDS},
    balanced::form::{self, Form, FormId, Forms},
    balanced::fours,
    balanced::places::{FEW, Places},
    balanced::sorted::{LEAD, Numbers, Sorted},
    iin::{Heads, head_of},
    separator,
};

/// From so many numbers in fours on a block is crowded.
const CROWD: usize = 128;
/// So many groups of four that may begin a number make a block one of which nothing is known before it: more than groupings that stand alone are.
const CROWD_OF_STARTS: u32 = 256;
/// Their forms, as bits.
pub(crate) const FOURS: u32 = 1 << fours::id(1).index() | 1 << fours::id(2).index() | 1 << fours::id(3).index();

/// The forms of four groups and more with separators of so many bytes, as bits: they may be an account number's.
const fn four_groups(gap: usize) -> u32 {
    1 << FormId::grouping(0, gap).index() | 1 << FormId::grouping(1, gap).index()
}

/// What is left of the starts of a block.
pub(crate) struct Sieve {
    /// By the form where it starts. Bit n of word i: the byte 64 i + n.
    starts: [[u64; WORDS]; form::COUNT],
    /// What is left of several forms, sorted.
    pub(crate) sorted: Sorted,
    /// What is left of one form.
    pub(crate) places: Places,
    /// The length that all runs of the block before had, given as how much more than 13 it is.
    lone: Option<usize>,
    /// Groupings that begin with kept ends were among those that were looked for.
    kept: bool,
    /// The block before had several forms.
    mixed: bool,
    /// Of which forms the block before had few, as bits.
    few: u32,
    /// So many numbers in fours with a right check digit were in the block before. None: there was none.
    fours: Option<usize>,
}

impl Sieve {
    pub(crate) const EMPTY: Sieve = Sieve {
        starts: [[0; WORDS]; form::COUNT],
        sorted: Sorted::EMPTY,
        places: Places::EMPTY,
        lone: None,
        kept: false,
        mixed: false,
        few: 0,
        fours: None,
    };

    /// Sifts the starts of a block. Where all have one form that is the answer, and `places` are those with the right check digit: their heads are not
    /// looked at yet.
    #[inline(always)]
    pub(crate) fn fill<M: Masks>(&mut self, block: &Block, starts: &Starts, input: Input<'_>) -> Option<FormId> {
        let mut forms = self.forms::<M>(block, starts, input);
        self.sorted.asked = [1, 2, 3].map(|gap| forms & four_groups(gap) != 0);
        let crowded = self.is_crowded::<M>(forms, input);
        if !crowded && M::AT_ONCE && self.sorted.has_many_heads() && self.sorted.asked.contains(&true) {
            M::tell_accounts(&mut self.sorted, input);
        }
        if crowded {
            forms = self.crowd::<M>(forms, input);
        } else if forms.is_power_of_two() {
            let id = FormId::of(forms.trailing_zeros());
            self.weigh::<M>(id, input);
            self.mixed = false;
            self.fours = Some(if forms & FOURS != 0 { self.places.count() } else { 0 });
            return Some(id);
        } else {
            (self.mixed, self.fours) = (true, Some(0));
        }
        while forms != 0 {
            let id = FormId::of(forms.ilog2());
            self.weigh_some::<M>(id, input);
            let fours = if FOURS >> id.index() & 1 == 1 { self.places.count() } else { 0 };
            self.fours = self.fours.map(|before| before + fours);
            self.sort::<M>(block, id, input);
            forms ^= 1 << id.index();
        }
        self.sort_kept::<M>(block, input);
        None
    }

    /// Whether the numbers in fours are so many that they are better judged at all places at once. What the block before was this one is mostly too.
    #[inline(always)]
    fn is_crowded<M: Masks>(&self, forms: u32, input: Input<'_>) -> bool {
        if !M::AT_ONCE || forms & FOURS == 0 || !fours::can_judge(input) {
            return false;
        }
        self.fours.map_or_else(|| self.starts_in_fours(forms) >= CROWD_OF_STARTS, |before| before >= CROWD)
    }

    /// How many groups of four may begin a number.
    #[cold]
    #[inline(never)]
    fn starts_in_fours(&self, forms: u32) -> u32 {
        let starts = [1, 2, 3].map(|gap| starts_of(&self.starts, fours::id(gap), forms));
        starts.into_iter().flatten().flatten().map(|bits| bits.count_ones()).sum()
    }

    /// Whether so many were there before, and what judging them at all places cannot leave out: see [`super::bound`]. How many have the right check digit
    /// and head; the forms that are left.
    #[inline(always)]
    pub(crate) fn bound_of_fours<M: Masks>(
        &self,
        forms: u32,
        before: usize,
        input: Input<'_>,
        hidden: &mut [u64; WORDS + AHEAD],
    ) -> (usize, u32) {
        if !M::AT_ONCE || before < CROWD || forms & FOURS == 0 || !fours::can_judge(input) {
            return (0, forms);
        }
        let starts = [1, 2, 3].map(|gap| starts_of(&self.starts, fours::id(gap), forms));
        (M::fours_bound(starts, input, hidden), forms & !FOURS)
    }

    /// Sorts the numbers in fours; answers which forms are left.
    #[inline(always)]
    fn crowd<M: Masks>(&mut self, forms: u32, input: Input<'_>) -> u32 {
        self.mixed = forms & !FOURS != 0;
        for gap in 1..=separator::BYTES_MAX {
            self.trim(fours::id(gap), input);
        }
        let starts = [1, 2, 3].map(|gap| starts_of(&self.starts, fours::id(gap), forms));
        self.fours = Some(M::fours(&mut self.sorted, starts, input));
        self.sorted.crowded = true;
        forms & !FOURS
    }

    /// Drops the starts of a form that are not the block's.
    #[inline(always)]
    fn trim(&mut self, id: FormId, input: Input<'_>) {
        let (word, bit) = (input.length / WORD, input.length % WORD);
        if let Some(behind) = self.starts[id.index() as usize].get_mut(word..) {
            behind
                .iter_mut()
                .enumerate()
                .for_each(|(index, bits)| *bits &= if index == 0 { (1 << bit) - 1 } else { 0 });
        }
    }

    /// Finds the starts of each form; of which there are any, as bits by [`FormId::index`].
    #[inline(always)]
    pub(crate) fn forms<M: Masks>(&mut self, block: &Block, starts: &Starts, input: Input<'_>) -> u32 {
        let mut forms = 0;
        self.sorted.clear();
        if starts.plain {
            forms |= self.runs(block);
        }
        // Kept ends cost little beside the others, and nothing where they are not asked for.
        self.kept = starts.grouped && self.mixed;
        if self.kept {
            let groups = block.all_groups::<M>(input.rest(), input.words);
            self.sorted.kept = groups.kept;
            forms |= self.all_shapes(&groups);
        } else if starts.grouped {
            forms |= self.all_shapes(&block.groups::<M>(input.rest(), input.words));
        }
        forms
    }

    /// The runs by their length. What all have in one block they mostly have in the next.
    #[inline(always)]
    fn runs(&mut self, block: &Block) -> u32 {
        if let Some(length) = self.lone
            && block.all_of_length(length, &mut self.starts[length])
        {
            return 1 << length;
        }
        let lengths = self.starts.first_chunk_mut().map_or(0, |runs| bits(block.by_length(runs), 0));
        self.lone = lengths.is_power_of_two().then_some(lengths.trailing_zeros() as usize);
        lengths
    }

    /// Groupings with any separator.
    #[inline(always)]
    fn all_shapes(&mut self, groups: &Groups) -> u32 {
        self.shapes::<1>(groups) | self.shapes::<2>(groups) | self.shapes::<3>(groups)
    }

    /// Where any number that was sorted may be a card whose kept end begins a grouping, sorts these groupings too.
    #[inline(always)]
    pub(crate) fn sort_kept<M: Masks>(&mut self, block: &Block, input: Input<'_>) {
        if self.kept || !self.sorted.ends_may_begin() {
            return;
        }
        let groups = block.kept_groups::<M>(input.rest(), input.words);
        self.sorted.kept = groups.kept;
        let mut forms = self.all_shapes(&groups);
        while forms != 0 {
            let id = FormId::of(forms.ilog2());
            self.weigh_some::<M>(id, input);
            self.sort::<M>(block, id, input);
            forms ^= 1 << id.index();
        }
    }

    /// Sorts what was weighed.
    #[inline(always)]
    pub(crate) fn sort<M: Masks>(&mut self, block: &Block, id: FormId, input: Input<'_>) {
        let form = input.forms.get(id);
        let before = input.at.checked_sub(LEAD).and_then(|at| input.bytes.get(at..));
        let bytes = before.unwrap_or_default();
        let (places, kept) = (&self.places, self.kept);
        let numbers =
            Numbers { places, heads: input.heads, block, bytes, length: input.length, id, form, ends_known: kept };
        M::sort(&mut self.sorted, numbers);
    }

    /// Groupings with separators of `GAP` bytes; of which shapes there are any.
    #[inline(always)]
    fn shapes<const GAP: usize>(&mut self, groups: &Groups) -> u32 {
        let first = FormId::grouping(0, GAP).index();
        match self.starts.get_mut(first as usize..).and_then(|forms| forms.first_chunk_mut()) {
            Some(shapes) if groups.any[GAP - 1] => bits(groups.shapes::<GAP>(shapes), first),
            _ => 0,
        }
    }

    /// Weighs the numbers of one form.
    #[inline(always)]
    pub(crate) fn weigh<M: Masks>(&mut self, id: FormId, input: Input<'_>) {
        let (form, bytes) = (input.forms.get(id), input.rest());
        self.trim(id, input);
        self.places.clear();
        M::list(&self.starts[id.index() as usize], &mut self.places);
        M::weigh(bytes, &mut self.places, form);
    }

    /// The same for one form of several. Of which the block before had few, there are few in this one, mostly.
    #[inline(always)]
    fn weigh_some<M: Masks>(&mut self, id: FormId, input: Input<'_>) {
        let (form, bytes, bit) = (input.forms.get(id), input.rest(), 1 << id.index());
        self.trim(id, input);
        self.places.clear();
        let starts = &self.starts[id.index() as usize];
        if self.few & bit == 0 || !M::list_few(starts, &mut self.places) {
            M::list(starts, &mut self.places);
        }
        self.few = if self.places.count() <= FEW { self.few | bit } else { self.few & !bit };
        M::weigh(bytes, &mut self.places, form);
    }
}

/// The starts of a form, where `forms` says that there are any.
#[inline(always)]
fn starts_of(starts: &[[u64; WORDS]; form::COUNT], id: FormId, forms: u32) -> Option<&[u64; WORDS]> {
    (forms >> id.index() & 1 == 1).then(|| &starts[id.index() as usize])
}

/// The words of a block in which a bit is set, in their order: which ones those are is decided without a branch for each.
pub(crate) struct Busy(u64);

impl Busy {
    #[inline(always)]
    pub(crate) fn of(masks: &[u64; WORDS]) -> Busy {
        Busy(masks.iter().enumerate().fold(0, |busy, (index, &mask)| busy | u64::from(mask != 0) << index))
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

/// The bits of a block in their order, as word and bit. Which words have how many is decided without a branch: there is one, at the end.
pub(crate) struct Bits<'a> {
    masks: &'a [u64; WORDS],
    /// The words that are left, and what is left of the first.
    busy: u64,
    rest: u64,
}

impl Bits<'_> {
    #[inline(always)]
    pub(crate) fn of(masks: &[u64; WORDS]) -> Bits<'_> {
        let Busy(busy) = Busy::of(masks);
        Bits { masks, busy, rest: masks[busy.trailing_zeros() as usize % WORDS] }
    }

    /// Leaves out what is left of a word, of which there was a bit just now.
    #[inline(always)]
    pub(crate) fn leave(&mut self, word: usize) {
        if self.busy.trailing_zeros() as usize == word {
            self.busy &= self.busy - 1;
            self.rest = self.masks[self.busy.trailing_zeros() as usize % WORDS];
        }
    }
}

impl Iterator for Bits<'_> {
    type Item = (usize, u32);

    #[inline(always)]
    fn next(&mut self) -> Option<(usize, u32)> {
        if self.busy == 0 {
            return None;
        }
        let found = (self.busy.trailing_zeros() as usize % WORDS, self.rest.trailing_zeros());
        let (rest, busy) = (self.rest & (self.rest - 1), self.busy & (self.busy - 1));
        let done = u64::from(rest == 0).wrapping_neg();
        self.rest = rest | self.masks[busy.trailing_zeros() as usize % WORDS] & done;
        self.busy = busy | self.busy & !done;
        Some(found)
    }
}

/// As bits, the first of them at `first`.
#[inline(always)]
fn bits<const N: usize>(any: [bool; N], first: u32) -> u32 {
    any.into_iter().enumerate().fold(0, |bits, (at, any)| bits | u32::from(any) << at) << first
}

/// What a block is judged by.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a> {
    /// What left before the pass began; only its end matters.
    pub(crate) context: &'a [u8],
    /// All of the pass.
    pub(crate) bytes: &'a [u8],
    /// Where the block begins.
    pub(crate) at: usize,
    /// Words that were read.
    pub(crate) words: usize,
    /// Bytes in which a start is one of the block.
    pub(crate) length: usize,
    pub(crate) heads: &'a Heads,
    pub(crate) forms: &'a Forms,
}

impl<'a> Input<'a> {
    /// From where the block begins.
    #[inline(always)]
    fn rest(self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }
}

/// What [`Masks::weigh`] does, number by number.
#[inline(always)]
pub(crate) fn weigh_each<M: Masks>(bytes: &[u8], places: &mut Places, form: &Form) {
    places.weigh(|place| {
        let number = bytes.get(place..)?.first_chunk()?;
        M::luhn_sum(number, form).is_multiple_of(10).then(|| head_of(number.first_chunk().unwrap_or(&[0; 4])) as usize)
    });
}
