//! The fast way through a long text: starts are found by masks, numbers judged by their form's table, and only what depends on more
//! than its neighbours goes the exact way ([`crate::balanced::candidate`]).
//!
//! Detect first, store later: what is hidden is written when a block is done, since a store in front of the loads of the next number
//! costs more than the number. So all that is read from a start on is the input; what left of it differs in the output are digits
//! that became stars, and no rule for a start asks for those but the ones that say so here.
//!
//! Of the starts most are no cards, and which ones nobody can foresee. So they are first reduced without a branch to those whose lengths, head
//! and check digit are a card's (`collect`), and only these are looked at one by one (`resolve`).

use crate::{
    Engine,
    arch::{Masks, WORD},
    balanced::beside::{self, BESIDE, Says},
    balanced::block::{AHEAD, Block, WORDS},
    balanced::candidate::{Around, SHAPES},
    balanced::form::{Form, FormId, SPAN_MAX},
    balanced::sums::Sums,
    balanced::{Pass, Text},
    separator,
};

/// Numbers that wait to be looked at.
const HITS: usize = 128;
/// A word has at most 13 starts, each of at most three forms.
const HITS_PER_WORD: usize = 3 * 13;
/// Numbers that wait to be written.
const QUEUE: usize = 128;

/// Why the fast way ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Too few bytes are left for it.
    End,
    /// What starts here depends on bytes that have not come yet.
    Cut(usize),
}

/// The fast way over the bytes of a pass.
pub(crate) struct Run<'r, 'b> {
    engine: &'static Engine,
    text: &'r mut Text,
    pass: &'r mut Pass<'b>,
    /// Hidden digits become stars; where they do not, every card goes the exact way.
    starred: bool,
    /// A digit stands before the block.
    carry: bool,
    /// Where the block begins. Everything before it is written.
    at: usize,
    /// Bit n: the byte `base + n` is a hidden digit.
    owed: u64,
    base: usize,
    /// The part of `owed` that is in no entry of the queue.
    pending: (usize, u64),
    hits: [(usize, FormId); HITS],
    queue: [(usize, FormId); QUEUE],
    queued: usize,
}

impl<'r, 'b> Run<'r, 'b> {
    /// From where the pass is. `before` is the byte before the first of the pass.
    pub(crate) fn new(text: &'r mut Text, pass: &'r mut Pass<'b>, before: Option<u8>) -> Run<'r, 'b> {
        text.settle(pass, pass.at);
        let previous = match pass.at.checked_sub(1) {
            Some(index) => pass.bytes.get(index).copied(),
            None => before,
        };
        let none = (0, FormId::default());
        Run {
            engine: text.engine,
            starred: text.stars_everywhere(),
            carry: previous.is_some_and(|byte| byte.is_ascii_digit()),
            at: pass.at,
            owed: text.owed,
            base: pass.at,
            pending: (pass.at, text.owed),
            hits: [none; HITS],
            queue: [none; QUEUE],
            queued: 0,
            text,
            pass,
        }
    }

    /// Whether it is worth a start.
    pub(crate) fn has_room(length: usize, at: usize) -> bool {
        length - at >= (1 + AHEAD) * WORD
    }

    /// Goes on as far as it leads. Everything before the pass's place is written then.
    pub(crate) fn go(&mut self) -> Stop {
        let stop = self.engine.backend().go(self);
        if stop == Stop::End {
            self.settle(self.at);
        }
        stop
    }

    /// Brings the text and the pass to `at`.
    fn settle(&mut self, at: usize) {
        self.flush(at);
        (self.text.owed, self.pass.settled, self.pass.at) = (self.owed, at, at);
    }

    /// Goes over words without a digit.
    #[inline(always)]
    fn skip(&mut self, words: usize) {
        let at = self.at + words * WORD;
        if self.queued > 0 || self.pending.1 != 0 {
            self.flush(at);
        }
        self.at = at;
    }

    /// Lets `start` go the exact way, until that leads back to this one. Only bytes before the pass's place have changed then.
    #[cold]
    #[inline(never)]
    fn exact(&mut self, start: usize) -> Option<Stop> {
        self.settle(start);
        if self.text.visit(self.pass, start).is_err() {
            return Some(Stop::Cut(start));
        }
        while !self.text.is_free(self.pass) {
            if let Some(cut) = self.text.step(self.pass) {
                return Some(Stop::Cut(cut));
            }
        }
        (self.owed, self.base) = (self.text.owed, self.pass.settled);
        self.pending = (self.base, self.owed);
        None
    }

    /// The block is done: on to the next, or to where the exact way has led.
    #[inline(always)]
    fn next_block(&mut self, end: usize, carry: bool) {
        self.at = end.max(self.pass.at);
        self.carry =
            if self.at == end { carry } else { self.pass.bytes.get(self.at - 1).is_some_and(u8::is_ascii_digit) };
        self.flush(self.at);
    }

    /// Of the starts from `word` on those whose lengths, head and check digit are a card's. Returns how many, and the word after the last that
    /// was looked at.
    #[inline(always)]
    fn collect<M: Masks>(&mut self, block: &Block, words: usize, word: usize) -> (usize, usize) {
        let (mut count, mut word) = (0, word);
        while word < words && count <= HITS - HITS_PER_WORD {
            let mut starts = block.starts[word];
            while starts != 0 {
                let offset = word * WORD + starts.trailing_zeros() as usize;
                starts &= starts - 1;
                count = self.sift::<M>(block.digits_from(offset), self.at + offset, count);
            }
            word += 1;
        }
        (count, word)
    }

    /// Adds the forms that a start may have to the `count` hits before it; returns how many they are then.
    #[inline(always)]
    fn sift<M: Masks>(&mut self, digits: u64, start: usize, count: usize) -> usize {
        let Some(bytes) = self.pass.bytes.get(start..).and_then(|rest| rest.first_chunk::<SPAN_MAX>()) else {
            return count;
        };
        let lengths = self.engine.heads.balanced_of(bytes);
        let run = digits.trailing_ones() as usize;
        if run > 4 {
            let id = FormId::plain(run);
            let form = self.engine.forms.get(id);
            self.hits[count] = (start, id);
            let card = lengths.contains(run) & holds(M::luhn_sum(bytes, form));
            return count + usize::from(card);
        }
        let gap = (digits >> 4).trailing_zeros() as usize;
        // By the second group's fifth digit: 4-6-5 and 4-6-4, or the others.
        let shapes = if digits >> (8 + gap) & 1 == 1 { &[2, 3][..] } else { &[0, 1, 4] };
        let mut count = count;
        for &shape in shapes {
            let id = FormId::grouping(shape, gap);
            let form = self.engine.forms.get(id);
            if form.fits(digits) {
                self.hits[count] = (start, id);
                let card = lengths.contains(form.count) & holds(M::luhn_sum(bytes, form));
                count += usize::from(card);
            }
        }
        count
    }

    /// Looks at the hits in their order.
    #[inline(always)]
    fn resolve(&mut self, block: &Block, count: usize) -> Option<Stop> {
        let engine = self.engine;
        let mut judged = usize::MAX;
        for index in 0..count {
            let (start, id) = self.hits[index];
            if start < self.pass.at || start == judged || self.owed_from(start) & 1 == 1 {
                continue; // within what went the exact way, found in a longer form, or a hidden digit, which starts nothing
            }
            let form = engine.forms.get(id);
            let says = self.says(start, form);
            judged = if says == Says::Closed { judged } else { start };
            let exact = match says {
                Says::Closed => None,
                Says::Depends | Says::Track1 => Some(start),
                Says::Open => {
                    self.accept(start, id, form);
                    if form.end_in_run { self.end_may_start(block, start, form) } else { None }
                }
                Says::Track2 => self.accept_track2(block, start, id, form),
            };
            if let Some(start) = exact
                && let Some(stop) = self.exact(start)
            {
                return Some(stop);
            }
        }
        None
    }

    /// What stands beside a number and within it.
    #[inline(always)]
    fn says(&self, start: usize, form: &Form) -> Says {
        let Some(before) = start.checked_sub(2) else { return Says::Depends };
        let (Some(&[second, first]), Some(&next)) =
            (self.pass.bytes.get(before..).and_then(|rest| rest.first_chunk()), self.pass.bytes.get(start + form.span))
        else {
            return Says::Depends;
        };
        if !self.starred {
            return Says::Depends;
        }
        if !beside::left_allows(second, first) {
            return Says::Closed;
        }
        let next = match BESIDE[usize::from(next)] {
            // The caret means something behind `%B` alone.
            mut next if next.plain == Says::Track1 => {
                let track = second == b'%' && matches!(first, b'B' | b'b');
                next.plain = if track { Says::Depends } else { Says::Open };
                next.group = next.plain;
                next
            }
            next => next,
        };
        if form.groups == 1 { next.plain } else { self.grouping_says(start, form, next.group) }
    }

    #[inline(always)]
    fn grouping_says(&self, start: usize, form: &Form, next: Says) -> Says {
        let at =
            |at: usize| self.pass.bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().map(u32::from_le_bytes);
        let Some(before) = start.checked_sub(form.gap).and_then(at) else { return Says::Depends };
        let gap = |at: u32| at & form.gap_bytes;
        let same = |&offset: &u8| at(start + usize::from(offset)).map(gap);
        let [first, others @ ..] = &form.gaps;
        let Some(separator) = same(first) else { return Says::Depends };
        if !separator::is(separator, form.gap) || others.iter().any(|offset| same(offset) != Some(separator)) {
            return Says::Closed;
        }
        if form.groups >= 4 && gap(before) == separator { self.account_says(start, form, next) } else { next }
    }

    /// Whether the groups are an account number's. Its head has two letters, and stands at most 28 bytes to the left; what is hidden there counts
    /// like the digits that it was.
    #[inline(always)]
    fn account_says(&self, start: usize, form: &Form, next: Says) -> Says {
        let before = start.checked_sub(SPAN_MAX).and_then(|at| self.pass.bytes.get(at..start));
        let Some(before) = before.and_then(|before| before.first_chunk::<SPAN_MAX>()) else { return Says::Depends };
        if !before.iter().fold(false, |any, byte| any | byte.is_ascii_uppercase()) {
            return next;
        }
        let around =
            Around { engine: self.engine, context: &[], bytes: self.pass.bytes, last: false, starred: self.starred };
        let gap = self.pass.bytes.get(start + 4..start + 4 + form.gap).and_then(separator::at);
        if gap.is_some_and(|gap| around.in_iban(start, gap)) { Says::Closed } else { next }
    }

    #[inline(always)]
    fn accept(&mut self, start: usize, id: FormId, form: &Form) {
        if self.queued == QUEUE {
            self.flush(start);
        }
        self.owed = self.owed_from(start) | form.hidden;
        self.base = start;
        self.queue[self.queued] = (start, id);
        self.queued += 1;
        self.pass.cards += 1;
    }

    /// Accepts a card with the rest of track 2 behind it, and hides that at once; the start that has to go the exact way where it is not that simple.
    #[inline(always)]
    fn accept_track2(&mut self, block: &Block, start: usize, id: FormId, form: &Form) -> Option<usize> {
        let from = start + form.span + 1;
        let digits = block.digits_from(from - self.at).trailing_ones() as usize;
        let mark = self.pass.bytes.get(from - 1).copied();
        let Some(tail) = self.pass.bytes.get_mut(from..from + digits) else { return Some(start) };
        // A letter needs a year and a month behind it; a long rest is for the exact way too.
        if mark != Some(b'=') || digits > WORD / 2 {
            return Some(start);
        }
        tail.fill(b'*');
        self.accept(start, id, form);
        if digits > 0 {
            self.pass.at = from + digits;
        }
        None
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
        let next = self.pass.bytes.get(end + 4).copied().unwrap_or(0);
        if !BESIDE[usize::from(next)].leads {
            return None;
        }
        let digits = block.digits_from(end - self.at);
        let gap = (digits >> 4).trailing_zeros() as usize;
        let fits = |shape| self.engine.forms.get(FormId::grouping(shape, gap)).fits(digits);
        ((1..=separator::BYTES_MAX).contains(&gap) && (0..SHAPES.len()).any(fits)).then_some(end)
    }

    /// Writes all that is hidden before `upto`, which lies at or behind every start so far.
    fn flush(&mut self, upto: usize) {
        let (from, bits) = self.pending;
        hide_bits(self.pass.bytes, from, bits, upto);
        for &(start, id) in self.queue.get(..self.queued).unwrap_or_default() {
            let form = self.engine.forms.get(id);
            match self.pass.bytes.get_mut(start..) {
                Some(bytes) if form.groups == 1 && start + form.span <= upto => hide_run(bytes, form),
                _ => hide_bits(self.pass.bytes, start, form.hidden, upto),
            }
        }
        self.queued = 0;
        self.owed = self.owed_from(upto);
        self.base = upto;
        self.pending = (upto, self.owed);
    }
}

/// Whether a sum of at most 19 digits ends in zero.
#[inline(always)]
fn holds(sum: u32) -> bool {
    sum.is_multiple_of(10)
}

/// The hidden digits of a plain run stand side by side.
#[inline(always)]
fn hide_run(bytes: &mut [u8], form: &Form) {
    let first = form.hidden.trailing_zeros() as usize;
    let count = form.hidden.count_ones() as usize;
    let Some(hidden) = bytes.get_mut(first..first + count) else { return };
    if count < 8 {
        // Two overlapping stores of four bytes, as a rule.
        match hidden.first_chunk_mut::<4>() {
            Some(first) => *first = [b'*'; 4],
            None => hidden.fill(b'*'),
        }
        if let Some(last) = hidden.last_chunk_mut::<4>() {
            *last = [b'*'; 4];
        }
        return;
    }
    if let Some(first) = hidden.first_chunk_mut::<8>() {
        *first = [b'*'; 8];
    }
    hidden.get_mut(8..).unwrap_or_default().fill(b'*');
}

/// Byte by byte: a wider store would have to load first, what the store for the number before it has just written.
#[inline(always)]
fn hide_bits(bytes: &mut [u8], from: usize, bits: u64, upto: usize) {
    let room = upto.saturating_sub(from);
    let mut bits = if room < 64 { bits & ((1 << room) - 1) } else { bits };
    let Some(bytes) = bytes.get_mut(from..) else { return };
    while bits != 0 {
        if let Some(byte) = bytes.get_mut(bits.trailing_zeros() as usize) {
            *byte = b'*';
        }
        bits &= bits - 1;
    }
}

/// The loop over blocks, compiled for each family of instructions.
#[inline(always)]
pub(crate) fn go<M: Masks>(run: &mut Run<'_, '_>) -> Stop {
    let (mut block, mut sums) = (Block::EMPTY, None);
    loop {
        let rest = run.pass.bytes.get(run.at..).unwrap_or_default();
        let room = (rest.len() / WORD).saturating_sub(AHEAD);
        let words = room.min(WORDS);
        if words == 0 {
            return Stop::End;
        }
        if !run.carry {
            let clean = clean::<M>(rest, room);
            if clean > 0 {
                run.skip(clean);
                continue;
            }
        }
        if block.read::<M>(rest, words, run.carry) {
            if block.count() as usize >= 2 * words
                && let Some(bytes) = rest.first_chunk()
            {
                sums.get_or_insert(Sums::EMPTY).sieve::<M>(&mut block, bytes, words);
            }
            let mut word = 0;
            while word < words {
                let (count, next) = run.collect::<M>(&block, words, word);
                if let Some(stop) = run.resolve(&block, count) {
                    return stop;
                }
                word = next;
            }
        }
        let carry = block.digits_from(words * WORD - 1) & 1 == 1;
        run.next_block(run.at + words * WORD, carry);
    }
}

/// How many of the first `words` words, in fours, hold no digit.
#[inline(always)]
fn clean<M: Masks>(bytes: &[u8], words: usize) -> usize {
    let (fours, _) = bytes.as_chunks::<{ 4 * WORD }>();
    4 * fours.iter().take(words / 4).take_while(|four| !M::any_digit(four)).count()
}

/// A number that starts in a block lies within its words and those behind them.
const _: () = assert!(SPAN_MAX <= AHEAD * WORD && HITS > HITS_PER_WORD);
