//! Which words of a full block stand next to each other, and which begin and end what stands in the gaps of its shapes, and which
//! columns they are in.
//!
//! Where both words of a phrase are in very many records, and never next to each other, neither their lists nor the sets of their rows
//! tell that it is nowhere. So a block keeps, of its frequent words, which stand side by side among a record's own words, and which
//! stand first and last in which gap of which profile: each as a hash of four bytes. A phrase needs some of them; where one is not there, no row of the
//! block has it in that way. What such a hash says decides what is looked at and never what is found: that the record itself says.
//!
//! Rows with own words that are not ASCII are left out and always looked at: only FTS5 says where those end.

use std::collections::{BTreeSet, HashSet};

use anyhow::Result;
use rusqlite::{Connection, OptionalExtension, params};

use super::super::entry::{Column, Words};
use super::super::shape::{GAP, is_word};
use super::blocks::BLOCK;
use super::frequent::{MADE, Rows};

/// By which the rows are found that are always looked at.
pub(super) const UNCLEAR: &str = GAP;

/// That two words are side by side, that one begins or ends a gap, or is in a column; and of which words that is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Fact {
    hash: u32,
    of: [u32; 2],
}

impl Fact {
    fn of_pair(one: u32, other: u32) -> Fact {
        Fact { hash: hash(b'p', &[one, other], ""), of: [one, other] }
    }

    fn of_column(column: Column, word: u32) -> Fact {
        Fact { hash: hash(b'c', &[column as u32, word], ""), of: [word, word] }
    }

    /// The gaps of a profile are numbered from 1.
    fn of_edge(which: u8, profile: usize, gap: usize, word: u32) -> Fact {
        Fact { hash: hash(which, &[profile as u32, gap as u32, word], ""), of: [word, word] }
    }
}

/// The same as it is looked for: whether a word is one of which blocks tell is asked by the word itself, so that nobody hides one behind
/// another that has its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Need {
    hash: u32,
    of: Vec<String>,
}

impl Need {
    fn new(fact: Fact, of: &[&str]) -> Need {
        Need { hash: fact.hash, of: of.iter().map(|word| word.to_ascii_lowercase()).collect() }
    }

    /// Two words are side by side.
    pub(super) fn pair(one: &str, other: &str) -> Need {
        Need::new(Fact::of_pair(word(one), word(other)), &[one, other])
    }

    /// What stands in a gap of a profile begins with a word.
    pub(super) fn begins(profile: usize, gap: usize, of: &str) -> Need {
        Need::new(Fact::of_edge(b'b', profile, gap, word(of)), &[of])
    }

    /// Or ends with it.
    pub(super) fn ends(profile: usize, gap: usize, of: &str) -> Need {
        Need::new(Fact::of_edge(b'e', profile, gap, word(of)), &[of])
    }

    /// It is a word of some record's own in this column.
    pub(super) fn in_column(column: Column, of: &str) -> Need {
        Need::new(Fact::of_column(column, word(of)), &[of])
    }

    /// Of which words that is said.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        self.of.iter().map(String::as_str)
    }
}

/// A word, whatever its letters' size.
fn word(of: &str) -> u32 {
    hash(b'w', &[], of)
}

/// FNV-1a, which is the same in every version of this program.
fn hash(which: u8, numbers: &[u32], word: &str) -> u32 {
    let numbers = numbers.iter().flat_map(|number| number.to_le_bytes());
    let bytes = std::iter::once(which).chain(numbers).chain(word.bytes().map(|byte| byte.to_ascii_lowercase()));
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (hash ^ (hash >> 32)) as u32
}

/// What is seen of a block while its records are read.
pub(super) struct Seen {
    facts: HashSet<Fact>,
    unclear: Rows,
}

impl Seen {
    pub(super) fn nothing() -> Seen {
        Seen { facts: HashSet::new(), unclear: Rows::none() }
    }

    /// A row of which nothing is known.
    pub(super) fn unclear(&mut self, at: usize) {
        self.unclear.put(at);
    }

    /// The own words of a row, and the shape of its profile, if that has one.
    pub(super) fn add(&mut self, at: usize, profile: usize, shape: Option<&str>, own: &Words) {
        for column in Column::ALL {
            let is_numbered = column == Column::Text && shape.is_some();
            let (mut gap, mut before) = (1, None);
            let words = own.of(column).split(|c| !is_word(c)).filter(|word| !word.is_empty());
            for one in words {
                if one == GAP {
                    let ended = before.take().filter(|_| is_numbered);
                    self.facts.extend(ended.map(|before| Fact::of_edge(b'e', profile, gap, before)));
                    gap += 1;
                    continue;
                }
                if !one.is_ascii() {
                    return self.unclear(at);
                }
                let one = word(one);
                self.facts.insert(Fact::of_column(column, one));
                match before {
                    Some(before) => _ = self.facts.insert(Fact::of_pair(before, one)),
                    None if is_numbered => _ = self.facts.insert(Fact::of_edge(b'b', profile, gap, one)),
                    None => {}
                }
                before = Some(one);
            }
            if is_numbered && let Some(before) = before {
                self.facts.insert(Fact::of_edge(b'e', profile, gap, before));
                // Several texts in one record have their gaps elsewhere.
                if shape.is_some_and(|shape| shape.matches(GAP).count() != gap) {
                    self.unclear(at);
                }
            }
        }
    }

    /// What is kept: of frequent words alone.
    pub(super) fn kept<'a>(&self, frequent: impl Iterator<Item = &'a str>) -> Vec<u8> {
        let words: HashSet<u32> = frequent.map(word).collect();
        let facts = self.facts.iter().filter(|fact| fact.of.iter().all(|of| words.contains(of)));
        let mut kept: Vec<u32> = facts.map(|fact| fact.hash).collect();
        kept.sort_unstable();
        kept.dedup();
        kept.into_iter().flat_map(u32::to_le_bytes).collect()
    }

    /// The rows that are always looked at.
    pub(super) fn left_out(&self) -> Option<&Rows> {
        (self.unclear.count() > 0).then_some(&self.unclear)
    }
}

/// What a block has told.
pub(super) struct Told {
    hashes: Vec<u32>,
    unclear: Option<Rows>,
    /// Of what is looked for, the words of which it tells.
    of: BTreeSet<String>,
}

impl Told {
    /// What it tells of some words; `None`: it was not full.
    pub(super) fn read<'w>(
        connection: &Connection,
        block: i64,
        words: impl Iterator<Item = &'w str>,
    ) -> Result<Option<Told>> {
        let mut read = connection.prepare_cached("SELECT rows FROM frequent WHERE block = ? AND word = ?")?;
        let mut rows = |word| read.query_row(params![block, word], |row| row.get::<_, Vec<u8>>(0)).optional();
        let Some(bytes) = rows(MADE)? else { return Ok(None) };
        let hashes = bytes.chunks_exact(4).map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]));
        let unclear = rows(UNCLEAR)?.map(|bytes| Rows::read(&bytes));
        let mut is_of = connection.prepare_cached("SELECT 1 FROM frequent WHERE block = ? AND word = ?")?;
        let mut of = BTreeSet::new();
        for word in words {
            if !of.contains(word) && is_of.exists(params![block, word])? {
                of.insert(word.to_owned());
            }
        }
        Ok(Some(Told { hashes: hashes.collect(), unclear, of }))
    }

    /// Whether it may be so somewhere: that is known of frequent words only.
    pub(super) fn may(&self, need: &Need) -> bool {
        !self.tells_of(need) || self.hashes.binary_search(&need.hash).is_ok()
    }

    /// Whether it is so somewhere; `None`: that is not known.
    pub(super) fn is(&self, need: &Need) -> Option<bool> {
        let is_known = self.unclear.is_none() && self.tells_of(need);
        is_known.then(|| self.hashes.binary_search(&need.hash).is_ok())
    }

    fn tells_of(&self, need: &Need) -> bool {
        need.of.iter().all(|word| self.of.contains(word))
    }

    /// Whether a row is looked at, whatever is told.
    pub(super) fn is_unclear(&self, at: usize) -> bool {
        self.unclear.as_ref().is_some_and(|rows| rows.has(at))
    }
}

const _: () = assert!(BLOCK <= u16::MAX as i64 + 1);

#[cfg(test)]
mod tests {
    use super::*;

    fn told(shape: Option<&str>, text: &str, frequent: &[&str]) -> Told {
        let mut own = Words::default();
        own.at(Column::Text).push_str(text);
        let mut seen = Seen::nothing();
        seen.add(3, 9, shape, &own);
        let kept = seen.kept(frequent.iter().copied());
        let hashes = kept.chunks_exact(4).map(|four| u32::from_le_bytes(four.try_into().unwrap())).collect();
        let of = frequent.iter().map(|word| (*word).to_owned()).collect();
        Told { hashes, unclear: seen.left_out().cloned(), of }
    }

    #[test]
    fn what_stands_side_by_side_and_at_the_edges_of_gaps_is_told_of_frequent_words() {
        let shape = format!("author {GAP} and {GAP}");
        let told = told(Some(&shape), &format!("Ada {GAP} 2026 05"), &["ada", "2026", "05", "06"]);
        for (need, expected) in [
            (Need::begins(9, 1, "ADA"), true),
            (Need::ends(9, 1, "ada"), true),
            (Need::begins(9, 2, "2026"), true),
            (Need::ends(9, 2, "05"), true),
            (Need::pair("2026", "05"), true),
            (Need::begins(9, 1, "2026"), false),
            (Need::begins(8, 2, "2026"), false),
            (Need::pair("ada", "2026"), false),
            (Need::pair("2026", "06"), false),
            // Nothing is known of a word that is not frequent.
            (Need::pair("2026", "07"), true),
            (Need::in_column(Column::Text, "05"), true),
            (Need::in_column(Column::Said, "05"), false),
        ] {
            assert_eq!(told.may(&need), expected, "{need:?}");
        }
        assert!(!told.is_unclear(3));
    }

    #[test]
    fn what_only_fts5_can_say_is_left_open() {
        assert!(told(None, "Ada naïve", &["ada"]).is_unclear(3));
        // Another text follows in the same run: the gaps are not those of the shape.
        assert!(told(Some(&format!("{GAP} a {GAP} b {GAP}")), &format!("1 {GAP} 2"), &["1"]).is_unclear(3));
        assert!(!told(None, &format!("1 {GAP} 2"), &["1"]).is_unclear(3));
    }
}
