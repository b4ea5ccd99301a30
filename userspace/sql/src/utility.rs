//! Statements about the session: settings, prepared statements, cursors, transactions, COPY, EXPLAIN and their kind.

use crate::statement::{Object, Pair, Prepared, Scope, Setting, SettingValue, Transaction};
use crate::tree::{At, List, Node, Tag, Value, at};
use crate::walk::{Walk, qualified};
use crate::{Kind, copy};

/// Notes the effects of `node` if it is one of these; else says `false`.
pub(crate) fn visit<'t>(walk: &mut Walk<'t>, node: Node<'t>) -> bool {
    walk.is_database_wide |= match node.kind() {
        Tag::VacuumStmt => node.list(at!("rels")).is_empty(),
        Tag::ClusterStmt | Tag::ReindexStmt => node.node(at!("relation")).is_none(),
        Tag::CheckPointStmt => true,
        _ => false,
    };
    match node.kind() {
        Tag::CopyStmt => copy::visit(walk, node),
        Tag::VariableSetStmt => set(walk, node),
        Tag::VariableShowStmt => walk.effect(Kind::SHOW, Object::None),
        Tag::DiscardStmt => discard(walk, node),
        Tag::ConstraintsSetStmt => walk.effect(Kind::TRANSACTION, Object::None),
        Tag::TransactionStmt => transaction(walk, node),
        Tag::PrepareStmt => {
            walk.effect(Kind::PREPARE, Object::None);
            // The tree does not say where the inner statement stands: `analyze` finds it in the text.
            walk.prepared.push(Prepared::Prepare { name: node.text(at!("name")).to_owned(), inner: 0..0 });
            carried(walk, node);
        }
        Tag::ExecuteStmt => {
            walk.effect(Kind::EXECUTE, Object::None);
            walk.prepared.push(Prepared::Execute { name: node.text(at!("name")).to_owned() });
            walk.children(node, &[]);
        }
        Tag::DeallocateStmt => {
            walk.effect(Kind::DEALLOCATE, Object::None);
            walk.prepared.push(Prepared::Deallocate { name: optional(node.text(at!("name"))) });
        }
        Tag::DeclareCursorStmt => {
            walk.effect(Kind::DECLARE, Object::None);
            walk.prepared.push(Prepared::Declare { name: node.text(at!("portalname")).to_owned() });
            carried(walk, node);
        }
        Tag::FetchStmt => {
            walk.effect(Kind::FETCH, Object::None);
            walk.prepared.push(Prepared::Fetch { name: node.text(at!("portalname")).to_owned() });
        }
        Tag::ClosePortalStmt => {
            walk.effect(Kind::CLOSE, Object::None);
            walk.prepared.push(Prepared::Close { name: optional(node.text(at!("portalname"))) });
        }
        Tag::ExplainStmt => explain(walk, node),
        Tag::LockStmt => each_table(walk, Kind::LOCK, node.list(at!("relations"))),
        Tag::TruncateStmt => each_table(walk, Kind::TRUNCATE, node.list(at!("relations"))),
        Tag::VacuumStmt => maintain(walk, node),
        Tag::ClusterStmt | Tag::ReindexStmt | Tag::CheckPointStmt => on_relation(walk, Kind::MAINTENANCE, node),
        Tag::ListenStmt | Tag::UnlistenStmt => walk.effect(Kind::LISTEN, Object::None),
        Tag::NotifyStmt => walk.effect(Kind::NOTIFY, Object::None),
        Tag::LoadStmt => walk.effect(Kind::LOAD, Object::None),
        Tag::DoStmt => walk.effect(Kind::DO, Object::None),
        Tag::CallStmt => call(walk, node),
        _ => return false,
    }
    true
}

fn optional(name: &str) -> Option<String> {
    (!name.is_empty()).then(|| name.to_owned())
}

fn carried<'t>(walk: &mut Walk<'t>, node: Node<'t>) {
    if let Some(query) = node.node(at!("query")) {
        walk.statement(query);
    }
}

pub(crate) fn each_table<'t>(walk: &mut Walk<'t>, kind: Kind, relations: List<'t>) {
    relations.iter().filter_map(Value::as_node).for_each(|relation| walk.table(kind, relation));
}

/// An effect on the node's `relation`, or on nothing if it names none.
pub(crate) fn on_relation<'t>(walk: &mut Walk<'t>, kind: Kind, node: Node<'t>) {
    match node.node(at!("relation")) {
        Some(relation) => walk.table(kind, relation),
        None => walk.effect(kind, Object::None),
    }
}

fn call<'t>(walk: &mut Walk<'t>, node: Node<'t>) {
    if let Some(function) = node.node(at!("funccall")) {
        walk.effect(Kind::CALL, Object::Function(qualified(function.list(at!("funcname")))));
        walk.children(function, &[at!("funcname")]);
    }
}

fn maintain<'t>(walk: &mut Walk<'t>, node: Node<'t>) {
    let analyze =
        node.list(at!("options")).iter().filter_map(Value::as_node).any(|o| o.text(at!("defname")) == "analyze");
    let kinds: &[Kind] = match (node.flag(at!("is_vacuumcmd")), analyze) {
        (false, _) => &[Kind::ANALYZE],
        (true, true) => &[Kind::VACUUM, Kind::ANALYZE],
        (true, false) => &[Kind::VACUUM],
    };
    for kind in kinds {
        if node.list(at!("rels")).is_empty() {
            walk.effect(*kind, Object::None);
        }
        for target in node.list(at!("rels")).iter().filter_map(Value::as_node) {
            on_relation(walk, *kind, target);
            walk.value(target.get(at!("va_cols")));
        }
    }
}

/// EXPLAIN ANALYZE does what it runs. Without it nothing runs but what planning folds (functions), and the plan tells of
/// the tables.
fn explain<'t>(walk: &mut Walk<'t>, node: Node<'t>) {
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
pub(crate) fn is_analyze(explain: Node<'_>) -> bool {
    let mut options = explain.list(at!("options")).iter().filter_map(Value::as_node);
    options.any(|option| option.text(at!("defname")).eq_ignore_ascii_case("analyze") && !is_off(option.get(at!("arg"))))
}

/// A switch that is clearly off (`defGetBoolean` in commands/define.c); anything else counts as on.
fn is_off(value: Value<'_>) -> bool {
    match value {
        Value::Node(node) if node.kind() == Tag::String => {
            ["false", "off"].iter().any(|off| node.text(at!("sval")).eq_ignore_ascii_case(off))
        }
        Value::Node(node) if node.kind() == Tag::Integer => node.int(at!("ival")) == 0,
        _ => false,
    }
}

fn transaction<'t>(walk: &mut Walk<'t>, node: Node<'t>) {
    walk.effect(Kind::TRANSACTION, Object::None);
    walk.transaction = Some(match node.text(at!("kind")) {
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

fn discard<'t>(walk: &mut Walk<'t>, node: Node<'t>) {
    walk.effect(Kind::DISCARD, Object::None);
    // A temporary table hides another of its name for as long as it is there.
    walk.changes_catalog |= ["DISCARD_ALL", "DISCARD_TEMP"].contains(&node.text(at!("target")));
    if node.text(at!("target")) == "DISCARD_ALL" {
        let reset = |name: &str| Setting { name: name.to_owned(), value: SettingValue::Default, scope: Scope::Session };
        walk.settings.extend([reset("*"), reset("session_authorization"), reset("role")]);
        walk.prepared.extend([Prepared::Deallocate { name: None }, Prepared::Close { name: None }]);
    }
}

/// Settings that change who is asked for rights, not how something is done.
fn is_role(name: &str) -> bool {
    name == "role" || name == "session_authorization"
}

fn set<'t>(walk: &mut Walk<'t>, node: Node<'t>) {
    if node.text(at!("kind")) == "VAR_SET_MULTI" {
        return set_transaction(walk, node);
    }
    let setting = setting(node, None);
    let reset = matches!(node.text(at!("kind")), "VAR_RESET" | "VAR_RESET_ALL");
    let kind = match reset {
        _ if is_role(&setting.name) => Kind::SET_ROLE,
        true => Kind::RESET,
        false => Kind::SET,
    };
    walk.effect(kind, Object::None);
    walk.settings.push(setting);
}

/// SET TRANSACTION and SET SESSION CHARACTERISTICS AS TRANSACTION.
fn set_transaction<'t>(walk: &mut Walk<'t>, node: Node<'t>) {
    walk.effect(Kind::TRANSACTION, Object::None);
    let session = node.text(at!("name")) == "SESSION CHARACTERISTICS";
    // TRANSACTION SNAPSHOT has a plain word there: it is no setting.
    for option in
        node.list(at!("args")).iter().filter_map(Value::as_node).filter(|option| option.kind() == Tag::DefElem)
    {
        let prefix = if session { "default_" } else { "" };
        walk.settings.push(Setting {
            name: format!("{prefix}{}", option.text(at!("defname"))),
            value: constant(option.get(at!("arg")))
                .map_or(SettingValue::Unknown, |word| SettingValue::Known(vec![word])),
            scope: if session { Scope::Session } else { Scope::Local },
        });
    }
}

/// What a `VariableSetStmt` changes; `scope` overrides its own (ALTER ROLE … SET stores it).
pub(crate) fn setting(node: Node<'_>, scope: Option<Scope>) -> Setting {
    let value = match node.text(at!("kind")) {
        "VAR_SET_VALUE" => {
            let words: Option<Vec<String>> = node.list(at!("args")).iter().map(constant).collect();
            words.filter(|words| !words.is_empty()).map_or(SettingValue::Unknown, SettingValue::Known)
        }
        "VAR_SET_DEFAULT" | "VAR_RESET" | "VAR_RESET_ALL" => SettingValue::Default,
        _ => SettingValue::Unknown,
    };
    let name = match node.text(at!("kind")) {
        "VAR_RESET_ALL" => "*".to_owned(),
        _ => node.text(at!("name")).to_ascii_lowercase(),
    };
    let own = if node.flag(at!("is_local")) { Scope::Local } else { Scope::Session };
    Setting { name, value, scope: scope.unwrap_or(own) }
}

/// `set_config(name, value, is_local)`.
pub(crate) fn set_config<'t>(walk: &mut Walk<'t>, arguments: List<'t>) {
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
fn fixed_name(walk: &Walk, argument: Value<'_>) -> Option<String> {
    let column = argument.as_node().filter(|node| node.kind() == Tag::ColumnRef)?;
    let field = column.list(at!("fields")).only()?;
    walk.fixed_name.clone().filter(|_| field.as_string() == Some("name"))
}

/// The word that a constant stands for; `None`: no constant.
pub(crate) fn constant(value: Value<'_>) -> Option<String> {
    let node = value.as_node()?;
    match node.kind() {
        Tag::String => Some(node.text(at!("sval")).to_owned()),
        Tag::Integer => Some(node.int(at!("ival")).to_string()),
        Tag::Float => Some(node.text(at!("fval")).to_owned()),
        Tag::Boolean => Some(node.flag(at!("boolval")).to_string()),
        Tag::TypeCast if is_text_type(node) => constant(node.get(at!("arg"))),
        Tag::A_Const => {
            let part = |name: At| node.node(name);
            if let Some(word) = part(at!("sval")) {
                Some(word.text(at!("sval")).to_owned())
            } else if let Some(number) = part(at!("ival")) {
                Some(number.int(at!("ival")).to_string())
            } else if let Some(number) = part(at!("fval")) {
                Some(number.text(at!("fval")).to_owned())
            } else {
                part(at!("boolval")).map(|flag| flag.flag(at!("boolval")).to_string())
            }
        }
        _ => None,
    }
}

/// Casts that leave a constant's words as they are.
fn is_text_type(cast: Node<'_>) -> bool {
    cast.node(at!("typeName")).is_some_and(|name| {
        name.list(at!("typmods")).is_empty()
            && name.list(at!("arrayBounds")).is_empty()
            && ["text", "bool"].contains(&qualified(name.list(at!("names"))).name.as_str())
    })
}
