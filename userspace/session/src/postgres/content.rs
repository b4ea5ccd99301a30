//! What this session's values are searched for by content: how eagerly for cards, and which of the operator's patterns.

use std::sync::Arc;

use policy::{Pattern, Policy};

use super::rewrite::{Columns, Patterns, Sought};
use super::{Connection, Cx};
use crate::catalogs::Catalog;

/// Under one policy.
#[derive(Debug, Default)]
pub(super) struct Content {
    policy: Option<Arc<Policy>>,
    patterns: Option<Arc<Patterns>>,
    /// In a value whose column is not known, and in strings outside results: every pattern.
    unknown: Sought,
    /// In a column that nothing names: the patterns that name none.
    unnamed: Sought,
}

impl Content {
    fn is_of(&self, policy: &Arc<Policy>) -> bool {
        self.policy.as_ref().is_some_and(|known| Arc::ptr_eq(known, policy))
    }

    /// Makes columns ready for the next result: what is pushed without a word is of an unknown column.
    pub(super) fn prepare(&self, columns: &mut Columns) {
        columns.set_sought(self.unknown, self.patterns.clone());
    }

    /// Of one column of a result. Where the catalog is of another policy, every pattern is sought.
    pub(super) fn of_column(&self, catalog: &Catalog, table_oid: u32, number: i16) -> Sought {
        let same = self.policy.as_ref().is_some_and(|policy| catalog.is_of(policy));
        match catalog.column(table_oid, number) {
            _ if table_oid == 0 || !same => self.unknown,
            Some(column) => self.named(column.sought.mode, column.sought.patterns),
            None => self.unnamed,
        }
    }

    /// Of columns whose mode policy names, or not.
    pub(super) fn in_mode(&self, mode: Option<pan::Mode>) -> Sought {
        self.named(mode, self.unknown.patterns)
    }

    fn named(&self, mode: Option<pan::Mode>, patterns: u16) -> Sought {
        Sought { mode: mode.unwrap_or(self.unknown.mode), patterns }
    }
}

impl Connection {
    /// A policy that is new is searched by from the next message on; one that is under way keeps the bits of its patterns.
    pub(super) fn learn_content(&mut self, cx: &mut Cx<'_, '_>) {
        if self.content.is_of(cx.shared.policy) || !self.database.at_boundary() {
            return;
        }
        let patterns = cx.shared.catalogs.patterns(cx.shared.policy, &self.open.database.name);
        let which = |of: fn(&Pattern) -> bool| {
            let patterns = patterns.as_ref().map_or(0, |patterns| patterns.which(of));
            Sought { mode: self.open.database.masking, patterns }
        };
        let (unknown, unnamed) = (which(|_| true), which(|pattern| pattern.columns.is_empty()));
        self.content = Content { policy: Some(Arc::clone(cx.shared.policy)), patterns, unknown, unnamed };
        self.content.prepare(self.database.strings_columns());
    }
}
