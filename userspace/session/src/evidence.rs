//! What the values of each table's column look like: how many passed, and in how many of them a card was found by content.
//!
//! Written by one shard alone and read by anyone, each figure for itself (relaxed): no lock on the way of a value. A column that is plainly
//! cards while no rule names it is a finding, once. Nothing here ever changes how a value is masked: an agent can choose the first values
//! that anyone sees.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The most columns that one shard keeps count of; those beyond are counted as such.
pub const COLUMNS_MAX: usize = 4096;
/// Slots get memory so many at a time.
const CHUNK: usize = 64;
/// Columns whose names are asked for with one question.
const NAMES_MAX: usize = 32;

/// A column is plainly cards with so many hits in so many first values,
const EARLY: (u64, u64) = (8, 16);
/// or with a card in at least half of so many and more.
const LATER: u64 = 64;

/// The endpoint and the database in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The configured name.
    pub endpoint: String,
    /// The database named at startup.
    pub dbname: String,
}

/// A column's name, as the catalog has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnName {
    /// Schema.
    pub schema: String,
    /// Table.
    pub table: String,
    /// Column.
    pub column: String,
}

/// One column at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenColumn {
    /// Where.
    pub place: Arc<Place>,
    /// The table's OID.
    pub table: u32,
    /// The attribute's number.
    pub attribute: i16,
    /// Its name, once the catalog was asked.
    pub name: Option<ColumnName>,
    /// Values that are not null.
    pub values: u64,
    /// Of them, those with a card by content.
    pub hits: u64,
    /// When the first and the last result with it was described, seconds since 1970.
    pub window_s: (u64, u64),
    /// It raised a finding.
    pub found: bool,
}

impl fmt::Display for SeenColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(ColumnName { schema, table, column }) => write!(f, "{schema}.{table}.{column}"),
            None => write!(f, "column {} of the table with OID {}", self.attribute, self.table),
        }
    }
}

#[derive(Default)]
struct Slot {
    place: OnceLock<Arc<Place>>,
    table: AtomicU32,
    attribute: AtomicU32,
    values: AtomicU64,
    hits: AtomicU64,
    first_s: AtomicU64,
    last_s: AtomicU64,
    /// [`QUIET`], [`CROSSED`] or [`FOUND`].
    state: AtomicU32,
    name: OnceLock<ColumnName>,
}

const QUIET: u32 = 0;
/// Plainly cards, and not written down yet.
const CROSSED: u32 = 1;
const FOUND: u32 = 2;

/// Columns that raised a finding on any shard of the process. Touched when a shard is about to raise one, so once per column and shard.
#[derive(Debug, Default)]
pub struct Raised(Mutex<HashSet<(Place, u32, i16)>>);

impl Raised {
    /// True for the first who asks.
    fn first(&self, place: &Place, table: u32, attribute: i16) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert((place.clone(), table, attribute))
    }
}

/// The columns of one shard.
pub struct Evidence {
    chunks: [OnceLock<Box<[Slot]>>; COLUMNS_MAX / CHUNK],
    len: AtomicU32,
    overflow: AtomicU64,
    crossed: AtomicU32,
    found: AtomicU32,
    raised: Arc<Raised>,
}

impl Default for Evidence {
    fn default() -> Evidence {
        Evidence::new(Arc::default())
    }
}

impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Evidence({} columns)", self.len.load(Relaxed))
    }
}

impl Evidence {
    /// Empty; what it finds is raised once for all that share `raised`.
    pub fn new(raised: Arc<Raised>) -> Evidence {
        Evidence {
            chunks: [const { OnceLock::new() }; COLUMNS_MAX / CHUNK],
            len: AtomicU32::new(0),
            overflow: AtomicU64::new(0),
            crossed: AtomicU32::new(0),
            found: AtomicU32::new(0),
            raised,
        }
    }

    /// One value has passed. By the shard alone, so a load and a store are enough.
    pub(crate) fn count(&self, slot: u32, hit: bool) {
        let Some(slot) = self.slot(slot) else { return };
        let values = slot.values.load(Relaxed) + 1;
        slot.values.store(values, Relaxed);
        let hits = slot.hits.load(Relaxed) + u64::from(hit);
        if hit {
            slot.hits.store(hits, Relaxed);
        }
        if (hit || values == LATER) && slot.state.load(Relaxed) == QUIET && is_plainly_cards(values, hits) {
            self.cross(slot);
        }
    }

    /// So many values without a card have passed: the same as one after the other.
    pub(crate) fn count_clean(&self, slot: u32, values: u64) {
        let Some(slot) = self.slot(slot) else { return };
        let before = slot.values.load(Relaxed);
        slot.values.store(before + values, Relaxed);
        let reaches = before < LATER && before + values >= LATER;
        if reaches && slot.state.load(Relaxed) == QUIET && is_plainly_cards(LATER, slot.hits.load(Relaxed)) {
            self.cross(slot);
        }
    }

    /// Whether the column is known to be plainly cards: whatever comes, counting it is adding.
    pub(crate) fn is_told(&self, slot: u32) -> bool {
        self.slot(slot).is_some_and(|slot| slot.state.load(Relaxed) != QUIET)
    }

    /// So many values have passed, with a card in so many of them only if the column is told of.
    pub(crate) fn count_many(&self, slot: u32, values: u64, hits: u64) {
        if hits == 0 {
            return self.count_clean(slot, values);
        }
        if let Some(slot) = self.slot(slot) {
            slot.values.store(slot.values.load(Relaxed) + values, Relaxed);
            slot.hits.store(slot.hits.load(Relaxed) + hits, Relaxed);
        }
    }

    fn cross(&self, slot: &Slot) {
        slot.state.store(CROSSED, Relaxed);
        self.crossed.store(self.crossed.load(Relaxed) + 1, Relaxed);
    }

    /// How many columns have become plainly cards and were not taken yet.
    pub(crate) fn crossed(&self) -> u32 {
        self.crossed.load(Relaxed)
    }

    /// At most so many of them; those that another shard has told of are not told again.
    pub(crate) fn take_crossed(&self, most: u32) -> Vec<SeenColumn> {
        self.crossed.store(self.crossed().saturating_sub(most), Relaxed);
        let mut told = Vec::new();
        for slot in self.slots().filter(|slot| slot.state.load(Relaxed) == CROSSED).take(most as usize) {
            slot.state.store(FOUND, Relaxed);
            self.found.store(self.found.load(Relaxed) + 1, Relaxed);
            told.extend(slot.seen().filter(|seen| self.raised.first(&seen.place, seen.table, seen.attribute)));
        }
        told
    }

    /// Every column; by any thread.
    pub fn columns(&self) -> Vec<SeenColumn> {
        self.slots().filter_map(Slot::seen).collect()
    }

    /// Times that a column found no place any more.
    pub fn overflow(&self) -> u64 {
        self.overflow.load(Relaxed)
    }

    /// How many findings were raised: changes when there is a new one.
    pub fn findings(&self) -> u32 {
        self.found.load(Relaxed)
    }

    fn slot(&self, at: u32) -> Option<&Slot> {
        let at = at as usize;
        self.chunks.get(at / CHUNK)?.get()?.get(at % CHUNK)
    }

    fn slots(&self) -> impl Iterator<Item = &Slot> {
        (0..self.len.load(std::sync::atomic::Ordering::Acquire)).filter_map(|at| self.slot(at))
    }
}

impl Slot {
    fn seen(&self) -> Option<SeenColumn> {
        Some(SeenColumn {
            place: Arc::clone(self.place.get()?),
            table: self.table.load(Relaxed),
            attribute: number(self.attribute.load(Relaxed)),
            name: self.name.get().cloned(),
            values: self.values.load(Relaxed),
            hits: self.hits.load(Relaxed),
            window_s: (self.first_s.load(Relaxed), self.last_s.load(Relaxed)),
            found: self.state.load(Relaxed) == FOUND,
        })
    }
}

/// An attribute's number has the low half of its place.
fn number(attribute: u32) -> i16 {
    (attribute as u16).cast_signed()
}

fn is_plainly_cards(values: u64, hits: u64) -> bool {
    let (enough, early) = EARLY;
    (values <= early && hits >= enough) || (values >= LATER && 2 * hits >= values)
}

/// A place's number (below [`PLACES_MAX`]), a table's OID and an attribute's number in one.
fn key(place: u32, table: u32, attribute: i16) -> u64 {
    u64::from(place) << 48 | u64::from(table) << 16 | u64::from(attribute.cast_unsigned())
}

fn parts(key: u64) -> (u32, u32, i16) {
    ((key >> 48) as u32, (key >> 16) as u32, (key as u16).cast_signed())
}

/// Spreads a [`key`] by one product. Its parts are the database's own numbers, and there are few of them: none chooses them to collide.
#[derive(Debug, Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(self.0 << 8 ^ u64::from(*byte)));
    }

    fn write_u64(&mut self, key: u64) {
        let product = u128::from(key) * 0x9E37_79B9_7F4A_7C15;
        self.0 = product as u64 ^ (product >> 64) as u64;
    }
}

/// The shard's own way to its slots.
#[derive(Debug, Default)]
pub(crate) struct Index {
    evidence: Arc<Evidence>,
    places: Vec<Arc<Place>>,
    slots: HashMap<u64, u32, BuildHasherDefault<Mixed>>,
    /// Slots whose name was asked for.
    asked: HashSet<u32>,
}

/// Places remembered; sessions of further ones are not counted.
const PLACES_MAX: usize = 1024;

impl Index {
    pub(crate) fn new(evidence: Arc<Evidence>) -> Index {
        Index { evidence, ..Index::default() }
    }

    pub(crate) fn evidence(&self) -> &Arc<Evidence> {
        &self.evidence
    }

    /// The number of a place; at login.
    pub(crate) fn place(&mut self, endpoint: &str, dbname: &str) -> Option<u32> {
        let known = self.places.iter().position(|place| place.endpoint == endpoint && place.dbname == dbname);
        if let Some(at) = known {
            return u32::try_from(at).ok();
        }
        let at = Some(self.places.len()).filter(|at| *at < PLACES_MAX)?;
        self.places.push(Arc::new(Place { endpoint: endpoint.to_owned(), dbname: dbname.to_owned() }));
        u32::try_from(at).ok()
    }

    /// The slot of a column whose result is described now. None: it is not one of a table, or there is no place for it.
    pub(crate) fn describe(&mut self, place: Option<u32>, table: u32, attribute: i16, now_s: u64) -> Option<u32> {
        let place = place.filter(|_| table != 0 && attribute > 0)?;
        let at = match self.slots.get(&key(place, table, attribute)) {
            Some(&at) => at,
            None => self.open(place, table, attribute, now_s)?,
        };
        self.evidence.slot(at)?.last_s.store(now_s, Relaxed);
        Some(at)
    }

    fn open(&mut self, place: u32, table: u32, attribute: i16, now_s: u64) -> Option<u32> {
        let evidence = &self.evidence;
        let at = evidence.len.load(Relaxed);
        let Some(chunk) = evidence.chunks.get(at as usize / CHUNK) else {
            evidence.overflow.store(evidence.overflow.load(Relaxed) + 1, Relaxed);
            return None;
        };
        let slot = chunk.get_or_init(|| (0..CHUNK).map(|_| Slot::default()).collect()).get(at as usize % CHUNK)?;
        slot.table.store(table, Relaxed);
        slot.attribute.store(u32::from(attribute.cast_unsigned()), Relaxed);
        slot.first_s.store(now_s, Relaxed);
        let _ = slot.place.set(Arc::clone(self.places.get(place as usize)?));
        evidence.len.store(at + 1, std::sync::atomic::Ordering::Release);
        self.slots.insert(key(place, table, attribute), at);
        Some(at)
    }

    /// Columns of the place that have had a card and no name yet; each is told once.
    pub(crate) fn unnamed(&mut self, place: Option<u32>) -> Vec<(u32, i16)> {
        let Some(place) = place else { return Vec::new() };
        let mut wanted = Vec::new();
        for (&key, &at) in &self.slots {
            let (of, table, attribute) = parts(key);
            let Some(slot) = self.evidence.slot(at).filter(|_| of == place && wanted.len() < NAMES_MAX) else {
                continue;
            };
            if slot.hits.load(Relaxed) > 0 && slot.name.get().is_none() && self.asked.insert(at) {
                wanted.push((table, attribute));
            }
        }
        wanted
    }

    /// What the catalog says that a column is called.
    pub(crate) fn name(&mut self, place: Option<u32>, table: u32, attribute: i16, name: ColumnName) {
        if let Some(slot) =
            place.and_then(|place| self.slots.get(&key(place, table, attribute))).and_then(|&at| self.evidence.slot(at))
        {
            let _ = slot.name.set(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(columns: i16) -> Index {
        let mut index = Index::default();
        let place = index.place("payments", "app");
        for column in 1..=columns {
            assert_eq!(index.describe(place, 16_400, column, 5), Some(column as u32 - 1));
        }
        index
    }

    fn after(values: impl IntoIterator<Item = bool>) -> usize {
        let index = with(1);
        values.into_iter().for_each(|hit| index.evidence.count(0, hit));
        index.evidence.take_crossed(u32::MAX).len()
    }

    #[test]
    fn what_is_plainly_cards() {
        assert_eq!(after([true; 7]), 0);
        assert_eq!(after([true; 8]), 1);
        assert_eq!(after((0..16).map(|n| n % 2 == 0)), 1, "half of the first sixteen");
        assert_eq!(after((0..63).map(|n| n >= 20)), 0, "not early, and not enough yet");
        assert_eq!(after((0..64).map(|n| n >= 20)), 1);
        assert_eq!(after((0..10_000).map(|n| n > 16 && n % 3 == 0)), 0);
    }

    #[test]
    fn many_clean_values_count_as_one_after_the_other() {
        for (hits, clean) in [(20, 40), (32, 31), (32, 32), (40, 500), (31, 33), (70, 0)] {
            let counted = |at_once: bool| {
                let index = with(1);
                // Not plainly cards in the first values.
                (0..9).for_each(|_| index.evidence.count(0, false));
                (0..hits).for_each(|_| index.evidence.count(0, true));
                let before = index.evidence.crossed();
                if at_once {
                    index.evidence.count_clean(0, clean);
                } else {
                    (0..clean).for_each(|_| index.evidence.count(0, false));
                }
                let seen = &index.evidence.columns()[0];
                (before, seen.values, seen.hits, index.evidence.take_crossed(u32::MAX).len())
            };
            assert_eq!(counted(true), counted(false), "{hits} hits, {clean} clean");
        }
    }

    #[test]
    fn a_finding_is_raised_once_by_all_shards() {
        let raised = Arc::new(Raised::default());
        let mut told = 0;
        for _ in 0..2 {
            let mut index = Index::new(Arc::new(Evidence::new(Arc::clone(&raised))));
            let place = index.place("payments", "app");
            let slot = index.describe(place, 16_400, 1, 5).unwrap();
            for _ in 0..20 {
                index.evidence.count(slot, true);
                told += index.evidence.take_crossed(u32::MAX).len();
            }
            assert!(index.evidence.columns()[0].found);
            assert_eq!(index.evidence.findings(), 1);
        }
        assert_eq!(told, 1);
    }

    #[test]
    fn more_columns_than_there_is_room_for_are_counted() {
        let mut index = with(COLUMNS_MAX as i16);
        let place = index.place("payments", "app");
        assert_eq!(index.describe(place, 16_401, 1, 6), None);
        assert_eq!(index.evidence.overflow(), 1);
        assert_eq!(index.describe(place, 16_400, 7, 9), Some(6), "the known ones are");
        assert_eq!(index.evidence.columns()[6].window_s, (5, 9));
        assert_eq!(index.describe(place, 0, 0, 6), None, "an expression");
        assert_eq!(index.describe(None, 16_400, 7, 6), None);
    }

    #[test]
    fn names_are_asked_for_once_and_only_of_columns_with_a_card() {
        let mut index = with(2);
        let place = index.place("payments", "app");
        assert_eq!(index.unnamed(place), []);
        index.evidence.count(1, true);
        assert_eq!(index.unnamed(place), [(16_400, 2)]);
        assert_eq!(index.unnamed(place), []);
        let name = ColumnName { schema: "public".into(), table: "t".into(), column: "c".into() };
        index.name(place, 16_400, 2, name.clone());
        assert_eq!(index.evidence.columns()[1].name, Some(name));
    }
}
