//! The digits of a window as they come, whatever they are written in, and the search for cards among them.

use super::{
    columns::{ABOVE, Bits, Columns, SEAM},
    marks::{Places, WINDOW, WORDS, lowest},
    run::{GAP_MAX, PENDING, Run, card_ends},
};
use crate::{
    Engine,
    arch::{
        WORD,
        lanes::{Lanes, Row, Strict},
    },
    keep::{DIGITS_MAX, DIGITS_MIN},
};

const SIZE: usize = ABOVE + WINDOW + WORD;
/// So few digits are looked at one by one.
const FEW: usize = 24;
/// What stands where no digit is: a window over it never passes, however many there are.
const NO_DIGITS: [u8; WORD] = no_digits();

const fn no_digits() -> [u8; WORD] {
    let (mut bytes, mut at) = ([0; WORD], 0);
    while at < WORD {
        bytes[at] = SEAM;
        at += 2;
    }
    bytes
}

/// Digits by their index, and where each begins by a bit of the window. What ends a run has an index too, and is a seam.
pub(super) struct Events {
    digits: Digits,
    starts: [u64; WORDS],
    count: usize,
    /// Digits of the run; none: the next one begins a run.
    length: usize,
    /// A run is as long as a card.
    any_long: bool,
    /// Nothing stands behind this word.
    top: usize,
}

/// Values, `ABOVE` places behind their index.
#[repr(C, align(64))]
struct Digits {
    /// So that the first one begins a cache line.
    _room: [u8; WORD - ABOVE],
    values: [u8; SIZE],
}

impl Events {
    pub(super) fn new() -> Events {
        let mut values = [0; SIZE];
        values.iter_mut().skip(1).step_by(2).take(ABOVE / 2).for_each(|value| *value = SEAM);
        Events {
            digits: Digits { _room: [0; WORD - ABOVE], values },
            starts: [0; WORDS],
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

    /// Nothing goes on over what stands at `at`.
    #[inline(always)]
    pub(super) fn end_run(&mut self, at: usize) {
        if self.length > 0 {
            self.put(SEAM, at);
            self.length = 0;
        }
    }

    #[inline(always)]
    pub(super) fn push(&mut self, digit: u8, start: usize) {
        self.put(digit, start);
        self.length += 1;
        self.any_long |= self.length >= DIGITS_MIN;
    }

    #[inline(always)]
    fn put(&mut self, value: u8, start: usize) {
        let Some(slot) = self.digits.values.get_mut(ABOVE + self.count) else { return };
        let Some(word) = self.starts.get_mut(start / WORD) else { return };
        *slot = value;
        *word |= 1 << (start % WORD);
        (self.count, self.top) = (self.count + 1, start / WORD);
    }

    /// Takes words of the window that hold nothing but digits, from the one at `index` on; returns how many there are.
    #[inline(always)]
    pub(super) fn push_digits<S: Strict>(&mut self, words: &[[u8; WORD]], index: usize) -> usize {
        let mut count = 0;
        while let (Some(word), Some(starts)) = (words.get(count), self.starts.get_mut(index + count)) {
            if S::digits(word) != u64::MAX {
                break;
            }
            let Some(slot) = self.digits.values.get_mut(ABOVE + self.count + count * WORD..) else { break };
            let Some(slot) = slot.first_chunk_mut() else { break };
            let mut values = Row([0; WORD]);
            S::Values::load(&Row(*word)).and(S::Values::all(15)).store(&mut values);
            *slot = values.0;
            *starts = u64::MAX;
            count += 1;
        }
        if count > 0 {
            (self.count, self.length) = (self.count + count * WORD, self.length + count * WORD);
            (self.top, self.any_long) = (index + count - 1, true);
        }
        count
    }

    /// Takes the digits of the window's word at `index`: `digits` says where they are, `breaks` what no run goes on over.
    #[inline(always)]
    pub(super) fn push_word<S: Strict>(&mut self, word: &[u8; WORD], index: usize, digits: u64, breaks: u64) {
        // From a digit on a carry runs up to the next break, and from the beginning if a run is open there.
        let (carried, _) = (!breaks).overflowing_add(digits);
        let (carried, _) = carried.overflowing_add(u64::from(self.length > 0));
        let seams = carried & breaks;
        let taken = digits | seams;
        if taken != 0 {
            let Some(slot) = self.digits.values.get_mut(ABOVE + self.count..).and_then(|rest| rest.first_chunk_mut())
            else {
                return;
            };
            *slot = S::packed(word, digits, taken, SEAM);
            self.starts[index] |= taken;
            self.any_long = self.any_long || is_long(digits, seams, self.length);
            (self.count, self.top) = (self.count + taken.count_ones() as usize, index);
        }
        let behind = digits & !lowest(WORD - breaks.leading_zeros() as usize);
        self.length = if breaks == 0 { self.length } else { 0 } + behind.count_ones() as usize;
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
        self.digits.values.get(from + ABOVE..self.count + ABOVE).is_some_and(|digits| card_ends(engine, digits))
    }

    /// Marks what has to go of every card; returns how many do not overlap one counted before. Digits before `covered` belong to one.
    #[inline(always)]
    pub(super) fn hide_cards<S: Strict>(
        &mut self,
        engine: &Engine,
        columns: &mut Option<Columns>,
        covered: &mut usize,
        hidden: &mut Places,
    ) -> u32 {
        if !self.any_long {
            return 0;
        }
        if self.count <= FEW {
            return self.hide_cards_of_few(engine, covered, hidden);
        }
        let behind = ABOVE + self.count..ABOVE + Columns::height(self.count) * WORD;
        for chunk in self.digits.values.get_mut(behind).unwrap_or_default().chunks_mut(WORD) {
            chunk.iter_mut().zip(NO_DIGITS).for_each(|(slot, value)| *slot = value);
        }
        let before = self.index_at(*covered);
        let columns = columns.get_or_insert_with(Columns::new);
        let found = S::search(columns, engine, &self.digits.values, self.count, before);
        if let Some(index) = found.covered.filter(|&index| index > before) {
            *covered = self.start(self.count - index + 1).map_or(*covered, |at| at + 1);
        }
        self.spread::<S>(&found.hidden, hidden);
        found.cards
    }

    /// How many digits begin before `at`.
    fn index_at(&self, at: usize) -> usize {
        let (whole, rest) = (at / WORD, at % WORD);
        let before: u32 = self.starts.iter().take(whole).map(|word| word.count_ones()).sum();
        (before + self.starts.get(whole).map_or(0, |word| (word & lowest(rest)).count_ones())) as usize
    }

    fn hide_cards_of_few(&self, engine: &Engine, covered: &mut usize, hidden: &mut Places) -> u32 {
        let (mut run, mut cards) = (Run::new(*covered), 0);
        let mut values = self.digits.values.iter().skip(ABOVE);
        for (at, &word) in self.starts.iter().enumerate() {
            let mut rest = word;
            while rest != 0 {
                match values.next() {
                    Some(&SEAM) | None => run.clear(),
                    Some(&digit) => {
                        run.push(digit, at * WORD + rest.trailing_zeros() as usize);
                        cards += run.hide_cards(engine, |at| hidden.set(at));
                    }
                }
                rest &= rest - 1;
            }
        }
        *covered = run.covered;
        cards
    }

    /// From digits to where they begin.
    #[inline(always)]
    fn spread<S: Strict>(&self, bits: &Bits, hidden: &mut Places) {
        let mut index = 0;
        for (at, &starts) in self.starts.iter().enumerate().take(self.top + 1) {
            let Some(&[low, high]) = bits.get(index / WORD..).and_then(|rest| rest.first_chunk()) else { return };
            let own = low >> (index % WORD) | high << 1 << (WORD - 1 - index % WORD);
            hidden.set_word(at, if starts == u64::MAX { own } else { S::scattered(own, starts) });
            index += starts.count_ones() as usize;
        }
    }
}

/// Whether a run is as long as a card, when `before` digits of one stand before this word.
#[inline(always)]
fn is_long(digits: u64, mut seams: u64, before: usize) -> bool {
    let (mut rest, mut run) = (digits, before);
    if run + rest.count_ones() as usize >= DIGITS_MIN {
        while seams != 0 {
            let own = rest & (seams ^ (seams - 1));
            if run + own.count_ones() as usize >= DIGITS_MIN {
                return true;
            }
            (rest, run, seams) = (rest ^ own, 0, seams & (seams - 1));
        }
    }
    run + rest.count_ones() as usize >= DIGITS_MIN
}

/// Where a fourth separator in a row stands. `gap` of them stand right before.
#[inline(always)]
pub(super) fn wide_gaps(separators: u64, gap: u8) -> u64 {
    debug_assert!(gap <= GAP_MAX);
    let before = u128::from(lowest(gap.into())) << (WORD - usize::from(gap)) | u128::from(separators) << WORD;
    let two = before & before << 1;
    ((two & two << 2) >> WORD) as u64
}
