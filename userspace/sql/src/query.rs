//! SELECT, INSERT, UPDATE, DELETE and MERGE.

use crate::Kind;
use crate::statement::Object;
use crate::tree::{List, Node, Tag, Value, at};
use crate::utility::constant;
use crate::walk::{Walk, range_name};

/// The kind that a query is by its first word; `None`: not a query.
pub(crate) fn kind(node: Node<'_>) -> Option<Kind> {
    Some(match node.kind() {
        Tag::SelectStmt => Kind::SELECT,
        Tag::InsertStmt => Kind::INSERT,
        Tag::UpdateStmt => Kind::UPDATE,
        Tag::DeleteStmt => Kind::DELETE,
        Tag::MergeStmt => Kind::MERGE,
        _ => return None,
    })
}

pub(crate) fn select<'t>(walk: &mut Walk<'t>, node: Node<'t>) {
    walk.with(node.node(at!("withClause")), |walk| {
        fills_and_locks(walk, node);
        let outer = std::mem::replace(&mut walk.fixed_name, fixed_name(node));
        walk.children(node, &[at!("withClause"), at!("intoClause"), at!("lockingClause")]);
        walk.fixed_name = outer;
    });
}

fn fills_and_locks<'t>(walk: &mut Walk<'t>, node: Node<'t>) {
    if let Some(into) = node.node(at!("intoClause")).and_then(|into| into.node(at!("rel"))) {
        walk.table(Kind::CREATE_TABLE, into);
    }
    for clause in node.list(at!("lockingClause")).iter().filter_map(Value::as_node) {
        lock(walk, clause, node.list(at!("fromClause")));
    }
}

/// `SELECT … FROM pg_settings WHERE name = 'x'`: pg_dump changes a setting only if the server knows it, by
/// `set_config(name, …)` over such a query (`pg_dump.c`, `set_restrict_relation_kind`).
fn fixed_name(node: Node<'_>) -> Option<String> {
    let from = node
        .list(at!("fromClause"))
        .only()?
        .as_node()
        .filter(|from| from.kind() == Tag::RangeVar && from.text(at!("relname")) == "pg_settings")?;
    let test = node
        .node(at!("whereClause"))
        .filter(|test| test.kind() == Tag::A_Expr && test.text(at!("kind")) == "AEXPR_OP")?;
    let (operator, column) = (test.list(at!("name")).only()?, test.node(at!("lexpr"))?);
    let name = column.list(at!("fields")).only()?;
    let fixed = from.node(at!("alias")).is_none()
        && operator.as_string() == Some("=")
        && column.kind() == Tag::ColumnRef
        && name.as_string() == Some("name");
    if fixed { constant(test.get(at!("rexpr"))) } else { None }
}

/// FOR UPDATE and its kin: locks rows of the tables named, or of all in FROM, those of subqueries included.
fn lock<'t>(walk: &mut Walk<'t>, clause: Node<'t>, from: List<'t>) {
    let names: Vec<&str> = clause
        .list(at!("lockedRels"))
        .iter()
        .filter_map(Value::as_node)
        .map(|range| range.text(at!("relname")))
        .collect();
    let read = walk.apart(|walk| from.iter().filter_map(Value::as_node).for_each(|item| lockable(walk, item, &names)));
    let mut none = true;
    for pair in read {
        if pair.kind == Kind::SELECT && matches!(pair.object, Object::Table(_)) {
            walk.effect(Kind::LOCK, pair.object);
            none = false;
        }
    }
    if none {
        walk.effect(Kind::LOCK, Object::None);
    }
}

/// Walks those items of FROM that a locking clause with these names means.
fn lockable<'t>(walk: &mut Walk<'t>, item: Node<'t>, names: &[&str]) {
    let alias = item.node(at!("alias")).map_or("", |alias| alias.text(at!("aliasname")));
    let named = if alias.is_empty() { item.text(at!("relname")) } else { alias };
    if names.is_empty() || names.contains(&named) {
        walk.visit(item);
    } else if item.kind() == Tag::JoinExpr {
        [item.node(at!("larg")), item.node(at!("rarg"))]
            .into_iter()
            .flatten()
            .for_each(|side| lockable(walk, side, names));
    } else if let (Tag::RangeTableSample, Some(relation)) = (item.kind(), item.node(at!("relation"))) {
        lockable(walk, relation, names);
    }
}

pub(crate) fn insert<'t>(walk: &mut Walk<'t>, node: Node<'t>) {
    walk.with(node.node(at!("withClause")), |walk| {
        let Some(relation) = node.node(at!("relation")) else { return };
        walk.table(Kind::INSERT, relation);
        if node.list(at!("cols")).is_empty() {
            walk.all_columns(Some(relation.text(at!("relname"))));
        }
        targets(walk, node.list(at!("cols")), relation);
        if let Some(conflict) = node.node(at!("onConflictClause")) {
            if conflict.text(at!("action")) == "ONCONFLICT_UPDATE" {
                walk.table(Kind::UPDATE, relation);
            }
            targets(walk, conflict.list(at!("targetList")), relation);
            walk.children(conflict, &[at!("targetList")]);
        }
        returning(walk, node, relation);
        walk.children(
            node,
            &[at!("withClause"), at!("relation"), at!("cols"), at!("onConflictClause"), at!("returningClause")],
        );
    });
}

pub(crate) fn update<'t>(walk: &mut Walk<'t>, node: Node<'t>) {
    changed(walk, node, Kind::UPDATE);
}

pub(crate) fn delete<'t>(walk: &mut Walk<'t>, node: Node<'t>) {
    changed(walk, node, Kind::DELETE);
}

/// UPDATE and DELETE: the target has their kind; what FROM, USING and subqueries name is read.
fn changed<'t>(walk: &mut Walk<'t>, node: Node<'t>, kind: Kind) {
    walk.with(node.node(at!("withClause")), |walk| {
        let Some(relation) = node.node(at!("relation")) else { return };
        walk.table(kind, relation);
        if !names_column(node.get(at!("whereClause"))) {
            walk.without_where.insert(range_name(relation));
        }
        targets(walk, node.list(at!("targetList")), relation);
        returning(walk, node, relation);
        walk.children(node, &[at!("withClause"), at!("relation"), at!("targetList"), at!("returningClause")]);
    });
}

/// Does a column stand anywhere in a condition? `WHERE true` and `WHERE 1 = 1` are none.
fn names_column(condition: Value<'_>) -> bool {
    match condition {
        Value::Node(node) => {
            matches!(node.kind(), Tag::ColumnRef | Tag::CurrentOfExpr)
                || node.inner_fields().any(|(_, field)| names_column(field))
        }
        Value::List(items) => items.iter().any(names_column),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Literal(_) => false,
    }
}

/// MERGE has its own kind and that of each action.
pub(crate) fn merge<'t>(walk: &mut Walk<'t>, node: Node<'t>) {
    walk.with(node.node(at!("withClause")), |walk| {
        let Some(relation) = node.node(at!("relation")) else { return };
        walk.table(Kind::MERGE, relation);
        for clause in node.list(at!("mergeWhenClauses")).iter().filter_map(Value::as_node) {
            match clause.text(at!("commandType")) {
                "CMD_INSERT" => walk.table(Kind::INSERT, relation),
                "CMD_UPDATE" => walk.table(Kind::UPDATE, relation),
                "CMD_DELETE" => walk.table(Kind::DELETE, relation),
                _ => {}
            }
            if clause.text(at!("commandType")) == "CMD_INSERT" && clause.list(at!("targetList")).is_empty() {
                walk.all_columns(Some(relation.text(at!("relname"))));
            }
            targets(walk, clause.list(at!("targetList")), relation);
            walk.children(clause, &[at!("targetList")]);
        }
        returning(walk, node, relation);
        walk.children(node, &[at!("withClause"), at!("relation"), at!("mergeWhenClauses"), at!("returningClause")]);
    });
}

/// RETURNING shows rows of the target: the server asks for the right to SELECT it as well.
fn returning<'t>(walk: &mut Walk<'t>, node: Node<'t>, relation: Node<'t>) {
    if let Some(clause) = node.node(at!("returningClause")) {
        walk.table(Kind::SELECT, relation);
        walk.children(clause, &[at!("options")]);
    }
}

/// Columns that are assigned to, and what they get.
fn targets<'t>(walk: &mut Walk<'t>, targets: List<'t>, relation: Node<'t>) {
    for target in targets.iter().filter_map(Value::as_node) {
        walk.column(Some(relation.text(at!("relname"))), target.text(at!("name")));
        walk.children(target, &[]);
    }
}
