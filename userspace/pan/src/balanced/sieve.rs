//! The starts of a block, form by form: which of them have the check digit of a card, and its head?
//!
//! What is dropped here is no card; what is left is judged as ever. Nothing here branches on what a single number is.

use crate::{
    arch::{Masks, WORD},
    balanced::block::{Block, Groups, Starts, WORDS},
    balanced::form::{self, Form, FormId, Forms},
    balanced::places::Places,
    iin::Heads,
};

/// What is left of the starts of a block. Bit n of word i: the byte 64 i + n.
pub(crate) struct Sieve {
    /// By the form those whose head is issued and whose check digit is right; only where `found` says so.
    starts: [[u64; WORDS]; form::COUNT],
    /// By word the forms of which there are any.
    found: [u32; WORDS],
    /// All that is left.
    pub(crate) left: [u64; WORDS],
    /// What is left of one form.
    pub(crate) places: Places,
}

impl Sieve {
    pub(crate) const EMPTY: Sieve =
        Sieve { starts: [[0; WORDS]; form::COUNT], found: [0; WORDS], left: [0; WORDS], places: Places::EMPTY };

    /// Sifts the starts of a block. Where all have one form that is the answer, and `places` are those with the right check digit: their heads are not
    /// looked at yet.
    #[inline(always)]
    pub(crate) fn fill<M: Masks>(&mut self, block: &Block, starts: &Starts, input: Input<'_>) -> Option<FormId> {
        let mut forms = 0;
        if starts.plain
            && let Some(runs) = self.starts.first_chunk_mut()
        {
            forms |= bits(block.by_length(runs), 0);
        }
        if starts.grouped {
            let groups = block.groups::<M>(input.rest(), input.words);
            forms |= self.shapes::<1>(&groups) | self.shapes::<2>(&groups) | self.shapes::<3>(&groups);
        }
        if forms.is_power_of_two() {
            let id = FormId::of(forms.trailing_zeros());
            self.weigh::<M>(id, input);
            return Some(id);
        }
        self.begin();
        while forms != 0 {
            let id = FormId::of(forms.trailing_zeros());
            self.weigh::<M>(id, input);
            self.places.keep_issued(input.rest(), input.forms.get(id), input.heads);
            self.spread(id);
            forms &= forms - 1;
        }
        None
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
    fn weigh<M: Masks>(&mut self, id: FormId, input: Input<'_>) {
        let (form, bytes) = (input.forms.get(id), input.rest());
        let starts = &self.starts[id.index() as usize];
        self.places.clear();
        M::list(starts, &mut self.places);
        M::weigh(bytes, &mut self.places, form);
    }

    /// Before the first [`Sieve::spread`].
    #[inline(always)]
    pub(crate) fn begin(&mut self) {
        self.left = [0; WORDS];
        self.found = [0; WORDS];
    }

    /// What was weighed, by word.
    #[inline(always)]
    pub(crate) fn spread(&mut self, id: FormId) {
        let starts = &mut self.starts[id.index() as usize];
        *starts = [0; WORDS];
        for place in self.places.iter() {
            let (word, bit) = (place / WORD % WORDS, 1 << (place % WORD));
            starts[word] |= bit;
            self.left[word] |= bit;
            self.found[word] |= 1 << id.index();
        }
    }

    /// The forms that may be a card's of the start at `bit` of a word, as bits by [`FormId::index`].
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

/// As bits, the first of them at `first`.
#[inline(always)]
fn bits<const N: usize>(any: [bool; N], first: u32) -> u32 {
    any.into_iter().enumerate().fold(0, |bits, (at, any)| bits | u32::from(any) << at) << first
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
    places.retain(|place| {
        let number = bytes.get(place..).and_then(|rest| rest.first_chunk());
        number.is_some_and(|number| M::luhn_sum(number, form).is_multiple_of(10))
    });
}
