//! Profiles: what many records have in common, kept once. A record has one number for all of it.
//!
//! There are few of them, so a search looks through all. Where there would be too many (no statement is like another), new ones are
//! kept without their text, and then not at all: such records have their words for themselves, and are found as well, at more cost.

use std::collections::HashMap;

use anyhow::Result;
use rusqlite::{Connection, Transaction, params_from_iter};
use sha2::{Digest, Sha256};

use super::super::entry::{Column, Entry, Words};

/// Of a record that shares nothing.
pub(super) const NONE: u16 = 0;
/// Of a row whose record is not there any more; no search finds it.
pub(super) const GONE: u16 = u16::MAX;
const _: () = assert!(PROFILES_MAX < GONE as usize);
/// So many at most have their text.
pub(super) const SHAPES_MAX: usize = 16_384;
/// So many there are at most.
pub(super) const PROFILES_MAX: usize = 32_768;

type Key = [u8; 16];

/// The numbers of all profiles.
#[derive(Debug)]
pub(super) struct Profiles {
    known: HashMap<Key, u16>,
    shapes_max: usize,
    all_max: usize,
}

impl Profiles {
    /// At most so many with their text, and so many in all.
    pub(super) fn load(connection: &Connection, (shapes_max, all_max): (usize, usize)) -> Result<Profiles> {
        let mut statement = connection.prepare("SELECT key, id FROM profiles")?;
        let known = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
        Ok(Profiles { known, shapes_max, all_max })
    }

    /// The profile of a record. What it does not cover is moved to the record's own words.
    pub(super) fn of(&mut self, transaction: &Transaction<'_>, entry: &mut Entry) -> Result<u16> {
        entry.mark();
        if let Some(profile) = self.number(transaction, &entry.words, self.shapes_max)? {
            return Ok(profile);
        }
        // In its own order, so that a phrase of it is found there.
        entry.words.at(Column::Text).clear();
        entry.own.at(Column::Text).clone_from(&entry.text);
        if let Some(profile) = self.number(transaction, &entry.words, self.all_max)? {
            return Ok(profile);
        }
        for column in Column::ALL {
            entry.own.take(column, &mut entry.words);
        }
        Ok(NONE)
    }

    fn number(&mut self, transaction: &Transaction<'_>, words: &Words, at_most: usize) -> Result<Option<u16>> {
        let key = key(words);
        if let Some(profile) = self.known.get(&key) {
            return Ok(Some(*profile));
        }
        if self.known.len() >= at_most {
            return Ok(None);
        }
        let Ok(profile) = u16::try_from(self.known.len() + 1) else { return Ok(None) };
        let shape = Some(words.of(Column::Text)).filter(|shape| !shape.is_empty());
        transaction.prepare_cached("INSERT INTO profiles VALUES (?, ?, ?)")?.execute((profile, key, shape))?;
        tell(transaction, "facets", i64::from(profile), words)?;
        self.known.insert(key, profile);
        Ok(Some(profile))
    }
}

/// The shapes of the profiles that have one.
pub(super) fn shapes(connection: &Connection) -> Result<HashMap<usize, String>> {
    let mut statement = connection.prepare_cached("SELECT id, shape FROM profiles WHERE shape IS NOT NULL")?;
    let shapes = statement.query_map([], |row| Ok((row.get::<_, i64>(0)? as usize, row.get(1)?)))?;
    Ok(shapes.collect::<rusqlite::Result<_>>()?)
}

/// Nobody can make two that differ and have one key.
fn key(words: &Words) -> Key {
    let mut hash = Sha256::new();
    for column in &words.0 {
        hash.update((column.len() as u64).to_le_bytes());
        hash.update(column);
    }
    let mut key = Key::default();
    key.copy_from_slice(&hash.finalize()[..16]);
    key
}

/// Puts words into a table of words, in place of what was under this number.
pub(super) fn tell(transaction: &Transaction<'_>, table: &str, id: i64, words: &Words) -> Result<()> {
    let names: Vec<&str> = Column::ALL.iter().map(|column| column.name()).collect();
    let sql = format!(
        "INSERT OR REPLACE INTO {table}(rowid, {}) VALUES (?{})",
        names.join(", "),
        ", ?".repeat(Column::COUNT)
    );
    let values = std::iter::once(rusqlite::types::Value::from(id))
        .chain(words.0.iter().map(|words| rusqlite::types::Value::from(words.clone())));
    transaction.prepare_cached(&sql)?.execute(params_from_iter(values))?;
    Ok(())
}
