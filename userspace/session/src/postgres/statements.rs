//! Prepared statements, by the protocol and by SQL: one name space. A name may stand for several texts while the server has
//! not said which it took; whoever uses it is judged by all of them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::Limits;
use crate::verdicts::Judged;

/// One text that a name may stand for.
#[derive(Debug)]
pub(super) struct Version {
    /// The request that made it.
    seq: u64,
    pub(super) judged: Arc<Judged>,
}

#[derive(Debug, Default)]
pub(super) struct Statements {
    named: HashMap<Box<[u8]>, Vec<Version>>,
    unnamed: Vec<Version>,
    count: usize,
    bytes: usize,
}

impl Statements {
    /// Whether one more of this length fits the bounds.
    pub(super) fn has_room(&self, len: usize, limits: &Limits) -> bool {
        self.count < limits.statements && self.bytes.saturating_add(len) <= limits.statements_bytes
    }

    /// Every text that the name may stand for now, the youngest last.
    pub(super) fn find(&self, name: &[u8]) -> &[Version] {
        if name.is_empty() { &self.unnamed } else { self.named.get(name).map_or(&[], Vec::as_slice) }
    }

    /// A request that makes `name` is on its way.
    pub(super) fn add(&mut self, name: &[u8], seq: u64, judged: &Arc<Judged>) {
        self.count += 1;
        self.bytes += judged.bytes().len();
        let version = Version { seq, judged: Arc::clone(judged) };
        if name.is_empty() {
            self.unnamed.push(version);
        } else if let Some(versions) = self.named.get_mut(name) {
            versions.push(version);
        } else {
            self.named.insert(name.into(), vec![version]);
        }
    }

    /// The server took it: older texts of the name are gone.
    pub(super) fn confirm(&mut self, name: &[u8], seq: u64) {
        self.retain(name, |version| version.seq >= seq);
    }

    /// The server did not take it.
    pub(super) fn undo(&mut self, name: &[u8], seq: u64) {
        self.retain(name, |version| version.seq != seq);
    }

    /// Close or DEALLOCATE, asked for by request `seq`, is done.
    pub(super) fn close(&mut self, name: &[u8], seq: u64) {
        self.retain(name, |version| version.seq > seq);
    }

    /// DEALLOCATE ALL or DISCARD ALL. The unnamed one is no part of it (`DropAllPreparedStatements` walks the named).
    pub(super) fn close_all(&mut self, seq: u64) {
        let Statements { named, count, bytes, .. } = self;
        named.retain(|_, versions| {
            drop_where(versions, count, bytes, |version| version.seq > seq);
            !versions.is_empty()
        });
    }

    /// A simple Query drops the unnamed statement (`drop_unnamed_stmt`, postgres.c).
    pub(super) fn drop_unnamed(&mut self) {
        self.retain(b"", |_| false);
    }

    pub(super) fn has_unnamed(&self) -> bool {
        !self.unnamed.is_empty()
    }

    fn retain(&mut self, name: &[u8], keep: impl Fn(&Version) -> bool) {
        let Statements { named, unnamed, count, bytes } = self;
        if name.is_empty() {
            drop_where(unnamed, count, bytes, keep);
            return;
        }
        let Some(versions) = named.get_mut(name) else { return };
        drop_where(versions, count, bytes, keep);
        if versions.is_empty() {
            named.remove(name);
        }
    }
}

fn drop_where(versions: &mut Vec<Version>, count: &mut usize, bytes: &mut usize, keep: impl Fn(&Version) -> bool) {
    versions.retain(|version| {
        let kept = keep(version);
        if !kept {
            *count -= 1;
            *bytes -= version.judged.bytes().len();
        }
        kept
    });
}
