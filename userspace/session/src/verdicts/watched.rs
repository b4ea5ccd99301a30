//! Which statements touch a sensitive column, by the names that they mention.

use policy::{Policy, Sensitive};
use sql::{ColumnRef, Kind, Statement, Word, matches};

use super::has_table;

/// The sensitive columns of a database, as policy calls them.
pub(super) struct Watched<'a> {
    policy: &'a Policy,
    database: &'a str,
    /// Bits of the letters with which their names begin: most columns begin as none of them does.
    beginnings: [u64; 4],
    /// Some name is a pattern.
    has_stars: bool,
}

impl<'a> Watched<'a> {
    pub(super) fn of(policy: &'a Policy, database: &'a str) -> Watched<'a> {
        let (mut beginnings, mut has_stars) = ([0; 4], false);
        for pattern in policy.sensitive(database).map(|sensitive| &sensitive.column) {
            has_stars |= pattern.bytes().any(|byte| byte == b'*');
            match pattern.as_bytes().first() {
                None | Some(b'*') => beginnings = [u64::MAX; 4],
                Some(first) => beginnings[usize::from(*first >> 6)] |= 1 << (first & 63),
            }
        }
        Watched { policy, database, beginnings, has_stars }
    }

    /// Those of a kind.
    pub(super) fn of_kind(&self, which: fn(&Sensitive) -> bool) -> impl Iterator<Item = &'a Sensitive> + use<'a> {
        self.policy.sensitive(self.database).filter(move |sensitive| which(sensitive))
    }

    fn may_be(&self, name: &Word) -> bool {
        match name.bytes().first() {
            Some(first) => self.beginnings[usize::from(*first >> 6)] & 1 << (first & 63) != 0,
            None => self.beginnings == [u64::MAX; 4],
        }
    }

    /// Those of a kind: by name, or, where something may hide, because it cannot be told which columns are meant.
    pub(super) fn touched_by(&self, statement: &Statement, which: fn(&Sensitive) -> bool, may_hide: bool) -> bool {
        if self.of_kind(which).next().is_none() {
            return false;
        }
        let hides = |kind: &Kind| [Kind::DO, Kind::CALL, Kind::UNKNOWN, Kind::EXECUTE, Kind::FETCH].contains(kind);
        if may_hide && statement.kinds.iter().any(hides) {
            return true;
        }
        let is_column = |name: &Word| {
            // Most are as long as none of them.
            let may_match = |pattern: &str| self.has_stars || pattern.len() == name.bytes().len();
            let is_it = |sensitive: &Sensitive| may_match(&sensitive.column) && matches(&sensitive.column, name);
            self.may_be(name) && self.of_kind(which).any(is_it)
        };
        let is_named = |column: &ColumnRef| matches!(column, ColumnRef::Named { name, .. } if is_column(name));
        let is_all = |column: &ColumnRef| matches!(column, ColumnRef::All { .. });
        statement.columns.iter().any(is_named)
            || statement.columns.iter().any(is_all)
                && self.of_kind(which).any(|sensitive| has_table(sensitive, statement))
    }
}
