//! Where the values of a statement come from: for each output the columns that it derives from, and what a statement lets out
//! beside its outputs.

use crate::{ColumnId, Name};

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
    pub name: String,
    /// What it derives from: sorted by column, then `how`, unique. A column stands there once for each way in which it comes in
    /// (`ROW(pan, left(pan, 8))`: twice). Only sensitive columns and clear ones.
    pub sources: Vec<Source>,
    /// The expression in words fit for an agent (`substring(pan, …)`): function and column names alone, never a literal.
    pub expression: String,
}

/// Where a value of a sensitive column is asked about and does not stand in the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Clause {
    /// `WHERE`, `HAVING`, `FILTER`, `ON`, `USING`: a predicate.
    Where,
    /// Equality of the whole column with a parameter or literal: what `match` may allow.
    Match,
    /// Equality of two sensitive columns, both whole (`a.pan = b.pan`, `USING`, `NATURAL`): tells which rows share a value.
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
}

/// Why where a value comes from cannot be told. Policy decides; the default is to refuse.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unknown {
    /// No such relation was told of.
    Relation(Name),
    /// No column of that name in what the query reads.
    Column(String),
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
}
