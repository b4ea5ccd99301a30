//! The fast way through a long text: starts are found by masks, numbers judged by their form's table, and only what depends on more
//! than its neighbours goes the exact way ([`crate::balanced::candidate`]).
//!
//! Detect first, store later: what is hidden is written when a block is done, since a store in front of the loads of the next number
//! costs more than the number. So all that is read from a start on is the input; what left of it differs in the output are digits
//! that became stars, and no rule for a start asks for those but the ones that say so here.
//!
//! Of the starts most are no cards, and which ones nobody can foresee. So a word's are first reduced without a branch to those whose lengths, head
//! and check digit are a card's ([`sieve`]). Cards that nothing beside them has a say in are hidden there and then; where a word has others, all
//! of its starts are looked at one by one (`resolve`).

use crate::{
    Engine, Fill,
    arch::{Masks, WORD},
    balanced::block::{AHEAD, Block, WORDS},
    balanced::form::SPAN_MAX,
    balanced::sieve::{Input, Sieve},
    balanced::{Pass, Text},
};

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
    pub(super) engine: &'static Engine,
    pub(super) text: &'r mut Text,
    pub(super) pass: &'r mut Pass<'b>,
    /// Hidden digits become stars; where they do not, every card goes the exact way.
    pub(super) starred: bool,
    /// A digit stands before the block.
    carry: bool,
    /// Where the block begins. Everything before it is written.
    pub(super) at: usize,
    /// In so many bytes of it a start is the block's.
    pub(super) length: usize,
    /// Bit n of word i: the byte 64 i + n of the block, or behind it, is a hidden digit and not written yet.
    pub(super) hidden: [u64; WORDS + AHEAD],
}

impl<'r, 'b> Run<'r, 'b> {
    /// From where the pass is. `before` is the byte before the first of the pass.
    pub(crate) fn new(text: &'r mut Text, pass: &'r mut Pass<'b>, before: Option<u8>) -> Run<'r, 'b> {
        text.settle(pass, pass.at);
        let previous = match pass.at.checked_sub(1) {
            Some(index) => pass.bytes.get(index).copied(),
            None => before,
        };
        let mut hidden = [0; WORDS + AHEAD];
        hidden[0] = text.owed;
        Run {
            engine: text.engine,
            starred: text.stars_everywhere(),
            carry: previous.is_some_and(|byte| byte.is_ascii_digit()),
            at: pass.at,
            length: 0,
            hidden,
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
            (self.text.owed, self.pass.settled, self.pass.at) = (self.hidden[0], self.at, self.at);
        }
        stop
    }

    /// Goes over words without a digit, so without one that is hidden.
    #[inline(always)]
    fn skip(&mut self, words: usize) {
        self.at += words * WORD;
    }

    /// Writes the stars of the block's first `words` words.
    #[inline(always)]
    fn write<M: Masks>(&mut self, words: usize) {
        if self.hidden.iter().fold(0, |any, bits| any | bits) == 0 {
            return;
        }
        let (chunks, _) = self.pass.bytes.get_mut(self.at..).unwrap_or_default().as_chunks_mut::<WORD>();
        for (chunk, &bits) in chunks.iter_mut().zip(&self.hidden).take(words) {
            if bits != 0 {
                M::hide(chunk, bits);
            }
        }
    }

    /// Writes what is hidden before `start` and hands the rest to the text.
    pub(super) fn settle(&mut self, start: usize) {
        let (word, bit) = ((start - self.at) / WORD, (start - self.at) % WORD);
        for (index, bits) in self.hidden.iter_mut().enumerate().take(word + 1) {
            let due = if index == word { *bits & ((1 << bit) - 1) } else { *bits };
            hide_bits(self.pass.bytes, self.at + index * WORD, due);
            *bits &= !due;
        }
        // The rest of a track may lead far behind the block, where nothing is hidden yet.
        let bits = |word: usize| self.hidden.get(word).copied().unwrap_or(0);
        self.text.owed = bits(word) >> bit | bits(word + 1) << 1 << (WORD - 1 - bit);
        self.hidden = [0; WORDS + AHEAD];
        (self.pass.settled, self.pass.at) = (start, start);
    }

    /// Hides the bytes whose bits are set, the lowest standing for `start`.
    #[inline(always)]
    pub(super) fn put(&mut self, start: usize, bits: u64) {
        let (word, bit) = ((start - self.at) / WORD, (start - self.at) % WORD);
        self.hidden[word] |= bits << bit;
        self.hidden[word + 1] |= bits >> 1 >> (WORD - 1 - bit);
    }

    /// Lets `start` go the exact way, until that leads back to this one. Only bytes before the pass's place have changed then.
    #[cold]
    #[inline(never)]
    pub(super) fn exact(&mut self, start: usize, end: usize) -> Option<Stop> {
        self.settle(start);
        if self.text.visit(self.pass, start).is_err() {
            return Some(Stop::Cut(start));
        }
        while !self.text.is_free(self.pass) {
            if let Some(cut) = self.text.step(self.pass) {
                return Some(Stop::Cut(cut));
            }
        }
        self.text.settle(self.pass, self.pass.at);
        // Behind the block it is what the next one begins with.
        if self.pass.at < end {
            self.put(self.pass.at, self.text.owed);
        }
        None
    }

    /// The block is done: on to the next, or to where the exact way has led.
    #[inline(always)]
    fn next_block<M: Masks>(&mut self, carry: bool) {
        let (length, end) = (self.length, self.at + self.length);
        let owed = if self.pass.at >= end {
            if self.pass.settled < self.pass.at {
                self.settle(self.pass.at); // behind the rest of track 2, which was hidden at once
            }
            (self.at, self.carry) =
                (self.pass.at, self.pass.bytes.get(self.pass.at - 1).is_some_and(u8::is_ascii_digit));
            self.text.owed
        } else {
            let (word, bit) = (length / WORD, length % WORD);
            let owed = self.hidden[word] >> bit | self.hidden[word + 1] << 1 << (WORD - 1 - bit);
            self.hidden[word] &= (1 << bit) - 1;
            self.write::<M>(length.div_ceil(WORD));
            (self.at, self.carry) = (end, carry);
            owed
        };
        self.hidden = [0; WORDS + AHEAD];
        self.hidden[0] = owed;
    }

    #[inline(always)]
    pub(super) fn input(&self, words: usize) -> Input<'_> {
        Input {
            context: self.text.context.get(..self.text.context_length).unwrap_or_default(),
            bytes: self.pass.bytes,
            at: self.at,
            words,
            length: self.length,
            heads: &self.engine.heads,
            forms: &self.engine.forms,
        }
    }
}

/// Writes a star over each byte whose bit is set, the lowest standing for `from`.
fn hide_bits(bytes: &mut [u8], from: usize, mut bits: u64) {
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
    let (mut block, mut sieve) = (Block::EMPTY, None);
    // Where the words are known that stand behind the block read last.
    let mut known_at = usize::MAX;
    loop {
        let rest = run.pass.bytes.get(run.at..).unwrap_or_default();
        let room = (rest.len() / WORD).saturating_sub(AHEAD);
        let words = room.min(WORDS);
        if words == 0 {
            return Stop::End;
        }
        let (goes_on, calm) = (run.at == known_at, run.text.tail.is_none());
        if calm && !run.carry && !(goes_on && block.any_ahead()) {
            let clean = clean::<M>(rest, room);
            if clean > 0 {
                run.skip(clean);
                continue;
            }
        }
        run.length = words * WORD - if words == WORDS { beyond_a_line(rest) } else { 0 };
        let starts = block.read::<M>(rest, words, run.carry, goes_on);
        let carry = block.digits_from(run.length - 1) & 1 == 1;
        known_at = if run.length == WORDS * WORD { run.at + run.length } else { usize::MAX };
        if calm && !starts.plain && !starts.grouped && run.hidden[0] == 0 {
            (run.at, run.carry) = (run.at + run.length, carry);
            continue;
        }
        if starts.plain || starts.grouped {
            let sieve = sieve.get_or_insert(Sieve::EMPTY);
            let stop = match sieve.fill::<M>(&block, &starts, run.input(words)) {
                Some(id) => run.alike::<M>(&block, words, sieve, id),
                None => M::sifted(run, &block, &sieve.sorted),
            };
            if let Some(stop) = stop {
                return stop;
            }
        }
        if let Some(stop) = run.hide_tail::<M>(run.at + run.length - 1) {
            return stop;
        }
        run.next_block::<M>(carry);
    }
}

/// How far behind the beginning of a cache line `bytes` begin. The first block of a pass is so much shorter: a word that lies in two lines is read at
/// half the rate.
#[inline(always)]
fn beyond_a_line(bytes: &[u8]) -> usize {
    bytes.as_ptr().addr() % WORD
}

/// The longest value, or rest of one, that goes the short way.
pub(crate) const SHORT_MAX: usize = 3 * WORD;
/// What is left and right of it there.
const MARGIN: usize = 2 * WORD;

/// Few bytes with room around them: zeros are no part of anything, so they are like an end.
type Room = [u8; MARGIN + SHORT_MAX + MARGIN];

/// A whole value that is short. How many cards there are; None: it has to go another way, and is as it was.
#[inline(always)]
pub(crate) fn short<M: Masks>(engine: &'static Engine, value: &mut [u8]) -> Option<u32> {
    few::<M>(&mut Text::new(engine, Fill::Text), value, &[0; WORD])
}

/// The rest of a pass, which ends the value: as above. What stands before it is written.
#[inline(always)]
pub(crate) fn rest<M: Masks>(text: &mut Text, pass: &mut Pass<'_>) -> Option<u32> {
    let (before, rest) = pass.bytes.split_at_mut_checked(pass.at)?;
    let (before, mut changed) = (before.last_chunk()?, *text);
    let cards = few::<M>(&mut changed, rest, before)?;
    *text = changed;
    Some(cards)
}

#[inline(always)]
fn few<M: Masks>(text: &mut Text, value: &mut [u8], before: &[u8; WORD]) -> Option<u32> {
    let mut room: Room = [0; _];
    room.get_mut(MARGIN - WORD..MARGIN)?.copy_from_slice(before);
    room.get_mut(MARGIN..MARGIN + SHORT_MAX)?.get_mut(..value.len())?.copy_from_slice(value);
    let words = value.len().div_ceil(WORD);
    let mut block = Block::EMPTY;
    block.read_few::<M>(room.get(MARGIN..)?.as_chunks().0.get(..words)?, before[WORD - 1].is_ascii_digit());
    let mut pass = Pass { bytes: &mut room, last: true, settled: MARGIN, read: MARGIN, at: MARGIN, cards: 0 };
    let owed = text.owed;
    let mut run = Run::new(text, &mut pass, None);
    run.length = words * WORD;
    for word in 0..words {
        if run.resolve::<M>(&block, word, block.starts(word)).is_some() {
            return None;
        }
    }
    if run.pass.cards == 0 && owed == 0 {
        return Some(0);
    }
    if run.hide_tail::<M>(usize::MAX).is_some() {
        return None;
    }
    run.next_block::<M>(false);
    run.write::<M>(1);
    let cards = pass.cards;
    text.owed = 0;
    value.copy_from_slice(room.get(MARGIN..MARGIN + value.len())?);
    Some(cards)
}

/// How many of the first `words` words, in fours, hold no digit.
#[inline(always)]
fn clean<M: Masks>(bytes: &[u8], words: usize) -> usize {
    let (fours, _) = bytes.as_chunks::<{ 4 * WORD }>();
    4 * fours.iter().take(words / 4).take_while(|four| !M::any_digit(four)).count()
}

/// A number that starts in a block lies within its words and those behind them.
const _: () = assert!(SPAN_MAX <= WORD);
