//! What the columns of a result are: their types, their formats, and which of them policy names.

use super::pass::{Check, Passed, Way};
use super::search::{Patterns, Sought};
use super::types::{self, Kind, Text, UserTypes};
use crate::evidence::Evidence;
use pan::Whole;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One column of a result, as RowDescription, the formats asked for and the catalog's sensitive columns give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// The type's OID. RowDescription gives a domain's *base* type (`SendRowDescriptionMessage` calls `getBaseTypeAndTypmod`);
    /// inside arrays and records a domain keeps its own OID. 0: not known.
    pub type_oid: u32,
    /// Format code 1.
    pub binary: bool,
    /// Policy names this column sensitive: the whole value is masked, whatever it holds.
    pub whole: Option<Whole>,
}

/// A column with its type looked up once, when the result was described, and not once per value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resolved {
    pub(super) kind: Kind,
    pub(super) text: Text,
    pub(super) binary: bool,
    pub(super) whole: Option<Whole>,
    /// Policy says that this column is never masked by content.
    pub(super) clear: bool,
    pub(super) sought: Sought,
    /// Where its values are counted.
    slot: Option<u32>,
    /// What must be seen of a value that passes without its masker.
    pub(super) check: Check,
}

/// Columns that people agreed to be shown clear.
#[derive(Clone, Debug)]
struct Shown {
    /// Where their values are counted.
    counts: Arc<[AtomicU64]>,
    columns: Vec<ShownColumn>,
}

/// How one of them is counted, and masked when that is over.
#[derive(Clone, Debug)]
struct ShownColumn {
    index: usize,
    place: u8,
    whole: Option<Whole>,
}

/// The columns of one result. Reusable: `clear` keeps the capacity, so the steady state allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    resolved: Vec<Resolved>,
    types: Option<Arc<UserTypes>>,
    patterns: Option<Arc<Patterns>>,
    sought: Sought,
    evidence: Option<Arc<Evidence>>,
    /// How rows may pass: decided once, when the result is described.
    way: Way,
    /// One past the last sensitive column; 0: there is none.
    sensitive_end: usize,
    /// A column's values are counted.
    counted: bool,
    shown: Option<Box<Shown>>,
}

impl Columns {
    /// No columns yet.
    pub fn new() -> Columns {
        Columns::default()
    }

    /// Names the types that the catalog knows beside the built-in ones. Before `push`: a column's type is looked up there.
    pub fn set_types(&mut self, types: Option<Arc<UserTypes>>) {
        self.types = types;
    }

    /// What strings outside results, and columns that say nothing else, are searched for. Before `push`.
    pub fn set_sought(&mut self, sought: Sought, patterns: Option<Arc<Patterns>>) {
        self.sought = sought;
        self.patterns = patterns;
    }

    /// Forgets the columns, keeps the memory and the types.
    pub fn clear(&mut self) {
        self.resolved.clear();
        self.way = Way::default();
        self.sensitive_end = 0;
        self.counted = false;
        self.shown = None;
    }

    /// The column that was added last is shown clear, and each value counted at this place. The whole row passes its masker: nothing is shown
    /// that is not counted.
    pub(crate) fn show_last(&mut self, place: u8, counts: &Arc<[AtomicU64]>) {
        let Some(index) = self.resolved.len().checked_sub(1) else { return };
        let Some(last) = self.resolved.get_mut(index) else { return };
        let shown = || Box::new(Shown { counts: Arc::clone(counts), columns: Vec::new() });
        self.shown.get_or_insert_with(shown).columns.push(ShownColumn { index, place, whole: last.whole });
        (last.whole, last.clear, last.check) = (None, true, Check::Never);
        self.way = Way::Never;
    }

    /// Nothing is shown clear any more.
    pub(crate) fn hide(&mut self) {
        let Some(shown) = self.shown.take() else { return };
        for column in shown.columns {
            if let Some(resolved) = self.resolved.get_mut(column.index) {
                (resolved.whole, resolved.clear) = (column.whole, false);
            }
        }
    }

    /// A value of the column begins.
    pub(super) fn count_shown(&self, index: usize) {
        let Some(shown) = &self.shown else { return };
        let place = shown.columns.iter().find(|column| column.index == index).map(|column| usize::from(column.place));
        if let Some(count) = place.and_then(|place| shown.counts.get(place)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Adds the next column.
    pub fn push(&mut self, column: Column) {
        self.add(column, false, self.sought, None);
    }

    /// Adds a column whose values are never masked by content (policy's kind `clear`).
    pub fn push_clear(&mut self, type_oid: u32, binary: bool) {
        self.add(Column { type_oid, binary, whole: None }, true, self.sought, None);
    }

    /// Adds a column that is searched in a way of its own.
    pub fn push_sought(&mut self, type_oid: u32, binary: bool, sought: Sought) {
        self.add(Column { type_oid, binary, whole: None }, false, sought, None);
    }

    /// The same, and its values are counted there.
    pub(crate) fn push_counted(&mut self, type_oid: u32, binary: bool, sought: Sought, slot: Option<u32>) {
        self.add(Column { type_oid, binary, whole: None }, false, sought, slot);
    }

    /// Where the values of counted columns are counted.
    pub(crate) fn set_evidence(&mut self, evidence: &Arc<Evidence>) {
        if self.evidence.is_none() {
            self.evidence = Some(Arc::clone(evidence));
        }
    }

    /// Whether the column's values are counted.
    pub(super) fn is_counted(&self, index: usize) -> bool {
        self.evidence.is_some() && self.get(index).is_some_and(|column| column.slot.is_some())
    }

    /// A value of the column has passed, with a card in it or not.
    pub(super) fn count(&self, index: usize, hit: bool) {
        if let (Some(evidence), Some(slot)) = (&self.evidence, self.get(index).and_then(|column| column.slot)) {
            evidence.count(slot, hit);
        }
    }

    fn add(&mut self, column: Column, clear: bool, sought: Sought, slot: Option<u32>) {
        let types = self.types.as_deref();
        let mut kind = types::kind_of(column.type_oid, types);
        if column.binary && column.whole.is_some() && types::array_is_unmaskable(column.type_oid, types) {
            kind = Kind::Opaque;
        }
        let text = types::text_of(column.type_oid, types);
        let Column { binary, whole, .. } = column;
        let mut resolved = Resolved { kind, text, binary, whole, clear, sought, slot, check: Check::Never };
        resolved.check = Check::of(&resolved);
        self.way = self.way.max(resolved.check.way());
        self.counted |= slot.is_some();
        self.resolved.push(resolved);
        if whole.is_some() {
            self.sensitive_end = self.resolved.len();
        }
    }

    pub(super) fn way(&self) -> Way {
        self.way
    }

    pub(super) fn each(&self) -> impl Iterator<Item = &Resolved> {
        self.resolved.iter()
    }

    /// Whether any column is sensitive.
    #[inline(always)]
    pub(super) fn has_sensitive(&self) -> bool {
        self.sensitive_end > 0
    }

    /// The columns up to the last sensitive one.
    pub(super) fn up_to_sensitive(&self) -> impl Iterator<Item = &Resolved> {
        self.resolved.iter().take(self.sensitive_end)
    }

    /// Of each column what must be seen of a value that passes without its masker.
    pub(super) fn checks(&self) -> impl Iterator<Item = Check> + '_ {
        self.resolved.iter().map(|column| column.check)
    }

    /// Whether any column's values are counted.
    pub(super) fn counts(&self) -> bool {
        self.counted && self.evidence.is_some()
    }

    /// Rows have passed; no card is left to be counted but in columns that are told of.
    pub(super) fn count_rows(&self, passed: &Passed) {
        let Some(evidence) = &self.evidence else { return };
        for (at, column) in self.resolved.iter().enumerate() {
            if let Some(slot) = column.slot {
                evidence.count_many(slot, passed.values(at).into(), passed.hits(at).into());
            }
        }
    }

    /// Whether a column has become plainly cards that nobody has written down.
    pub(super) fn has_found(&self) -> bool {
        self.counts() && self.evidence.as_ref().is_some_and(|evidence| evidence.crossed() > 0)
    }

    /// The last of the rows that have passed had a card in this column.
    pub(super) fn count_hit(&self, index: usize, passed: &mut Passed) {
        if let (Some(evidence), Some(slot)) = (&self.evidence, self.get(index).and_then(|column| column.slot)) {
            if evidence.is_told(slot) {
                return passed.hit(index);
            }
            let values = passed.values(index);
            evidence.count_clean(slot, values.saturating_sub(1).into());
            evidence.count(slot, true);
            passed.leave_out(index, values);
        }
    }

    /// How many columns there are.
    pub fn len(&self) -> usize {
        self.resolved.len()
    }

    /// No columns: also what a result without rows has.
    pub fn is_empty(&self) -> bool {
        self.resolved.is_empty()
    }

    /// The first sensitive column whose binary type has no fill (a timestamp, uuid, float, …): such a result is refused when it is
    /// described. What only the values show (a record with a timestamp in it) is `Malformed::Unmaskable` when it is read.
    pub fn unmaskable(&self) -> Option<usize> {
        self.resolved.iter().position(Resolved::is_unmaskable)
    }

    /// Of each column whether it is one that [`Columns::unmaskable`] finds.
    pub(in crate::postgres) fn each_unmaskable(&self) -> impl Iterator<Item = bool> + '_ {
        self.resolved.iter().map(Resolved::is_unmaskable)
    }

    pub(super) fn get(&self, index: usize) -> Option<&Resolved> {
        self.resolved.get(index)
    }

    pub(super) fn types(&self) -> Option<&UserTypes> {
        self.types.as_deref()
    }

    pub(super) fn patterns(&self) -> Option<&Patterns> {
        self.patterns.as_deref()
    }

    pub(super) fn sought(&self) -> Sought {
        self.sought
    }
}

impl Resolved {
    /// Text of no known type and no sensitivity: strings outside results, the header line of a COPY.
    pub(super) fn plain(sought: Sought) -> Resolved {
        Resolved {
            kind: Kind::Unknown,
            text: Text::Plain,
            binary: false,
            whole: None,
            clear: false,
            sought,
            slot: None,
            check: Check::Never,
        }
    }

    fn is_unmaskable(&self) -> bool {
        self.binary && self.whole.is_some() && !self.kind.has_fill()
    }
}
