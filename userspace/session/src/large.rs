//! Large texts are judged on another thread: a megabyte of an IN list takes as long as thousands of usual statements, and the shard's
//! other sessions would wait for it.

use std::fmt;
use std::sync::Arc;

use audit::token::CardKey;
use policy::Policy;

use crate::Database;
use crate::catalogs::Catalog;
use crate::verdicts::{Asked, Judged, judge};

/// Longer texts are judged aside.
pub(crate) const LARGE: usize = 16 << 10;

/// A text that is to be judged. Whoever does so answers by [`crate::Input::Judged`] with the same number.
pub struct JudgeAsk {
    /// Which question of the session.
    pub number: u64,
    /// The session that waits.
    pub session: u64,
    pub(crate) bytes: Box<[u8]>,
    pub(crate) latin1: bool,
    pub(crate) subject: Arc<policy::Subject>,
    pub(crate) database: Arc<Database>,
    pub(crate) schemas: Arc<[String]>,
    pub(crate) sure: bool,
    pub(crate) temporary_at: usize,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) wall_s: i64,
    pub(crate) limit: usize,
    pub(crate) card_key: Arc<CardKey>,
}

impl JudgeAsk {
    /// The verdict. Takes long; the thread needs as much stack as a shard's.
    pub fn judge(&self) -> LargeVerdict {
        let asked = Asked {
            bytes: &self.bytes,
            latin1: self.latin1,
            subject: &self.subject,
            database: &self.database.name,
            schemas: &self.schemas,
            sure: self.sure,
            temporary_at: self.temporary_at,
            catalog: &self.catalog,
            wall_s: self.wall_s,
            limit: self.limit,
            card_key: Some(&self.card_key),
            estimated_rows: None,
        };
        LargeVerdict { judged: Arc::new(judge(&self.policy, &asked)), policy: Arc::clone(&self.policy) }
    }
}

impl fmt::Debug for JudgeAsk {
    /// No word of the statement.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let JudgeAsk { number, session, bytes, .. } = self;
        f.debug_struct("JudgeAsk")
            .field("number", number)
            .field("session", session)
            .field("bytes", &bytes.len())
            .finish()
    }
}

/// What a large text comes to.
pub struct LargeVerdict {
    pub(crate) judged: Arc<Judged>,
    pub(crate) policy: Arc<Policy>,
}

impl fmt::Debug for LargeVerdict {
    /// No word of the statement.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LargeVerdict").finish_non_exhaustive()
    }
}
