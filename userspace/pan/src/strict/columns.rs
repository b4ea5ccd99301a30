//! Every window of 13 to 19 digits, in both directions at once, at 64 places at a time.
//!
//! The digits of a text window stand in 64 columns, one behind the other, and a row has one digit of each column; above a column stand the digits
//! before it. So what comes before a digit stands in the rows before, at the same place of a register: nothing is shifted, and a sum goes on
//! from row to row.
//!
//! Two sums modulo 10 run down each column: one doubles the digits whose place is even, the other the odd ones. A row keeps them as the one that
//! takes this digit as it is and the one that doubles it. A window passes the check digit when one of the two at its end is equal to one of
//! them right before it: which ones depends on whether its length is even and on the direction. The upper four bits of a sum number the run, so that
//! a window over the end of a run never passes.
//!
//! What has to go is found by one wave that runs up: a card puts so many digits as it hides at the last of them, each place has what the next
//! one has less one, and digits where something is left go.

use super::{
    Issued,
    marks::{WINDOW, WORDS},
    reach::{FAR, REACHES, Reach},
};
use crate::{
    Engine,
    arch::{
        WORD,
        lanes::{GROUPS, LENGTHS, Lanes, Largest, Numbers, Row},
    },
    iin::ROOM as HEADS,
    keep::{DIGITS_MAX, DIGITS_MIN, Keep},
};

/// Not a digit but the end of a run: it counts the run up and adds nothing to a sum.
pub(super) const SEAM: u8 = 0x10;
/// Rows above a column: more than a window reaches back, and whole tiles.
pub(super) const ABOVE: usize = 2 * TILE;
/// Rows that are laid out at a time.
const TILE: usize = 16;
/// The most rows of a column.
const HEIGHT_MAX: usize = WINDOW / WORD;
const ROWS: usize = ABOVE + HEIGHT_MAX;
const _: () = assert!(ABOVE > DIGITS_MAX && HEIGHT_MAX == WORD && HEIGHT_MAX.is_multiple_of(TILE));

/// Rows that are counted at a time: no two cards of a column that both count end within so few.
const STRETCH: usize = 8;
const _: () = assert!(STRETCH < DIGITS_MIN && TILE.is_multiple_of(STRETCH));
/// How short a card is, from 13 digits for 19 on: what it lacks to this.
const LONG: u8 = 32;
/// What a card has to be as short as where nothing is in its way.
const FREE: u8 = LONG - DIGITS_MAX as u8;
/// A card counts that ends in the stretch.
const COUNTS: u8 = 0x80;
/// How short a card of each length is.
static SHORT: Numbers = Numbers::new(short());

const fn short() -> [u8; LENGTHS] {
    let (mut short, mut length) = ([0; LENGTHS], 0);
    while length < LENGTHS {
        short[length] = LONG - (DIGITS_MIN + length) as u8;
        length += 1;
    }
    short
}

/// A masked format, by its place among the [`REACHES`].
struct Format<const INDEX: usize>;

impl<const INDEX: usize> Format<INDEX> {
    const REACH: &Reach = &REACHES[INDEX];
    /// How far before the end of a card the last digit that it hides may stand.
    const FAR: usize = Self::REACH.far();
}

/// A bit for each digit.
pub(super) type Bits = [u64; WORDS + 1];

/// What a search works with: made once, for many windows.
pub(crate) struct Columns {
    digits: [Row; ROWS],
    /// The sums up to and with this digit, with the number of the run: the one that takes it as it is, and the one that doubles it.
    plain: [Row; ROWS],
    doubled: [Row; ROWS],
    /// Lengths of numbers that begin with the four digits that end here.
    begins: [Row; ROWS],
    /// How many digits go, from this one on upwards.
    hides: [Row; ROWS],
    /// How short the shortest card is that ends here, and the place in the stretch.
    shortness: [Row; HEIGHT_MAX],
}

/// What goes down the columns: of the digit before, and of pairs of digits as numbers.
struct Sums<L> {
    plain: L,
    doubled: L,
    run: L,
    digit: L,
    /// The pairs that end one and two rows before.
    tens: [L; 2],
    /// The same read upwards.
    back: [L; 2],
}

/// The last four digits as two pairs, as they stand and read upwards.
struct Four<L> {
    tens: [L; 2],
    back: [L; 2],
}

impl<L: Lanes> Four<L> {
    /// The lengths of numbers that begin with these digits, and of those that, read upwards, do.
    #[inline(always)]
    fn by_pairs(self, issued: &Issued) -> (L, L) {
        (lengths(issued, self.tens[0], self.tens[1]), lengths(issued, self.back[0], self.back[1]))
    }

    /// The same by all four.
    #[inline(always)]
    fn by_table(self, table: &[u16; HEADS]) -> (L, L) {
        L::heads(self.tens[0], self.tens[1], table)
    }
}

/// What a search found.
pub(crate) struct Found {
    pub(super) hidden: Bits,
    pub(super) cards: u32,
    /// Digits before this index belong to a card that is counted; None when that lies so far back that it has no say.
    pub(super) covered: Option<usize>,
}

impl Columns {
    pub(super) fn new() -> Columns {
        let none = Row([0; WORD]);
        Columns {
            digits: [none; ROWS],
            plain: [none; ROWS],
            doubled: [none; ROWS],
            begins: [none; ROWS],
            hides: [none; ROWS],
            shortness: [none; HEIGHT_MAX],
        }
    }

    /// Of so many digits, how many stand in a column.
    pub(super) fn height(count: usize) -> usize {
        count.div_ceil(WORD).next_multiple_of(TILE).min(HEIGHT_MAX)
    }

    /// Looks at `count` digits that stand behind `ABOVE` others in `digits`; what is there but no digit of the text is a seam. Those before the
    /// index `covered` belong to a card that is counted.
    #[inline(always)]
    pub(crate) fn search<L: Lanes>(&mut self, engine: &Engine, digits: &[u8], count: usize, covered: usize) -> Found {
        let height = Columns::height(count);
        for (tile, rows) in self.digits.as_chunks_mut().0.iter_mut().enumerate().take((ABOVE + height) / TILE) {
            L::columns(digits.get(tile * TILE..).unwrap_or_default(), height, rows);
        }
        match engine.keep {
            Keep::FirstSixLastFour => self.judge_all::<L, 0>(engine, height),
            Keep::FirstEightLastFour => self.judge_all::<L, 1>(engine, height),
            Keep::LastFour => self.judge_all::<L, 2>(engine, height),
            Keep::Nothing => self.judge_all::<L, 3>(engine, height),
        }
        let hidden = self.hidden::<L>(height);
        let (cards, covered) = self.count::<L>(height, count, covered);
        Found { hidden, cards, covered }
    }

    /// For the benchmark: where any window of [`WINDOW`] digits ends that passes; see [`super::bound`].
    #[inline(always)]
    pub(crate) fn bound<L: Lanes>(&mut self, engine: &Engine, digits: &[u8]) -> [u64; WORD] {
        for (tile, rows) in self.digits.as_chunks_mut().0.iter_mut().enumerate().take(ROWS / TILE) {
            L::columns(digits.get(tile * TILE..).unwrap_or_default(), HEIGHT_MAX, rows);
        }
        let (issued, table) = (engine.heads.issued(), engine.heads.strict_ends());
        let by_pairs = L::PAIRS && issued.whole;
        let none = L::all(0);
        let mut sums = Sums { plain: none, doubled: none, run: none, digit: none, tens: [none; 2], back: [none; 2] };
        let mut passing = [0; WORD];
        for row in ABOVE - DIGITS_MAX..ROWS {
            let four = self.add(row, &mut sums);
            let (begins, ends) = if by_pairs { four.by_pairs(issued) } else { four.by_table(table) };
            begins.store(&mut self.begins[row]);
            if let Some(slot) = row.checked_sub(ABOVE).and_then(|row| passing.get_mut(row)) {
                *slot = self.passing(row, ends).positive();
            }
        }
        transposed::<L>(&passing)
    }

    /// The lengths of windows that end in a row and pass, in either direction.
    #[inline(always)]
    fn passing<L: Lanes>(&self, row: usize, ends: L) -> L {
        let (mut forward, mut backward) = (L::all(0), L::all(0));
        let (here, here_doubled) = (L::load(&self.plain[row]), L::load(&self.doubled[row]));
        for length in 0..LENGTHS {
            let (digits, bit) = (DIGITS_MIN + length, 2 << length);
            let issued = L::load(&self.begins[row + 4 - digits]);
            let (plain, doubled) = (L::load(&self.plain[row - digits]), L::load(&self.doubled[row - digits]));
            let [one, other] = if digits % 2 == 1 {
                [here.equals(doubled); 2]
            } else {
                [here.equals(plain), here_doubled.equals(doubled)]
            };
            forward = forward.marked_if(one, issued, bit);
            backward = backward.marked_if(other, ends, bit);
        }
        forward.or(backward)
    }

    /// For one masked format, so that where cards hide digits is known when this is compiled.
    #[inline(always)]
    fn judge_all<L: Lanes, const FORMAT: usize>(&mut self, engine: &Engine, height: usize) {
        let (issued, table) = (engine.heads.issued(), engine.heads.strict_ends());
        let by_pairs = L::PAIRS && issued.whole;
        let none = L::all(0);
        let mut sums = Sums { plain: none, doubled: none, run: none, digit: none, tens: [none; 2], back: [none; 2] };
        let mut waiting = [none; FAR + 1];
        for row in ABOVE - DIGITS_MAX..(ABOVE + height).min(ROWS) {
            let four = self.add(row, &mut sums);
            let (begins, ends) = if by_pairs { four.by_pairs(issued) } else { four.by_table(table) };
            begins.store(&mut self.begins[row]);
            if row >= ABOVE {
                self.judge::<L, FORMAT>(row, ends, &mut waiting);
            }
        }
        // What waits stands in the last rows.
        for at in (0..Format::<FORMAT>::FAR).rev() {
            waiting[at].store(&mut self.hides[ABOVE + height - 1 - at]);
        }
    }

    /// Goes on by a row; returns its last four digits.
    #[inline(always)]
    fn add<L: Lanes>(&mut self, row: usize, sums: &mut Sums<L>) -> Four<L> {
        let here = L::load(&self.digits[row]);
        let digit = here.and(L::all(15));
        sums.run = sums.run.plus(here.minus(digit));
        (sums.plain, sums.doubled) = (sums.doubled.plus(digit).rest(), sums.plain.plus(digit.doubled()).rest());
        sums.plain.or(sums.run).store(&mut self.plain[row]);
        sums.doubled.or(sums.run).store(&mut self.doubled[row]);
        let (tens, back) = (sums.digit.tenfold().plus(digit), digit.tenfold().plus(sums.digit));
        let four = Four { tens: [sums.tens[1], tens], back: [back, sums.back[1]] };
        (sums.digit, sums.tens, sums.back) = (digit, [tens, sums.tens[0]], [back, sums.back[0]]);
        four
    }

    /// Every window that ends in a row. `waiting`: how many digits go from the rows before on, which cards that end later may add to.
    #[inline(always)]
    fn judge<L: Lanes, const FORMAT: usize>(&mut self, row: usize, ends: L, waiting: &mut [L; FAR + 1]) {
        const BACK: usize = DIGITS_MAX + 1;
        let from = row - DIGITS_MAX;
        let (Some(plain), Some(doubled), Some(begins)) =
            (back(&self.plain, from), back(&self.doubled, from), back(&self.begins, from))
        else {
            return;
        };
        let (here, here_doubled) = (L::load(&plain[DIGITS_MAX]), L::load(&doubled[DIGITS_MAX]));
        let at = |rows: &[Row; BACK], length: usize| L::load(&rows[DIGITS_MAX - length]);
        let issued = |length: usize| L::load(&begins[DIGITS_MAX + 4 - length]);
        let reach = Format::<FORMAT>::REACH;
        let (mut forward, mut backward) = (Largest::none(), Largest::none());
        // One length after the other: few results of comparisons at a time.
        macro_rules! odd {
            ($length:literal) => {
                let passes = here.equals(at(doubled, $length));
                L::note::<true>(&mut forward, $length - DIGITS_MIN, passes, issued($length), &reach.hides, &SHORT);
                L::note::<false>(&mut backward, $length - DIGITS_MIN, passes, ends, &reach.hides, &SHORT);
            };
        }
        macro_rules! even {
            ($length:literal) => {
                let passes = here.equals(at(plain, $length));
                L::note::<true>(&mut forward, $length - DIGITS_MIN, passes, issued($length), &reach.hides, &SHORT);
                let passes = here_doubled.equals(at(doubled, $length));
                L::note::<false>(&mut backward, $length - DIGITS_MIN, passes, ends, &reach.hides, &SHORT);
            };
        }
        odd!(13);
        even!(14);
        odd!(15);
        even!(16);
        odd!(17);
        even!(18);
        odd!(19);
        L::noted::<true>(&mut forward, &reach.hides, &SHORT);
        L::noted::<false>(&mut backward, &reach.hides, &SHORT);
        for at in (0..FAR).rev() {
            waiting[at + 1] = waiting[at];
        }
        waiting[0] = L::all(0);
        waiting[reach.forward] = waiting[reach.forward].larger(forward.hides[0]);
        for group in 0..GROUPS {
            let from = reach.backward[group];
            waiting[from] = waiting[from].larger(backward.hides[group]);
        }
        let far = Format::<FORMAT>::FAR;
        waiting[far].store(&mut self.hides[row - far]);
        if let Some(slot) = self.shortness.get_mut(row - ABOVE) {
            let shortest = forward.short.larger(backward.short);
            shortest.plus(L::all((row % STRETCH) as u8)).store(slot);
        }
    }

    /// The digits that go.
    #[inline(always)]
    fn hidden<L: Lanes>(&self, height: usize) -> Bits {
        let mut rows = [0; ROWS];
        let mut wave = L::all(0);
        for row in (ABOVE + 1 - DIGITS_MAX..(ABOVE + height).min(ROWS)).rev() {
            wave = wave.minus(L::all(1)).larger(L::load(&self.hides[row]));
            rows[row] = wave.positive();
        }
        // What stands above a column is the end of the one before.
        for above in 1..DIGITS_MAX {
            let (back, rest) = (above.div_ceil(height), above % height);
            let row = ABOVE + if rest == 0 { 0 } else { height - rest };
            rows[row] |= rows[ABOVE - above] >> back;
        }
        let mut columns = [0; WORD];
        columns.iter_mut().zip(rows.iter().skip(ABOVE).take(height)).for_each(|(slot, row)| *slot = *row);
        let columns = transposed::<L>(&columns);
        let mut hidden = [0; WORDS + 1];
        if height == WORD {
            hidden.iter_mut().zip(columns).for_each(|(slot, column)| *slot = column);
            return hidden;
        }
        for (index, column) in columns.into_iter().enumerate() {
            let (at, shift) = (index * height / WORD, index * height % WORD);
            hidden[at] |= column << shift;
            if shift + height > WORD {
                hidden[at + 1] = column >> (WORD - shift);
            }
        }
        hidden
    }

    /// Counts cards that do not overlap one counted before.
    ///
    /// A column does not know what is covered where it begins, so all begin as if nothing were; then each begins as the one before it ended, until
    /// that changes nothing. Columns forget soon how they began: a card or two later it is the same.
    #[inline(always)]
    fn count<L: Lanes>(&self, height: usize, count: usize, covered: usize) -> (u32, Option<usize>) {
        let mut begins = Row([FREE; WORD]);
        begins.0[0] = (usize::from(LONG) - 1 + covered).min(usize::from(COUNTS - 1)) as u8;
        let mut ends = [Row([0; WORD]); HEIGHT_MAX / STRETCH];
        let stretches = height / STRETCH;
        // As many rounds as there are columns are enough: each settles one more.
        for _ in 0..WORD {
            let mut wanted = L::load(&begins);
            for (rows, end) in self.shortness.as_chunks::<STRETCH>().0.iter().zip(&mut ends).take(stretches) {
                let next = stretch(rows, wanted);
                let settled = next.same(L::load(end));
                next.store(end);
                wanted = next.and(L::all(COUNTS - 1));
                if settled {
                    break;
                }
            }
            let Some(last) = ends.get(stretches - 1) else { break };
            let mut next = Row([0; WORD]);
            L::load(last).and(L::all(COUNTS - 1)).store(&mut next);
            next.0.copy_within(..WORD - 1, 1);
            next.0[0] = begins.0[0];
            if next.0 == begins.0 {
                break;
            }
            begins = next;
        }
        let cards = ends.iter().map(|end| L::load(end).and(L::all(COUNTS)).positive().count_ones()).sum();
        let counts = |index: &usize| {
            let (column, row) = (index / height, index % height);
            let end = ends.get(row / STRETCH).map_or(0, |end| end.0[column % WORD]);
            end == COUNTS | counted(row % STRETCH)
        };
        let last = (count.saturating_sub(DIGITS_MAX)..count).rev().find(counts);
        (cards, last.map(|index| index + 1))
    }
}

/// What a card has to be as short as behind a stretch, when it has to be as short as `wanted` where that begins.
#[inline(always)]
fn stretch<L: Lanes>(rows: &[Row; STRETCH], wanted: L) -> L {
    let mut next = wanted.minus(L::all(STRETCH as u8)).larger(L::all(FREE));
    for (at, row) in rows.iter().enumerate().rev() {
        next = L::choose(wanted.at_most(L::load(row)), L::all(COUNTS | counted(at)), next);
    }
    next
}

/// The same behind a card that counts and ends in this row of the stretch.
#[inline(always)]
const fn counted(row: usize) -> u8 {
    LONG - (STRETCH - row) as u8
}

/// The lengths issued under four digits, given as two pairs.
#[inline(always)]
fn lengths<L: Lanes>(issued: &Issued, first: L, second: L) -> L {
    let met = first.of_pairs(&issued.others.first).and(second.of_pairs(&issued.others.second));
    let others = met.and(L::all(15)).of(&issued.lengths[0]).or(met.high().of(&issued.lengths[1]));
    let mut lengths = first.of_pairs(&issued.always).or(others);
    for (meets, alike) in &issued.alike {
        let which = first.of_pairs(&meets.first).meets(second.of_pairs(&meets.second));
        lengths = lengths.with(which, *alike);
    }
    lengths
}

/// The rows that a window that ends in the last of them reaches back to.
#[inline(always)]
fn back(rows: &[Row; ROWS], from: usize) -> Option<&[Row; DIGITS_MAX + 1]> {
    rows.get(from..)?.first_chunk()
}

/// Bit n of word m becomes bit m of word n.
#[inline(always)]
fn transposed<L: Lanes>(words: &[u64; WORD]) -> [u64; WORD] {
    let mut bytes = [0; (WORD + 1) * 8];
    bytes.as_chunks_mut::<8>().0.iter_mut().zip(words).for_each(|(slot, word)| *slot = word.to_le_bytes());
    let mut rows = [Row([0; WORD]); TILE];
    L::columns(&bytes, 8, &mut rows);
    let mut columns = [0; WORD];
    for (eight, row) in columns.as_chunks_mut::<8>().0.iter_mut().zip(&rows) {
        let mut row = L::load(row);
        for slot in eight.iter_mut().rev() {
            *slot = row.signs();
            row = row.plus(row);
        }
    }
    columns
}
