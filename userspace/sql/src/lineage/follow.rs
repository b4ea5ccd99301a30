//! The follower: what is known while one statement is gone through, and what was found.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use super::computed::{self, SetUp};
use super::scope::{self, Columns, Scopes};
use super::value::{Column, Value};
use super::words;
use crate::grammar::Arena;
use crate::tree::Node;
use crate::{
    Clause, ColumnId, Context, Flow, How, Lineage, Name, Output, Probe, Schema, Sensitivity, Source, Unknown, Used,
    Word,
};

/// Steps that are gone for one text before it is called unknown, beside one per byte: an expression is entered, an item of FROM
/// is asked for a name, a column is listed.
const STEPS_MAX: usize = 200_000;
/// Expressions, queries and views inside each other. A step of the tree takes at most one.
const NESTED_MAX: usize = 300;

/// Of so many and more that are not known it is looked whether some stand there twice, each time before they take more memory.
const UNKNOWN_SORTED: usize = 64;

/// A common table expression that is visible.
#[derive(Clone)]
pub(super) struct Cte<'c> {
    pub(super) name: &'c str,
    pub(super) columns: Columns<'c>,
}

/// Goes through one statement.
pub(super) struct Follower<'c> {
    pub(super) context: Context<'c>,
    /// Where trees and words lie until the text is judged.
    pub(super) arena: &'c Arena,
    /// The schemas in which a bare name is looked for, in order.
    pub(super) path: &'c [&'c str],
    pub(super) scopes: Scopes<'c>,
    /// Innermost last.
    pub(super) ctes: Vec<Cte<'c>>,
    /// What `$1` and its like are, inside the body of a function.
    pub(super) arguments: Vec<Value<'c>>,
    /// The clause that a comparison here belongs to.
    pub(super) clause: Clause,
    /// Inside a view or a function without arguments: what it asks about was decided by its owner, and is the same each time.
    pub(super) is_stored: bool,
    /// Inside a query whose rows are asked about and not returned (`EXISTS`, `IN`).
    pub(super) is_asked: bool,
    /// The innermost query reads at most one row: a key of each of its relations is given.
    pub(super) is_single: bool,
    /// What views that were met hold, by OID and by whether they were only asked about: then what they read whole was not noted.
    pub(super) views: HashMap<(u32, bool), Rc<[Column<'c>]>>,
    /// Views and functions that are being looked into.
    pub(super) open: Vec<&'c Name>,
    /// The texts of views and functions that were read: each once.
    pub(super) texts: HashMap<&'c str, &'c [Node<'c>]>,
    /// What earlier statements of the same text did.
    pub(super) earlier: Earlier<'c>,
    pub(super) found: Found<'c>,
    /// No columns, once that was asked for.
    nothing: Option<Rc<[Column<'c>]>>,
    steps_left: usize,
    nested: usize,
}

/// What earlier statements of the same text did, and what the database's description does not have yet.
#[derive(Clone, Default)]
pub(super) struct Earlier<'c> {
    /// Relations that they made.
    pub(super) relations: Vec<Made<'c>>,
    /// Relations that they removed, or named otherwise.
    pub(super) gone: Gone,
    /// What they wrote where.
    pub(super) filled: Vec<Flow>,
    /// What they set up that looks at rows which come.
    pub(super) set_up: Vec<SetUp>,
    /// Functions that they made: by name alone.
    pub(super) functions: Vec<Word>,
    /// The texts that they prepared, by name.
    pub(super) prepared: HashMap<String, String>,
    /// The cursors that they declared, by name.
    pub(super) cursors: HashMap<String, String>,
    /// They may have changed what an unqualified name means.
    pub(super) moved_path: bool,
}

/// Bare names that may mean another relation than the database's description says.
#[derive(Clone, Default)]
pub(super) struct Gone {
    /// Which they are cannot be told: any.
    pub(super) any: bool,
    pub(super) names: Vec<Word>,
}

impl Gone {
    pub(super) fn is_empty(&self) -> bool {
        !self.any && self.names.is_empty()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.any || self.names.iter().any(|gone| *gone == *name)
    }
}

/// A relation that was made on the way.
#[derive(Clone)]
pub(super) struct Made<'c> {
    pub(super) name: Name,
    pub(super) columns: Rc<[Column<'c>]>,
}

/// What was found.
#[derive(Default)]
pub(super) struct Found<'c> {
    pub(super) probes: BTreeSet<Probe>,
    pub(super) flows: BTreeSet<Flow>,
    pub(super) elsewhere: BTreeSet<Name>,
    /// Some may stand there twice.
    pub(super) unknown: Vec<Unknown>,
    pub(super) used: BTreeSet<ColumnId>,
    pub(super) asked: BTreeSet<ColumnId>,
    /// Some may stand there twice.
    pub(super) unbounded: Vec<Cow<'c, Name>>,
    /// Columns of rows that were written as functions of them.
    pub(super) attributes: BTreeSet<String>,
    pub(super) may_quote: bool,
    pub(super) is_plan: bool,
}

impl<'c> Follower<'c> {
    pub(super) fn new(context: Context<'c>, arena: &'c Arena, earlier: Earlier<'c>, steps_left: usize) -> Follower<'c> {
        let mut path = bumpalo::collections::Vec::new_in(arena);
        path.extend(super::relations::searched(&context));
        Follower {
            context,
            arena,
            path: path.into_bump_slice(),
            scopes: Scopes::new(arena),
            ctes: Vec::new(),
            arguments: Vec::new(),
            clause: Clause::Where,
            is_stored: false,
            is_asked: false,
            is_single: false,
            views: HashMap::new(),
            open: Vec::new(),
            texts: HashMap::new(),
            earlier,
            found: Found::default(),
            nothing: None,
            steps_left,
            nested: 0,
        }
    }

    pub(super) fn schema(&self) -> &'c Schema {
        self.context.schema
    }

    /// No columns.
    pub(super) fn nothing(&mut self) -> Rc<[Column<'c>]> {
        Rc::clone(self.nothing.get_or_insert_with(|| Rc::from([])))
    }

    /// Goes one level deeper, if there is room; else the statement is unknown and the rest of it is left.
    pub(super) fn deeper<T>(&mut self, otherwise: T, body: impl FnOnce(&mut Self) -> T) -> T {
        self.charge(1);
        if self.nested == NESTED_MAX || self.steps_left == 0 {
            self.unknown_form("a statement too large to follow");
            return otherwise;
        }
        self.nested += 1;
        let result = body(self);
        self.nested -= 1;
        result
    }

    /// Counts work that is about to be done.
    pub(super) fn charge(&mut self, steps: usize) {
        self.steps_left = self.steps_left.saturating_sub(steps);
    }

    /// Goes through something that stands outside of what is visible here: a view's query, a function's body.
    pub(super) fn apart<T>(&mut self, arguments: Vec<Value<'c>>, body: impl FnOnce(&mut Self) -> T) -> T {
        let scopes = std::mem::replace(&mut self.scopes, Scopes::new(self.arena));
        let ctes = std::mem::take(&mut self.ctes);
        let was_stored = self.is_stored;
        self.is_stored |= arguments.is_empty();
        let arguments = std::mem::replace(&mut self.arguments, arguments);
        let clause = std::mem::replace(&mut self.clause, Clause::Where);
        let result = body(self);
        (self.scopes, self.ctes, self.arguments) = (scopes, ctes, arguments);
        (self.is_stored, self.clause) = (was_stored, clause);
        result
    }

    /// Notes that `clause` asks about what is in `value` and was not noted as a predicate yet.
    pub(super) fn probe(&mut self, value: &Value<'c>, clause: Clause, node: Node<'c>) {
        if value.is_clean() || self.is_stored {
            return;
        }
        let asked = value.sources().iter().filter(|source| source.how > How::Predicate);
        let mut columns: Vec<_> = asked.map(|source| source.column).collect();
        columns.dedup();
        if [Clause::Where, Clause::Match, Clause::Join, Clause::Case].contains(&clause) {
            self.found.asked.extend(&columns);
        }
        columns.retain(|column| self.schema().sensitivity(*column) == Sensitivity::Sensitive);
        for column in columns {
            self.found.probes.insert(Probe { column, clause, expression: words::expression(node) });
        }
    }

    /// Notes values that are computed and then left aside: what fails on some of them only tells them apart.
    pub(super) fn dropped(&mut self, value: &Value<'c>, node: Node<'c>) {
        if !value.is_verbatim() {
            self.probe(value, Clause::Other, node);
        }
    }

    /// Notes that columns are used, and gives them back.
    pub(super) fn used(&mut self, value: Value<'c>) -> Value<'c> {
        if !self.is_stored {
            self.found.used.extend(value.sources().iter().map(|source| source.column));
        }
        value
    }

    /// Is anything sensitive in it?
    pub(super) fn is_sensitive(&self, value: &Value<'c>) -> bool {
        value.sources().iter().any(|source| self.schema().sensitivity(source.column) == Sensitivity::Sensitive)
    }

    /// Notes that a failure may quote the value.
    pub(super) fn may_quote(&mut self, value: &Value<'c>) {
        let in_value = value.sources().iter().any(|source| source.how > How::Predicate);
        self.found.may_quote |= in_value && !self.is_stored && self.is_sensitive(value);
    }

    pub(super) fn unknown(&mut self, unknown: Unknown) {
        let known = &mut self.found.unknown;
        // A text may ask ever again for what is not there.
        if known.len() == known.capacity() && known.len() >= UNKNOWN_SORTED {
            known.sort_unstable();
            known.dedup();
            if known.len() > known.capacity() / 2 {
                known.reserve(known.capacity());
            }
        }
        known.push(unknown);
    }

    pub(super) fn unknown_form(&mut self, form: &str) {
        self.unknown(Unknown::Form(form.to_owned()));
    }

    pub(super) fn elsewhere(&mut self, name: Name) {
        self.found.elsewhere.insert(name);
    }

    /// Notes that a column is filled.
    pub(super) fn flow(&mut self, target: &Name, column: &str, value: &Value<'c>) {
        let sources = self.told(value);
        if !sources.is_empty() {
            let watched = computed::watch(self, target, column);
            self.found.flows.insert(Flow { target: target.clone(), column: column.to_owned(), sources, watched });
        }
    }

    /// How many steps a text of that length may take.
    pub(super) fn steps_for(text: &str) -> usize {
        STEPS_MAX + text.len()
    }

    /// How many are left.
    pub(super) fn steps_left(&self) -> usize {
        self.steps_left
    }

    /// What was found, with these outputs.
    pub(super) fn finish(mut self, columns: &[Column<'c>]) -> Lineage {
        let (outputs, open_at) = self.outputs(columns);
        let mut found = std::mem::take(&mut self.found);
        found.unknown.sort_unstable();
        found.unknown.dedup();
        found.unbounded.sort_unstable_by(|one, other| one.as_ref().cmp(other.as_ref()));
        found.unbounded.dedup();
        let named = |columns: &BTreeSet<ColumnId>| {
            let by_name = || columns.iter().filter_map(|column| self.by_name(*column)).collect::<BTreeSet<Used>>();
            self.schema().is_watching.then(|| by_name().into_iter().collect())
        };
        Lineage {
            outputs,
            used: named(&found.used),
            asked: named(&found.asked),
            probes: found.probes.into_iter().collect(),
            flows: found.flows.into_iter().collect(),
            elsewhere: found.elsewhere.into_iter().collect(),
            may_quote: found.may_quote,
            unknown: found.unknown,
            is_plan: found.is_plan,
            open_at,
            unbounded: found.unbounded.into_iter().map(Cow::into_owned).collect(),
        }
    }

    /// The outputs, and where others stand between them.
    fn outputs(&mut self, columns: &[Column<'c>]) -> (Vec<Output>, Option<usize>) {
        let mut outputs = Vec::with_capacity(columns.len());
        let mut open_at = None;
        for column in columns {
            if column.name != scope::STAR {
                let (name, expression) = (column.name.into(), column.words.into());
                outputs.push(Output { name, sources: self.told(&column.value), expression });
                continue;
            }
            let places_matter = open_at.is_some() && columns.iter().any(|column| self.is_sensitive(&column.value));
            if places_matter || self.is_sensitive(&column.value) {
                self.unknown_form("* of columns that are not known");
            }
            open_at = open_at.or(Some(outputs.len()));
        }
        (outputs, open_at)
    }

    /// The sources that are told of: columns that rules alone ask about are not.
    fn told(&self, value: &Value<'c>) -> Vec<Source> {
        let is_told = |source: &&Source| self.schema().sensitivity(source.column) > Sensitivity::Watched;
        value.sources().iter().filter(is_told).copied().collect()
    }

    fn by_name(&self, id: ColumnId) -> Option<Used> {
        let relation = self.schema().relation_of(id.relation)?;
        let column = relation.columns.iter().find(|column| column.number == id.number)?;
        Some(Used { relation: relation.name.clone(), column: column.name.clone() })
    }
}
