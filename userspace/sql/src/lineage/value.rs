//! What a value derives from, and the algebra of it.

use std::rc::Rc;

use crate::{ColumnId, How, Source};

/// What a value derives from. Nearly all derive from nothing that matters: those are a null pointer, which is moved and dropped for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Value<'c>(Option<Box<Held<'c>>>);

/// What is said of a value; of one of which nothing is to be said there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Held<'c> {
    /// Sorted, unique; only columns that matter.
    sources: Vec<Source>,
    /// Its fields, where it is a row whose fields are known.
    row: Option<Rc<[Column<'c>]>>,
}

/// A named column of a query, a relation or a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column<'c> {
    /// Its name; empty: none that can be asked for.
    pub(super) name: &'c str,
    /// What stands in it.
    pub(super) value: Value<'c>,
    /// Its expression in words, where it is worth telling.
    pub(super) words: &'c str,
}

impl<'c> Column<'c> {
    /// A column without words.
    pub(super) fn new(name: &'c str, value: Value<'c>) -> Column<'c> {
        Column { name, value, words: "" }
    }
}

impl<'c> Value<'c> {
    /// Derives from nothing that matters.
    #[inline]
    pub(super) fn clean() -> Value<'c> {
        Value(None)
    }

    fn held(sources: Vec<Source>, row: Option<Rc<[Column<'c>]>>) -> Value<'c> {
        let is_empty = sources.is_empty() && row.is_none();
        Value((!is_empty).then(|| Box::new(Held { sources, row })))
    }

    /// The column itself.
    pub(super) fn column(column: ColumnId) -> Value<'c> {
        Value::held(vec![Source { column, how: How::Identity }], None)
    }

    /// What these say.
    pub(super) fn of_sources(sources: &[Source]) -> Value<'c> {
        Value::held(sources.to_vec(), None)
    }

    /// A row: all of its fields stand in it.
    pub(super) fn row(fields: Rc<[Column<'c>]>) -> Value<'c> {
        let mut sources = Vec::new();
        fields.iter().for_each(|field| merge(&mut sources, field.value.capped(How::Verbatim)));
        Value::held(sources, Some(fields))
    }

    /// Where from.
    #[inline]
    pub(super) fn sources(&self) -> &[Source] {
        self.0.as_ref().map_or(&[], |held| &held.sources)
    }

    /// The fields of a row.
    #[inline]
    pub(super) fn fields(&self) -> Option<&Rc<[Column<'c>]>> {
        self.0.as_ref().and_then(|held| held.row.as_ref())
    }

    /// Nothing that matters is in it.
    #[inline]
    pub(super) fn is_clean(&self) -> bool {
        self.sources().is_empty()
    }

    /// Columns that matter stand in it whole, and nothing else of them.
    pub(super) fn is_whole(&self) -> bool {
        self.sources().iter().all(|source| source.how == How::Identity)
    }

    /// What of it is in the value at all stands in it unchanged.
    pub(super) fn is_verbatim(&self) -> bool {
        self.sources().iter().all(|source| source.how >= How::Verbatim || source.how == How::Predicate)
    }

    /// Also derives from what `other` derives from.
    #[inline]
    pub(super) fn add(&mut self, other: &Value<'c>) {
        if self.0.is_some() || other.0.is_some() {
            self.add_held(other);
        }
    }

    fn add_held(&mut self, other: &Value<'c>) {
        let mut sources = self.0.take().map(|held| held.sources).unwrap_or_default();
        merge(&mut sources, other.sources().iter().copied());
        *self = Value::held(sources, None);
    }

    /// Both.
    #[inline]
    pub(super) fn with(mut self, other: &Value<'c>) -> Value<'c> {
        self.add(other);
        self
    }

    /// It, as the result of something that keeps no more than `how` of it.
    #[inline]
    pub(super) fn at_most(&self, how: How) -> Value<'c> {
        if self.is_clean() {
            return Value::clean();
        }
        let mut sources = Vec::new();
        merge(&mut sources, self.capped(how));
        Value::held(sources, None)
    }

    /// Its sources, of which no more than `how` is kept; some may come twice.
    fn capped(&self, how: How) -> impl Iterator<Item = Source> {
        self.sources().iter().map(move |source| Source { column: source.column, how: source.how.min(how) })
    }

    /// One of the two: a branch, a row of either of two queries.
    pub(super) fn or(&self, other: &Value<'c>) -> Value<'c> {
        if self.sources() == other.sources() {
            let row = self.fields().filter(|_| self.fields() == other.fields()).cloned();
            return Value::held(self.sources().to_vec(), row);
        }
        self.at_most(How::Verbatim).with(&other.at_most(How::Verbatim))
    }

    /// The union of many.
    pub(super) fn all<'v>(values: impl IntoIterator<Item = &'v Value<'c>>) -> Value<'c>
    where
        'c: 'v,
    {
        values.into_iter().fold(Value::clean(), |all, value| all.with(value))
    }
}

/// Adds those that are not among them yet, each in its place.
fn merge(sources: &mut Vec<Source>, others: impl Iterator<Item = Source>) {
    for source in others {
        if let Err(at) = sources.binary_search(&source) {
            sources.insert(at, source);
        }
    }
}
