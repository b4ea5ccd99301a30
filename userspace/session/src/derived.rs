//! What becomes of what derives from sensitive columns: how each column of a result is masked by its place, what a statement writes
//! where, and why one is refused.
//!
//! The column itself is masked as its table's column is. What holds the whole value beside other things (an array, a row, the greatest of
//! several) is masked whole. Anything else that derives from it has its digits where no mask finds them, so the statement is refused; and
//! so is a question about its values, unless policy allows it. What cannot be told counts as the worst that it could be.

use pan::{Masked, Whole};
use policy::{Policy, Question};
use sql::{
    Clause, ColumnId, ColumnRef, Flow, How, Kind, Lineage, Name, Object, Output, Prepared, Relation, Schema, Statement,
    Unknown, Word,
};

use crate::catalogs::{Catalog, Treatment, treatment_of};
use crate::verdicts::{Refusal, Why, searched};

/// How one column of a result is masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) treatment: Treatment,
    /// The type of the column that it is; 0: it is none, or several.
    pub(crate) type_oid: u32,
}

/// The columns of a result in order; none: nothing in it derives from what is sensitive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Places {
    columns: Vec<Place>,
    /// Between those before it and those from it on stand others, of which nothing is sensitive.
    open_at: Option<usize>,
    /// Of several results with columns of different kinds: all of it is hidden.
    mixed: bool,
}

/// A place of which nothing is known.
pub(crate) const PLAIN: Place = Place { treatment: Treatment::Content, type_oid: 0 };
const HIDDEN: Place = Place { treatment: Treatment::Whole(Whole::KeepNothing), type_oid: 0 };

impl Places {
    pub(crate) const NONE: &'static Places = &Places { columns: Vec::new(), open_at: None, mixed: false };

    pub(crate) fn is_empty(&self) -> bool {
        self.columns.is_empty() && !self.mixed
    }

    /// The column number `at` of a result of `count`. A result that is not the one that was foreseen is hidden.
    pub(crate) fn at(&self, at: usize, count: usize) -> Place {
        let known = self.columns.len();
        if self.is_empty() {
            return PLAIN;
        }
        let index = match self.open_at {
            _ if self.mixed => return HIDDEN,
            None if known != count => return HIDDEN,
            None => at,
            Some(_) if known > count => return HIDDEN,
            Some(open) if at < open => at,
            Some(open) if at < count - (known - open) => return PLAIN,
            Some(_) => at - (count - known),
        };
        self.columns.get(index).copied().unwrap_or(HIDDEN)
    }

    /// Whether any of it is hidden without a type by which it could be in binary.
    pub(crate) fn is_untyped(&self) -> bool {
        let untyped = |place: &Place| matches!(place.treatment, Treatment::Whole(_)) && place.type_oid == 0;
        self.mixed || self.columns.iter().any(untyped)
    }

    /// Of either result what shows least.
    pub(crate) fn stricter(&self, other: &Places) -> Places {
        if self.is_empty() || other.is_empty() {
            return if self.is_empty() { other.clone() } else { self.clone() };
        }
        let alike = self.open_at == other.open_at && self.columns.len() == other.columns.len();
        let both = |(one, other): (&Place, &Place)| Place {
            treatment: one.treatment.stricter(other.treatment),
            type_oid: if one.type_oid == other.type_oid { one.type_oid } else { 0 },
        };
        Places {
            columns: self.columns.iter().zip(&other.columns).map(both).collect(),
            open_at: self.open_at,
            mixed: !alike || self.mixed || other.mixed,
        }
    }
}

/// A column, or all of a relation, that a statement fills with what must not leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filled {
    /// Its schema where that can be told.
    pub(crate) schema: Option<Word>,
    pub(crate) table: Word,
    /// Empty: all.
    pub(crate) column: String,
    pub(crate) id: (u32, i16),
}

/// One statement of a text.
#[derive(Debug, Default)]
pub(crate) struct Of {
    pub(crate) places: Places,
    pub(crate) fills: Box<[Filled]>,
}

/// What a text was found to do with sensitive columns.
#[derive(Debug, Default)]
pub(crate) struct Derived {
    pub(crate) statements: Vec<Of>,
    pub(crate) refusal: Option<Refusal>,
    /// What is said when the agent has no questions left.
    pub(crate) probing: Option<Refusal>,
    /// What a cursor asks: not when it is declared, but when it is read.
    pub(crate) cursor_asks: Option<Refusal>,
    /// An error of it may quote a value.
    pub(crate) may_quote: bool,
    /// It has to do with a sensitive column.
    pub(crate) sensitive: bool,
}

/// Of what a text is judged.
#[derive(Clone, Copy)]
pub(crate) struct Traced<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) catalog: &'a Catalog,
    pub(crate) schema: &'a Schema,
    pub(crate) subject: &'a policy::Subject,
    pub(crate) database: &'a str,
    /// The schemas that policy judges bare names by.
    pub(crate) schemas: &'a [String],
    /// Where among them the session's temporary one is searched.
    pub(crate) temporary_at: usize,
    /// They are what the server searches, in this order; else they are all that it may search.
    pub(crate) sure: bool,
    pub(crate) wall_s: i64,
}

impl Traced<'_> {
    /// What the statements of a text come to.
    pub(crate) fn judge(&self, statements: &[Statement]) -> Derived {
        let mut derived = Derived::default();
        let mut written = Vec::new();
        for statement in statements {
            self.written(statement, &mut written);
            match &statement.lineage {
                Some(lineage) => self.statement(statement, lineage, &written, &mut derived),
                None => derived.refuse(unknown("a statement that was not traced")),
            }
        }
        derived
    }

    /// The sensitive columns that it may fill with values of the agent's own, beside those that are known to be so filled. What stands there
    /// may be a guess, and a join of it with cards an answer.
    fn written(&self, statement: &Statement, written: &mut Vec<ColumnId>) {
        let writes = |kind: Kind| [Kind::INSERT, Kind::UPDATE, Kind::MERGE, Kind::COPY_IN].contains(&kind);
        for pair in statement.pairs.iter().filter(|pair| writes(pair.kind)) {
            let Object::Table(name) = &pair.object else { continue };
            // Whatever its schema, where none is named.
            let is_meant = |schema: &str| match &name.schema {
                Some(named) => named == schema || schema == "pg_temp" && named.starts_with(schema),
                None => true,
            };
            let tables = self.catalog.tables().iter().filter(|table| name.name == table.name);
            for table in tables.filter(|table| is_meant(&table.schema)) {
                let sensitive = table.columns.iter().filter(|column| matches!(column.treatment, Treatment::Whole(_)));
                let new = sensitive.filter(|column| !column.is_written && mentions(statement, &column.name));
                let ids = new.map(|column| ColumnId { relation: table.oid, number: column.number });
                written.extend(ids.filter(|id| !written.contains(id)).collect::<Vec<_>>());
            }
        }
    }

    fn statement(&self, statement: &Statement, lineage: &Lineage, written: &[ColumnId], derived: &mut Derived) {
        let question = Question {
            subject: self.subject,
            database: self.database,
            statement,
            schemas: self.schemas,
            schema: Some(self.schema),
            estimated_rows: None, // what vouches, and what may be matched, is not for rules that ask for it to say
            wall_s: self.wall_s,
        };
        derived.may_quote |= lineage.may_quote;
        derived.sensitive |= lineage.may_quote || !lineage.probes.is_empty() || !lineage.flows.is_empty();
        // Most results have nothing that matters.
        let outputs =
            if lineage.outputs.iter().all(|output| output.sources.is_empty()) { &[] } else { &*lineage.outputs };
        let mut places = Vec::with_capacity(outputs.len());
        for output in outputs {
            match self.place(output) {
                Ok(place) => places.push(place),
                // Where a refusal is only recorded it is hidden all the same.
                Err(refusal) => {
                    places.push(HIDDEN);
                    derived.refuse(refusal);
                }
            }
        }
        let is_masked = |place: &Place| place.treatment != Treatment::Content;
        derived.sensitive |= places.iter().any(is_masked);
        self.probes(lineage, &question, written, derived);
        for name in &lineage.elsewhere {
            let objects = [Object::Table(name.clone()), Object::Function(name.clone())];
            if !objects.iter().any(|object| policy::vouches(self.policy, &question, object)) {
                derived.refuse(elsewhere(name));
            }
        }
        if let Some(why) = self.unknown(statement, lineage, &question) {
            derived.refuse(unknown(&why));
        }
        lineage.flows.iter().filter_map(|flow| self.unkept(flow)).for_each(|refusal| derived.refuse(refusal));
        let flows = lineage.flows.iter().filter(|flow| self.matters(flow)).map(|flow| self.filled(flow));
        let fills = flows.chain(written.iter().filter_map(|id| self.guessed(*id))).collect();
        let places = if places.iter().any(is_masked) {
            Places { columns: places, open_at: lineage.open_at, mixed: false }
        } else {
            Places::default()
        };
        derived.statements.push(Of { places, fills });
    }

    /// How a column of the result is masked, or why it cannot be.
    fn place(&self, output: &Output) -> Result<Place, Refusal> {
        let mut place = Place { treatment: Treatment::Content, type_oid: 0 };
        let sensitive =
            output.sources.iter().filter(|source| matches!(self.treatment(source.column), Treatment::Whole(_)));
        for source in sensitive {
            let treatment = match source.how {
                How::Identity => self.treatment(source.column),
                How::Verbatim => Treatment::Whole(Whole::KeepNothing),
                How::Injective | How::Lossy | How::Predicate => {
                    return Err(underivable(output, &self.said(source.column), source.how));
                }
            };
            place.treatment = place.treatment.stricter(treatment);
        }
        if let [only] = output.sources.as_slice()
            && only.how == How::Identity
        {
            place.treatment = self.treatment(only.column);
            place.type_oid = self.column(only.column).map_or(0, |(_, column)| column.type_oid);
        }
        Ok(place)
    }

    fn probes(&self, lineage: &Lineage, question: &Question<'_>, written: &[ColumnId], derived: &mut Derived) {
        let is_written = |id: ColumnId| {
            let known = self.catalog.column(id.relation, id.number);
            written.contains(&id) || known.is_none_or(|column| column.is_written)
        };
        for probe in &lineage.probes {
            let is_join = probe.clause == Clause::Join;
            if !matches!(self.treatment(probe.column), Treatment::Whole(_)) || is_join && !is_written(probe.column) {
                continue;
            }
            let table = self.column(probe.column).map(|(relation, _)| &relation.name);
            // What the planner expects of one value is no more than what its statistics say of the commonest.
            if probe.clause == Clause::Match && lineage.is_plan {
                continue;
            }
            let may_match = || table.is_some_and(|table| policy::may_match(self.policy, question, table));
            if (is_join || probe.clause == Clause::Match) && may_match() {
                continue;
            }
            let refusal = probing(probe.clause, &probe.expression, &self.said(probe.column));
            let declares = |prepared: &Prepared| matches!(prepared, Prepared::Declare { .. });
            let later = probe.clause == Clause::Match && question.statement.prepared.iter().any(declares);
            let asks = if later { &mut derived.cursor_asks } else { &mut derived.probing };
            asks.get_or_insert(refusal);
        }
    }

    /// What cannot be told of the statement, in words.
    fn unknown(&self, statement: &Statement, lineage: &Lineage, question: &Question<'_>) -> Option<String> {
        let traced = lineage.unknown.iter().find_map(|unknown| match unknown {
            Unknown::Function(name) if policy::vouches(self.policy, question, &Object::Function(name.clone())) => None,
            Unknown::Function(name) => Some(format!("what function {name} does")),
            Unknown::Relation(name) => Some(format!("what {name} is")),
            Unknown::Column(name) => Some(format!("which column {name} is")),
            // The session looks its own names up; what they fill is not told.
            Unknown::Form(_) if uses_names(statement) => None,
            Unknown::Form(words) => Some(words.clone()),
        });
        traced.or_else(|| self.ambiguous(statement))
    }

    /// A bare name that may mean several relations, because `search_path` may be one or another by now.
    fn ambiguous(&self, statement: &Statement) -> Option<String> {
        if self.sure {
            return None;
        }
        statement.pairs.iter().find_map(|pair| match &pair.object {
            Object::Table(name) if name.schema.is_none() => {
                let is_there = |schema: &&String| {
                    let name = Name::new(Some(schema), &name.name);
                    self.schema.relation(&name, &[]).is_some()
                };
                (searched(self.schemas, self.temporary_at).iter().filter(is_there).count() > 1)
                    .then(|| format!("which {name} is meant"))
            }
            _ => None,
        })
    }

    fn matters(&self, flow: &Flow) -> bool {
        flow.sources.iter().any(|source| matches!(self.treatment(source.column), Treatment::Whole(_)))
            && !self.target(flow).is_some_and(|(relation, number)| {
                let id = ColumnId { relation: relation.oid, number };
                number != 0 && matches!(self.treatment(id), Treatment::Whole(_))
            })
    }

    /// What a column gets must be of the kind that a result may have: whole values. Also where it is sensitive itself, since a mask that
    /// keeps a value's ends would show what was moved there.
    fn unkept(&self, flow: &Flow) -> Option<Refusal> {
        if let Some(refusal) = self.watched(flow) {
            return Some(refusal);
        }
        let hides_all = |(relation, number): (&Relation, i16)| {
            let id = ColumnId { relation: relation.oid, number };
            number != 0 && self.treatment(id) == Treatment::Whole(Whole::KeepNothing)
        };
        if self.target(flow).is_some_and(hides_all) {
            return None;
        }
        let source = flow.sources.iter().find(|source| {
            matches!(self.treatment(source.column), Treatment::Whole(_)) && source.how < How::Verbatim
        })?;
        let (table, column) = (&flow.target.name, self.said(source.column));
        Some(
            Refusal::new(
                Why::Blocked,
                "a column would be filled with what derives from a sensitive column",
                "copy the column itself: the copy is masked as it is",
            )
            .with_detail(&format!("{table} would tell {column} {}", form(source.how))),
        )
    }

    /// A copy into a relation that looks at it by itself: what it makes of the value, or whether it fails, tells of it. What is set up over a
    /// column that policy names is its owner's to answer for.
    fn watched(&self, flow: &Flow) -> Option<Refusal> {
        let by = flow.watched?;
        let source = flow.sources.iter().find(|source| matches!(self.treatment(source.column), Treatment::Whole(_)))?;
        let is_named = self.target(flow).is_some_and(|(relation, _)| {
            let schema = relation.name.schema.as_deref().unwrap_or_default();
            let named = treatment_of(self.policy, self.database, schema, &relation.name.name, &flow.column);
            matches!(named, Treatment::Whole(_))
        });
        if is_named {
            return None;
        }
        let (table, column) = (&flow.target.name, self.said(source.column));
        Some(
            Refusal::new(
                Why::Blocked,
                "a sensitive value would be written where the table itself looks at it",
                "copy it into a table without keys, checks, indexes, triggers and generated columns over that column, or have the \
operator name the column sensitive",
            )
            .with_detail(&format!("{} of {table} would tell of {column}", by.as_str())),
        )
    }

    fn filled(&self, flow: &Flow) -> Filled {
        let target = self.target(flow);
        Filled {
            schema: target.map_or(&flow.target.schema, |(relation, _)| &relation.name.schema).clone(),
            table: flow.target.name.clone(),
            column: flow.column.clone(),
            id: target.map_or((0, 0), |(relation, number)| (relation.oid, number)),
        }
    }

    fn guessed(&self, id: ColumnId) -> Option<Filled> {
        let (relation, column) = self.column(id)?;
        Some(Filled {
            schema: relation.name.schema.clone(),
            table: relation.name.name.clone(),
            column: column.name.clone(),
            id: (id.relation, id.number),
        })
    }

    /// The relation that a flow fills, if it is known, and the column's number; 0: all.
    fn target(&self, flow: &Flow) -> Option<(&Relation, i16)> {
        let relation = self
            .schema
            .relation(&flow.target, &searched(self.schemas, self.temporary_at))
            .filter(|_| self.sure || flow.target.schema.is_some())?;
        let column = relation.columns.iter().find(|column| column.name == flow.column);
        Some((relation, column.map_or(0, |column| column.number)))
    }

    fn treatment(&self, column: ColumnId) -> Treatment {
        self.catalog.treatment(column.relation, column.number)
    }

    fn column(&self, id: ColumnId) -> Option<(&Relation, &sql::Column)> {
        let relation = self.schema.relation_of(id.relation)?;
        Some((relation, relation.columns.iter().find(|column| column.number == id.number)?))
    }

    fn said(&self, id: ColumnId) -> String {
        self.column(id).map_or_else(String::new, |(relation, column)| format!("{}.{}", relation.name, column.name))
    }
}

/// Does it name this column of any relation, or all of one?
fn mentions(statement: &Statement, name: &str) -> bool {
    statement.columns.iter().any(|column| match column {
        ColumnRef::Named { name: named, .. } => named == name,
        ColumnRef::All { .. } => true,
    })
}

/// EXECUTE or FETCH, and nothing is made of what comes of it.
fn uses_names(statement: &Statement) -> bool {
    let is_use = |prepared: &Prepared| matches!(prepared, Prepared::Execute { .. } | Prepared::Fetch { .. });
    statement.prepared.iter().any(is_use) && !statement.kinds.iter().any(|kind| defines(*kind))
}

/// Does this kind make, change or drop what a name means?
pub(crate) fn defines(kind: Kind) -> bool {
    ["create-", "alter-", "drop-"].iter().any(|verb| kind.as_str().starts_with(verb))
}

/// Does a statement use an object of that bare name, other than by defining it?
pub(crate) fn reads(statement: &Statement, bare: &str) -> bool {
    statement.pairs.iter().any(|pair| match &pair.object {
        Object::Table(name) | Object::Function(name) => name.name == bare && !defines(pair.kind),
        Object::None => false,
    })
}

/// Whatever an object is, this statement neither uses nor shows it: BEGIN, COMMIT, SET.
pub(crate) fn uses_nothing(statement: &Statement) -> bool {
    let shows = |lineage: &Lineage| {
        !lineage.outputs.is_empty()
            || !lineage.probes.is_empty()
            || !lineage.flows.is_empty()
            || !lineage.elsewhere.is_empty()
            || !lineage.unknown.is_empty()
    };
    statement.pairs.iter().all(|pair| pair.object == Object::None)
        && statement.prepared.is_empty()
        && !statement.lineage.as_ref().is_none_or(shows)
}

impl Derived {
    pub(crate) fn is_settled(&self) -> bool {
        !self.may_quote
            && self.probing.is_none()
            && self.cursor_asks.is_none()
            && self.statements.iter().all(|of| of.fills.is_empty())
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.refusal = Refusal::stronger(self.refusal.take(), Some(refusal));
    }
}

fn underivable(output: &Output, column: &str, how: How) -> Refusal {
    let what = if output.expression.is_empty() { &output.name } else { &output.expression };
    Refusal::new(
        Why::Blocked,
        "a column of the result derives from a sensitive column and cannot be masked",
        "select the column itself, which leaves masked, or leave the expression out",
    )
    .with_detail(&format!("{what} tells {column} {}", form(how)))
}

fn form(how: How) -> &'static str {
    match how {
        How::Identity | How::Verbatim | How::Injective => "in another form",
        How::Lossy => "in part",
        How::Predicate => "by a choice that it decides",
    }
}

fn probing(clause: Clause, expression: &str, column: &str) -> Refusal {
    let (place, hint) = match clause {
        Clause::Where => ("in a condition", "use other columns in the condition"),
        Clause::Match => (
            "for equality with a value",
            "find the row by another column; an operator can allow equality with a whole value by match = true",
        ),
        Clause::Join => (
            "in a join with what agents have written",
            "join by other columns; an operator can allow equality with a whole value by match = true",
        ),
        Clause::OrderBy => ("in an order", "order by other columns"),
        Clause::GroupBy => ("in a grouping", "group by other columns"),
        Clause::Case => ("in a choice", "choose by other columns"),
        Clause::Other => ("where its value shows", "leave the expression out"),
    };
    Refusal::new(Why::Blocked, "the statement asks about the values of a sensitive column", hint)
        .with_detail(&format!("{expression} asks {column} {place}"))
}

fn elsewhere(name: &Name) -> Refusal {
    Refusal::new(
        Why::Blocked,
        "the statement reads what may hold the values of other tables",
        "ask the operator for a rule that names it, or read the table itself",
    )
    .with_detail(&format!("{name} is not bound to the tables that the statement names"))
}

pub(crate) fn unknown(why: &str) -> Refusal {
    Refusal::new(
        Why::Unjudged,
        "it cannot be told where the values of the statement come from",
        "name tables and columns that exist, use built-in functions, and end a transaction that changes objects first",
    )
    .with_detail(&format!("not known: {why}"))
}

/// So many errors that may tell a value are enough.
pub(crate) fn no_errors_left() -> Refusal {
    Refusal::new(
        Why::Blocked,
        "too many statements of this agent have failed over the values of sensitive columns",
        "wait an hour, or leave out what may fail over a sensitive column: casts, arithmetic",
    )
}

/// What is written where cannot be remembered any more.
pub(crate) fn no_taints_left() -> Refusal {
    Refusal::new(
        Why::Blocked,
        "the statement would copy sensitive values into a column, and no more such columns can be remembered",
        "write into a column that is known to be sensitive",
    )
}

impl Refusal {
    fn with_detail(mut self, detail: &str) -> Refusal {
        self.detail = Some(Masked::of(detail));
        self
    }
}
