//! What the rows of a block have among their own words: by sets where there are some, by FTS5 else.

use std::cell::OnceCell;
use std::collections::HashMap;

use anyhow::Result;
use rusqlite::{Connection, params};

use super::super::query::Bits;
use super::super::shape::is_word;
use super::blocks::{BLOCK, place};
use super::frequent::{self, BEGINNINGS, Key, Rows};

/// So few rows are asked one by one.
const FEW: usize = 16;
/// Of so few, the records themselves are asked for a phrase: that takes less than a walk over its words.
const READ: usize = if BLOCK < 128 { 8 } else { 128 };

/// Something that some record has among its own words.
#[derive(Clone, Debug)]
pub(super) struct Sought {
    pub(super) bits: Bits,
    /// As FTS5 reads it.
    pub(super) told: String,
    /// By which a set of it is found.
    pub(super) key: Option<Key>,
    /// Of a phrase that a record itself can tell, its number among what is looked for.
    pub(super) phrase: Option<usize>,
    /// Of what FTS5 puts together from many lists, whatever rows are asked for: the rows by block, asked once.
    once: Option<OnceCell<HashMap<i64, Rows>>>,
}

impl Sought {
    pub(super) fn new(bits: Bits, told: String, key: Option<Key>, phrase: Option<usize>) -> Sought {
        let once = is_merged(&told).then(OnceCell::new);
        Sought { bits, told, key, phrase, once }
    }
}

/// It ends with a beginning that FTS5 has no list of.
pub(super) fn is_merged(told: &str) -> bool {
    let word = |told: &str| told.chars().rev().take_while(|c| is_word(*c)).count();
    let told = told.strip_suffix("\" *").map(|told| told.trim_end_matches(|c| !is_word(c)));
    told.is_some_and(|told| !BEGINNINGS.contains(&word(told)))
}

/// The rows of a block that can be it, as far as is known.
pub(super) struct Sieve<'p> {
    connection: &'p Connection,
    block: i64,
    /// The row at place 0.
    begin: i64,
    /// Those that are left; `None`: all.
    pub(super) rows: Option<Rows>,
    /// What must be there and no set says.
    left: Vec<&'p Sought>,
    /// Phrases that must be there, as the records themselves must say.
    pub(super) unsure: Vec<usize>,
    /// From and to: of the whole search.
    all: (i64, i64),
}

impl<'p> Sieve<'p> {
    /// By the sets of what must be there; `None`: no row has all of it.
    pub(super) fn by_sets(
        connection: &'p Connection,
        block: i64,
        begin: i64,
        alone: &'p [Sought],
        all: (i64, i64),
    ) -> Result<Option<Sieve<'p>>> {
        let mut sieve = Sieve { connection, block, begin, rows: None, left: Vec::new(), unsure: Vec::new(), all };
        for sought in alone {
            let Some(set) = sieve.set(sought)? else {
                sieve.left.push(sought);
                continue;
            };
            match &mut sieve.rows {
                Some(rows) => rows.keep(&set),
                none => *none = Some(set),
            }
        }
        let is_empty = sieve.rows.as_ref().is_some_and(|rows| rows.count() == 0);
        Ok((!is_empty).then_some(sieve))
    }

    fn set(&self, sought: &Sought) -> Result<Option<Rows>> {
        let Some(once) = &sought.once else {
            return sought.key.as_ref().map_or(Ok(None), |key| frequent::rows(self.connection, self.block, key));
        };
        let known = match once.get() {
            Some(known) => known,
            None => {
                let mut known: HashMap<i64, Rows> = HashMap::new();
                self.each(&sought.told, self.all.0, self.all.1, |id| {
                    let (block, at) = place(id);
                    known.entry(block).or_insert_with(Rows::none).put(at);
                })?;
                once.get_or_init(|| known)
            }
        };
        Ok(Some(known.get(&self.block).cloned().unwrap_or_else(Rows::none)))
    }

    /// By FTS5, between two rows, where the sets do not say all; whether there are rows left. First the words, then phrases, which take a
    /// longer walk.
    pub(super) fn by_words(&mut self, from: i64, to: i64) -> Result<bool> {
        let (phrases, words): (Vec<&Sought>, Vec<&Sought>) =
            std::mem::take(&mut self.left).into_iter().partition(|sought| sought.phrase.is_some());
        if !self.by_fts5(&words, from, to)? {
            return Ok(false);
        }
        if self.rows.as_ref().is_some_and(|rows| rows.count() <= READ) {
            self.unsure.extend(phrases.iter().filter_map(|sought| sought.phrase));
            return Ok(true);
        }
        self.by_fts5(&phrases, from, to)
    }

    fn by_fts5(&mut self, sought: &[&Sought], from: i64, to: i64) -> Result<bool> {
        let told: Vec<String> = sought.iter().map(|sought| format!("({})", sought.told)).collect();
        let told = told.join(" AND ");
        if told.is_empty() {
            return Ok(true);
        }
        let mut rows = self.rows.take();
        if let Some(rows) = rows.as_mut().filter(|rows| rows.count() <= FEW) {
            let mut find = self.connection.prepare_cached("SELECT 1 FROM words WHERE words MATCH ? AND rowid = ?")?;
            for at in rows.all().collect::<Vec<_>>() {
                if !find.exists(params![told, self.begin + at as i64])? {
                    rows.drop(at);
                }
            }
        } else {
            let mut found = Rows::none();
            self.each(&told, from, to, |id| found.put((id - self.begin) as usize))?;
            match &mut rows {
                Some(rows) => rows.keep(&found),
                none => *none = Some(found),
            }
        }
        self.rows = rows;
        Ok(self.rows.as_ref().is_none_or(|rows| rows.count() > 0))
    }

    /// What else the rows between two have.
    pub(super) fn others(&self, others: &[Sought], from: i64, to: i64) -> Result<Others> {
        let mut known = Others::default();
        for sought in others {
            match self.set(sought)? {
                Some(set) => known.sets.push((sought.bits, set)),
                None => self.each(&sought.told, from, to, |id| {
                    *known.rows.entry((id - self.begin) as usize).or_default() |= sought.bits;
                })?,
            }
        }
        Ok(known)
    }

    fn each(&self, told: &str, from: i64, to: i64, mut see: impl FnMut(i64)) -> Result<()> {
        let mut find = self
            .connection
            .prepare_cached("SELECT rowid FROM words WHERE words MATCH ? AND rowid BETWEEN ? AND ? ORDER BY rowid")?;
        let mut rows = find.query(params![told, from, to])?;
        while let Some(row) = rows.next()? {
            see(row.get(0)?);
        }
        Ok(())
    }
}

/// What rows have that others have among what they share.
#[derive(Default)]
pub(super) struct Others {
    sets: Vec<(Bits, Rows)>,
    rows: HashMap<usize, Bits>,
}

impl Others {
    pub(super) fn of(&self, at: usize) -> Bits {
        let sets = self.sets.iter().filter(|(_, rows)| rows.has(at)).fold(Bits::MIN, |all, (bits, _)| all | bits);
        sets | self.rows.get(&at).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fts5_has_no_list_of() {
        for (told, expected) in [
            ("\"a\" *", false),
            ("\"sett\" *", false),
            ("text : \"settl\" *", true),
            ("\"settle\"", false),
            ("\"settl*\"", false),
            ("\"one se\" *", false),
            ("\"o settle\" *", true),
            ("\"settl%\" *", true),
        ] {
            assert_eq!(is_merged(told), expected, "{told}");
        }
    }
}
