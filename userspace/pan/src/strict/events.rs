//! The digits of a window as they come, whatever they are written in, and the search for cards among them.

use super::{
    block::{BEFORE, Count, ENDS, ROW, Row, Rows},
    marks::{Places, WINDOW, WORDS, lowest},
    reach::Reach,
    run::{GAP_MAX, PENDING, Run, card_ends},
};
use crate::{
    Engine,
    arch::{
        WORD,
        lanes::{Lanes, Strict},
    },
    keep::{DIGITS_MAX, DIGITS_MIN},
};

const SIZE: usize = BEFORE + WINDOW + WORD;
const _: () = assert!(WINDOW.is_multiple_of(ENDS));
/// All of 13 to 19, as bits from 12 on.
const ALL: u8 = 0xfe;
/// The lengths that fit into the first digits of a run.
const BEGINNING: [u8; 32] = beginning();
/// So few digits are looked at one by one.
const FEW: usize = 24;

const fn beginning() -> [u8; 32] {
    let mut lengths = [0; 32];
    let mut at = DIGITS_MIN - 1;
    while at < 32 {
        lengths[at] = if at < DIGITS_MAX { ALL & ((1_u16 << (at - 10)) - 1) as u8 } else { ALL };
        at += 1;
    }
    lengths
}

/// Digits by their index, and where each begins by a bit of the window.
#[repr(C, align(64))] // so that a block's rows are whole cache lines
pub(super) struct Events {
    /// `BEFORE` places behind their index, so that a block can look back.
    digits: [u8; SIZE],
    starts: [u64; WORDS],
    /// The first digit of each run, by index.
    runs: [u64; WORDS + 1],
    count: usize,
    /// Digits of the run; none: the next one begins a run.
    length: usize,
    /// A run is as long as a card.
    any_long: bool,
    /// Nothing stands behind this word.
    top: usize,
}

impl Events {
    pub(super) fn new() -> Events {
        Events {
            digits: [0; SIZE],
            starts: [0; WORDS],
            runs: [0; WORDS + 1],
            count: 0,
            length: 0,
            any_long: false,
            top: 0,
        }
    }

    /// Digits of the run.
    #[inline(always)]
    pub(super) fn length(&self) -> usize {
        self.length
    }

    #[inline(always)]
    pub(super) fn end_run(&mut self) {
        self.length = 0;
    }

    #[inline(always)]
    pub(super) fn push(&mut self, digit: u8, start: usize) {
        let (Some(slot), Some(word)) = (self.digits.get_mut(BEFORE + self.count), self.starts.get_mut(start / WORD))
        else {
            return;
        };
        *slot = digit;
        *word |= 1 << (start % WORD);
        if self.length == 0 {
            self.runs[self.count / WORD] |= 1 << (self.count % WORD);
        }
        (self.count, self.length, self.top) = (self.count + 1, self.length + 1, start / WORD);
        self.any_long |= self.length >= DIGITS_MIN;
    }

    /// Takes the digits of the window's word at `index`: `digits` says where they are, `breaks` where a run ends that is open there. `until`
    /// says how much of the word is read.
    #[inline(always)]
    pub(super) fn push_word<S: Strict>(
        &mut self,
        word: &[u8; WORD],
        index: usize,
        digits: u64,
        breaks: u64,
        until: usize,
    ) {
        // Below a digit stand bytes that are none. A break among them carries through to it.
        let (sum, over) = (!digits).overflowing_add(breaks);
        let (sum, over_again) = sum.overflowing_add(u64::from(self.length == 0));
        let ends = if until == WORD { over | over_again } else { sum >> until & 1 == 0 };
        if digits == 0 {
            self.length = if ends { 0 } else { self.length };
            return;
        }
        let count = digits.count_ones() as usize;
        let firsts = S::gathered(sum, digits);
        let Some(slot) = self.digits.get_mut(BEFORE + self.count..).and_then(|rest| rest.first_chunk_mut()) else {
            return;
        };
        let values = if digits == u64::MAX { *word } else { S::packed(word, digits) };
        values_of::<S::Values>(&values, slot);
        self.starts[index] |= digits;
        let (at, shift) = (self.count / WORD, self.count % WORD);
        self.runs[at] |= firsts << shift;
        self.runs[at + 1] |= firsts >> 1 >> (WORD - 1 - shift);
        self.any_long |= is_long(firsts, count, self.length);
        self.length = match firsts {
            _ if ends => 0,
            0 => self.length + count,
            firsts => count - (WORD - 1 - firsts.leading_zeros() as usize),
        };
        (self.count, self.top) = (self.count + count, index);
    }

    /// Where the digit begins that is so far from the newest one, which is 1.
    fn start(&self, mut back: usize) -> Option<usize> {
        for at in (0..=self.top).rev() {
            let mut word = self.starts.get(at).copied()?;
            let here = word.count_ones() as usize;
            if back > here {
                back -= here;
                continue;
            }
            for _ in 1..back {
                word ^= 1 << (WORD - 1 - word.leading_zeros() as usize);
            }
            return Some(at * WORD + WORD - 1 - word.leading_zeros() as usize);
        }
        None
    }

    /// Where the newest digit of the run begins.
    pub(super) fn newest(&self) -> Option<usize> {
        if self.length > 0 { self.start(1) } else { None }
    }

    /// The digits of the run that may still turn out to belong to a card begin here.
    pub(super) fn pending_from(&self) -> Option<usize> {
        if self.length > 0 { self.start(self.length.min(PENDING)) } else { None }
    }

    /// Marks those digits.
    pub(super) fn hide_pending(&self, hidden: &mut Places) {
        (1..=self.length.min(PENDING)).filter_map(|back| self.start(back)).for_each(|at| hidden.set(at));
    }

    /// Whether the digits of the run that may still belong to a card begin less than `span` bytes before `end`.
    #[inline(always)]
    pub(super) fn fits(&self, end: usize, span: usize) -> bool {
        let wanted = self.length.min(PENDING) as u32;
        let from = end.saturating_sub(span);
        let (mut found, mut at) = (0, self.top);
        while found < wanted {
            let word = self.starts.get(at).copied().unwrap_or(0);
            if at * WORD < from {
                let inside = if at == from / WORD { word & !lowest(from % WORD) } else { 0 };
                return found + inside.count_ones() >= wanted;
            }
            found += word.count_ones();
            if at == 0 {
                break;
            }
            at -= 1;
        }
        found >= wanted
    }

    /// Whether a card ends with the newest digit of the run.
    pub(super) fn card_ends(&self, engine: &Engine) -> bool {
        let from = self.count - self.length.min(DIGITS_MAX);
        self.digits.get(from + BEFORE..self.count + BEFORE).is_some_and(|digits| card_ends(engine, digits))
    }

    /// Marks what has to go of every card; returns how many do not overlap one counted before. Digits before `covered` belong to one.
    #[inline(always)]
    pub(super) fn hide_cards<S: Strict>(&self, engine: &Engine, covered: &mut usize, hidden: &mut Places) -> u32 {
        if !self.any_long {
            return 0;
        }
        if self.count <= FEW {
            return self.hide_cards_of_few(engine, covered, hidden);
        }
        let (reach, mut rows) = (Reach::of(engine), Rows::new());
        let mut places = [0; WORDS + ROW / WORD];
        let before = self.index_at(*covered);
        let mut count = Count::new(before);
        for from in (0..self.count).step_by(ENDS) {
            let Some(digits) = self.digits.get(from..).and_then(|rest| rest.first_chunk()) else { break };
            let end = BEFORE + (self.count - from).min(ENDS);
            self.allow(&mut rows.allowed, from, end);
            rows.search::<S>(engine, reach, digits, end, &mut count);
            rows.count::<S>(&mut count, from, end);
            let bits = rows.hidden::<S::Values>(reach, end);
            // The first word is of the block before.
            places.iter_mut().skip(from / WORD).zip(bits).for_each(|(place, bits)| *place |= bits);
            rows.advance();
        }
        count.finish::<S>();
        if count.covered > before {
            *covered = self.start(self.count - count.covered + 1).map_or(*covered, |at| at + 1);
        }
        self.spread::<S>(&places, hidden);
        count.cards
    }

    /// The lengths of windows that end with a digit of the block and reach back no further than its run.
    #[inline(always)]
    fn allow(&self, allowed: &mut Row, from: usize, end: usize) {
        allowed.fill(ALL);
        // A run that began less than a card before the block counts too: its first places may stand before `BEFORE`.
        for at in (from / WORD).saturating_sub(1)..(from + end - BEFORE).div_ceil(WORD) {
            let mut firsts = self.runs.get(at).copied().unwrap_or(0);
            while firsts != 0 {
                let first = at * WORD + firsts.trailing_zeros() as usize + BEFORE - from;
                if let Some(slot) = allowed.get_mut(first..).and_then(|rest| rest.first_chunk_mut()) {
                    *slot = BEGINNING;
                }
                firsts &= firsts - 1;
            }
        }
        allowed[end..].fill(0);
    }

    /// How many digits begin before `at`.
    fn index_at(&self, at: usize) -> usize {
        let (whole, rest) = (at / WORD, at % WORD);
        let before: u32 = self.starts.iter().take(whole).map(|word| word.count_ones()).sum();
        (before + self.starts.get(whole).map_or(0, |word| (word & lowest(rest)).count_ones())) as usize
    }

    fn hide_cards_of_few(&self, engine: &Engine, covered: &mut usize, hidden: &mut Places) -> u32 {
        let (mut run, mut cards, mut index) = (Run::new(*covered), 0, 0);
        for (at, &word) in self.starts.iter().enumerate() {
            let mut rest = word;
            while rest != 0 {
                if self.runs[index / WORD] >> (index % WORD) & 1 == 1 {
                    run.clear();
                }
                run.push(self.digits[index + BEFORE], at * WORD + rest.trailing_zeros() as usize);
                cards += run.hide_cards(engine, |at| hidden.set(at));
                (index, rest) = (index + 1, rest & (rest - 1));
            }
        }
        *covered = run.covered;
        cards
    }

    /// From digits to where they begin. A digit's bit stands `BEFORE` places behind its index.
    #[inline(always)]
    fn spread<S: Strict>(&self, places: &[u64], hidden: &mut Places) {
        let mut index = BEFORE;
        for (at, &starts) in self.starts.iter().enumerate() {
            if starts == 0 {
                continue;
            }
            let (word, shift) = (index / WORD, index % WORD);
            let low = places.get(word).map_or(0, |place| place >> shift);
            let high = places.get(word + 1).map_or(0, |place| place << 1 << (WORD - 1 - shift));
            hidden.set_word(at, S::scattered(low | high, starts));
            index += starts.count_ones() as usize;
        }
    }
}

/// The digits' values.
#[inline(always)]
fn values_of<L: Lanes>(digits: &[u8; WORD], values: &mut [u8; WORD]) {
    for at in (0..WORD).step_by(L::COUNT) {
        L::load(digits, at).and(L::all(15)).store(values, at);
    }
}

/// Whether a run of `count` digits and `before` them is as long as a card; `firsts` begin runs.
#[inline(always)]
fn is_long(firsts: u64, count: usize, before: usize) -> bool {
    if firsts == 0 {
        return before + count >= DIGITS_MIN;
    }
    let first = firsts.trailing_zeros() as usize;
    // Twelve digits from each first one on.
    let two = firsts | firsts << 1;
    let four = two | two << 2;
    let twelve = four | four << 4 | four << 8;
    before + first >= DIGITS_MIN || lowest(count) & !lowest(first) & !twelve != 0
}

/// Where a fourth separator in a row stands. `gap` of them stand right before.
#[inline(always)]
pub(super) fn wide_gaps(separators: u64, gap: u8) -> u64 {
    debug_assert!(gap <= GAP_MAX);
    let before = u128::from(lowest(gap.into())) << (WORD - usize::from(gap)) | u128::from(separators) << WORD;
    let two = before & before << 1;
    ((two & two << 2) >> WORD) as u64
}
