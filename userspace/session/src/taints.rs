//! Columns into which values that must not leave were written: of all databases, for all shards, and over restarts.
//!
//! A statement that fills a column from a sensitive one goes on only when this is on disk; what is known here is therefore never less
//! than what the databases hold. It only grows: a statement that fails leaves its taint behind, and so does a table that was dropped.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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
        let schema = self.schema.is_empty() || relation.name.schema.as_ref() == Some(&self.schema);
        schema && self.table == relation.name.name && (self.column.is_empty() || self.column == column.name)
    }
}

/// Shared by all shards. Its lock is touched when something is added, and when a shard sees that something was.
#[derive(Debug, Default)]
pub struct Taints {
    generation: AtomicU64,
    known: Mutex<Arc<Vec<Tainted>>>,
}

impl Taints {
    /// What was remembered before.
    pub fn new(known: Vec<Tainted>) -> Taints {
        Taints { generation: AtomicU64::new(u64::from(!known.is_empty())), known: Mutex::new(Arc::new(known)) }
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
