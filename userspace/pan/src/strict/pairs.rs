//! The second reading: hex text. A digit is the pair `30` to `39`, at either parity; the pairs of the separators of one byte may stand between.
//! A number needs thirteen such pairs at one parity, 26 characters and more, so decimal numbers are not read so by chance.

use super::{
    Place, Window,
    marks::{Marks, WINDOW},
    place,
    run::Run,
    token::is_separator_pair,
};

/// Between two windows.
#[derive(Clone, Copy, Default)]
pub(super) struct Pairs {
    pub(super) at: Place,
    /// Of the pairs that begin at `at`, at `at + 2` …, and of the others.
    covered: [Place; 2],
}

impl Pairs {
    #[inline(always)]
    pub(super) fn read(&mut self, window: &Window<'_>, marks: &mut Marks) -> u32 {
        let bytes = window.bytes;
        let mut runs = self.covered.map(|covered| Run::new(covered.into()));
        let from = usize::from(self.at);
        let (mut at, mut cards) = (quiet(bytes, from).unwrap_or(from), 0);
        while let Some(&[high, low]) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
            let run = &mut runs[(at - from) % 2];
            if high == b'3' && low.is_ascii_digit() {
                run.push(low - b'0', at);
                cards += run.hide_cards(window.engine, |at| marks.pairs.set(at));
            } else if run.count > 0 {
                if is_separator_pair(high, low) {
                    run.separate();
                } else {
                    run.clear();
                }
            }
            at += 1;
        }
        let open = if bytes.get(at) == Some(&b'3') { at } else { bytes.len() };
        let pending = runs.iter().filter_map(Run::pending_from).fold(open, usize::min);
        let next = if window.last { bytes.len() } else { pending };
        self.covered = runs.map(|run| place(run.covered));
        if next.abs_diff(from) % 2 == 1 {
            self.covered.swap(0, 1);
        }
        self.at = place(next);
        cards
    }

    pub(super) fn rebase(&mut self, cut: Place) {
        self.at -= cut;
        self.covered = self.covered.map(|covered| covered.saturating_sub(cut));
    }
}

/// A byte for every place, and room behind.
type Row = [u8; WINDOW + 16];

/// Where the reading can begin when no thirteen pairs in a row, digits or separators, are at hand: with those that may go on behind.
#[inline(always)]
fn quiet(bytes: &[u8], from: usize) -> Option<usize> {
    let mut like: Row = [0; WINDOW + 16];
    let bytes = bytes.get(..WINDOW.min(bytes.len()))?;
    let (rest, seconds) = (bytes.get(from..)?, bytes.get(from + 1..)?);
    for ((like, &high), &low) in like.iter_mut().zip(rest).zip(seconds) {
        let (decimal, letter) = (low.is_ascii_digit(), low > b'9');
        let digit = (high == b'3') & decimal;
        let separator = ((high == b'2') & ((low == b'0') | letter))
            | ((high == b'0') & ((low == b'9') | letter))
            | ((high == b'5') & letter)
            | ((high | 0x20 == b'a') & (low == b'0'));
        *like = u8::from(digit | separator);
    }
    if seconds.len() >= 25 && thirteen(&like, seconds.len()) {
        return None;
    }
    let first_of_last = |mut at: usize| {
        while at >= 2 && like.get(at - 2) == Some(&1) {
            at -= 2;
        }
        at
    };
    Some(from + first_of_last(seconds.len()).min(first_of_last(seconds.len() + 1)).min(seconds.len()))
}

/// Whether thirteen stand in a row.
#[inline(always)]
fn thirteen(like: &Row, end: usize) -> bool {
    let two = both::<2>(like, end);
    let four = both::<4>(&two, end);
    let eight = both::<8>(&four, end);
    both::<10>(&eight, end).iter().fold(0, |any, row| any | row) != 0
}

/// Where both a row of pairs and the one `STEP` behind it are.
#[inline(always)]
fn both<const STEP: usize>(row: &Row, end: usize) -> Row {
    let mut both = [0; WINDOW + 16];
    for at in 0..end.min(WINDOW) {
        both[at] = row[at] & row[at + STEP];
    }
    both
}
