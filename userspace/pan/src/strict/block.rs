//! Every window of 13 to 19 digits that ends in a block, in both directions at once: the same few operations for as many ends as a register
//! has bytes.
//!
//! Sums are kept modulo 10 in a byte, by the place of the last digit. A window of 12 + k digits passes the check digit when the sum of its
//! last twelve is what its first k lack to ten: one comparison a length, with the sums of one to seven digits twelve places before. Read
//! backward, a window of an odd length has the same sum, and one of an even length has the other digits doubled.
//!
//! What has to go is found by one wave that runs to the left: a card puts so many digits as it hides at the last of them, each place has what
//! its right neighbour has less one, and digits where something is left go.

use super::{
    Issued,
    reach::{GROUPS, Group, Reach},
};
use crate::{
    Engine,
    arch::{
        WORD,
        lanes::{Lanes, Strict},
    },
    keep::{DIGITS_MAX, DIGITS_MIN},
};

/// Ends in a block.
pub(super) const ENDS: usize = 1024;
/// Digits before the first end: more than a window's, and whole registers.
pub(super) const BEFORE: usize = WORD;
/// Digits that a block looks at, and room behind for whole registers.
pub(super) const ROW: usize = BEFORE + ENDS + WORD;
const _: () = assert!(BEFORE >= DIGITS_MAX && ROW.is_multiple_of(WORD));

/// A byte for every digit.
pub(super) type Row = [u8; ROW];

const DOUBLED: [u8; 16] = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9, 0, 0, 0, 0, 0, 0];
const TENFOLD: [u8; 16] = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 0, 0, 0, 0, 0, 0];
/// What is missing to ten.
const MISSING: [u8; 16] = [0, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0, 0, 0, 0, 0];
/// The shortest length of a set, by its lower and its upper four bits (bit 0: 12 digits).
const SHORTEST: [[u8; 16]; 2] = shortest();
const NONE: u8 = u8::MAX;
/// Steps of counting in each of two passes over 64 digits: together some more than cards are found there.
const STEPS: usize = 2;
/// A card counts when it is no longer than what lies behind the one before: by the end's place, from the first that can on.
const LIMITS: [u8; DIGITS_MAX - DIGITS_MIN + WORD] = limits();

const fn shortest() -> [[u8; 16]; 2] {
    let mut tables = [[NONE; 16]; 2];
    let mut bits = 1;
    while bits < 16_u8 {
        tables[0][bits as usize] = 12 + bits.trailing_zeros() as u8;
        tables[1][bits as usize] = 16 + bits.trailing_zeros() as u8;
        bits += 1;
    }
    tables
}

const fn limits() -> [u8; DIGITS_MAX - DIGITS_MIN + WORD] {
    let mut limits = [DIGITS_MAX as u8; DIGITS_MAX - DIGITS_MIN + WORD];
    let mut at = 0;
    while at < DIGITS_MAX - DIGITS_MIN {
        limits[at] = (DIGITS_MIN + at) as u8;
        at += 1;
    }
    limits
}

/// What a search works with. All but the last few rows are looked back at from the next block.
///
/// Rows are whole cache lines long and begin with one: a register is stored to one line.
#[repr(align(64))]
pub(super) struct Rows {
    /// Sums of two to seven digits that end here, the digit before the last doubled.
    sums: [Row; 6],
    /// Of two, four and six, the last doubled.
    back: [Row; 3],
    /// The last two digits as a number, and as they are read backward.
    tens: [Row; 2],
    /// Lengths of numbers that begin with the four digits that end here.
    begins: Row,
    /// How many digits a card that ends here hides: read forward, and read backward by where the last of them stands.
    hides: [Row; 1 + GROUPS],
    /// Lengths of numbers that, read backward, begin with the four digits that end here.
    ends: Row,
    /// The shortest card that ends here.
    shortest: Row,
    waves: [Row; 2],
    /// The lengths (bit n: 12 + n) that reach back no further than the run.
    pub(super) allowed: Row,
}

impl Rows {
    pub(super) fn new() -> Rows {
        let row = [0; ROW];
        Rows {
            sums: [row; 6],
            back: [row; 3],
            tens: [row; 2],
            begins: row,
            hides: [row; 1 + GROUPS],
            ends: row,
            shortest: row,
            waves: [row; 2],
            allowed: row,
        }
    }

    /// The end of this block becomes what the next one looks back at.
    #[inline(always)]
    pub(super) fn advance(&mut self) {
        let rows = self.sums.iter_mut().chain(&mut self.back).chain(&mut self.hides);
        for row in rows.chain(&mut self.tens).chain([&mut self.begins]) {
            row.copy_within(ENDS..ENDS + BEFORE, 0);
        }
    }

    /// Looks at every end from `BEFORE` to `end`. `digits` are values.
    #[inline(always)]
    pub(super) fn search<S: Strict>(
        &mut self,
        engine: &Engine,
        reach: &Reach,
        digits: &Row,
        end: usize,
        count: &mut Count,
    ) {
        let end = end.next_multiple_of(WORD).min(BEFORE + ENDS);
        self.add::<S::Values>(digits, end);
        if S::Values::PAIRS && engine.heads.issued().whole {
            self.issued_by_pairs::<S>(engine.heads.issued(), end, count);
        } else {
            self.issued(engine, end);
        }
        self.judge::<S>(reach, digits, end, count);
        S::Values::all(NONE).store(&mut self.shortest, end);
        S::Values::all(NONE).store(&mut self.shortest, end + WORD - S::Values::COUNT);
    }

    #[inline(always)]
    fn add<L: Lanes>(&mut self, digits: &Row, end: usize) {
        let [two, three, four, five, six, seven] = &mut self.sums;
        let [back_two, back_four, back_six] = &mut self.back;
        let [tens, back_tens] = &mut self.tens;
        for index in 0..ENDS / L::COUNT {
            let at = BEFORE + index * L::COUNT;
            if at >= end {
                break;
            }
            let (last, before) = (L::load(digits, at), L::load(digits, at - 1));
            last.plus(before.of(&DOUBLED)).rest().store(two, at);
            last.of(&DOUBLED).plus(before).rest().store(back_two, at);
            before.of(&TENFOLD).plus(last).store(tens, at);
            last.of(&TENFOLD).plus(before).store(back_tens, at);
        }
        for index in 0..ENDS / L::COUNT {
            let at = BEFORE + index * L::COUNT;
            if at >= end {
                break;
            }
            let last = L::load(two, at);
            last.plus(L::load(two, at - 2)).rest().store(four, at);
            last.plus(L::load(digits, at - 2)).rest().store(three, at);
            L::load(back_two, at).plus(L::load(back_two, at - 2)).rest().store(back_four, at);
        }
        for index in 0..ENDS / L::COUNT {
            let at = BEFORE + index * L::COUNT;
            if at >= end {
                break;
            }
            let last = L::load(four, at);
            last.plus(L::load(digits, at - 4)).rest().store(five, at);
            last.plus(L::load(two, at - 4)).rest().store(six, at);
            last.plus(L::load(three, at - 4)).rest().store(seven, at);
            L::load(back_four, at).plus(L::load(back_two, at - 4)).rest().store(back_six, at);
        }
    }

    /// One table for both directions: four digits are looked up once.
    #[inline(always)]
    fn issued(&mut self, engine: &Engine, end: usize) {
        for index in 0..ENDS / WORD {
            let at = BEFORE + index * WORD;
            if at >= end {
                break;
            }
            let (Some(first), Some(last)) = (word(&self.tens[0], at - 2), word(&self.tens[0], at)) else { return };
            let mut heads = [0_u16; WORD];
            for (head, (&first, &last)) in heads.iter_mut().zip(first.iter().zip(last)) {
                *head = u16::from(first) * 100 + u16::from(last);
            }
            let lengths = looked_up(engine, &heads);
            let (Some(begins), Some(ends)) = (word_mut(&mut self.begins, at), word_mut(&mut self.ends, at)) else {
                return;
            };
            begins.iter_mut().zip(lengths).for_each(|(begins, lengths)| *begins = lengths as u8);
            ends.iter_mut().zip(lengths).for_each(|(ends, lengths)| *ends = (lengths >> 8) as u8);
        }
    }

    /// The same by pairs of digits.
    #[inline(always)]
    fn issued_by_pairs<S: Strict>(&mut self, issued: &Issued, end: usize, count: &mut Count) {
        let [tens, back_tens] = &self.tens;
        for index in 0..ENDS / S::Values::COUNT {
            let at = BEFORE + index * S::Values::COUNT;
            if at >= end {
                break;
            }
            let (first, second) = (S::Values::load(tens, at - 2), S::Values::load(tens, at));
            lengths(issued, first, second).store(&mut self.begins, at);
            let (first, second) = (S::Values::load(back_tens, at), S::Values::load(back_tens, at - 2));
            lengths(issued, first, second).store(&mut self.ends, at);
            count.steps::<S>();
        }
    }

    #[inline(always)]
    fn judge<S: Strict>(&mut self, reach: &Reach, digits: &Row, end: usize, count: &mut Count) {
        let [two, three, four, five, six, seven] = &self.sums;
        let [back_two, back_four, back_six] = &self.back;
        let begins = &self.begins;
        for index in 0..ENDS / S::Values::COUNT {
            let at = BEFORE + index * S::Values::COUNT;
            if at >= end {
                break;
            }
            let (last, last_back) = (missing::<S::Values>(four, at), missing::<S::Values>(back_four, at));
            let p13 = passes(last, digits, at);
            let p15 = passes(last, three, at);
            let p17 = passes(last, five, at);
            let p19 = passes(last, seven, at);
            let allowed = S::Values::load(&self.allowed, at);
            let forward = S::Values::all(0)
                .marked_if(p13, S::Values::load(begins, at + 4 - 13), 1 << 1)
                .marked_if(passes(last, two, at), S::Values::load(begins, at + 4 - 14), 1 << 2)
                .marked_if(p15, S::Values::load(begins, at + 4 - 15), 1 << 3)
                .marked_if(passes(last, four, at), S::Values::load(begins, at + 4 - 16), 1 << 4)
                .marked_if(p17, S::Values::load(begins, at + 4 - 17), 1 << 5)
                .marked_if(passes(last, six, at), S::Values::load(begins, at + 4 - 18), 1 << 6)
                .marked_if(p19, S::Values::load(begins, at + 4 - 19), 1 << 7)
                .and(allowed);
            let backward = S::Values::all(0)
                .marked(p13, 1 << 1)
                .marked(passes(last_back, back_two, at), 1 << 2)
                .marked(p15, 1 << 3)
                .marked(passes(last_back, back_four, at), 1 << 4)
                .marked(p17, 1 << 5)
                .marked(passes(last_back, back_six, at), 1 << 6)
                .marked(p19, 1 << 7)
                .and(S::Values::load(&self.ends, at))
                .and(allowed);
            let (low, high) = (forward.and(S::Values::all(15)), forward.high());
            let (low_back, high_back) = (backward.and(S::Values::all(15)), backward.high());
            most(low, high, &reach.forward).store(&mut self.hides[0], at);
            for (group, row) in reach.backward().iter().zip(self.hides.iter_mut().skip(1)) {
                most(low_back, high_back, group).store(row, at);
            }
            let shortest = least(low, high).smaller(least(low_back, high_back));
            shortest.store(&mut self.shortest, at);
            count.steps::<S>();
        }
        for row in &mut self.hides {
            clear(row, end);
        }
    }

    /// Goes on with counting in this block. `from` is the index of the digit at `BEFORE`.
    #[inline(always)]
    pub(super) fn count<S: Strict>(&self, count: &mut Count, from: usize, end: usize) {
        count.finish::<S>();
        count.begin(&self.shortest, from, end);
    }

    /// The digits that go, a bit each, from the first that the block looks back at to `end`.
    #[inline(always)]
    pub(super) fn hidden<L: Lanes>(&mut self, reach: &Reach, end: usize) -> [u64; ROW / WORD] {
        let end = end.next_multiple_of(WORD).min(BEFORE + ENDS);
        let [wave, next] = &mut self.waves;
        for index in 0..(BEFORE + ENDS) / L::COUNT {
            let at = index * L::COUNT;
            if at >= end {
                break;
            }
            let mut most = L::load(&self.hides[0], at + reach.forward.from);
            for (group, row) in reach.backward().iter().zip(self.hides.iter().skip(1)) {
                most = most.larger(L::load(row, at + group.from));
            }
            most.store(wave, at);
        }
        clear(wave, end);
        clear(next, end);
        let (mut wave, mut next) = (wave, next);
        for &step in reach.steps() {
            for index in 0..(BEFORE + ENDS) / L::COUNT {
                let at = index * L::COUNT;
                if at >= end {
                    break;
                }
                let right = L::load(wave, at + usize::from(step)).minus(L::all(step));
                L::load(wave, at).larger(right).store(next, at);
            }
            (wave, next) = (next, wave);
        }
        let mut hidden = [0; ROW / WORD];
        for index in 0..(BEFORE + ENDS) / L::COUNT {
            let at = index * L::COUNT;
            if at >= end {
                break;
            }
            hidden[at / WORD] |= L::load(wave, at).positive() << (at % WORD);
        }
        hidden
    }
}

/// Counts cards that do not overlap one counted before, a card a step: each step waits for the one before and for little else, so steps are
/// taken between the work on the next block.
pub(super) struct Count {
    /// The shortest card that ends at each digit of a block.
    shortest: Row,
    /// The index of the digit at `BEFORE`, and that behind the last.
    from: usize,
    end: usize,
    /// Where the search goes on.
    at: usize,
    /// Digits before this index belong to a card that is counted.
    pub(super) covered: usize,
    pub(super) cards: u32,
}

impl Count {
    pub(super) fn new(covered: usize) -> Count {
        Count { shortest: [NONE; ROW], from: 0, end: 0, at: covered + DIGITS_MIN - 1, covered, cards: 0 }
    }

    /// Steps over the block that comes next; the one before is done.
    fn begin(&mut self, shortest: &Row, from: usize, end: usize) {
        self.shortest = *shortest;
        (self.from, self.end) = (from, from + end - BEFORE);
        self.at = (self.covered + DIGITS_MIN - 1).max(from);
    }

    #[inline(always)]
    fn step<S: Strict>(&mut self) {
        let first = self.covered + DIGITS_MIN - 1;
        let behind = (self.at - first).min(DIGITS_MAX - DIGITS_MIN);
        let place = (self.at - self.from + BEFORE).min(ROW - WORD);
        let (Some(lengths), Some(limits)) = (word(&self.shortest, place), word(&LIMITS, behind)) else { return };
        let found = S::at_most(lengths, limits);
        let end = self.at + found.trailing_zeros() as usize + 1;
        let counts = found != 0 && self.at < self.end;
        self.cards += u32::from(counts);
        self.covered = if counts { end } else { self.covered };
        let next = if counts { end + DIGITS_MIN - 1 } else { self.at + WORD };
        self.at = if self.at < self.end { next } else { self.at };
    }

    /// A few steps between other work.
    #[inline(always)]
    fn steps<S: Strict>(&mut self) {
        for _ in 0..STEPS * S::Values::COUNT / WORD {
            self.step::<S>();
        }
    }

    /// The rest of the block.
    #[inline(always)]
    pub(super) fn finish<S: Strict>(&mut self) {
        while self.at < self.end {
            self.step::<S>();
        }
    }
}

/// On its own, so that it is one load a digit and not a vector taken apart.
#[inline(never)]
fn looked_up(engine: &Engine, heads: &[u16; WORD]) -> [u16; WORD] {
    let (table, mut lengths) = (engine.heads.strict_ends(), [0; WORD]);
    for (lengths, &head) in lengths.iter_mut().zip(heads) {
        *lengths = table[usize::from(head) % table.len()];
    }
    lengths
}

/// The lengths issued under four digits, given as two pairs.
#[inline(always)]
fn lengths<L: Lanes>(issued: &Issued, first: L, second: L) -> L {
    let met = first.of_pairs(&issued.others.first).and(second.of_pairs(&issued.others.second));
    let others = met.and(L::all(15)).of(&issued.lengths[0]).or(met.high().of(&issued.lengths[1]));
    let mut lengths = first.of_pairs(&issued.always).or(others);
    for (meets, alike) in &issued.alike {
        let which = first.of_pairs(&meets.first).meets(second.of_pairs(&meets.second));
        lengths = lengths.or(L::all(*alike).only(which));
    }
    lengths
}

/// What the last twelve digits lack to a multiple of ten.
#[inline(always)]
fn missing<L: Lanes>(four: &Row, at: usize) -> L {
    let eight = L::load(four, at).plus(L::load(four, at - 4)).rest();
    eight.plus(L::load(four, at - 8)).rest().of(&MISSING)
}

/// Where that is the sum of the digits before them.
#[inline(always)]
fn passes<L: Lanes>(last: L, first: &Row, at: usize) -> L::Which {
    last.equals(L::load(first, at - 12))
}

/// The most digits that any of the lengths hides, given as nibbles.
#[inline(always)]
fn most<L: Lanes>(low: L, high: L, group: &Group) -> L {
    low.of(&group.most[0]).larger(high.of(&group.most[1]))
}

#[inline(always)]
fn least<L: Lanes>(low: L, high: L) -> L {
    low.of(&SHORTEST[0]).smaller(high.of(&SHORTEST[1]))
}

/// Nothing behind `end`, as far as a register reaches.
#[inline(always)]
fn clear(row: &mut Row, end: usize) {
    row[end..end + WORD].fill(0);
}

#[inline(always)]
fn word(row: &[u8], at: usize) -> Option<&[u8; WORD]> {
    row.get(at..)?.first_chunk()
}

#[inline(always)]
fn word_mut(row: &mut [u8], at: usize) -> Option<&mut [u8; WORD]> {
    row.get_mut(at..)?.first_chunk_mut()
}
