//! What no search for every window leaves out, for the benchmark: digits laid out in columns, the two sums that run down, the lengths issued under each
//! four digits in both directions, which of the fourteen windows that end in a place pass, and stars where any does. What a card hides, how many there
//! are, what digits are written in, separators and runs are left out, so it is no scan; it says what a scan of the same bytes can reach at most.

use super::columns::{ABOVE, Columns};
use super::marks::WINDOW;
use crate::{
    Engine,
    arch::{
        WORD,
        lanes::{Lanes, Row, Strict},
    },
};

/// As above, over bytes that are all digits and whole windows alone; how many places there are.
pub(crate) fn go<S: Strict>(engine: &Engine, bytes: &mut [u8]) -> usize {
    let (mut columns, mut digits, mut count) = (Columns::new(), [0; ABOVE + WINDOW + WORD], 0);
    for window in bytes.as_chunks_mut::<WINDOW>().0 {
        let words = window.as_chunks_mut::<WORD>().0;
        for (word, slot) in words.iter().zip(digits[ABOVE..].as_chunks_mut::<WORD>().0) {
            let mut values = Row([0; WORD]);
            S::Values::load(&Row(*word)).and(S::Values::all(15)).store(&mut values);
            *slot = values.0;
        }
        let places = S::bound(&mut columns, engine, &digits);
        for (word, places) in words.iter_mut().zip(places) {
            S::star(word, places);
            count += places.count_ones() as usize;
        }
    }
    count
}
