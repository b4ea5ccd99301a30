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
    reach::Reach,
};
use crate::{
    Engine,
    arch::{
        WORD,
        lanes::{Lanes, Most, Row},
    },
    iin::ROOM as HEADS,
    keep::{DIGITS_MAX, DIGITS_MIN},
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
/// How short the shortest of a set of lengths is.
static SHORTNESS: Most = shortness();

const fn shortness() -> Most {
    let (mut most, mut length) = (Most::NONE, DIGITS_MIN);
    while length <= DIGITS_MAX {
        most.add(length, LONG - length as u8);
        length += 1;
    }
    most
}

/// A bit for each digit.
pub(super) type Bits = [u64; WORDS + 1];

/// What a search works with: made once, for many windows.
pub(super) struct Columns {
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
pub(super) struct Found {
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
    pub(super) fn search<L: Lanes>(&mut self, engine: &Engine, digits: &[u8], count: usize, covered: usize) -> Found {
        let (reach, height) = (Reach::of(engine), Columns::height(count));
        for (tile, rows) in self.digits.as_chunks_mut().0.iter_mut().enumerate().take((ABOVE + height) / TILE) {
            L::columns(digits.get(tile * TILE..).unwrap_or_default(), height, rows);
        }
        if L::PAIRS && engine.heads.issued().whole {
            self.judge_all::<L, true>(engine, reach, height);
        } else {
            self.judge_all::<L, false>(engine, reach, height);
        }
        let hidden = self.hidden::<L>(height);
        let (cards, covered) = self.count::<L>(height, count, covered);
        Found { hidden, cards, covered }
    }

    /// `BY_PAIRS`: what is issued under four digits is looked up by two of them at a time.
    #[inline(always)]
    fn judge_all<L: Lanes, const BY_PAIRS: bool>(&mut self, engine: &Engine, reach: &Reach, height: usize) {
        let issued = engine.heads.issued();
        let table = engine.heads.strict_ends();
        let none = L::all(0);
        let mut sums = Sums { plain: none, doubled: none, run: none, digit: none, tens: [none; 2], back: [none; 2] };
        for row in ABOVE - DIGITS_MAX..ABOVE {
            let four = self.add(row, &mut sums);
            let (begins, _) = if BY_PAIRS { four.by_pairs(issued) } else { four.by_table(table) };
            begins.store(&mut self.begins[row]);
            none.store(&mut self.hides[row]);
        }
        for row in ABOVE..(ABOVE + height).min(ROWS) {
            let four = self.add(row, &mut sums);
            let (begins, ends) = if BY_PAIRS { four.by_pairs(issued) } else { four.by_table(table) };
            begins.store(&mut self.begins[row]);
            self.judge(reach, row, ends);
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

    /// Every window that ends in a row.
    #[inline(always)]
    fn judge<L: Lanes>(&mut self, reach: &Reach, row: usize, ends: L) {
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
        let p13 = here.equals(at(doubled, 13));
        let p15 = here.equals(at(doubled, 15));
        let p17 = here.equals(at(doubled, 17));
        let p19 = here.equals(at(doubled, 19));
        let forward = L::all(0)
            .marked_if(p13, issued(13), 1 << 1)
            .marked_if(here.equals(at(plain, 14)), issued(14), 1 << 2)
            .marked_if(p15, issued(15), 1 << 3)
            .marked_if(here.equals(at(plain, 16)), issued(16), 1 << 4)
            .marked_if(p17, issued(17), 1 << 5)
            .marked_if(here.equals(at(plain, 18)), issued(18), 1 << 6)
            .marked_if(p19, issued(19), 1 << 7);
        let backward = L::all(0)
            .marked(p13, 1 << 1)
            .marked(here_doubled.equals(at(doubled, 14)), 1 << 2)
            .marked(p15, 1 << 3)
            .marked(here_doubled.equals(at(doubled, 16)), 1 << 4)
            .marked(p17, 1 << 5)
            .marked(here_doubled.equals(at(doubled, 18)), 1 << 6)
            .marked(p19, 1 << 7)
            .and(ends);
        L::all(0).store(&mut self.hides[row]);
        let mut hide = |from: usize, count: L| {
            let slot = &mut self.hides[row - from];
            count.larger(L::load(slot)).store(slot);
        };
        hide(reach.forward.from, forward.most(&reach.forward.most));
        for group in reach.backward() {
            hide(group.from, backward.most(&group.most));
        }
        let shortness = forward.or(backward).most(&SHORTNESS);
        if let Some(slot) = self.shortness.get_mut(row - ABOVE) {
            shortness.plus(L::all((row % STRETCH) as u8)).store(slot);
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
        transpose(&mut columns);
        let mut hidden = [0; WORDS + 1];
        for (index, column) in columns.into_iter().enumerate() {
            let (at, shift) = (index * height / WORD, index * height % WORD);
            hidden[at] |= column << shift;
            hidden[at + 1] |= column >> 1 >> (WORD - 1 - shift);
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
        lengths = lengths.or(L::all(*alike).only(which));
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
fn transpose(words: &mut [u64; WORD]) {
    const ROUNDS: [(usize, u64); 6] = [
        (32, 0x0000_0000_ffff_ffff),
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ];
    for (apart, low) in ROUNDS {
        for block in words.chunks_exact_mut(2 * apart) {
            let (first, second) = block.split_at_mut(apart);
            for (first, second) in first.iter_mut().zip(second) {
                let change = (*first >> apart ^ *second) & low;
                (*first, *second) = (*first ^ change << apart, *second ^ change);
            }
        }
    }
}
