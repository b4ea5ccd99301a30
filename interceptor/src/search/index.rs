//! The index in SQLite: words in FTS5, the places and figures of records in a table, sessions in another.
//!
//! Rows are numbered in the order of time as far as it was known when they were indexed, so that the newest come first without
//! sorting. What many records have in common is a profile, whose words stand in `facets` once; a record's own stand in `words`; which profile
//! each has lies side by side in `blocks`; which rows have an own word that is everywhere lies in `frequent`. Texts are not kept, only their words; what is shown comes from the segments.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use audit::RecordId;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior, params};

use super::entry::Column;
use super::place::Place;

mod back;
mod blocks;
mod fill;
mod find;
mod frequent;
mod near;
mod over;
mod own;
mod profiles;
mod series;

pub use fill::{Filled, Progress};

/// Raised when the tables change: an index of another version is made anew.
const VERSION: i64 = 4;
/// How long another process may write.
const PATIENCE: Duration = Duration::from_secs(60);
const HOUR_NS: u64 = 3_600_000_000_000;

const TABLES: &str = "
CREATE TABLE records(id INTEGER PRIMARY KEY, shard INTEGER, seq INTEGER, segment INTEGER, at INTEGER, time INTEGER,
  session INTEGER, rows INTEGER, bytes INTEGER, masked INTEGER, sensitive INTEGER, duration_ns INTEGER,
  out_seq INTEGER, out_segment INTEGER, out_at INTEGER);
CREATE UNIQUE INDEX by_name ON records(shard, seq);
CREATE INDEX by_session ON records(session) WHERE session IS NOT NULL;
CREATE TABLE hours(hour INTEGER PRIMARY KEY, first INTEGER, last INTEGER);
CREATE TABLE sessions(id INTEGER PRIMARY KEY, shard INTEGER, seq INTEGER, began INTEGER, last INTEGER, ended INTEGER,
  agent TEXT, database TEXT, user TEXT, statements INTEGER, refused INTEGER, rows INTEGER, masked INTEGER);
CREATE UNIQUE INDEX session_by_name ON sessions(shard, seq);
CREATE TABLE running(shard INTEGER, number INTEGER, session INTEGER, PRIMARY KEY(shard, number)) WITHOUT ROWID;
CREATE TABLE profiles(id INTEGER PRIMARY KEY, key BLOB, shape TEXT);
CREATE TABLE blocks(id INTEGER PRIMARY KEY, data BLOB);
";
/// What is a word.
pub(super) const TOKENS: &str = "tokenize=\"unicode61 remove_diacritics 2 tokenchars '_'\"";

/// The index of one record.
pub struct Index {
    connection: Connection,
    path: PathBuf,
    /// With their text, and in all.
    profiles_max: (usize, usize),
}

/// A record that was found, with the outcome of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    pub(super) record: Place,
    pub(super) outcome: Option<Place>,
    /// The record with which its session starts.
    pub session: Option<RecordId>,
}

/// One session, as far as it is indexed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The record with which it starts.
    pub id: RecordId,
    /// Nanoseconds since 1970.
    pub began_ns: u64,
    /// Of its last record.
    pub last_ns: u64,
    /// Its end is recorded.
    pub has_ended: bool,
    /// Whose.
    pub agent: String,
    /// The configured database.
    pub database: String,
    /// The role that it logged in as.
    pub user: String,
    /// How many were decided.
    pub statements: u64,
    /// How many of them did not go on.
    pub refused: u64,
    /// That passed.
    pub rows: u64,
    /// Values that were masked.
    pub masked: u64,
}

impl Hit {
    /// The record's name.
    pub fn id(&self) -> RecordId {
        self.record.id
    }
}

impl Index {
    /// Opens it, or makes an empty one: also in place of one that is damaged or of another version, since it is only derived.
    pub fn open(path: &Path) -> Result<Index> {
        // The words of statements are nobody else's to read.
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        options.open(path).with_context(|| format!("cannot make the index {}", path.display()))?;
        match Index::opened(path) {
            Ok(Some(index)) => Ok(index),
            Err(why) if !is_damage(&why) => {
                Err(why).with_context(|| format!("cannot open the index {}", path.display()))
            }
            Ok(None) | Err(_) => {
                Index::remove(path)?;
                options.open(path).with_context(|| format!("cannot make the index {}", path.display()))?;
                let made = Index::opened(path)
                    .with_context(|| format!("cannot make the index {}; is the disk full?", path.display()))?;
                made.with_context(|| format!("{} is made anew by somebody else", path.display()))
            }
        }
    }

    /// Removes it; the next search makes it anew.
    pub fn remove(path: &Path) -> Result<()> {
        for end in ["", "-wal", "-shm"] {
            let mut name = path.as_os_str().to_owned();
            name.push(end);
            match std::fs::remove_file(&name) {
                Err(why) if why.kind() != std::io::ErrorKind::NotFound => {
                    return Err(why).with_context(|| format!("cannot remove {}", PathBuf::from(name).display()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// `None`: of another version.
    fn opened(path: &Path) -> rusqlite::Result<Option<Index>> {
        let mut connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.busy_timeout(PATIENCE)?;
        // Else a statement is planned anew each time that it is asked for other rows.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY;",
        )?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        match transaction.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))? {
            0 => {
                transaction.execute_batch(TABLES)?;
                transaction.execute_batch(frequent::TABLES)?;
                transaction.execute_batch(series::TABLES)?;
                let columns: Vec<&str> = Column::ALL.iter().map(|column| column.name()).collect();
                // Numbers begin alike: what begins with a few signs is looked up and not added up (`frequent::BEGINNINGS`).
                for (table, prefixes) in [("facets", ""), ("words", ", prefix='1 2 3 4'")] {
                    transaction.execute_batch(&format!(
                        "CREATE VIRTUAL TABLE {table} USING fts5({}, content='', contentless_delete=1, {TOKENS}{prefixes});",
                        columns.join(", ")
                    ))?;
                }
                transaction.pragma_update(None, "user_version", VERSION)?;
            }
            VERSION => {}
            _ => return Ok(None),
        }
        transaction.commit()?;
        let profiles_max = (profiles::SHAPES_MAX, profiles::PROFILES_MAX);
        Ok(Some(Index { connection, path: path.to_owned(), profiles_max }))
    }

    /// Another bound.
    #[cfg(test)]
    pub(super) fn profiles_at_most(&mut self, shapes: usize, all: usize) {
        self.profiles_max = (shapes, all);
    }

    /// How many sets of frequent words there are.
    #[cfg(test)]
    pub(super) fn sets(&self) -> i64 {
        self.connection.query_row("SELECT count(*) FROM frequent WHERE word <> ''", [], |row| row.get(0)).unwrap()
    }

    /// Sessions with a record since then, newest first.
    pub fn sessions(&self, since_ns: u64, limit: usize) -> Result<Vec<Session>> {
        let mut statement = self.connection.prepare(
            "SELECT shard, seq, began, last, ended, agent, database, user, statements, refused, rows, masked
             FROM sessions WHERE last >= ? ORDER BY id DESC LIMIT ?",
        )?;
        let rows = statement.query_map(params![signed(since_ns), signed(limit as u64)], session)?;
        rows.collect::<rusqlite::Result<_>>().with_context(|| self.broken())
    }

    /// The session that starts with this record, or that this record belongs to.
    pub fn session(&self, of: RecordId) -> Result<Option<Session>> {
        let sql =
            "SELECT s.shard, s.seq, began, last, ended, agent, database, user, statements, refused, s.rows, s.masked
             FROM sessions s JOIN records r ON r.session = s.id WHERE r.shard = ? AND r.seq = ?";
        let found = self.connection.query_row(sql, params![of.shard, signed(of.seq)], session).optional();
        found.with_context(|| self.broken())
    }

    /// All records of a session, oldest first.
    pub fn records(&self, of: &Session, mut show: impl FnMut(Hit) -> Result<()>) -> Result<()> {
        let mut statement = self.connection.prepare(
            "SELECT r.shard, r.seq, r.segment, r.at, r.out_seq, r.out_segment, r.out_at, s.shard, s.seq
             FROM sessions s JOIN records r ON r.session = s.id WHERE s.shard = ? AND s.seq = ? ORDER BY r.id",
        )?;
        let rows = statement.query_map(params![of.id.shard, signed(of.id.seq)], hit)?;
        for row in rows {
            show(row.with_context(|| self.broken())?)?;
        }
        Ok(())
    }

    fn broken(&self) -> String {
        format!(
            "the index {} cannot be read: `interceptor sessions index --rebuild` makes it anew",
            self.path.display()
        )
    }
}

/// It is no index any more. A disk that is full or a lock that is held for long says nothing of that.
fn is_damage(why: &rusqlite::Error) -> bool {
    matches!(why.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// SQLite's integers are signed; what is beyond is as much as they hold.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn hit(row: &rusqlite::Row<'_>) -> rusqlite::Result<Hit> {
    let number = |at: usize| row.get::<_, Option<i64>>(at).map(|value| value.map(|value| value as u64));
    let shard: u16 = row.get(0)?;
    let need = |at: usize| row.get::<_, i64>(at).map(|value| value as u64);
    let record = Place { id: RecordId { shard, seq: need(1)? }, segment: need(2)?, at: need(3)? };
    let outcome = match (number(4)?, number(5)?, number(6)?) {
        (Some(seq), Some(segment), Some(at)) => Some(Place { id: RecordId { shard, seq }, segment, at }),
        _ => None,
    };
    let session = match (row.get::<_, Option<u16>>(7)?, number(8)?) {
        (Some(shard), Some(seq)) => Some(RecordId { shard, seq }),
        _ => None,
    };
    Ok(Hit { record, outcome, session })
}

fn session(row: &rusqlite::Row<'_>) -> rusqlite::Result<Session> {
    let number = |at: usize| row.get::<_, i64>(at).map(|value| value as u64);
    Ok(Session {
        id: RecordId { shard: row.get(0)?, seq: number(1)? },
        began_ns: number(2)?,
        last_ns: number(3)?,
        has_ended: row.get(4)?,
        agent: row.get(5)?,
        database: row.get(6)?,
        user: row.get(7)?,
        statements: number(8)?,
        refused: number(9)?,
        rows: number(10)?,
        masked: number(11)?,
    })
}

/// Which session a number of a shard means now.
type Running = HashMap<(u16, u64), i64>;
