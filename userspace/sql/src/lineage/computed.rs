//! What a relation makes of the values of its columns by itself: generated columns, and what looks at a row that comes.

use std::rc::Rc;

use super::follow::Follower;
use super::scope::{self, Columns, From, Item};
use super::select::nodes;
use super::value::{Column, Value};
use super::words;
use crate::schema::Kept;
use crate::tree::{At, Node, Tag, Value as Field, at};
use crate::{ColumnId, Computation, Name, Relation, Sensitivity, Watch, Word};

/// What an earlier statement of the text has set up over a relation, by its bare name.
#[derive(Clone)]
pub(super) struct SetUp {
    relation: Word,
    by: Watch,
    /// The columns; none: it may look at all.
    columns: Vec<String>,
}

/// The relation's columns where some are generated from what matters; `None`: they are as they are stored.
pub(super) fn generated<'c>(follower: &mut Follower<'c>, relation: &'c Kept) -> Option<Rc<[Column<'c>]>> {
    let schema = follower.schema();
    let heirs: Vec<&'c Relation> = schema.heirs(relation).filter(|heir| expressions(heir).next().is_some()).collect();
    let matters = |relation: &&Relation| {
        relation.columns.iter().any(|column| schema.sensitivity_in(relation, column) != Sensitivity::None)
    };
    if !heirs.iter().any(matters) {
        return None;
    }
    let mut columns = Columns::Relation(relation).list(schema).to_vec();
    for heir in heirs {
        for (number, expression) in expressions(heir) {
            let made = heir.columns.iter().find(|column| column.number == number);
            let Some(made) = made.filter(|made| made.sensitivity != Sensitivity::Clear) else { continue };
            let value = of_expression(follower, heir, expression, |column| scope::stored(schema, heir, column));
            if let Some(own) = columns.iter_mut().find(|own| *own.name == *made.name) {
                own.value.add(&value);
                own.words = words::identifier(&made.name);
            }
        }
    }
    Some(columns.into())
}

fn expressions(relation: &Relation) -> impl Iterator<Item = (i16, &str)> {
    relation.computations.iter().filter_map(|computation| match computation {
        Computation::Generated { column, expression } => Some((*column, expression.as_str())),
        Computation::Watched { .. } => None,
    })
}

/// What an expression over a relation's own columns derives from, each of which is `stored`. What cannot be read is made of all.
fn of_expression<'c>(
    follower: &mut Follower<'c>,
    relation: &'c Relation,
    expression: &str,
    stored: impl Fn(&crate::Column) -> Value<'c>,
) -> Value<'c> {
    let columns: Vec<Column<'c>> =
        relation.columns.iter().map(|column| Column::new(&column.name, stored(column))).collect();
    let all = Value::all(columns.iter().map(|column| &column.value));
    let item = Item {
        name: relation.name.name.as_str(),
        schema: relation.name.schema.as_deref(),
        columns: Columns::Known(columns.into()),
        is_stored: true,
    };
    let read = (!expression.is_empty()).then_some(expression).and_then(|expression| {
        follower.apart(Vec::new(), |follower| {
            follower.scopes.open(0);
            follower.scopes.add(From::Item(item));
            let value = follower.text(&format!("SELECT {expression}"), |follower, statements| match statements {
                [statement] if statement.kind() == Tag::SelectStmt => match &*follower.query(*statement) {
                    [column] => Some(column.value.clone()),
                    _ => None,
                },
                _ => None,
            });
            follower.scopes.close();
            value
        })
    });
    read.unwrap_or_else(|| all.at_most(crate::How::Lossy))
}

/// What looks at a column of a relation by itself when it is filled; `column` empty: at any of it.
pub(super) fn watch<'c>(follower: &mut Follower<'c>, target: &Name, column: &str) -> Option<Watch> {
    let earlier = follower.earlier.set_up.iter().find(|one| {
        one.relation == target.name
            && (one.columns.is_empty() || column.is_empty() || one.columns.iter().any(|name| name == column))
    });
    if let Some(earlier) = earlier {
        return Some(earlier.by);
    }
    let schema = follower.schema();
    let is_meant = |relation: &&Relation| {
        relation.name.name == target.name
            && target.schema.as_ref().is_none_or(|written| {
                let written = if written.starts_with("pg_temp_") { "pg_temp" } else { written };
                relation.name.schema.as_deref() == Some(written)
            })
    };
    let meant: Vec<&'c Relation> = schema.relations().filter(is_meant).flat_map(|one| schema.heirs(one)).collect();
    meant.into_iter().find_map(|relation| relation_watch(follower, relation, column))
}

fn relation_watch<'c>(follower: &mut Follower<'c>, relation: &'c Relation, column: &str) -> Option<Watch> {
    let number = relation.columns.iter().find(|known| known.name == column).map(|known| known.number);
    let looks = |columns: &[i16]| columns.is_empty() || number.is_none_or(|number| columns.contains(&number));
    let simple = relation.computations.iter().find_map(|computation| match computation {
        Computation::Watched { by, columns } if looks(columns) => Some(*by),
        Computation::Watched { .. } | Computation::Generated { .. } => None,
    });
    if simple.is_some() {
        return simple;
    }
    let itself = |column: &crate::Column| Value::column(ColumnId { relation: relation.oid, number: column.number });
    let made: Vec<Value> =
        expressions(relation).map(|(_, expression)| of_expression(follower, relation, expression, itself)).collect();
    let of_it =
        |value: &Value| value.sources().iter().any(|source| number.is_none_or(|number| source.column.number == number));
    made.iter().any(of_it).then_some(Watch::Generated)
}

impl<'c> Follower<'c> {
    /// Notes what a definition sets up over a relation, for the statements behind it.
    pub(super) fn sets_up(&mut self, relation: &Name, by: Watch, columns: Vec<String>) {
        self.earlier.set_up.push(SetUp { relation: relation.name.clone(), by, columns });
    }

    /// Notes what a column's or a table's definition sets up.
    pub(super) fn sets_up_definition(&mut self, relation: &Name, node: Node<'c>, column: &str) {
        match node.kind() {
            Tag::ColumnDef => {
                let name = node.text(at!("colname"));
                if node.node(at!("typeName")).is_some_and(|name| !is_plain(name)) {
                    self.sets_up(relation, Watch::Domain, named(name));
                }
                nodes(node.list(at!("constraints"))).for_each(|one| self.sets_up_definition(relation, one, name));
            }
            Tag::Constraint => self.sets_up_constraint(relation, node, column),
            _ => {}
        }
    }

    fn sets_up_constraint(&mut self, relation: &Name, constraint: Node<'c>, column: &str) {
        let keys = |field: At| -> Vec<String> {
            constraint.list(field).iter().filter_map(Field::as_string).map(str::to_owned).collect()
        };
        let or_own = |keys: Vec<String>| if keys.is_empty() { named(column) } else { keys };
        match constraint.text(at!("contype")) {
            "CONSTR_CHECK" => self.sets_up(relation, Watch::Check, Vec::new()),
            "CONSTR_GENERATED" => self.sets_up(relation, Watch::Generated, Vec::new()),
            "CONSTR_PRIMARY" | "CONSTR_UNIQUE" => self.sets_up(relation, Watch::Key, or_own(keys(at!("keys")))),
            "CONSTR_EXCLUSION" => self.sets_up(relation, Watch::Exclusion, Vec::new()),
            "CONSTR_FOREIGN" => self.sets_up(relation, Watch::Reference, or_own(keys(at!("fk_attrs")))),
            _ => {}
        }
    }
}

fn named(column: &str) -> Vec<String> {
    if column.is_empty() { Vec::new() } else { vec![column.to_owned()] }
}

/// Is it a type of the server's own, without constraints that run?
pub(super) fn is_plain(type_name: Node<'_>) -> bool {
    const PLAIN: &[&str] = &[
        "bit",
        "bool",
        "bpchar",
        "bytea",
        "char",
        "date",
        "float4",
        "float8",
        "inet",
        "int2",
        "int4",
        "int8",
        "interval",
        "json",
        "jsonb",
        "name",
        "numeric",
        "serial",
        "bigserial",
        "smallserial",
        "text",
        "time",
        "timestamp",
        "timestamptz",
        "timetz",
        "uuid",
        "varbit",
        "varchar",
        "xml",
        "serial4",
        "serial8",
        "serial2",
        "cidr",
        "oid",
    ];
    PLAIN.contains(&words::last(type_name.list(at!("names"))))
}
