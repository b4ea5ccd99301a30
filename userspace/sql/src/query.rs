//! SELECT, INSERT, UPDATE, DELETE and MERGE.

use crate::Kind;
use crate::statement::Object;
use crate::tree::{Node, Value};
use crate::utility::constant;
use crate::walk::{Walk, range_name};

/// The kind that a query is by its first word; `None`: not a query.
pub(crate) fn kind(node: &Node<'_>) -> Option<Kind> {
    Some(match node.kind {
        "SelectStmt" => Kind::SELECT,
        "InsertStmt" => Kind::INSERT,
        "UpdateStmt" => Kind::UPDATE,
        "DeleteStmt" => Kind::DELETE,
        "MergeStmt" => Kind::MERGE,
        _ => return None,
    })
}

pub(crate) fn select(walk: &mut Walk, node: &Node<'_>) {
    walk.with(node.node("withClause"), |walk| {
        if let Some(into) = node.node("intoClause").and_then(|into| into.node("rel")) {
            walk.table(Kind::CREATE_TABLE, into);
        }
        for clause in node.list("lockingClause").iter().filter_map(Value::as_node) {
            lock(walk, clause, node.list("fromClause"));
        }
        let outer = std::mem::replace(&mut walk.fixed_name, fixed_name(node));
        walk.children(node, &["withClause", "intoClause", "lockingClause"]);
        walk.fixed_name = outer;
    });
}

/// `SELECT … FROM pg_settings WHERE name = 'x'`: pg_dump changes a setting only if the server knows it, by
/// `set_config(name, …)` over such a query (`pg_dump.c`, `set_restrict_relation_kind`).
fn fixed_name(node: &Node<'_>) -> Option<String> {
    let [from] = node.list("fromClause") else { return None };
    let from = from.as_node().filter(|from| from.kind == "RangeVar" && from.text("relname") == "pg_settings")?;
    let test = node.node("whereClause").filter(|test| test.kind == "A_Expr" && test.text("kind") == "AEXPR_OP")?;
    let ([operator], Some(column)) = (test.list("name"), test.node("lexpr")) else { return None };
    let [name] = column.list("fields") else { return None };
    let fixed = from.node("alias").is_none()
        && operator.as_string() == Some("=")
        && column.kind == "ColumnRef"
        && name.as_string() == Some("name");
    if fixed { constant(test.get("rexpr")) } else { None }
}

/// FOR UPDATE and its kin: locks rows of the tables named, or of all in FROM, those of subqueries included.
fn lock(walk: &mut Walk, clause: &Node<'_>, from: &[Value<'_>]) {
    let names: Vec<&str> =
        clause.list("lockedRels").iter().filter_map(Value::as_node).map(|range| range.text("relname")).collect();
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
fn lockable(walk: &mut Walk, item: &Node<'_>, names: &[&str]) {
    let alias = item.node("alias").map_or("", |alias| alias.text("aliasname"));
    let named = if alias.is_empty() { item.text("relname") } else { alias };
    if names.is_empty() || names.contains(&named) {
        walk.visit(item);
    } else if item.kind == "JoinExpr" {
        [item.node("larg"), item.node("rarg")].into_iter().flatten().for_each(|side| lockable(walk, side, names));
    } else if let ("RangeTableSample", Some(relation)) = (item.kind, item.node("relation")) {
        lockable(walk, relation, names);
    }
}

pub(crate) fn insert(walk: &mut Walk, node: &Node<'_>) {
    walk.with(node.node("withClause"), |walk| {
        let Some(relation) = node.node("relation") else { return };
        walk.table(Kind::INSERT, relation);
        if node.list("cols").is_empty() {
            walk.all_columns(Some(relation.text("relname")));
        }
        targets(walk, node.list("cols"), relation);
        if let Some(conflict) = node.node("onConflictClause") {
            if conflict.text("action") == "ONCONFLICT_UPDATE" {
                walk.table(Kind::UPDATE, relation);
            }
            targets(walk, conflict.list("targetList"), relation);
            walk.children(conflict, &["targetList"]);
        }
        returning(walk, node, relation);
        walk.children(node, &["withClause", "relation", "cols", "onConflictClause", "returningClause"]);
    });
}

pub(crate) fn update(walk: &mut Walk, node: &Node<'_>) {
    changed(walk, node, Kind::UPDATE);
}

pub(crate) fn delete(walk: &mut Walk, node: &Node<'_>) {
    changed(walk, node, Kind::DELETE);
}

/// UPDATE and DELETE: the target has their kind; what FROM, USING and subqueries name is read.
fn changed(walk: &mut Walk, node: &Node<'_>, kind: Kind) {
    walk.with(node.node("withClause"), |walk| {
        let Some(relation) = node.node("relation") else { return };
        walk.table(kind, relation);
        if !names_column(node.get("whereClause")) {
            walk.without_where.insert(range_name(relation));
        }
        targets(walk, node.list("targetList"), relation);
        returning(walk, node, relation);
        walk.children(node, &["withClause", "relation", "targetList", "returningClause"]);
    });
}

/// Does a column stand anywhere in a condition? `WHERE true` and `WHERE 1 = 1` are none.
fn names_column(condition: &Value<'_>) -> bool {
    match condition {
        Value::Node(node) => {
            matches!(node.kind, "ColumnRef" | "CurrentOfExpr") || node.fields().any(|(_, field)| names_column(field))
        }
        Value::List(items) => items.iter().any(names_column),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Literal(_) => false,
    }
}

/// MERGE has its own kind and that of each action.
pub(crate) fn merge(walk: &mut Walk, node: &Node<'_>) {
    walk.with(node.node("withClause"), |walk| {
        let Some(relation) = node.node("relation") else { return };
        walk.table(Kind::MERGE, relation);
        for clause in node.list("mergeWhenClauses").iter().filter_map(Value::as_node) {
            match clause.text("commandType") {
                "CMD_INSERT" => walk.table(Kind::INSERT, relation),
                "CMD_UPDATE" => walk.table(Kind::UPDATE, relation),
                "CMD_DELETE" => walk.table(Kind::DELETE, relation),
                _ => {}
            }
            if clause.text("commandType") == "CMD_INSERT" && clause.list("targetList").is_empty() {
                walk.all_columns(Some(relation.text("relname")));
            }
            targets(walk, clause.list("targetList"), relation);
            walk.children(clause, &["targetList"]);
        }
        returning(walk, node, relation);
        walk.children(node, &["withClause", "relation", "mergeWhenClauses", "returningClause"]);
    });
}

/// RETURNING shows rows of the target: the server asks for the right to SELECT it as well.
fn returning(walk: &mut Walk, node: &Node<'_>, relation: &Node<'_>) {
    if let Some(clause) = node.node("returningClause") {
        walk.table(Kind::SELECT, relation);
        walk.children(clause, &["options"]);
    }
}

/// Columns that are assigned to, and what they get.
fn targets(walk: &mut Walk, targets: &[Value<'_>], relation: &Node<'_>) {
    for target in targets.iter().filter_map(Value::as_node) {
        walk.column(Some(relation.text("relname")), target.text("name"));
        walk.children(target, &[]);
    }
}
