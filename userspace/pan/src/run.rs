//! The fast way through a long text: starts are found by masks, numbers judged by their form's table, and only what depends on more
//! than its neighbours goes the exact way ([`crate::candidate`]).
//!
//! Detect first, store later: what is hidden is written when a block is done, since a store in front of the loads of the next number
//! costs more than the number. So all that is read from a start on is the input; what left of it differs in the output are digits
//! that became stars, and no rule for a start asks for those but the ones that say so here.

use crate::{
    Engine,
    arch::{Masks, WORD},
    block::{AHEAD, Block, WORDS},
    candidate::{self, Around},
    form::{Form, FormId, SPAN_MAX},
    separator,
};

/// Numbers that wait to be written.
const QUEUE: usize = 64;

/// Why the fast way ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Too few bytes are left for it.
    End,
    /// What starts here has to go the exact way.
    Exact(usize),
}

/// The fast way over some bytes.
pub(crate) struct Run<'a> {
    pub(crate) engine: &'a Engine,
    /// Hidden digits become stars; where they do not, every card goes the exact way.
    starred: bool,
    pub(crate) bytes: &'a mut [u8],
    /// A digit stands before the first byte.
    carry: bool,
    /// Starts before this are done; everything before it is written.
    pub(crate) at: usize,
    pub(crate) cards: u32,
    /// Bit n: the byte `base + n` is a hidden digit.
    owed: u64,
    base: usize,
    /// The part of `owed` that is in no entry of the queue.
    pending: (usize, u64),
    queue: [(usize, FormId); QUEUE],
    queued: usize,
}

/// What a start came to.
enum Judged {
    /// No card.
    Nothing,
    Card,
    Exact,
}

impl<'a> Run<'a> {
    /// From `at` on, where `owed` are hidden digits not yet written (bit 0 is `at`). `before` is the byte before `bytes`.
    pub(crate) fn new(
        engine: &'a Engine,
        starred: bool,
        bytes: &'a mut [u8],
        before: Option<u8>,
        at: usize,
        owed: u64,
    ) -> Run<'a> {
        let previous = match at.checked_sub(1) {
            Some(index) => bytes.get(index).copied(),
            None => before,
        };
        let carry = previous.is_some_and(|byte| byte.is_ascii_digit());
        let queue = [(0, FormId::default()); QUEUE];
        Run { engine, starred, bytes, carry, at, cards: 0, owed, base: at, pending: (at, owed), queue, queued: 0 }
    }

    /// Whether it is worth a start.
    pub(crate) fn has_room(length: usize, at: usize) -> bool {
        length - at >= (1 + AHEAD) * WORD
    }

    /// Goes on until the end or a start that has to go the exact way. Everything before `at` is written then; returns what is owed from there.
    pub(crate) fn go(&mut self) -> (Stop, u64) {
        let backend = self.engine.backend;
        let stop = backend.go(self);
        if let Stop::Exact(start) = stop {
            self.at = start;
        }
        self.flush(self.at);
        (stop, self.owed)
    }

    #[inline(always)]
    fn judge(&mut self, block: &Block, start: usize) -> Judged {
        let digits = block.digits_from(start - self.at);
        let Some(bytes) = self.bytes.get(start..).and_then(|rest| rest.first_chunk::<SPAN_MAX>()) else {
            return Judged::Exact;
        };
        let lengths = self.engine.heads.balanced_of(bytes);
        let run = digits.trailing_ones() as usize;
        if run > 4 {
            let id = FormId::plain(run);
            let form = self.engine.forms.get(id);
            if lengths.contains(run) & form.luhn_holds(bytes) {
                return self.plain(start, id);
            }
            return Judged::Nothing;
        }
        let gap = (digits >> 4).trailing_zeros() as usize;
        let mut found = None;
        for shape in 0..candidate::SHAPES.len() {
            let id = FormId::grouping(shape, gap);
            let form = self.engine.forms.get(id);
            if form.fits(digits) && lengths.contains(form.count) && form.luhn_holds(bytes) {
                if found.is_some() {
                    return Judged::Exact;
                }
                found = Some(id);
            }
        }
        match found {
            Some(id) => self.grouping(start, id),
            None => Judged::Nothing,
        }
    }

    /// A run whose length, head and check digit are a card's.
    #[inline(always)]
    fn plain(&mut self, start: usize, id: FormId) -> Judged {
        let engine = self.engine;
        let form = engine.forms.get(id);
        if !self.starred {
            return Judged::Exact;
        }
        match (self.left(start), self.bytes.get(start + form.span)) {
            (_, None | Some(b'D' | b'd' | b'=' | b'^')) | (None, _) => Judged::Exact,
            (Some(false), _) => Judged::Nothing,
            (Some(true), Some(next)) if next.is_ascii_alphanumeric() => Judged::Nothing,
            (Some(true), Some(_)) => self.accept(start, id, form),
        }
    }

    /// A grouping whose lengths, head and check digit are a card's.
    #[inline(always)]
    fn grouping(&mut self, start: usize, id: FormId) -> Judged {
        let engine = self.engine;
        let form = engine.forms.get(id);
        if !self.starred {
            return Judged::Exact;
        }
        match (self.left(start), self.bytes.get(start + form.span)) {
            (_, None | Some(b'=' | b'^' | b'0'..=b'9')) | (None, _) => return Judged::Exact,
            (Some(false), _) => return Judged::Nothing,
            (Some(true), Some(next)) if next.is_ascii_alphabetic() => return Judged::Nothing,
            (Some(true), Some(_)) => {}
        }
        let Some(separator) = self.separator(start, form) else { return Judged::Nothing };
        let before = self.bytes.get(start - form.gap..start);
        if form.groups >= 4 && before == Some(separator.bytes()) && self.may_be_account(start) {
            return Judged::Exact;
        }
        self.accept(start, id, form)
    }

    /// Whether the left side allows a card; None where that needs bytes from before `bytes`.
    #[inline(always)]
    fn left(&self, start: usize) -> Option<bool> {
        let at = start.checked_sub(2)?;
        let [second, first, ..] = *self.bytes.get(at..)? else { return None };
        Some(candidate::left_allows(Some(second), Some(first)))
    }

    /// The separator that stands between all the groups.
    #[inline(always)]
    fn separator(&self, start: usize, form: &Form) -> Option<separator::Separator> {
        let bytes = self.bytes.get(start..start + form.span)?;
        let separator = separator::at(bytes.get(4..4 + form.gap)?)?;
        let mut gaps = !form.pattern & ((1 << form.span) - 1);
        while gaps != 0 {
            let at = gaps.trailing_zeros() as usize;
            if bytes.get(at..at + form.gap) != Some(separator.bytes()) {
                return None;
            }
            gaps &= !(((1 << form.gap) - 1) << at);
        }
        Some(separator)
    }

    /// An account number's head has two letters, and stands at most 28 bytes to the left.
    #[inline(always)]
    fn may_be_account(&self, start: usize) -> bool {
        let before =
            start.checked_sub(SPAN_MAX).and_then(|at| self.bytes.get(at..)).and_then(|rest| rest.first_chunk());
        let Some(before): Option<&[u8; SPAN_MAX]> = before else { return true };
        before.iter().fold(false, |any, byte| any | byte.is_ascii_uppercase())
    }

    #[inline(always)]
    fn accept(&mut self, start: usize, id: FormId, form: &Form) -> Judged {
        if self.owed_from(start) & 1 == 1 {
            return Judged::Nothing; // a hidden digit starts nothing
        }
        if self.queued == QUEUE {
            self.flush(start);
        }
        self.owed = self.owed_from(start) | form.hidden_bits;
        self.base = start;
        self.queue[self.queued] = (start, id);
        self.queued += 1;
        self.cards += 1;
        Judged::Card
    }

    /// The form of the number that was found last; there is one.
    #[inline(always)]
    fn last_form(&self) -> &'a Form {
        let engine = self.engine;
        engine.forms.get(self.queue[self.queued - 1].1)
    }

    /// What is owed, with bit 0 at `start`, which lies at or behind `base`.
    #[inline(always)]
    fn owed_from(&self, start: usize) -> u64 {
        let step = start - self.base;
        if step < 64 { self.owed >> step } else { 0 }
    }

    /// Whether a grouping may start with the kept end of the card at `start`, which stands alone in the output.
    #[inline(always)]
    fn end_may_start(&self, block: &Block, start: usize, form: &Form) -> Option<usize> {
        let end = start + form.span - 4;
        let digits = block.digits_from(end - self.at);
        let gap = (digits >> 4).trailing_zeros() as usize;
        let fits = |shape| self.engine.forms.get(FormId::grouping(shape, gap)).fits(digits);
        ((1..=separator::BYTES_MAX).contains(&gap) && (0..candidate::SHAPES.len()).any(fits)).then_some(end)
    }

    /// Writes all that is hidden before `upto`, which lies at or behind every start so far.
    fn flush(&mut self, upto: usize) {
        let (from, bits) = self.pending;
        hide_bits(self.bytes, from, bits, upto);
        for &(start, id) in self.queue.get(..self.queued).unwrap_or_default() {
            let form = self.engine.forms.get(id);
            let whole = self.bytes.get_mut(start..).and_then(|rest| rest.first_chunk_mut::<SPAN_MAX>());
            match whole.filter(|_| start + form.span <= upto) {
                Some(bytes) => {
                    for (byte, hidden) in bytes.iter_mut().zip(form.hidden) {
                        *byte = *byte & !hidden | b'*' & hidden;
                    }
                }
                None => hide_bits(self.bytes, start, form.hidden_bits, upto),
            }
        }
        self.queued = 0;
        self.owed = self.owed_from(upto);
        self.base = upto;
        self.pending = (upto, self.owed);
    }
}

fn hide_bits(bytes: &mut [u8], from: usize, mut bits: u64, upto: usize) {
    while bits != 0 {
        let at = from + bits.trailing_zeros() as usize;
        if at < upto
            && let Some(byte) = bytes.get_mut(at)
        {
            *byte = b'*';
        }
        bits &= bits - 1;
    }
}

/// The loop over blocks, compiled for each family of instructions.
#[inline(always)]
pub(crate) fn go<M: Masks>(run: &mut Run<'_>) -> Stop {
    loop {
        let rest = run.bytes.get(run.at..).unwrap_or_default();
        let words = (rest.len() / WORD).saturating_sub(AHEAD).min(WORDS);
        if words == 0 {
            return Stop::End;
        }
        let block = Block::read::<M>(rest, words, run.carry);
        for (index, &starts) in block.starts.iter().enumerate() {
            let mut starts = starts;
            while starts != 0 {
                let start = run.at + index * WORD + starts.trailing_zeros() as usize;
                starts &= starts - 1;
                match run.judge(&block, start) {
                    Judged::Nothing => {}
                    Judged::Exact => return Stop::Exact(start),
                    Judged::Card => {
                        let form = run.last_form();
                        if form.end_in_run
                            && let Some(end) = run.end_may_start(&block, start, form)
                        {
                            return Stop::Exact(end);
                        }
                    }
                }
            }
        }
        let end = run.at + words * WORD;
        run.carry = block.digits_from(words * WORD - 1) & 1 == 1;
        run.flush(end);
        run.at = end;
    }
}

/// What [`Around`] looks at is all that decides; this way only goes round it where the answer is certain.
const _: () = assert!(size_of::<Around<'_>>() <= 64 && SPAN_MAX <= AHEAD * WORD);
