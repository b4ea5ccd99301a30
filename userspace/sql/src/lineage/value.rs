//! What a value derives from, and the algebra of it.

use std::rc::Rc;

use crate::{ColumnId, How, Source};

/// What a value derives from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Value<'c> {
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
    pub(super) fn clean() -> Value<'c> {
        Value::default()
    }

    /// The column itself.
    pub(super) fn column(column: ColumnId) -> Value<'c> {
        Value { sources: vec![Source { column, how: How::Identity }], row: None }
    }

    /// What these say.
    pub(super) fn of_sources(sources: &[Source]) -> Value<'c> {
        Value { sources: sources.to_vec(), row: None }
    }

    /// A row: all of its fields stand in it.
    pub(super) fn row(fields: Rc<[Column<'c>]>) -> Value<'c> {
        let mut value = Value::clean();
        fields.iter().for_each(|field| value.add(&field.value.at_most(How::Verbatim)));
        value.row = Some(fields);
        value
    }

    /// Where from.
    pub(super) fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The fields of a row.
    pub(super) fn fields(&self) -> Option<&Rc<[Column<'c>]>> {
        self.row.as_ref()
    }

    /// Nothing that matters is in it.
    pub(super) fn is_clean(&self) -> bool {
        self.sources.is_empty()
    }

    /// Columns that matter stand in it whole, and nothing else of them.
    pub(super) fn is_whole(&self) -> bool {
        self.sources.iter().all(|source| source.how == How::Identity)
    }

    /// What of it is in the value at all stands in it unchanged.
    pub(super) fn is_verbatim(&self) -> bool {
        self.sources.iter().all(|source| source.how >= How::Verbatim || source.how == How::Predicate)
    }

    /// Also derives from what `other` derives from.
    pub(super) fn add(&mut self, other: &Value<'c>) {
        self.row = None;
        for source in &other.sources {
            if let Err(at) = self.sources.binary_search(source) {
                self.sources.insert(at, *source);
            }
        }
    }

    /// Both.
    pub(super) fn with(mut self, other: &Value<'c>) -> Value<'c> {
        self.add(other);
        self
    }

    /// It, as the result of something that keeps no more than `how` of it.
    pub(super) fn at_most(&self, how: How) -> Value<'c> {
        let mut capped = Value::clean();
        for source in &self.sources {
            let source = Source { column: source.column, how: source.how.min(how) };
            if let Err(at) = capped.sources.binary_search(&source) {
                capped.sources.insert(at, source);
            }
        }
        capped
    }

    /// One of the two: a branch, a row of either of two queries.
    pub(super) fn or(&self, other: &Value<'c>) -> Value<'c> {
        if self.sources == other.sources {
            return if self.row == other.row { self.clone() } else { Value { row: None, ..self.clone() } };
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
