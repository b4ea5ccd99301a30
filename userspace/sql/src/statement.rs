//! What `analyze` says of one statement.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;

use crate::{Kind, Lineage, Word};

/// A name as the server will read it: folded and unquoted, with its schema if one was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    /// The schema written in front of it. `None`: it is resolved by `search_path`.
    pub schema: Option<Word>,
    /// The name itself.
    pub name: Word,
}

impl Name {
    /// Of its words.
    pub fn new(schema: Option<&str>, name: &str) -> Name {
        Name { schema: schema.map(Word::from), name: name.into() }
    }

    /// Whether this schema stands in front of it.
    pub fn is_in(&self, schema: &str) -> bool {
        self.schema.as_ref().is_some_and(|own| *own == *schema)
    }
}

impl Ord for Name {
    /// By schema, none of which comes first, and name.
    #[inline(always)]
    fn cmp(&self, other: &Name) -> Ordering {
        let schemas = match (&self.schema, &other.schema) {
            (None, None) => Ordering::Equal,
            (Some(schema), Some(others)) => schema.cmp(others),
            (own, others) => own.is_some().cmp(&others.is_some()),
        };
        schemas.then_with(|| self.name.cmp(&other.name))
    }
}

impl PartialOrd for Name {
    #[inline]
    fn partial_cmp(&self, other: &Name) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// What an effect falls on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Object {
    /// Neither table nor function (`SELECT 1`, `SET`, `CREATE ROLE`).
    None,
    /// A table, view, sequence, index or other relation.
    Table(Name),
    /// A function or procedure.
    Function(Name),
}

impl Object {
    /// What it is, as a number, and its name.
    #[inline]
    fn parts(&self) -> (u8, Option<&Name>) {
        match self {
            Object::None => (0, None),
            Object::Table(name) => (1, Some(name)),
            Object::Function(name) => (2, Some(name)),
        }
    }
}

impl Ord for Object {
    /// None before tables, and those before functions.
    #[inline(always)]
    fn cmp(&self, other: &Object) -> Ordering {
        let ((of, name), (others_of, others)) = (self.parts(), other.parts());
        of.cmp(&others_of).then_with(|| name.cmp(&others))
    }
}

impl PartialOrd for Object {
    #[inline]
    fn partial_cmp(&self, other: &Object) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// One effect on one object: what a verdict is taken of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pair {
    /// The effect.
    pub kind: Kind,
    /// What it falls on.
    pub object: Object,
}

impl Ord for Pair {
    /// By kind, and object.
    #[inline(always)]
    fn cmp(&self, other: &Pair) -> Ordering {
        self.kind.cmp(&other.kind).then_with(|| self.object.cmp(&other.object))
    }
}

impl PartialOrd for Pair {
    #[inline]
    fn partial_cmp(&self, other: &Pair) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Pair {
    /// `delete on public.payments`, `function-call of dblink`, `set`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.object {
            Object::None => write!(f, "{}", self.kind),
            Object::Table(name) => write!(f, "{} on {name}", self.kind),
            Object::Function(name) => write!(f, "{} of {name}", self.kind),
        }
    }
}

/// A column name that occurs somewhere in the statement, whatever it turns out to mean.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ColumnRef {
    /// A name that may be a column's.
    Named {
        /// The last name written in front of it (a table, an alias, a composite column).
        qualifier: Option<Word>,
        /// The name itself.
        name: Word,
    },
    /// Every column: `*`, `t.*`, `TABLE t`, COPY or INSERT without a column list, NATURAL JOIN, a whole-row reference.
    All {
        /// The table or alias whose columns are meant, where one is named.
        of: Option<Word>,
    },
}

impl ColumnRef {
    /// May a column of that name, or of a name that the pattern matches, be meant?
    pub fn may_be(&self, column: &str) -> bool {
        match self {
            ColumnRef::Named { name, .. } => crate::matches(column, name),
            ColumnRef::All { .. } => true,
        }
    }
}

/// The value that a setting gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingValue {
    /// These words; a list (`search_path`) keeps its parts apart.
    Known(Vec<String>),
    /// RESET, SET … TO DEFAULT, DISCARD ALL: back to what the session began with.
    Default,
    /// An expression, a parameter, FROM CURRENT: cannot be told from the text.
    Unknown,
}

/// Whose setting is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// This session's, until it ends.
    Session,
    /// This transaction's (`SET LOCAL`, `set_config(…, true)`, SET TRANSACTION).
    Local,
    /// Somebody's later: ALTER ROLE / DATABASE / SYSTEM / FUNCTION … SET, CREATE FUNCTION … SET.
    Stored,
}

/// A change of a run-time setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Lower case. `*` for all of them (RESET ALL, DISCARD ALL); `role` and `session_authorization` for SET ROLE and
    /// SET SESSION AUTHORIZATION; empty where the name is not in the text (`set_config(x, …)`).
    pub name: String,
    /// What it becomes.
    pub value: SettingValue,
    /// Whose.
    pub scope: Scope,
}

/// Use of a named statement or cursor. SQL's and the protocol's share one name space each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prepared {
    /// PREPARE name AS …; the statement's `pairs` hold what its EXECUTE will cause.
    Prepare {
        /// Its name.
        name: String,
        /// The bytes of the inner statement in the text.
        inner: Range<usize>,
    },
    /// EXECUTE name (also inside CREATE TABLE AS and EXPLAIN).
    Execute {
        /// Its name.
        name: String,
    },
    /// DEALLOCATE name; `None`: all.
    Deallocate {
        /// Its name.
        name: Option<String>,
    },
    /// DECLARE name CURSOR FOR …
    Declare {
        /// Its name.
        name: String,
    },
    /// FETCH or MOVE.
    Fetch {
        /// Its name.
        name: String,
    },
    /// CLOSE name; `None`: all.
    Close {
        /// Its name.
        name: Option<String>,
    },
}

/// Which way COPY moves data, seen from the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyDirection {
    /// COPY … FROM: into the database.
    In,
    /// COPY … TO: out of it.
    Out,
}

/// COPY's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyFormat {
    /// The default.
    Text,
    /// `FORMAT csv`
    Csv,
    /// `FORMAT binary`
    Binary,
    /// A word that this server's grammar does not tell apart: refuse.
    Unknown,
}

/// What COPY reads or fills.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopySource {
    /// A table.
    Table {
        /// Its name.
        name: Name,
        /// The columns written; empty: all.
        columns: Vec<String>,
    },
    /// A query in parentheses.
    Query,
}

/// Where the data of a COPY goes to or comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyEnd {
    /// STDIN or STDOUT: the protocol.
    Client,
    /// A file on the server.
    File,
    /// A program on the server.
    Program,
}

/// The details of a COPY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// In or out.
    pub direction: CopyDirection,
    /// Table or query.
    pub source: CopySource,
    /// Text, CSV or binary.
    pub format: CopyFormat,
    /// The other end.
    pub end: CopyEnd,
    /// Every option as written: lower-case name and its value's words; empty: a bare option.
    pub options: Vec<(String, Vec<String>)>,
}

impl Copy {
    /// The words of an option, if it is given.
    pub fn option(&self, name: &str) -> Option<&[String]> {
        self.options.iter().find(|(known, _)| known == name).map(|(_, words)| words.as_slice())
    }
}

/// A transaction statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transaction {
    /// BEGIN, START TRANSACTION
    Begin,
    /// COMMIT, END
    Commit,
    /// ROLLBACK, ABORT
    Rollback,
    /// SAVEPOINT
    Savepoint,
    /// RELEASE SAVEPOINT
    Release,
    /// ROLLBACK TO SAVEPOINT
    RollbackTo,
    /// PREPARE TRANSACTION
    Prepare,
    /// COMMIT PREPARED
    CommitPrepared,
    /// ROLLBACK PREPARED
    RollbackPrepared,
}

/// One statement of a text, by its effects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The bytes of this statement in the text, without the semicolon, comments and space around it.
    pub span: Range<usize>,
    /// Every effect with what it falls on: sorted, unique, never empty.
    pub pairs: Vec<Pair>,
    /// The kinds of `pairs`: sorted, unique.
    pub kinds: Vec<Kind>,
    /// Every column name mentioned anywhere, in no order; of few names one may stand there twice.
    pub columns: Vec<ColumnRef>,
    /// May change data, objects, rights or what others see: it must be on record on disk before it goes on.
    pub changes_data: bool,
    /// Settings that it changes, in order.
    pub settings: Vec<Setting>,
    /// Named statements and cursors that it makes or uses, in order.
    pub prepared: Vec<Prepared>,
    /// The details, where it is a COPY.
    pub copy: Option<Copy>,
    /// The details, where it is a transaction statement.
    pub transaction: Option<Transaction>,
    /// May change what a name means or which columns a table has (DDL, or code that cannot be seen into).
    pub changes_catalog: bool,
    /// Has a name of a table or function without a schema, so `search_path` matters.
    pub search_path_sensitive: bool,
    /// Relations that an UPDATE or DELETE changes with no condition on a column: sorted, unique; names as written.
    pub without_where: Vec<Name>,
    /// Functions of the server's own that it calls and that reach nothing, so that they are no effect (`generate_series`): sorted,
    /// unique; names as written.
    pub harmless_calls: Vec<Name>,
    /// It falls on all of a database, a schema or a server, not on objects that it names (`VACUUM`, `GRANT … ON ALL TABLES`).
    pub is_database_wide: bool,
    /// Where its values come from; `None`: it was not asked for (`analyze`).
    pub lineage: Option<Lineage>,
}
