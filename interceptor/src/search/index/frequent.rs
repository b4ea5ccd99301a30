//! Words of values that very many records have: which rows of a full block have each, as a set.
//!
//! FTS5 finds the records of two words by walking both lists; where both are long and never together that is all of both. A set of a
//! block's rows is 8 KiB at most, and two of them are compared in a moment. What a set says is FTS5's own answer, asked when the block was full:
//! so which words have sets decides what a search costs and never what it finds. A word is worth one where 1 in 128 records of the block have it.

use std::collections::{BTreeSet, HashMap};

use anyhow::Result;
use audit::RecordId;
use audit::show;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::super::entry::{Column, Entry};
use super::super::place::{Place, Reader, Segments};
use super::super::shape::is_word;
use super::blocks::{self, BLOCK};
use super::near::{Seen, UNCLEAR};
use super::profiles;

pub(super) const TABLES: &str = "
CREATE TABLE frequent(id INTEGER PRIMARY KEY, block INTEGER, word TEXT, is_text INTEGER, rows BLOB);
CREATE UNIQUE INDEX frequent_by_word ON frequent(block, word);
";
/// Stands for a block whose sets are made; what is told of neighbours stands there.
pub(super) const MADE: &str = "";
/// A word of fewer rows of a block has no set: its list is short.
const ROWS_MIN: usize = BLOCK as usize / 128;
/// Beginnings that FTS5 has lists of (see `prefix=` of `words`).
pub(super) const BEGINNINGS: [usize; 4] = [1, 2, 3, 4];
/// Sets of a block.
const WORDS_MAX: usize = 512;
/// Blocks that are looked through after a batch: one that is old and was changed can wait.
const AT_ONCE: usize = 4;
const SET_BYTES: usize = BLOCK as usize / 8;

/// Rows of a block, by their places in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rows(Vec<u64>);

impl Rows {
    pub(super) fn none() -> Rows {
        Rows(vec![0; BLOCK as usize / 64])
    }

    pub(super) fn put(&mut self, at: usize) {
        if let Some(word) = self.0.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
    }

    pub(super) fn has(&self, at: usize) -> bool {
        self.0.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    /// Leaves those that the other has too.
    pub(super) fn keep(&mut self, other: &Rows) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word &= other);
    }

    pub(super) fn drop(&mut self, at: usize) {
        if let Some(word) = self.0.get_mut(at / 64) {
            *word &= !(1 << (at % 64));
        }
    }

    /// Leaves those of which it holds.
    pub(super) fn retain(&mut self, holds: impl Fn(usize) -> bool) {
        for at in self.all().filter(|at| !holds(*at)).collect::<Vec<_>>() {
            self.drop(at);
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = usize> + '_ {
        let bits = |(index, word): (usize, &u64)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
                left &= left - 1;
                Some(index * 64 + bit)
            })
        };
        self.0.iter().enumerate().flat_map(bits)
    }

    /// The first and the last.
    pub(super) fn ends(&self) -> Option<(usize, usize)> {
        let first = self.all().next()?;
        let index = self.0.iter().rposition(|word| *word != 0)?;
        Some((first, index * 64 + 63 - self.0.get(index)?.leading_zeros() as usize))
    }

    pub(super) fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Two bytes for each row, or a bit for each place, whichever is shorter.
    fn written(&self) -> Vec<u8> {
        let count = self.count();
        if 2 * count < SET_BYTES {
            return self.all().flat_map(|at| (at as u16).to_le_bytes()).collect();
        }
        self.0.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// As it was written.
    pub(super) fn read(bytes: &[u8]) -> Rows {
        let mut rows = Rows::none();
        if bytes.len() < SET_BYTES {
            bytes.chunks_exact(2).for_each(|pair| rows.put(usize::from(u16::from_le_bytes([pair[0], pair[1]]))));
            return rows;
        }
        for (word, bytes) in rows.0.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = bytes.try_into().map_or(0, u64::from_le_bytes);
        }
        rows
    }
}

/// A word, or with a star the beginning of one, by which a set is found; in the text alone, or anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) word: String,
    pub(super) is_of_text: bool,
}

/// The rows of a block that have it among their own words; `None`: nothing is kept of it.
pub(super) fn rows(connection: &Connection, block: i64, key: &Key) -> Result<Option<Rows>> {
    let mut read = connection.prepare_cached("SELECT rows, is_text FROM frequent WHERE block = ? AND word = ?")?;
    let found: Option<(Vec<u8>, bool)> =
        read.query_row(params![block, key.word], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(found.filter(|(_, is_text)| *is_text || !key.is_of_text).map(|(bytes, _)| Rows::read(&bytes)))
}

/// The blocks that have no sets: those that were never full, and those of which a row was changed.
#[derive(Debug, Default)]
pub(super) struct Without(BTreeSet<i64>);

impl Without {
    pub(super) fn load(connection: &Connection) -> Result<Without> {
        let last: Option<i64> = connection.query_row("SELECT max(id) FROM records", [], |row| row.get(0))?;
        let last = last.map_or(0, |id| blocks::place(id).0);
        let mut made = connection.prepare("SELECT block FROM frequent WHERE word = ?")?;
        let made: BTreeSet<i64> = made.query_map([MADE], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        Ok(Without((0..=last).filter(|block| !made.contains(block)).collect()))
    }

    /// A row of the block is new or changed.
    pub(super) fn changed(&mut self, transaction: &Transaction<'_>, block: i64) -> Result<()> {
        if self.0.insert(block) {
            transaction.prepare_cached("DELETE FROM frequent WHERE block = ?")?.execute([block])?;
        }
        Ok(())
    }

    /// Makes the sets of blocks that are full. While more is to come the newest of them waits: its last statements have not ended.
    pub(super) fn make(
        &mut self,
        transaction: &Transaction<'_>,
        segments: &Segments,
        last: i64,
        is_end: bool,
    ) -> Result<()> {
        let waiting = i64::from(!is_end);
        let full: Vec<i64> = self.0.range(..last - waiting).copied().take(AT_ONCE).collect();
        for block in full {
            make(transaction, segments, block)?;
            self.0.remove(&block);
        }
        Ok(())
    }
}

fn make(transaction: &Transaction<'_>, segments: &Segments, block: i64) -> Result<()> {
    let (begin, end) = (block * BLOCK + 1, (block + 1) * BLOCK);
    let mut keep =
        transaction.prepare_cached("INSERT INTO frequent(block, word, is_text, rows) VALUES (?, ?, ?, ?)")?;
    let mut find =
        transaction.prepare_cached("SELECT rowid FROM words WHERE words MATCH ? AND rowid BETWEEN ? AND ?")?;
    let mut rows = |told: &str| -> Result<Rows> {
        let mut rows = Rows::none();
        let mut found = find.query(params![told, begin, end])?;
        while let Some(row) = found.next()? {
            rows.put((row.get::<_, i64>(0)? - begin) as usize);
        }
        Ok(rows)
    };
    let (often, near) = looked_at(transaction, segments, block)?;
    let mut frequent = Vec::new();
    for word in often {
        let told = match word.strip_suffix('*') {
            Some(beginning) => format!("\"{beginning}\" *"),
            None => format!("\"{word}\""),
        };
        let anywhere = rows(&told)?;
        if anywhere.count() >= ROWS_MIN {
            let is_text = rows(&format!("{} : {told}", Column::Text.name()))? == anywhere;
            keep.execute(params![block, word, is_text, anywhere.written()])?;
            frequent.push(word);
        }
    }
    if let Some(unclear) = near.left_out() {
        keep.execute(params![block, UNCLEAR, true, unclear.written()])?;
    }
    keep.execute(params![block, MADE, true, near.kept(frequent.iter().map(String::as_str))])?;
    Ok(())
}

/// The records of a block: the words, and beginnings, that may be frequent, and what stands side by side.
fn looked_at(transaction: &Transaction<'_>, segments: &Segments, block: i64) -> Result<(Vec<String>, Seen)> {
    let (mut counts, mut near) = (HashMap::new(), Seen::nothing());
    let (shapes, profiles) = (profiles::shapes(transaction)?, blocks::profiles(transaction, block)?);
    let mut find = transaction.prepare_cached(
        "SELECT id, shard, seq, segment, at, out_seq, out_segment, out_at FROM records WHERE id BETWEEN ? AND ?",
    )?;
    let mut rows = find.query([block * BLOCK + 1, (block + 1) * BLOCK])?;
    let mut reader = segments.reader();
    while let Some(row) = rows.next()? {
        let at = blocks::place(row.get(0)?).1;
        let profile = blocks::profile(&profiles, at);
        let Some(mut entry) = entry(&mut reader, &hit(row)?)? else {
            near.unclear(at);
            continue;
        };
        let shape = shapes.get(&profile).map(String::as_str);
        if shape.is_none() {
            entry.own.at(Column::Text).clone_from(&entry.text);
        }
        near.add(at, profile, shape, &entry.own);
        count(&entry, &mut counts);
    }
    let mut often: Vec<(String, usize)> = counts.into_iter().filter(|(_, times)| *times >= ROWS_MIN).collect();
    often.sort_unstable_by(|(word, times), (other, of)| of.cmp(times).then_with(|| word.cmp(other)));
    Ok((often.into_iter().take(WORDS_MAX).map(|(word, _)| word).collect(), near))
}

/// `None`: it cannot be read here any more.
fn entry(reader: &mut Reader<'_>, (record, outcome): &(Place, Option<Place>)) -> Result<Option<Entry>> {
    let mut read = |place: Place| -> Result<Option<Entry>> {
        Ok(reader.record(place)?.as_deref().and_then(show::frame).map(|frame| Entry::of(&frame)))
    };
    let Some(mut entry) = read(*record)? else { return Ok(None) };
    if let Some(outcome) = outcome {
        let Some(mut outcome) = read(*outcome)? else { return Ok(None) };
        entry.ended_by(&mut outcome);
    }
    Ok(Some(entry))
}

fn hit(row: &rusqlite::Row<'_>) -> Result<(Place, Option<Place>)> {
    let number = |at: usize| row.get::<_, Option<i64>>(at).map(|value| value.unwrap_or_default() as u64);
    let shard = row.get(1)?;
    let place = |from: usize| -> rusqlite::Result<Place> {
        Ok(Place { id: RecordId { shard, seq: number(from)? }, segment: number(from + 1)?, at: number(from + 2)? })
    };
    let outcome = place(5)?;
    Ok((place(2)?, (outcome.id.seq > 0).then_some(outcome)))
}

/// Counts each word of a record, and each of their beginnings, once.
fn count(entry: &Entry, counts: &mut HashMap<String, usize>) {
    for word in words(entry) {
        match counts.get_mut(&word) {
            Some(times) => *times += 1,
            None => _ = counts.insert(word, 1),
        }
    }
}

/// What a record has of its own, each once.
fn words(entry: &Entry) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let own = entry.own.0.iter().flat_map(|text| text.split(|c| !is_word(c)));
    for word in own.filter(|word| !word.is_empty() && word.is_ascii()) {
        let word = word.to_ascii_lowercase();
        let beginnings = BEGINNINGS.iter().filter_map(|length| word.get(..*length));
        words.extend(beginnings.map(|beginning| format!("{beginning}*")));
        words.insert(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_what_was_put_into_it() {
        for step in [1, 7, 16, 17, 1000, 70_000] {
            let places: Vec<usize> = (0..BLOCK as usize).step_by(step).collect();
            let mut rows = Rows::none();
            places.iter().for_each(|at| rows.put(*at));
            let read = Rows::read(&rows.written());
            assert_eq!((read.all().collect::<Vec<_>>(), read.count()), (places.clone(), places.len()), "{step}");
            assert!(rows.written().len() <= SET_BYTES && read.has(0) && !read.has(BLOCK as usize));
            let mut other = Rows::none();
            other.put(0);
            other.put(3);
            other.keep(&read);
            assert_eq!(other.all().collect::<Vec<_>>(), if step == 1 { vec![0, 3] } else { vec![0] });
        }
        let mut rows = Rows::read(&[5, 0, 6, 0]);
        rows.retain(|at| at == 6);
        assert_eq!(rows.all().collect::<Vec<_>>(), [6]);
    }
}
