//! Where the values of a statement come from: for each output the columns that it derives from, and what a statement lets out
//! beside its outputs.

mod bounds;
mod call;
mod cast;
mod change;
mod computed;
mod define;
mod explain;
mod expression;
mod follow;
mod from;
mod functions;
mod newer;
mod operators;
mod owners;
mod relations;
mod scope;
mod select;
mod utility;
mod value;
mod words;

pub use explain::{Explained, Fate, explain};

use std::collections::BTreeSet;

use crate::grammar::Arena;
use crate::tree::Node;
use crate::{ColumnId, Name, Object, Prepared, Schema, Statement, Watch, Word, schema};

/// How much of a column's value an expression keeps. Ordered: the later says more of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum How {
    /// It decides which rows or which branch, and is not in the value (`CASE WHEN pan > …`).
    Predicate,
    /// Part of it, or several values folded into one (`substring`, `sum`, `md5`).
    Lossy,
    /// All of it, in another form (`reverse`, `encode`, `'x' || pan`).
    Injective,
    /// Unchanged, beside other things or in another type (`array_agg`, `max`, a JSON builder, a row, `CASE`): whoever masks every
    /// digit of such an output has masked it.
    Verbatim,
    /// The column itself: its type, length and place unchanged.
    Identity,
}

/// One column that a value derives from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source {
    /// Which.
    pub column: ColumnId,
    /// How.
    pub how: How,
}

/// One output column of a statement, in the order of its RowDescription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its name as the agent wrote it or as the server will derive it; may be empty.
    pub name: Word,
    /// What it derives from: sorted by column, then `how`, unique. A column stands there once for each way in which it comes in
    /// (`ROW(pan, left(pan, 8))`: twice). Only sensitive columns and clear ones.
    pub sources: Vec<Source>,
    /// The expression in words fit for an agent (`substring(pan, …)`): function and column names alone, never a literal.
    pub expression: Word,
}

/// Where a value of a sensitive column is asked about and does not stand in the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Clause {
    /// `WHERE`, `HAVING`, `FILTER`, `ON`, `USING`: a predicate.
    Where,
    /// Equality of the whole column with a parameter or literal: what `match` may allow.
    Match,
    /// Equality of two sensitive columns, both whole (`a.pan = b.pan`, `USING`, `NATURAL`): tells which rows share a value. Or one picked by the
    /// order of whole columns (`max`).
    Join,
    /// `ORDER BY`, also of a window or an aggregate.
    OrderBy,
    /// `GROUP BY`, `DISTINCT`, `PARTITION BY`, a set operation that removes duplicates.
    GroupBy,
    /// `CASE`, `COALESCE`, `NULLIF` and other choices inside an expression.
    Case,
    /// `LIMIT`, `OFFSET`, `TABLESAMPLE`, a function's side effect (`pg_sleep`), an index or constraint over it.
    Other,
}

/// One such question.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Probe {
    /// Of which column.
    pub column: ColumnId,
    /// Where.
    pub clause: Clause,
    /// In words fit for an agent, as in [`Output`].
    pub expression: String,
}

/// A column of a relation that a statement fills from columns that matter: INSERT … SELECT, CREATE TABLE AS, SELECT INTO, UPDATE … SET,
/// MERGE, CREATE VIEW and CREATE MATERIALIZED VIEW, ON CONFLICT.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flow {
    /// The relation; its schema as written.
    pub target: Name,
    /// Its column; empty: cannot be told, so all of them.
    pub column: String,
    /// From what.
    pub sources: Vec<Source>,
    /// What looks at the column by itself when it is filled, so that more is known of the value than stands in it.
    pub watched: Option<Watch>,
}

/// Why where a value comes from cannot be told. Policy decides; the default is to refuse.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unknown {
    /// No such relation was told of.
    Relation(Name),
    /// No column of that name in what the query reads.
    Column(Word),
    /// A function or operator that is not the server's own and cannot be looked into, over or near sensitive data.
    Function(Name),
    /// A statement or expression that this crate does not know.
    Form(String),
}

/// Everything that a statement lets out, and where to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage {
    /// The outputs; empty for a statement without rows.
    pub outputs: Vec<Output>,
    /// The probes: sorted, unique.
    pub probes: Vec<Probe>,
    /// What it fills.
    pub flows: Vec<Flow>,
    /// Reads of what holds other people's values: `pg_stats`, `pg_read_file`, `lo_get`, `query_to_xml`, `dblink`, by name.
    pub elsewhere: Vec<Name>,
    /// Expressions over sensitive columns whose failure quotes the value (`pan::int`).
    pub may_quote: bool,
    /// What could not be told: sorted, unique.
    pub unknown: Vec<Unknown>,
    /// Nothing of it runs: EXPLAIN without ANALYZE. Its probes tell what the planner expects, from statistics.
    pub is_plan: bool,
    /// Where in `outputs` columns stand that were not told (`*` of one of the server's own relations), and that derive from nothing
    /// that matters: the outputs before it count from the first column of the result, those from it on from the last.
    pub open_at: Option<usize>,
    /// The columns that rules ask about and that are used in any way: sorted, unique. `None`: the schema does not tell which those are.
    pub used: Option<Vec<Used>>,
    /// Of these, those that a predicate asks about (`WHERE`, `ON`, `HAVING`, `CASE`): sorted, unique.
    pub asked: Option<Vec<Used>>,
    /// Relations of which every row is read to be returned, counted or written: no LIMIT, and no key that is given. Sorted, unique.
    pub unbounded: Vec<Name>,
}

/// A column by its names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Used {
    /// Its relation, with its schema.
    pub relation: Name,
    /// Its own.
    pub column: String,
}

/// What is known where a statement is judged.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// What the database holds.
    pub schema: &'a Schema,
    /// The schemas that are searched, in order (`current_schemas(true)`).
    pub schemas: &'a [String],
    /// Before which of them the session's temporary schema is searched, where it is not among them.
    pub temporary_at: Option<usize>,
    /// The text behind a prepared statement's name: the statement alone, without PREPARE.
    pub prepared: &'a dyn Fn(&str) -> Option<&'a str>,
    /// The text behind a cursor's name: the query alone, or its whole DECLARE.
    pub cursors: &'a dyn Fn(&str) -> Option<&'a str>,
}

impl<'a> Context<'a> {
    /// No statement was prepared and no cursor opened.
    pub fn new(schema: &'a Schema, schemas: &'a [String]) -> Context<'a> {
        Context { schema, schemas, temporary_at: None, prepared: &|_| None, cursors: &|_| None }
    }

    /// The schemas that are searched, in order.
    pub(crate) fn path(&self) -> impl Iterator<Item = &'a str> + Clone + use<'a> {
        let at = self.temporary_at.unwrap_or_default().min(self.schemas.len());
        let (before, behind) = self.schemas.split_at(at);
        let temporary = self.temporary_at.map(|_| schema::TEMPORARY);
        let named = |schemas: &'a [String]| schemas.iter().map(String::as_str);
        named(before).chain(temporary).chain(named(behind))
    }
}

/// Takes the effects of these functions, which are none, from the statement.
fn no_functions(attributes: &BTreeSet<String>, lineage: &Lineage, statement: &mut Statement) {
    let is_none = |name: &Name| {
        name.schema.is_none()
            && attributes.contains(&*name.name)
            && !lineage.unknown.iter().any(|unknown| matches!(unknown, Unknown::Function(function) if function == name))
    };
    let before = statement.pairs.len();
    statement.pairs.retain(|pair| !matches!(&pair.object, Object::Function(name) if is_none(name)));
    if statement.pairs.len() < before {
        let pairs = &statement.pairs;
        statement.kinds.retain(|kind| pairs.iter().any(|pair| pair.kind == *kind));
        statement.changes_data = statement.kinds.iter().any(|kind| kind.changes_data());
    }
}

/// Follows the statements of one text, one after the other.
pub(crate) struct Text<'c> {
    context: Context<'c>,
    arena: &'c Arena,
    earlier: follow::Earlier<'c>,
    steps_left: Option<usize>,
}

impl<'c> Text<'c> {
    /// Before its first statement.
    pub(crate) fn new(context: &Context<'c>, arena: &'c Arena) -> Text<'c> {
        Text { context: *context, arena, earlier: follow::Earlier::default(), steps_left: None }
    }

    /// The lineage of the next statement, whose tree is `node`.
    /// The statement loses the effects of functions that are columns of rows (`pan(p)`).
    pub(crate) fn follow(&mut self, node: Node<'c>, statement: &mut Statement, text: &str) -> Lineage {
        let steps_left = self.steps_left.unwrap_or_else(|| follow::Follower::steps_for(text));
        let mut follower =
            follow::Follower::new(self.context, self.arena, std::mem::take(&mut self.earlier), steps_left);
        let known = follower.earlier.relations.len();
        let columns = follower.statement(node);
        self.steps_left = Some(follower.steps_left());
        self.earlier = std::mem::take(&mut follower.earlier);
        self.remember(statement, text);
        let attributes = std::mem::take(&mut follower.found.attributes);
        let lineage = follower.finish(&columns);
        no_functions(&attributes, &lineage, statement);
        // What was made just now is known with its columns.
        let made = self.earlier.relations.get(known..).unwrap_or_default();
        let is_made = |flow: &&Flow| made.iter().any(|made| made.name == flow.target);
        self.earlier.filled.extend(lineage.flows.iter().filter(|flow| !is_made(flow)).cloned());
        lineage
    }

    /// What the statement does to the session, for those behind it.
    fn remember(&mut self, statement: &Statement, text: &str) {
        let named = ["search_path", "role", "session_authorization", "*", ""];
        self.earlier.moved_path |= statement.settings.iter().any(|setting| named.contains(&setting.name.as_str()));
        let words = |range: &std::ops::Range<usize>| text.get(range.clone()).unwrap_or_default().to_owned();
        for prepared in &statement.prepared {
            match prepared {
                Prepared::Prepare { name, inner } => {
                    self.earlier.prepared.insert(name.clone(), words(inner));
                }
                Prepared::Declare { name } => {
                    self.earlier.cursors.insert(name.clone(), words(&statement.span));
                }
                Prepared::Execute { .. }
                | Prepared::Deallocate { .. }
                | Prepared::Fetch { .. }
                | Prepared::Close { .. } => {}
            }
        }
    }
}
