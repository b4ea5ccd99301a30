//! Statements about the session: settings, prepared statements, cursors, transactions, COPY, EXPLAIN and their kind.

use crate::statement::{Object, Pair, Prepared, Scope, Setting, SettingValue, Transaction};
use crate::tree::{Node, Value};
use crate::walk::{Walk, qualified};
use crate::{Kind, copy};

/// Notes the effects of `node` if it is one of these; else says `false`.
pub(crate) fn visit(walk: &mut Walk, node: &Node<'_>) -> bool {
    walk.is_database_wide |= match node.kind {
        "VacuumStmt" => node.list("rels").is_empty(),
        "ClusterStmt" | "ReindexStmt" => node.node("relation").is_none(),
        "CheckPointStmt" => true,
        _ => false,
    };
    match node.kind {
        "CopyStmt" => copy::visit(walk, node),
        "VariableSetStmt" => set(walk, node),
        "VariableShowStmt" => walk.effect(Kind::SHOW, Object::None),
        "DiscardStmt" => discard(walk, node),
        "ConstraintsSetStmt" => walk.effect(Kind::TRANSACTION, Object::None),
        "TransactionStmt" => transaction(walk, node),
        "PrepareStmt" => {
            walk.effect(Kind::PREPARE, Object::None);
            // The tree does not say where the inner statement stands: `analyze` finds it in the text.
            walk.prepared.push(Prepared::Prepare { name: node.text("name").to_owned(), inner: 0..0 });
            carried(walk, node);
        }
        "ExecuteStmt" => {
            walk.effect(Kind::EXECUTE, Object::None);
            walk.prepared.push(Prepared::Execute { name: node.text("name").to_owned() });
            walk.children(node, &[]);
        }
        "DeallocateStmt" => {
            walk.effect(Kind::DEALLOCATE, Object::None);
            walk.prepared.push(Prepared::Deallocate { name: optional(node.text("name")) });
        }
        "DeclareCursorStmt" => {
            walk.effect(Kind::DECLARE, Object::None);
            walk.prepared.push(Prepared::Declare { name: node.text("portalname").to_owned() });
            carried(walk, node);
        }
        "FetchStmt" => {
            walk.effect(Kind::FETCH, Object::None);
            walk.prepared.push(Prepared::Fetch { name: node.text("portalname").to_owned() });
        }
        "ClosePortalStmt" => {
            walk.effect(Kind::CLOSE, Object::None);
            walk.prepared.push(Prepared::Close { name: optional(node.text("portalname")) });
        }
        "ExplainStmt" => explain(walk, node),
        "LockStmt" => each_table(walk, Kind::LOCK, node.list("relations")),
        "TruncateStmt" => each_table(walk, Kind::TRUNCATE, node.list("relations")),
        "VacuumStmt" => maintain(walk, node),
        "ClusterStmt" | "ReindexStmt" | "CheckPointStmt" => on_relation(walk, Kind::MAINTENANCE, node),
        "ListenStmt" | "UnlistenStmt" => walk.effect(Kind::LISTEN, Object::None),
        "NotifyStmt" => walk.effect(Kind::NOTIFY, Object::None),
        "LoadStmt" => walk.effect(Kind::LOAD, Object::None),
        "DoStmt" => walk.effect(Kind::DO, Object::None),
        "CallStmt" => call(walk, node),
        _ => return false,
    }
    true
}

fn optional(name: &str) -> Option<String> {
    (!name.is_empty()).then(|| name.to_owned())
}

fn carried(walk: &mut Walk, node: &Node<'_>) {
    if let Some(query) = node.node("query") {
        walk.statement(query);
    }
}

pub(crate) fn each_table(walk: &mut Walk, kind: Kind, relations: &[Value<'_>]) {
    relations.iter().filter_map(Value::as_node).for_each(|relation| walk.table(kind, relation));
}

/// An effect on the node's `relation`, or on nothing if it names none.
pub(crate) fn on_relation(walk: &mut Walk, kind: Kind, node: &Node<'_>) {
    match node.node("relation") {
        Some(relation) => walk.table(kind, relation),
        None => walk.effect(kind, Object::None),
    }
}

fn call(walk: &mut Walk, node: &Node<'_>) {
    if let Some(function) = node.node("funccall") {
        walk.effect(Kind::CALL, Object::Function(qualified(function.list("funcname"))));
        walk.children(function, &["funcname"]);
    }
}

fn maintain(walk: &mut Walk, node: &Node<'_>) {
    let analyze = node.list("options").iter().filter_map(Value::as_node).any(|o| o.text("defname") == "analyze");
    let kinds: &[Kind] = match (node.flag("is_vacuumcmd"), analyze) {
        (false, _) => &[Kind::ANALYZE],
        (true, true) => &[Kind::VACUUM, Kind::ANALYZE],
        (true, false) => &[Kind::VACUUM],
    };
    for kind in kinds {
        if node.list("rels").is_empty() {
            walk.effect(*kind, Object::None);
        }
        for target in node.list("rels").iter().filter_map(Value::as_node) {
            on_relation(walk, *kind, target);
            walk.value(target.get("va_cols"));
        }
    }
}

/// EXPLAIN ANALYZE does what it runs. Without it nothing runs but what planning folds (functions), and the plan tells of
/// the tables.
fn explain(walk: &mut Walk, node: &Node<'_>) {
    let analyze = is_analyze(node);
    let settings = walk.settings.len();
    let catalog_before = walk.changes_catalog;
    let caused = walk.apart(|walk| carried(walk, node));
    if !analyze {
        walk.settings.truncate(settings);
        walk.changes_catalog = catalog_before;
    }
    walk.effect(Kind::EXPLAIN, Object::None);
    for Pair { kind, object } in caused {
        if let Object::Table(_) = object {
            walk.effect(Kind::EXPLAIN, object.clone());
        }
        if analyze || kind == Kind::FUNCTION_CALL || kind == Kind::EXECUTE {
            walk.effect(kind, object);
        }
    }
}

/// Does an EXPLAIN run what it explains?
pub(crate) fn is_analyze(explain: &Node<'_>) -> bool {
    let mut options = explain.list("options").iter().filter_map(Value::as_node);
    options.any(|option| option.text("defname").eq_ignore_ascii_case("analyze") && !is_off(option.get("arg")))
}

/// A switch that is clearly off (`defGetBoolean` in commands/define.c); anything else counts as on.
fn is_off(value: &Value<'_>) -> bool {
    match value {
        Value::Node(node) if node.kind == "String" => {
            ["false", "off"].iter().any(|off| node.text("sval").eq_ignore_ascii_case(off))
        }
        Value::Node(node) if node.kind == "Integer" => node.int("ival") == 0,
        _ => false,
    }
}

fn transaction(walk: &mut Walk, node: &Node<'_>) {
    walk.effect(Kind::TRANSACTION, Object::None);
    walk.transaction = Some(match node.text("kind") {
        "TRANS_STMT_BEGIN" | "TRANS_STMT_START" => Transaction::Begin,
        "TRANS_STMT_COMMIT" => Transaction::Commit,
        "TRANS_STMT_ROLLBACK" => Transaction::Rollback,
        "TRANS_STMT_SAVEPOINT" => Transaction::Savepoint,
        "TRANS_STMT_RELEASE" => Transaction::Release,
        "TRANS_STMT_ROLLBACK_TO" => Transaction::RollbackTo,
        "TRANS_STMT_PREPARE" => Transaction::Prepare,
        "TRANS_STMT_COMMIT_PREPARED" => Transaction::CommitPrepared,
        "TRANS_STMT_ROLLBACK_PREPARED" => Transaction::RollbackPrepared,
        _ => return walk.effect(Kind::UNKNOWN, Object::None),
    });
}

fn discard(walk: &mut Walk, node: &Node<'_>) {
    walk.effect(Kind::DISCARD, Object::None);
    // A temporary table hides another of its name for as long as it is there.
    walk.changes_catalog |= ["DISCARD_ALL", "DISCARD_TEMP"].contains(&node.text("target"));
    if node.text("target") == "DISCARD_ALL" {
        let reset = |name: &str| Setting { name: name.to_owned(), value: SettingValue::Default, scope: Scope::Session };
        walk.settings.extend([reset("*"), reset("session_authorization"), reset("role")]);
        walk.prepared.extend([Prepared::Deallocate { name: None }, Prepared::Close { name: None }]);
    }
}

/// Settings that change who is asked for rights, not how something is done.
fn is_role(name: &str) -> bool {
    name == "role" || name == "session_authorization"
}

fn set(walk: &mut Walk, node: &Node<'_>) {
    if node.text("kind") == "VAR_SET_MULTI" {
        return set_transaction(walk, node);
    }
    let setting = setting(node, None);
    let reset = matches!(node.text("kind"), "VAR_RESET" | "VAR_RESET_ALL");
    let kind = match reset {
        _ if is_role(&setting.name) => Kind::SET_ROLE,
        true => Kind::RESET,
        false => Kind::SET,
    };
    walk.effect(kind, Object::None);
    walk.settings.push(setting);
}

/// SET TRANSACTION and SET SESSION CHARACTERISTICS AS TRANSACTION.
fn set_transaction(walk: &mut Walk, node: &Node<'_>) {
    walk.effect(Kind::TRANSACTION, Object::None);
    let session = node.text("name") == "SESSION CHARACTERISTICS";
    // TRANSACTION SNAPSHOT has a plain word there: it is no setting.
    for option in node.list("args").iter().filter_map(Value::as_node).filter(|option| option.kind == "DefElem") {
        let prefix = if session { "default_" } else { "" };
        walk.settings.push(Setting {
            name: format!("{prefix}{}", option.text("defname")),
            value: constant(option.get("arg")).map_or(SettingValue::Unknown, |word| SettingValue::Known(vec![word])),
            scope: if session { Scope::Session } else { Scope::Local },
        });
    }
}

/// What a `VariableSetStmt` changes; `scope` overrides its own (ALTER ROLE … SET stores it).
pub(crate) fn setting(node: &Node<'_>, scope: Option<Scope>) -> Setting {
    let value = match node.text("kind") {
        "VAR_SET_VALUE" => {
            let words: Option<Vec<String>> = node.list("args").iter().map(constant).collect();
            words.filter(|words| !words.is_empty()).map_or(SettingValue::Unknown, SettingValue::Known)
        }
        "VAR_SET_DEFAULT" | "VAR_RESET" | "VAR_RESET_ALL" => SettingValue::Default,
        _ => SettingValue::Unknown,
    };
    let name = match node.text("kind") {
        "VAR_RESET_ALL" => "*".to_owned(),
        _ => node.text("name").to_ascii_lowercase(),
    };
    let own = if node.flag("is_local") { Scope::Local } else { Scope::Session };
    Setting { name, value, scope: scope.unwrap_or(own) }
}

/// `set_config(name, value, is_local)`.
pub(crate) fn set_config(walk: &mut Walk, arguments: &[Value<'_>]) {
    let argument = |at: usize| arguments.get(at).and_then(constant);
    let name = argument(0).or_else(|| fixed_name(walk, arguments.first()?)).unwrap_or_default().to_ascii_lowercase();
    // Whoever cannot be told may be a role.
    let kind = if name.is_empty() || is_role(&name) { Kind::SET_ROLE } else { Kind::SET };
    walk.effect(kind, Object::None);
    let value = match argument(1) {
        Some(list) if name == "search_path" => {
            crate::identifier_list(&list).map_or(SettingValue::Unknown, SettingValue::Known)
        }
        Some(word) => SettingValue::Known(vec![word]),
        None => SettingValue::Unknown,
    };
    let local = argument(2).is_some_and(|word| ["true", "t", "on", "1"].contains(&word.as_str()));
    walk.settings.push(Setting { name, value, scope: if local { Scope::Local } else { Scope::Session } });
}

/// The word that the column `name` must be here, if the argument is that column.
fn fixed_name(walk: &Walk, argument: &Value<'_>) -> Option<String> {
    let column = argument.as_node().filter(|node| node.kind == "ColumnRef")?;
    let [field] = column.list("fields") else { return None };
    walk.fixed_name.clone().filter(|_| field.as_string() == Some("name"))
}

/// The word that a constant stands for; `None`: no constant.
pub(crate) fn constant(value: &Value<'_>) -> Option<String> {
    let node = value.as_node()?;
    match node.kind {
        "String" => Some(node.text("sval").to_owned()),
        "Integer" => Some(node.int("ival").to_string()),
        "Float" => Some(node.text("fval").to_owned()),
        "Boolean" => Some(node.flag("boolval").to_string()),
        "TypeCast" if is_text_type(node) => constant(node.get("arg")),
        "A_Const" => {
            let part = |name: &str| node.node(name);
            if let Some(word) = part("sval") {
                Some(word.text("sval").to_owned())
            } else if let Some(number) = part("ival") {
                Some(number.int("ival").to_string())
            } else if let Some(number) = part("fval") {
                Some(number.text("fval").to_owned())
            } else {
                part("boolval").map(|flag| flag.flag("boolval").to_string())
            }
        }
        _ => None,
    }
}

/// Casts that leave a constant's words as they are.
fn is_text_type(cast: &Node<'_>) -> bool {
    cast.node("typeName").is_some_and(|name| {
        name.list("typmods").is_empty()
            && name.list("arrayBounds").is_empty()
            && ["text", "bool"].contains(&qualified(name.list("names")).name.as_str())
    })
}
