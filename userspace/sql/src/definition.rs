//! Statements that define, alter or drop objects, and those about rights.

use crate::Kind;
use crate::statement::{Name, Object, Scope};
use crate::tree::{Node, Value};
use crate::utility::{each_table, on_relation, setting};
use crate::walk::{Walk, qualified};

/// Notes the effects of `node` if it is one of these; else says `false`.
pub(crate) fn visit(walk: &mut Walk, node: &Node<'_>) -> bool {
    walk.is_database_wide |= is_wide(node);
    created(walk, node) || changed(walk, node) || dropped(walk, node) || rights(walk, node)
}

/// Does it fall on all of a database, a schema, a role or a server?
fn is_wide(node: &Node<'_>) -> bool {
    match node.kind {
        "GrantStmt" => {
            let wide =
                ["OBJECT_DATABASE", "OBJECT_SCHEMA", "OBJECT_TABLESPACE", "OBJECT_LANGUAGE", "OBJECT_FOREIGN_SERVER"];
            node.text("targtype") != "ACL_TARGET_OBJECT" || wide.contains(&node.text("objtype"))
        }
        "DropStmt" => ["OBJECT_SCHEMA", "OBJECT_EXTENSION"].contains(&node.text("removeType")),
        "CreatePublicationStmt" | "AlterPublicationStmt" => {
            node.flag("for_all_tables") || !node.list("pubobjects").is_empty()
        }
        "AlterDatabaseStmt" | "AlterDatabaseSetStmt" | "AlterSystemStmt" | "AlterTableMoveAllStmt" => true,
        "AlterDefaultPrivilegesStmt" | "DropOwnedStmt" | "ReassignOwnedStmt" | "DropdbStmt" => true,
        "RenameStmt" => ["OBJECT_SCHEMA", "OBJECT_DATABASE"].contains(&node.text("renameType")),
        "ImportForeignSchemaStmt" | "CreateEventTrigStmt" => true,
        _ => false,
    }
}

/// What stands behind the dash of `create-`, `alter-` and `drop-`, for PostgreSQL's `ObjectType`.
fn object_word(object_type: &str) -> &'static str {
    match object_type {
        "OBJECT_TABLE" | "OBJECT_COLUMN" | "OBJECT_TABCONSTRAINT" | "OBJECT_DEFAULT" => "table",
        "OBJECT_VIEW" => "view",
        "OBJECT_MATVIEW" => "materialized-view",
        "OBJECT_INDEX" => "index",
        "OBJECT_SEQUENCE" => "sequence",
        "OBJECT_FOREIGN_TABLE" => "foreign-table",
        "OBJECT_SCHEMA" => "schema",
        "OBJECT_DATABASE" => "database",
        "OBJECT_ROLE" => "role",
        "OBJECT_FUNCTION" | "OBJECT_ROUTINE" => "function",
        "OBJECT_PROCEDURE" => "procedure",
        "OBJECT_AGGREGATE" => "aggregate",
        "OBJECT_OPERATOR" => "operator",
        "OBJECT_OPCLASS" => "operator-class",
        "OBJECT_OPFAMILY" | "OBJECT_AMOP" | "OBJECT_AMPROC" => "operator-family",
        "OBJECT_TYPE" | "OBJECT_ATTRIBUTE" => "type",
        "OBJECT_DOMAIN" | "OBJECT_DOMCONSTRAINT" => "domain",
        "OBJECT_TRIGGER" => "trigger",
        "OBJECT_EVENT_TRIGGER" => "event-trigger",
        "OBJECT_RULE" => "rule",
        "OBJECT_POLICY" => "policy",
        "OBJECT_EXTENSION" => "extension",
        "OBJECT_FOREIGN_SERVER" => "server",
        "OBJECT_FDW" => "foreign-data-wrapper",
        "OBJECT_USER_MAPPING" => "user-mapping",
        "OBJECT_PUBLICATION" | "OBJECT_PUBLICATION_NAMESPACE" | "OBJECT_PUBLICATION_REL" => "publication",
        "OBJECT_SUBSCRIPTION" => "subscription",
        "OBJECT_COLLATION" => "collation",
        "OBJECT_CONVERSION" => "conversion",
        "OBJECT_CAST" => "cast",
        "OBJECT_TRANSFORM" => "transform",
        "OBJECT_LANGUAGE" => "language",
        "OBJECT_ACCESS_METHOD" => "access-method",
        "OBJECT_STATISTIC_EXT" => "statistics",
        "OBJECT_TABLESPACE" => "tablespace",
        "OBJECT_TSCONFIGURATION" | "OBJECT_TSDICTIONARY" | "OBJECT_TSPARSER" | "OBJECT_TSTEMPLATE" => "text-search",
        "OBJECT_LARGEOBJECT" => "large-object",
        "OBJECT_DEFACL" => "default-privileges",
        _ => "",
    }
}

/// The kind of that verb on that type of object; `unknown` where there is none.
fn kind(verb: &str, object_type: &str) -> Kind {
    Kind::parse(&format!("{verb}-{}", object_word(object_type))).unwrap_or(Kind::UNKNOWN)
}

/// The name in a `RangeVar`, a list of words, an `ObjectWithArgs` or a `TypeName`.
fn name_of(value: &Value<'_>) -> Name {
    match value {
        Value::Node(node) => match node.kind {
            "List" => qualified(node.list("items")),
            "ObjectWithArgs" => qualified(node.list("objname")),
            "TypeName" => qualified(node.list("names")),
            "RangeVar" => crate::walk::range_name(node),
            _ => qualified(std::slice::from_ref(value)),
        },
        Value::List(words) => qualified(words),
        _ => Name { schema: None, name: String::new() },
    }
}

/// The words of a name without its last: a trigger's or a column's table.
fn holder_of(value: &Value<'_>) -> Object {
    let words = match value {
        Value::Node(node) if node.kind == "List" => node.list("items"),
        Value::List(words) => words,
        _ => &[],
    };
    match words.split_last() {
        Some((_, holder)) if !holder.is_empty() => Object::Table(qualified(holder)),
        _ => Object::None,
    }
}

/// What a name of that type of object is to a rule.
fn object(object_type: &str, value: &Value<'_>) -> Object {
    match object_type {
        "OBJECT_TABLE"
        | "OBJECT_VIEW"
        | "OBJECT_MATVIEW"
        | "OBJECT_INDEX"
        | "OBJECT_SEQUENCE"
        | "OBJECT_FOREIGN_TABLE" => Object::Table(name_of(value)),
        "OBJECT_COLUMN" | "OBJECT_TRIGGER" | "OBJECT_RULE" | "OBJECT_POLICY" | "OBJECT_TABCONSTRAINT" => {
            holder_of(value)
        }
        "OBJECT_FUNCTION" | "OBJECT_PROCEDURE" | "OBJECT_ROUTINE" | "OBJECT_AGGREGATE" => {
            Object::Function(name_of(value))
        }
        _ => Object::None,
    }
}

fn created(walk: &mut Walk, node: &Node<'_>) -> bool {
    let (kind, table) = match node.kind {
        "CreateStmt" => (Kind::CREATE_TABLE, "relation"),
        "CreateForeignTableStmt" => return foreign_table(walk, node),
        "CreateTableAsStmt" => return table_as(walk, node),
        "ViewStmt" => return view(walk, node),
        "IndexStmt" => (Kind::CREATE_INDEX, "relation"),
        "CreateSeqStmt" => (Kind::CREATE_SEQUENCE, "sequence"),
        "CreatePolicyStmt" => (Kind::CREATE_POLICY, "table"),
        "RuleStmt" => (Kind::CREATE_RULE, "relation"),
        "CompositeTypeStmt" => (Kind::CREATE_TYPE, ""),
        "CreateTrigStmt" | "CreateEventTrigStmt" => return trigger(walk, node),
        "CreateFunctionStmt" => return function(walk, node),
        "CreateSchemaStmt" => (Kind::CREATE_SCHEMA, ""),
        "CreatedbStmt" => (Kind::CREATE_DATABASE, ""),
        "CreateRoleStmt" => (Kind::CREATE_ROLE, ""),
        "CreateDomainStmt" => (Kind::CREATE_DOMAIN, ""),
        "CreateEnumStmt" | "CreateRangeStmt" => (Kind::CREATE_TYPE, ""),
        "DefineStmt" => (kind("create", node.text("kind")), ""),
        "CreateOpClassStmt" => (Kind::CREATE_OPERATOR_CLASS, ""),
        "CreateOpFamilyStmt" => (Kind::CREATE_OPERATOR_FAMILY, ""),
        "CreateExtensionStmt" => (Kind::CREATE_EXTENSION, ""),
        "CreateFdwStmt" => (Kind::CREATE_FOREIGN_DATA_WRAPPER, ""),
        "CreateForeignServerStmt" => (Kind::CREATE_SERVER, ""),
        "ImportForeignSchemaStmt" => (Kind::CREATE_FOREIGN_TABLE, ""),
        "CreateUserMappingStmt" => (Kind::CREATE_USER_MAPPING, ""),
        "CreatePublicationStmt" => (Kind::CREATE_PUBLICATION, ""),
        "CreateSubscriptionStmt" => (Kind::CREATE_SUBSCRIPTION, ""),
        "CreateConversionStmt" => (Kind::CREATE_CONVERSION, ""),
        "CreateCastStmt" => (Kind::CREATE_CAST, ""),
        "CreateTransformStmt" => (Kind::CREATE_TRANSFORM, ""),
        "CreatePLangStmt" => (Kind::CREATE_LANGUAGE, ""),
        "CreateAmStmt" => (Kind::CREATE_ACCESS_METHOD, ""),
        "CreateStatsStmt" => (Kind::CREATE_STATISTICS, ""),
        "CreateTableSpaceStmt" => (Kind::CREATE_TABLESPACE, ""),
        _ => return false,
    };
    match node.node(table) {
        Some(relation) => walk.table(kind, relation),
        None => walk.effect(kind, Object::None),
    }
    expressions(walk, node, table);
    true
}

/// Walks what else a definition holds (queries, defaults, checks), leaving out the object's own name and plain words.
fn expressions(walk: &mut Walk, node: &Node<'_>, table: &str) {
    const NAMES: &[&str] = &[
        "typevar",
        "defnames",
        "domainname",
        "opclassname",
        "opfamilyname",
        "conversion_name",
        "func_name",
        "handler_name",
        "plhandler",
        "plinline",
        "plvalidator",
        "vals",
        "list",
        "domname",
        "typeName",
        "object",
        "extname",
        "authrole",
        "roles",
        "stat_types",
        "func_options",
        "options",
    ];
    for (name, value) in node.fields() {
        if name == table || NAMES.contains(&name) && !matches!(value, Value::Node(_)) || name == "typevar" {
            continue;
        }
        walk.value(value);
    }
}

fn foreign_table(walk: &mut Walk, node: &Node<'_>) -> bool {
    if let Some(base) = node.node("base") {
        on_relation(walk, Kind::CREATE_FOREIGN_TABLE, base);
        expressions(walk, base, "relation");
    }
    true
}

fn table_as(walk: &mut Walk, node: &Node<'_>) -> bool {
    let kind = kind("create", node.text("objtype"));
    if let Some(target) = node.node("into").and_then(|into| into.node("rel")) {
        walk.table(kind, target);
    }
    if let Some(query) = node.node("query") {
        walk.statement(query);
    }
    true
}

fn view(walk: &mut Walk, node: &Node<'_>) -> bool {
    if let Some(name) = node.node("view") {
        walk.table(Kind::CREATE_VIEW, name);
    }
    if let Some(query) = node.node("query") {
        walk.statement(query);
    }
    true
}

/// A trigger will call its function for others: that is an effect of its definition.
fn trigger(walk: &mut Walk, node: &Node<'_>) -> bool {
    match node.kind {
        "CreateTrigStmt" => on_relation(walk, Kind::CREATE_TRIGGER, node),
        _ => walk.effect(Kind::CREATE_EVENT_TRIGGER, Object::None),
    }
    walk.effect(Kind::FUNCTION_CALL, Object::Function(qualified(node.list("funcname"))));
    walk.children(node, &["relation", "funcname", "whenclause"]);
    true
}

/// A function's body is not looked into, but for SQL-standard bodies, which are parsed with it.
fn function(walk: &mut Walk, node: &Node<'_>) -> bool {
    let kind = if node.flag("is_procedure") { Kind::CREATE_PROCEDURE } else { Kind::CREATE_FUNCTION };
    walk.effect(kind, Object::Function(qualified(node.list("funcname"))));
    stored_settings(walk, node.list("options"));
    walk.children(node, &["funcname", "options", "sql_body"]);
    body(walk, node.get("sql_body"));
    true
}

fn body(walk: &mut Walk, value: &Value<'_>) {
    match value {
        Value::Node(node) if node.kind == "ReturnStmt" => walk.children(node, &[]),
        Value::Node(node) if node.kind == "List" => node.list("items").iter().for_each(|item| body(walk, item)),
        Value::List(items) => items.iter().for_each(|item| body(walk, item)),
        other => walk.value(other),
    }
}

/// `SET` clauses of functions.
fn stored_settings(walk: &mut Walk, options: &[Value<'_>]) {
    for option in options.iter().filter_map(Value::as_node) {
        if let Some(set) = option.node("arg").filter(|arg| arg.kind == "VariableSetStmt") {
            walk.settings.push(setting(set, Some(Scope::Stored)));
        }
    }
}

fn changed(walk: &mut Walk, node: &Node<'_>) -> bool {
    let kind = match node.kind {
        "AlterTableStmt" => {
            on_relation(walk, kind("alter", node.text("objtype")), node);
            walk.children(node, &["relation"]);
            return true;
        }
        "RenameStmt" => return renamed(walk, node, node.text("renameType")),
        "AlterObjectSchemaStmt" | "AlterOwnerStmt" | "AlterObjectDependsStmt" => {
            return renamed(walk, node, node.text("objectType"));
        }
        "CommentStmt" => return commented(walk, node, Kind::COMMENT),
        "SecLabelStmt" => return commented(walk, node, kind("alter", node.text("objtype"))),
        "AlterSeqStmt" => {
            match node.node("sequence") {
                Some(sequence) => walk.table(Kind::ALTER_SEQUENCE, sequence),
                None => walk.effect(Kind::ALTER_SEQUENCE, Object::None),
            }
            return true;
        }
        "AlterPolicyStmt" => {
            match node.node("table") {
                Some(table) => walk.table(Kind::ALTER_POLICY, table),
                None => walk.effect(Kind::ALTER_POLICY, Object::None),
            }
            walk.children(node, &["table", "roles"]);
            return true;
        }
        "RefreshMatViewStmt" => {
            on_relation(walk, Kind::REFRESH, node);
            return true;
        }
        "AlterFunctionStmt" => return altered_function(walk, node),
        "AlterRoleSetStmt" | "AlterDatabaseSetStmt" | "AlterSystemStmt" => return stored(walk, node),
        "AlterTableMoveAllStmt" => kind("alter", node.text("objtype")),
        "AlterRoleStmt" => Kind::ALTER_ROLE,
        "AlterDatabaseStmt" | "AlterDatabaseRefreshCollStmt" => Kind::ALTER_DATABASE,
        "AlterDomainStmt" => Kind::ALTER_DOMAIN,
        "AlterEnumStmt" | "AlterTypeStmt" => Kind::ALTER_TYPE,
        "AlterCollationStmt" => Kind::ALTER_COLLATION,
        "AlterOperatorStmt" => Kind::ALTER_OPERATOR,
        "AlterOpFamilyStmt" => Kind::ALTER_OPERATOR_FAMILY,
        "AlterEventTrigStmt" => Kind::ALTER_EVENT_TRIGGER,
        "AlterExtensionStmt" | "AlterExtensionContentsStmt" => Kind::ALTER_EXTENSION,
        "AlterFdwStmt" => Kind::ALTER_FOREIGN_DATA_WRAPPER,
        "AlterForeignServerStmt" => Kind::ALTER_SERVER,
        "AlterUserMappingStmt" => Kind::ALTER_USER_MAPPING,
        "AlterPublicationStmt" => Kind::ALTER_PUBLICATION,
        "AlterSubscriptionStmt" => Kind::ALTER_SUBSCRIPTION,
        "AlterStatsStmt" => Kind::ALTER_STATISTICS,
        "AlterTableSpaceOptionsStmt" => Kind::ALTER_TABLESPACE,
        "AlterTSDictionaryStmt" | "AlterTSConfigurationStmt" => Kind::ALTER_TEXT_SEARCH,
        "ReassignOwnedStmt" => Kind::ALTER_OWNED,
        _ => return false,
    };
    walk.effect(kind, Object::None);
    if matches!(node.kind, "AlterDomainStmt" | "AlterPublicationStmt") {
        walk.value(node.get("def"));
        walk.value(node.get("pubobjects"));
    }
    true
}

/// RENAME, SET SCHEMA, OWNER TO, DEPENDS ON: a relation by its `relation`, all else by its `object`.
fn renamed(walk: &mut Walk, node: &Node<'_>, object_type: &str) -> bool {
    let kind = match object_type {
        "OBJECT_COLUMN" => kind("alter", node.text("relationType")),
        _ => kind("alter", object_type),
    };
    match node.node("relation") {
        Some(relation) => walk.table(kind, relation),
        None => walk.effect(kind, object(object_type, node.get("object"))),
    }
    if object_type == "OBJECT_COLUMN" {
        walk.column(None, node.text("subname"));
        walk.column(None, node.text("newname"));
    }
    true
}

fn commented(walk: &mut Walk, node: &Node<'_>, kind: Kind) -> bool {
    let object_type = node.text("objtype");
    walk.effect(kind, object(object_type, node.get("object")));
    if object_type == "OBJECT_COLUMN" {
        walk.column(None, &name_of(node.get("object")).name);
    }
    true
}

fn altered_function(walk: &mut Walk, node: &Node<'_>) -> bool {
    let object_type = node.text("objtype");
    walk.effect(kind("alter", object_type), object(object_type, node.get("func")));
    stored_settings(walk, node.list("actions"));
    true
}

fn stored(walk: &mut Walk, node: &Node<'_>) -> bool {
    let kind = match node.kind {
        "AlterRoleSetStmt" => Kind::ALTER_ROLE,
        "AlterDatabaseSetStmt" => Kind::ALTER_DATABASE,
        _ => Kind::ALTER_SYSTEM,
    };
    walk.effect(kind, Object::None);
    if let Some(set) = node.node("setstmt") {
        walk.settings.push(setting(set, Some(Scope::Stored)));
    }
    true
}

fn dropped(walk: &mut Walk, node: &Node<'_>) -> bool {
    let kind = match node.kind {
        "DropStmt" => {
            let object_type = node.text("removeType");
            let kind = kind("drop", object_type);
            for item in node.list("objects") {
                walk.effect(kind, object(object_type, item));
            }
            return true;
        }
        "DropdbStmt" => Kind::DROP_DATABASE,
        "DropRoleStmt" => Kind::DROP_ROLE,
        "DropTableSpaceStmt" => Kind::DROP_TABLESPACE,
        "DropUserMappingStmt" => Kind::DROP_USER_MAPPING,
        "DropSubscriptionStmt" => Kind::DROP_SUBSCRIPTION,
        "DropOwnedStmt" => Kind::DROP_OWNED,
        _ => return false,
    };
    walk.effect(kind, Object::None);
    true
}

fn rights(walk: &mut Walk, node: &Node<'_>) -> bool {
    let kind = if node.flag("is_grant") { Kind::GRANT } else { Kind::REVOKE };
    match node.kind {
        "GrantRoleStmt" => walk.effect(kind, Object::None),
        "AlterDefaultPrivilegesStmt" => walk.effect(Kind::ALTER_DEFAULT_PRIVILEGES, Object::None),
        "GrantStmt" => {
            let object_type = node.text("objtype");
            let in_schema = node.text("targtype") != "ACL_TARGET_OBJECT";
            match object_type {
                "OBJECT_TABLE" | "OBJECT_SEQUENCE" if !in_schema => each_table(walk, kind, node.list("objects")),
                _ if in_schema => walk.effect(kind, Object::None),
                _ => node.list("objects").iter().for_each(|item| walk.effect(kind, object(object_type, item))),
            }
            for privilege in node.list("privileges").iter().filter_map(Value::as_node) {
                walk.value(privilege.get("cols"));
            }
        }
        _ => return false,
    }
    true
}
