//! What a statement runs or reads beside its own text: the prepared statements of its EXECUTEs, the cursors of its FETCHes.

use std::sync::Arc;

use sql::Prepared;

use crate::derived::Places;
use crate::verdicts::{Judged, Refusal};

/// What the texts that an EXECUTE may run, and the cursors that a FETCH may read, add to it. Sessions keep many of these, most of them
/// of statements that have nothing to do with what is sensitive.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inner {
    pub(crate) sensitive: bool,
    pub(crate) changes_data: bool,
    /// A rule asks how many rows it is expected to have.
    pub(crate) wants_estimate: bool,
    /// A rule asks that its result is kept.
    results: bool,
    more: Option<Box<More>>,
}

/// What few add.
#[derive(Clone, Debug, Default)]
struct More {
    may_quote: bool,
    /// So many rows of them may leave.
    rows_over: Option<u64>,
    /// How their results are masked; of several, what shows least.
    places: Places,
    /// Those of them that ask, or that write somewhere.
    spending: Vec<Arc<Judged>>,
    /// What the cursor asks that is read.
    asks: Option<Refusal>,
}

impl Inner {
    /// The statement number `at` of a text may be what runs.
    pub(crate) fn add(&mut self, judged: &Arc<Judged>, at: usize) {
        self.sensitive |= judged.sensitive;
        self.changes_data |= judged.changes_data;
        self.wants_estimate |= judged.wants_estimate;
        self.results |= judged.results == Some(true);
        let places = judged.places(at);
        if places.is_empty() && judged.is_settled() && judged.rows_over.is_none() {
            return;
        }
        let more = self.more.get_or_insert_default();
        more.may_quote |= judged.derived.as_ref().is_some_and(|derived| derived.may_quote);
        more.rows_over = more.rows_over.into_iter().chain(judged.rows_over).min();
        more.hide(places);
        more.asks = more.asks.take().or_else(|| judged.derived.as_ref()?.cursor_asks.clone());
        if !judged.is_settled() {
            more.spending.push(Arc::clone(judged));
        }
    }

    /// What another adds holds too.
    pub(crate) fn join(&mut self, other: &Inner) {
        self.sensitive |= other.sensitive;
        self.changes_data |= other.changes_data;
        self.wants_estimate |= other.wants_estimate;
        self.results |= other.results;
        let Some(theirs) = &other.more else { return };
        let more = self.more.get_or_insert_default();
        more.may_quote |= theirs.may_quote;
        more.rows_over = more.rows_over.into_iter().chain(theirs.rows_over).min();
        more.hide(&theirs.places);
        more.spending.extend(theirs.spending.iter().cloned());
        more.asks = more.asks.take().or_else(|| theirs.asks.clone());
    }

    pub(crate) fn may_quote(&self) -> bool {
        self.more.as_ref().is_some_and(|more| more.may_quote)
    }

    pub(crate) fn results(&self) -> bool {
        self.results
    }

    pub(crate) fn rows_over(&self) -> Option<u64> {
        self.more.as_ref().and_then(|more| more.rows_over)
    }

    /// What is asked by reading a cursor.
    pub(crate) fn asks(&self) -> Option<&Refusal> {
        self.more.as_ref().and_then(|more| more.asks.as_ref())
    }

    pub(crate) fn spending(&self) -> &[Arc<Judged>] {
        self.more.as_ref().map_or(&[], |more| more.spending.as_slice())
    }

    /// How the result of a text's statement number `at` is masked: by its own places, or by those of what it runs or reads.
    pub(crate) fn places<'a>(&'a self, judged: Option<&'a Arc<Judged>>, at: usize) -> &'a Places {
        let Some(judged) = judged else { return Places::NONE };
        let runs = |prepared: &Prepared| matches!(prepared, Prepared::Execute { .. } | Prepared::Fetch { .. });
        match (&self.more, judged.statements.get(at)) {
            (Some(more), Some(statement)) if statement.prepared.iter().any(runs) => &more.places,
            _ => judged.places(at),
        }
    }
}

impl More {
    fn hide(&mut self, places: &Places) {
        self.places = self.places.stricter(places);
    }
}
