//! What a relation's name means: a relation of the database, one that was made on the way, or one of the server's own.

use std::rc::Rc;

use super::follow::Follower;
use super::scope::{self, Columns};
use super::value::{Column, Value};
use crate::schema::{Kept, TEMPORARY, plain};
use crate::tree::{Node, Tag, at};
use crate::{Context, Name, Relation, RelationKind, Unknown, catalog, grammar};

/// What the trees of one text and of all that it leads to may take.
const ARENA_BYTES_MAX: usize = 256 << 20;

/// Views inside views.
const VIEWS_MAX: usize = 32;

/// A relation by its name.
pub(super) struct Resolved<'c> {
    /// Its columns.
    pub(super) columns: Columns<'c>,
    /// The schema that it lies in, where that is known.
    pub(super) schema: Option<&'c str>,
}

/// Finds it, and notes what it is if it cannot be told or holds other people's values.
pub(super) fn resolve<'c>(follower: &mut Follower<'c>, written: Option<&'c str>, name: &'c str) -> Resolved<'c> {
    if written.is_none() && follower.earlier.moved_path {
        follower.unknown_form("a name without a schema behind a change of search_path");
    }
    let known = follower.schema().named(name);
    let only = written.map(plain);
    let path = if written.is_some() { only.as_slice() } else { follower.path };
    for schema in path.iter().copied() {
        if let Some(columns) = in_schema(follower, schema, name, known) {
            let columns = with_filled(follower, name, columns);
            return Resolved { columns, schema: Some(schema) };
        }
    }
    let mut made = follower.earlier.relations.iter().rev();
    let made = made.find(|made| written.is_none() && *made.name.name == *name);
    if let Some(made) = made {
        let (columns, schema) = (Columns::Known(Rc::clone(&made.columns)), made.name.schema.as_deref());
        let schema = schema.map(|schema| &*follower.arena.alloc_str(schema));
        return Resolved { columns: with_filled(follower, name, columns), schema };
    }
    follower.unknown(Unknown::Relation(Name::new(written, name)));
    Resolved { columns: Columns::Any(Value::clean()), schema: written }
}

/// The schemas in which a bare name is looked for, in order; temporary objects and the server's own come first unless the path says
/// otherwise.
pub(super) fn searched<'c>(context: &Context<'c>) -> impl Iterator<Item = &'c str> {
    let path = context.path().map(plain);
    let of_path = path.clone();
    let is_implicit = move |implicit: &&str| of_path.clone().all(|schema| schema != *implicit);
    [TEMPORARY, "pg_catalog"].into_iter().filter(is_implicit).chain(path)
}

/// The relation of that name in a schema, of those that are `known` by it; `None`: there is none.
fn in_schema<'c>(follower: &mut Follower<'c>, schema: &str, name: &str, known: &'c [Kept]) -> Option<Columns<'c>> {
    let is_servers = matches!(schema, "pg_catalog" | "information_schema");
    let own = known.iter().filter(|_| !is_servers).find(|relation| relation.name.is_in(schema));
    if let Some(relation) = own {
        let columns = of_relation(follower, relation);
        return Some(with_others(follower, relation, columns));
    }
    let mut made = follower.earlier.relations.iter().rev();
    if let Some(made) = made.find(|made| *made.name.name == *name && made.name.is_in(schema)) {
        return Some(Columns::Known(Rc::clone(&made.columns)));
    }
    match schema {
        "pg_toast" => follower.elsewhere(Name::new(Some(schema), name)),
        // All of its relations are called so.
        "pg_catalog" if !name.starts_with("pg_") || !catalog::is_catalog_relation(name) => return None,
        "information_schema" if !catalog::is_information_schema(name) => return None,
        "pg_catalog" | "information_schema" => {
            if catalog::holds_values(schema, name) {
                follower.elsewhere(Name::new(Some(schema), name));
            }
        }
        _ => return None,
    }
    Some(Columns::Any(Value::clean()))
}

/// The columns of a relation whose name an earlier statement of the text used for one that it made, or whose bearer it may have removed or
/// named otherwise: it may be any of that name.
fn with_others<'c>(follower: &mut Follower<'c>, relation: &'c Kept, columns: Columns<'c>) -> Columns<'c> {
    if follower.earlier.relations.is_empty() && follower.earlier.gone.is_empty() {
        return columns;
    }
    let name = &relation.name.name;
    let made = follower.earlier.relations.iter().filter(|made| made.name.name == *name);
    let mut others: Vec<Column<'c>> = made.flat_map(|made| made.columns.iter().cloned()).collect();
    if follower.earlier.gone.has(name) {
        let schema = follower.schema();
        for other in schema.kept().filter(|other| other.name.name == *name && other.oid != relation.oid) {
            others.extend_from_slice(&of_relation(follower, other).list(schema));
        }
    }
    if others.is_empty() {
        return columns;
    }
    let known = columns.list(follower.schema());
    if known.iter().chain(&others).all(|column| column.value.is_clean()) {
        return Columns::Any(Value::clean());
    }
    // `*` and a name that neither has may be any of them.
    let mut all = known.to_vec();
    all.append(&mut others);
    all.push(Column::new(scope::STAR, Value::all(all.iter().map(|column| &column.value))));
    Columns::Known(all.into())
}

/// The columns of a relation of that name with what earlier statements of the text wrote into them.
fn with_filled<'c>(follower: &Follower<'c>, name: &str, columns: Columns<'c>) -> Columns<'c> {
    if follower.earlier.filled.is_empty() {
        return columns;
    }
    let filled: Vec<_> = follower.earlier.filled.iter().filter(|flow| flow.target.name == name).collect();
    if filled.is_empty() {
        return columns;
    }
    let mut all = columns.list(follower.schema()).to_vec();
    for flow in filled {
        let value = Value::of_sources(&flow.sources);
        let is_meant =
            |column: &&mut Column| flow.column.is_empty() || column.name == flow.column || column.name == scope::STAR;
        for column in all.iter_mut().filter(is_meant) {
            if !value.sources().iter().all(|source| column.value.sources().contains(source)) {
                column.value = column.value.or(&value);
                column.words = super::words::identifier(column.name);
            }
        }
    }
    Columns::Known(all.into())
}

fn of_relation<'c>(follower: &mut Follower<'c>, relation: &'c Kept) -> Columns<'c> {
    match &relation.kind {
        RelationKind::View { query } => Columns::Known(view(follower, relation, query)),
        RelationKind::Table | RelationKind::Other => {
            let computed = super::computed::generated(follower, relation);
            computed.map_or(Columns::Relation(relation), |columns| Columns::Computed(relation, columns))
        }
        RelationKind::Sequence => Columns::Any(Value::clean()),
    }
}

/// A view's columns: what its query says, or what policy says of the column itself.
fn view<'c>(follower: &mut Follower<'c>, relation: &'c Relation, query: &str) -> Rc<[Column<'c>]> {
    let is_asked = follower.is_asked;
    if let Some(known) = follower.views.get(&(relation.oid, is_asked)) {
        return Rc::clone(known);
    }
    let is_open = follower.open.contains(&&relation.name) || follower.open.len() >= VIEWS_MAX;
    let read = if is_open { None } else { expanded(follower, relation, query) };
    let width = relation.columns.len();
    let read = read.filter(|columns| columns.len() == width && !scope::has_star(columns));
    if read.is_none() {
        follower.unknown(Unknown::Relation(relation.name.clone()));
    }
    let columns: Rc<[Column<'c>]> = relation
        .columns
        .iter()
        .enumerate()
        .map(|(at, column)| {
            let own = scope::stored(follower.schema(), relation, column);
            let from = read.as_ref().and_then(|columns| columns.get(at));
            let value = match (column.sensitivity, from) {
                (crate::Sensitivity::Clear, _) | (_, None) => own,
                (_, Some(from)) => from.value.clone().with(&own),
            };
            let words = if value.is_clean() { "" } else { super::words::identifier(&column.name) };
            Column { name: &column.name, value, words }
        })
        .collect();
    follower.views.insert((relation.oid, is_asked), Rc::clone(&columns));
    columns
}

/// What a view's query gives; `None`: it cannot be read.
fn expanded<'c>(follower: &mut Follower<'c>, relation: &'c Relation, query: &str) -> Option<Rc<[Column<'c>]>> {
    follower.open.push(&relation.name);
    let columns = follower.apart(Vec::new(), |follower| {
        follower.text(query, |follower, statements| match statements {
            [statement] if statement.kind() == Tag::SelectStmt => Some(follower.query(*statement)),
            _ => None,
        })
    });
    follower.open.pop();
    columns
}

impl<'c> Follower<'c> {
    /// Reads a text that the database keeps, once, and hands its statements to `body`; `None` if it cannot be read.
    pub(super) fn text<T>(&mut self, text: &str, body: impl FnOnce(&mut Self, &[Node<'c>]) -> Option<T>) -> Option<T> {
        let statements = match self.texts.get(text) {
            Some(read) => *read,
            None => {
                let read = self.read(text)?;
                self.texts.insert(self.arena.alloc_str(text), read);
                read
            }
        };
        body(self, statements)
    }

    fn read(&self, text: &str) -> Option<&'c [Node<'c>]> {
        let limits = crate::Limits::default();
        // All that one text leads to lies in memory until it is judged.
        let bytes_max = ARENA_BYTES_MAX.checked_sub(self.arena.bytes())?.min(limits.tree_bytes);
        if text.len() > limits.bytes {
            return None;
        }
        let parsed = grammar::parse(text, self.arena, limits.depth, bytes_max).ok()?;
        let statements: Option<Vec<_>> =
            parsed.statements.iter().map(|raw| raw.as_node().and_then(|raw| raw.node(at!("stmt")))).collect();
        Some(self.arena.alloc_slice_copy(&statements?))
    }
}
