//! Columns into which values that must not leave were written: of all databases, for all shards, and over restarts.
//!
//! A statement that fills a column from a sensitive one goes on only when this is on disk; what is known here is therefore never less
//! than what the databases hold. It only grows: a statement that fails leaves its taint behind, and so does a table that was dropped.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most that is remembered; a statement that would add more is refused.
pub const TAINTS_MAX: usize = 16_384;

/// One column, or all of a relation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tainted {
    /// The configured name of the database's endpoint.
    pub endpoint: String,
    /// The database in it.
    pub dbname: String,
    /// The relation's schema; empty: it could not be told, so any.
    pub schema: String,
    /// The relation.
    pub table: String,
    /// The column; empty: all.
    pub column: String,
    /// Its `pg_class.oid` and `attnum` once they are known (0: not yet): they stay when it is renamed.
    pub id: (u32, i16),
}

impl Tainted {
    pub(crate) fn is_of(&self, endpoint: &str, dbname: &str) -> bool {
        self.endpoint == endpoint && self.dbname == dbname
    }

    /// Does it mean this column of this relation?
    pub(crate) fn is(&self, relation: &sql::Relation, column: &sql::Column) -> bool {
        if self.id.0 != 0 && self.id.0 == relation.oid {
            return self.id.1 == 0 || self.id.1 == column.number;
        }
        let schema = self.schema.is_empty() || relation.name.is_in(&self.schema);
        schema && relation.name.name == self.table && (self.column.is_empty() || self.column == column.name)
    }
}

/// Shared by all shards. Its locks are touched when something is added, and when a shard sees that something was.
#[derive(Debug, Default)]
pub struct Taints {
    generation: AtomicU64,
    known: Mutex<Arc<Vec<Tainted>>>,
    /// By endpoint and database.
    changes: Mutex<HashMap<(String, String), Arc<Changes>>>,
}

/// What the agents' statements have changed of one database's objects: a catalog that was asked for before is too old.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    count: AtomicU64,
    recent: Mutex<Recent>,
    /// What transactions that are open have changed, and nobody else sees yet: a statement that waits for them meets it all the same.
    open: Mutex<Vec<Changed>>,
}

/// The bare name of an object; `None`: it cannot be told.
type Changed = Option<String>;

/// What one open transaction changes. When it ends, however it does, others may see it.
#[derive(Debug)]
pub(crate) struct Changing {
    changes: Arc<Changes>,
    changed: Vec<Changed>,
}

impl Changing {
    pub(crate) fn new(changes: Arc<Changes>) -> Changing {
        Changing { changes, changed: Vec::new() }
    }

    /// These are changed from now on; `None`: what is cannot be told.
    pub(crate) fn add(&mut self, names: Option<&[String]>) {
        let names: Vec<Changed> = names.map_or(vec![None], |names| names.iter().cloned().map(Some).collect());
        let new: Vec<Changed> = names.into_iter().filter(|name| !self.changed.contains(name)).collect();
        self.changes.open().extend(new.iter().cloned());
        self.changed.extend(new);
    }
}

impl Drop for Changing {
    fn drop(&mut self) {
        let told: Option<Vec<String>> = self.changed.iter().cloned().collect();
        self.changes.add(told.as_deref());
        let mut open = self.changes.open();
        for changed in &self.changed {
            if let Some(at) = open.iter().position(|one| one == changed) {
                open.swap_remove(at);
            }
        }
    }
}

#[derive(Debug, Default)]
struct Recent {
    /// The bare name of an object, and the count with which it was changed; the youngest last.
    names: VecDeque<(u64, String)>,
    /// Up to this count it cannot be told what was changed.
    unknown_to: u64,
}

/// Names that are remembered.
const RECENT_MAX: usize = 1024;

impl Changes {
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// These were changed; `None`: what was cannot be told.
    pub(crate) fn add(&self, names: Option<&[String]>) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let count = self.count() + 1;
        match names {
            None => recent.unknown_to = count,
            Some(names) => recent.names.extend(names.iter().map(|name| (count, name.clone()))),
        }
        while recent.names.len() > RECENT_MAX {
            if let Some((count, _)) = recent.names.pop_front() {
                recent.unknown_to = recent.unknown_to.max(count);
            }
        }
        self.count.store(count, Ordering::Release);
    }

    fn open(&self) -> MutexGuard<'_, Vec<Changed>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an open transaction has changed an object for which `uses` holds, or may have.
    pub(crate) fn is_changing(&self, mut uses: impl FnMut(&str) -> bool) -> bool {
        self.open().iter().any(|changed| changed.as_deref().is_none_or(&mut uses))
    }

    /// Whether any object for which `uses` holds was changed since, or may have been.
    pub(crate) fn since(&self, count: u64, mut uses: impl FnMut(&str) -> bool) -> bool {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.unknown_to > count || recent.names.iter().any(|(at, name)| *at > count && uses(name))
    }
}

impl Taints {
    /// What was remembered before.
    pub fn new(known: Vec<Tainted>) -> Taints {
        Taints {
            generation: AtomicU64::new(u64::from(!known.is_empty())),
            known: Mutex::new(Arc::new(known)),
            changes: Mutex::default(),
        }
    }

    /// What is changed in this database.
    pub(crate) fn changes(&self, endpoint: &str, dbname: &str) -> Arc<Changes> {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(changes.entry((endpoint.to_owned(), dbname.to_owned())).or_default())
    }

    /// Changes whenever something is added.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// All of it, and as of which generation.
    pub fn snapshot(&self) -> (Arc<Vec<Tainted>>, u64) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        (Arc::clone(&known), self.generation())
    }

    pub(crate) fn has(&self, endpoint: &str, dbname: &str) -> bool {
        self.snapshot().0.iter().any(|one| one.is_of(endpoint, dbname))
    }

    pub(crate) fn has_room(&self, count: usize) -> bool {
        count == 0 || self.snapshot().0.len() + count <= TAINTS_MAX
    }

    /// Adds what is new; says which it was. `None`: there is no room for it, and nothing was added.
    pub fn add(&self, wanted: Vec<Tainted>) -> Option<Vec<Tainted>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut new: Vec<Tainted> = Vec::new();
        for one in wanted {
            if !known.contains(&one) && !new.contains(&one) {
                new.push(one);
            }
        }
        if known.len() + new.len() > TAINTS_MAX {
            return None;
        }
        if !new.is_empty() {
            Arc::make_mut(&mut known).extend(new.iter().cloned());
            self.generation.fetch_add(1, Ordering::Release);
        }
        Some(new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_since() {
        let changes = Changes::default();
        changes.add(Some(&["t".to_owned()]));
        let asked = changes.count();
        assert!(!changes.since(asked, |_| true));
        changes.add(Some(&["v".to_owned(), "w".to_owned()]));
        assert!(changes.since(asked, |name| name == "w") && !changes.since(asked, |name| name == "t"));
        let asked = changes.count();
        changes.add(None);
        assert!(changes.since(asked, |_| false), "anything may be");
    }

    #[test]
    fn what_is_being_changed_until_it_ends() {
        let changes = Arc::new(Changes::default());
        let (mut one, mut other) = (Changing::new(Arc::clone(&changes)), Changing::new(Arc::clone(&changes)));
        one.add(Some(&["t".to_owned()]));
        other.add(Some(&["t".to_owned(), "v".to_owned()]));
        drop(one);
        assert!(changes.is_changing(|name| name == "t") && !changes.is_changing(|name| name == "w"));
        other.add(None);
        assert!(changes.is_changing(|name| name == "w"), "anything may be");
        let asked = changes.count();
        drop(other);
        assert!(!changes.is_changing(|_| true) && changes.since(asked, |_| false));
    }

    #[test]
    fn what_is_forgotten_may_be_anything() {
        let changes = Changes::default();
        for number in 0..=RECENT_MAX {
            changes.add(Some(&[number.to_string()]));
        }
        assert!(changes.since(0, |_| false));
        assert!(!changes.since(1, |_| false));
    }
}
