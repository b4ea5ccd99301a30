//! What a search looks at first, of 65,536 records side by side: the profile of each, and each figure in one byte.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use anyhow::Result;
use rusqlite::{Connection, OptionalExtension, Transaction};

use super::super::entry::Figures;
use super::super::query::Bound;

/// Records of a block; few in tests, so that they fill some.
pub(super) const BLOCK: i64 = if cfg!(test) { 128 } else { 65_536 };
/// The figures, by the names of their columns.
const FIGURES: [&str; 5] = ["rows", "bytes", "masked", "sensitive", "duration_ns"];
/// Blobs of a block: profiles, and the figures.
const PARTS: i64 = 8;
/// Below it a figure's byte says all.
const EXACT: u64 = 128;

/// The block of a row, and its place in it. Rows are numbered from 1.
pub(super) fn place(id: i64) -> (i64, usize) {
    let at = id.saturating_sub(1).max(0);
    (at / BLOCK, (at % BLOCK) as usize)
}

/// One block, as it is written.
#[derive(Clone, Debug, Default)]
struct Block {
    profiles: Vec<u8>,
    figures: [Vec<u8>; FIGURES.len()],
    is_changed: bool,
}

/// The blocks that are written to.
#[derive(Debug, Default)]
pub(super) struct Blocks(HashMap<i64, Block>);

impl Blocks {
    /// A row, new or changed.
    pub(super) fn put(
        &mut self,
        transaction: &Transaction<'_>,
        id: i64,
        profile: u16,
        figures: &Figures,
    ) -> Result<()> {
        let (number, at) = place(id);
        let block = match self.0.entry(number) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(Block::read(transaction, number)?),
        };
        block.is_changed = true;
        put(&mut block.profiles, 2 * at, &profile.to_le_bytes());
        let values = [figures.rows, figures.bytes, figures.masked, figures.sensitive, figures.duration_ns];
        for (column, value) in block.figures.iter_mut().zip(values) {
            put(column, at, &[code(value)]);
        }
        Ok(())
    }

    /// Writes what was changed; the last block stays at hand.
    pub(super) fn write(&mut self, transaction: &Transaction<'_>) -> Result<()> {
        let mut store = transaction.prepare_cached("REPLACE INTO blocks VALUES (?, ?)")?;
        for (number, block) in self.0.iter_mut().filter(|(_, block)| block.is_changed) {
            store.execute((number * PARTS, &block.profiles))?;
            for (part, column) in (1..).zip(&block.figures) {
                store.execute((number * PARTS + part, column))?;
            }
            block.is_changed = false;
        }
        let last = self.0.keys().max().copied();
        self.0.retain(|number, _| Some(*number) == last);
        Ok(())
    }
}

impl Block {
    fn read(connection: &Connection, number: i64) -> Result<Block> {
        let mut block = Block { profiles: part(connection, number, 0)?, ..Block::default() };
        for (at, column) in (1..).zip(&mut block.figures) {
            *column = part(connection, number, at)?;
        }
        Ok(block)
    }
}

fn put(column: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if column.len() < at + bytes.len() {
        column.resize(at + bytes.len(), 0);
    }
    column[at..at + bytes.len()].copy_from_slice(bytes);
}

fn part(connection: &Connection, number: i64, part: i64) -> Result<Vec<u8>> {
    let mut read = connection.prepare_cached("SELECT data FROM blocks WHERE id = ?")?;
    Ok(read.query_row([number * PARTS + part], |row| row.get(0)).optional()?.unwrap_or_default())
}

/// The profiles of a block's rows, two bytes each.
pub(super) fn profiles(connection: &Connection, number: i64) -> Result<Vec<u8>> {
    part(connection, number, 0)
}

/// Of the row at a place of a block.
pub(super) fn profile(profiles: &[u8], at: usize) -> usize {
    profiles.get(2 * at..2 * at + 2).map_or(0, |bytes| usize::from(u16::from_le_bytes([bytes[0], bytes[1]])))
}

/// What the bytes of a block's rows say of a bound.
pub(super) struct Bounded {
    column: Vec<u8>,
    bound: Bound,
}

impl Bounded {
    pub(super) fn read(connection: &Connection, number: i64, bound: &Bound) -> Result<Bounded> {
        let at = FIGURES.iter().position(|name| *name == bound.column).unwrap_or_default();
        Ok(Bounded { column: part(connection, number, at as i64 + 1)?, bound: *bound })
    }

    /// Whether a row is within the bound; `None`: its byte does not say.
    pub(super) fn holds(&self, at: usize) -> Option<bool> {
        let (row, bound) = (self.column.get(at).copied().unwrap_or_default(), code(self.bound.value));
        match row == bound && self.bound.value >= EXACT {
            true => None,
            false => Some(self.bound.holds(u64::from(row), u64::from(bound))),
        }
    }
}

/// Which of the figures, in the order of their columns, a bound is of.
pub(super) fn figure(figures: &[i64; FIGURES.len()], bound: &Bound) -> u64 {
    let at = FIGURES.iter().position(|name| *name == bound.column);
    at.and_then(|at| figures.get(at)).map_or(0, |figure| *figure as u64)
}

/// A figure in a byte, in the figures' own order: itself, or its size to the half of a power of two.
fn code(value: u64) -> u8 {
    if value < EXACT {
        return value as u8;
    }
    let power = value.ilog2();
    let half = (value >> (power - 1)) & 1;
    (EXACT as u32 + 2 * (power - EXACT.ilog2()) + half as u32) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_keeps_the_order_of_figures() {
        let mut values: Vec<u64> =
            (0..64).flat_map(|power| [1 << power, (1 << power) + 1, (3 << power) >> 1]).collect();
        values.extend([0, 127, 128, 191, 192, u64::MAX]);
        values.sort_unstable();
        assert!(values.windows(2).all(|pair| code(pair[0]) <= code(pair[1])));
        assert_eq!([code(5), code(127), code(128), code(192), code(256)], [5, 127, 128, 129, 130]);
    }

    #[test]
    fn what_a_byte_cannot_say_is_left_open() {
        let bounded = |is, value| Bounded {
            column: [1, 127, 140, 200, 1000].map(code).to_vec(),
            bound: Bound { column: "rows", is, value },
        };
        let all = |is, value| (0..5).map(|at| bounded(is, value).holds(at)).collect::<Vec<_>>();
        assert_eq!(all(">", 1), [Some(false), Some(true), Some(true), Some(true), Some(true)]);
        assert_eq!(all("<", 150), [Some(true), Some(true), None, Some(false), Some(false)]);
        assert_eq!(all("=", 127), [Some(false), Some(true), Some(false), Some(false), Some(false)]);
        assert_eq!(all(">=", 220), [Some(false), Some(false), Some(false), None, Some(true)]);
    }
}
