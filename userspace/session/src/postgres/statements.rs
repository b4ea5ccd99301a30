//! Prepared statements, by the protocol and by SQL: one name space. A name may stand for several texts while the server has
//! not said which it took; whoever uses it waits where that matters.

use std::collections::HashMap;
use std::sync::Arc;

use wire::postgres::{Format, Formats};

use super::portals::Stamp;
use crate::Limits;
use crate::verdicts::Judged;

/// What made a text: the request, and which statement of it.
pub(super) type Made = (u64, usize);

/// One text that a name may stand for.
#[derive(Debug)]
pub(super) struct Version {
    pub(super) made: Made,
    /// If the server did not take it, it skips all that follows up to Sync (not so for PREPARE in a Query).
    sure_until_sync: bool,
    pub(super) judged: Arc<Judged>,
    /// What that verdict was taken under.
    pub(super) stamp: Stamp,
    /// Columns of its result that could not be masked in binary format, once it was described.
    no_binary: Box<[bool]>,
}

impl Version {
    /// Whether a result in these formats (none: text, one: for all columns) could not be masked.
    pub(super) fn is_unmaskable(&self, formats: &Formats<'_>) -> bool {
        let format = |at: usize| if formats.len() == 1 { formats.iter().next() } else { formats.iter().nth(at) };
        let mut columns = self.no_binary.iter().enumerate();
        columns.any(|(at, no_binary)| *no_binary && format(at) == Some(Format::Binary))
    }

    /// Whoever uses the name in a request after the last Sync (request `synced`) uses this text, or is skipped.
    pub(super) fn holds_since(&self, synced: Option<u64>) -> bool {
        self.sure_until_sync && synced.is_none_or(|synced| self.made.0 > synced)
    }
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
    pub(super) fn add(
        &mut self,
        name: &[u8],
        made: Made,
        sure_until_sync: bool,
        (judged, stamp): (&Arc<Judged>, Stamp),
    ) {
        self.count += 1;
        self.bytes += judged.bytes().len();
        let version = Version { made, sure_until_sync, judged: Arc::clone(judged), stamp, no_binary: Box::default() };
        if name.is_empty() {
            self.unnamed.push(version);
        } else if let Some(versions) = self.named.get_mut(name) {
            versions.push(version);
        } else {
            self.named.insert(name.into(), vec![version]);
        }
    }

    /// The result of the statement that alone has this name was described.
    pub(super) fn described(&mut self, name: &[u8], no_binary: impl FnOnce(&Arc<Judged>) -> Box<[bool]>) {
        let versions = if name.is_empty() { Some(&mut self.unnamed) } else { self.named.get_mut(name) };
        if let Some([version]) = versions.map(Vec::as_mut_slice) {
            version.no_binary = no_binary(&version.judged);
        }
    }

    /// The server took it: older texts of the name are gone.
    pub(super) fn confirm(&mut self, name: &[u8], made: Made) {
        self.retain(name, |version| version.made >= made);
    }

    /// The server did not take it.
    pub(super) fn undo(&mut self, name: &[u8], made: Made) {
        self.retain(name, |version| version.made != made);
    }

    /// Close or DEALLOCATE is done. A Query, and a Parse without a name, do it to the unnamed one before they look at their text
    /// (`drop_unnamed_stmt`, postgres.c).
    pub(super) fn close(&mut self, name: &[u8], made: Made) {
        self.retain(name, |version| version.made > made);
    }

    /// DEALLOCATE ALL or DISCARD ALL. The unnamed one is no part of it (`DropAllPreparedStatements` walks the named).
    pub(super) fn close_all(&mut self, made: Made) {
        let Statements { named, count, bytes, .. } = self;
        named.retain(|_, versions| {
            drop_where(versions, count, bytes, |version| version.made > made);
            !versions.is_empty()
        });
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
