//! Statements that define, alter or drop objects, and those about rights.

use crate::Kind;
use crate::statement::{Name, Object, Scope};
use crate::tree::{At, List, Node, Tag, Value, at};
use crate::utility::{each_table, on_relation, setting};
use crate::walk::{Walk, parts, qualified};

/// Notes the effects of `node` if it is one of these; else says `false`.
pub(crate) fn visit<'t>(walk: &mut Walk<'t>, node: Node<'t>) -> bool {
    walk.is_database_wide |= is_wide(node);
    created(walk, node) || changed(walk, node) || dropped(walk, node) || rights(walk, node)
}

/// Does it fall on all of a database, a schema, a role or a server?
fn is_wide(node: Node<'_>) -> bool {
    match node.kind() {
        Tag::GrantStmt => {
            let wide =
                ["OBJECT_DATABASE", "OBJECT_SCHEMA", "OBJECT_TABLESPACE", "OBJECT_LANGUAGE", "OBJECT_FOREIGN_SERVER"];
            node.text(at!("targtype")) != "ACL_TARGET_OBJECT" || wide.contains(&node.text(at!("objtype")))
        }
        Tag::DropStmt => ["OBJECT_SCHEMA", "OBJECT_EXTENSION"].contains(&node.text(at!("removeType"))),
        Tag::CreatePublicationStmt | Tag::AlterPublicationStmt => {
            node.flag(at!("for_all_tables")) || !node.list(at!("pubobjects")).is_empty()
        }
        Tag::AlterDatabaseStmt | Tag::AlterDatabaseSetStmt | Tag::AlterSystemStmt | Tag::AlterTableMoveAllStmt => true,
        Tag::AlterDefaultPrivilegesStmt | Tag::DropOwnedStmt | Tag::ReassignOwnedStmt | Tag::DropdbStmt => true,
        Tag::RenameStmt => ["OBJECT_SCHEMA", "OBJECT_DATABASE"].contains(&node.text(at!("renameType"))),
        Tag::ImportForeignSchemaStmt | Tag::CreateEventTrigStmt => true,
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
fn name_of(value: Value<'_>) -> Name {
    match value {
        Value::Node(node) => match node.kind() {
            Tag::List => qualified(node.list(at!("items"))),
            Tag::ObjectWithArgs => qualified(node.list(at!("objname"))),
            Tag::TypeName => qualified(node.list(at!("names"))),
            Tag::RangeVar => crate::walk::range_name(node),
            _ => Name::new(None, value.as_string().unwrap_or_default()),
        },
        Value::List(words) => qualified(words),
        _ => Name::new(None, ""),
    }
}

/// The last word of such a name.
fn last_of<'t>(value: Value<'t>) -> &'t str {
    match value {
        Value::Node(node) if node.kind() == Tag::List => parts(node.list(at!("items"))).1,
        Value::List(words) => parts(words).1,
        _ => value.as_string().unwrap_or_default(),
    }
}

/// The words of a name without its last: a trigger's or a column's table.
fn holder_of(value: Value<'_>) -> Object {
    let words = match value {
        Value::Node(node) if node.kind() == Tag::List => node.list(at!("items")),
        Value::List(words) => words,
        _ => List::default(),
    };
    match words.before_last() {
        Some(holder) if !holder.is_empty() => Object::Table(qualified(holder)),
        _ => Object::None,
    }
}

/// What a name of that type of object is to a rule.
fn object(object_type: &str, value: Value<'_>) -> Object {
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

fn created<'t>(walk: &mut Walk<'t>, node: Node<'t>) -> bool {
    let (kind, table) = match node.kind() {
        Tag::CreateStmt => (Kind::CREATE_TABLE, at!("relation")),
        Tag::CreateForeignTableStmt => return foreign_table(walk, node),
        Tag::CreateTableAsStmt => return table_as(walk, node),
        Tag::ViewStmt => return view(walk, node),
        Tag::IndexStmt => (Kind::CREATE_INDEX, at!("relation")),
        Tag::CreateSeqStmt => (Kind::CREATE_SEQUENCE, at!("sequence")),
        Tag::CreatePolicyStmt => (Kind::CREATE_POLICY, at!("table")),
        Tag::RuleStmt => (Kind::CREATE_RULE, at!("relation")),
        Tag::CompositeTypeStmt => (Kind::CREATE_TYPE, at!("")),
        Tag::CreateTrigStmt | Tag::CreateEventTrigStmt => return trigger(walk, node),
        Tag::CreateFunctionStmt => return function(walk, node),
        Tag::CreateSchemaStmt => (Kind::CREATE_SCHEMA, at!("")),
        Tag::CreatedbStmt => (Kind::CREATE_DATABASE, at!("")),
        Tag::CreateRoleStmt => (Kind::CREATE_ROLE, at!("")),
        Tag::CreateDomainStmt => (Kind::CREATE_DOMAIN, at!("")),
        Tag::CreateEnumStmt | Tag::CreateRangeStmt => (Kind::CREATE_TYPE, at!("")),
        Tag::DefineStmt => (kind("create", node.text(at!("kind"))), at!("")),
        Tag::CreateOpClassStmt => (Kind::CREATE_OPERATOR_CLASS, at!("")),
        Tag::CreateOpFamilyStmt => (Kind::CREATE_OPERATOR_FAMILY, at!("")),
        Tag::CreateExtensionStmt => (Kind::CREATE_EXTENSION, at!("")),
        Tag::CreateFdwStmt => (Kind::CREATE_FOREIGN_DATA_WRAPPER, at!("")),
        Tag::CreateForeignServerStmt => (Kind::CREATE_SERVER, at!("")),
        Tag::ImportForeignSchemaStmt => (Kind::CREATE_FOREIGN_TABLE, at!("")),
        Tag::CreateUserMappingStmt => (Kind::CREATE_USER_MAPPING, at!("")),
        Tag::CreatePublicationStmt => (Kind::CREATE_PUBLICATION, at!("")),
        Tag::CreateSubscriptionStmt => (Kind::CREATE_SUBSCRIPTION, at!("")),
        Tag::CreateConversionStmt => (Kind::CREATE_CONVERSION, at!("")),
        Tag::CreateCastStmt => (Kind::CREATE_CAST, at!("")),
        Tag::CreateTransformStmt => (Kind::CREATE_TRANSFORM, at!("")),
        Tag::CreatePLangStmt => (Kind::CREATE_LANGUAGE, at!("")),
        Tag::CreateAmStmt => (Kind::CREATE_ACCESS_METHOD, at!("")),
        Tag::CreateStatsStmt => (Kind::CREATE_STATISTICS, at!("")),
        Tag::CreateTableSpaceStmt => (Kind::CREATE_TABLESPACE, at!("")),
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
fn expressions<'t>(walk: &mut Walk<'t>, node: Node<'t>, table: At) {
    const NAMES: &[At] = &[
        at!("typevar"),
        at!("defnames"),
        at!("domainname"),
        at!("opclassname"),
        at!("opfamilyname"),
        at!("conversion_name"),
        at!("func_name"),
        at!("handler_name"),
        at!("plhandler"),
        at!("plinline"),
        at!("plvalidator"),
        at!("vals"),
        at!("list"),
        at!("domname"),
        at!("typeName"),
        at!("object"),
        at!("extname"),
        at!("authrole"),
        at!("roles"),
        at!("stat_types"),
        at!("func_options"),
        at!("options"),
    ];
    for (name, value) in node.inner_fields() {
        if name == table || NAMES.contains(&name) && !matches!(value, Value::Node(_)) || name == at!("typevar") {
            continue;
        }
        walk.value(value);
    }
}

fn foreign_table<'t>(walk: &mut Walk<'t>, node: Node<'t>) -> bool {
    on_relation(walk, Kind::CREATE_FOREIGN_TABLE, node);
    expressions(walk, node, at!("relation"));
    true
}

fn table_as<'t>(walk: &mut Walk<'t>, node: Node<'t>) -> bool {
    let kind = kind("create", node.text(at!("objtype")));
    if let Some(target) = node.node(at!("into")).and_then(|into| into.node(at!("rel"))) {
        walk.table(kind, target);
    }
    if let Some(query) = node.node(at!("query")) {
        walk.statement(query);
    }
    true
}

fn view<'t>(walk: &mut Walk<'t>, node: Node<'t>) -> bool {
    if let Some(name) = node.node(at!("view")) {
        walk.table(Kind::CREATE_VIEW, name);
    }
    if let Some(query) = node.node(at!("query")) {
        walk.statement(query);
    }
    true
}

/// A trigger will call its function for others: that is an effect of its definition.
fn trigger<'t>(walk: &mut Walk<'t>, node: Node<'t>) -> bool {
    match node.kind() {
        Tag::CreateTrigStmt => on_relation(walk, Kind::CREATE_TRIGGER, node),
        _ => walk.effect(Kind::CREATE_EVENT_TRIGGER, Object::None),
    }
    walk.effect(Kind::FUNCTION_CALL, Object::Function(qualified(node.list(at!("funcname")))));
    walk.children(node, &[at!("relation"), at!("funcname"), at!("whenclause")]);
    true
}

/// A function's body is not looked into, but for SQL-standard bodies, which are parsed with it.
fn function<'t>(walk: &mut Walk<'t>, node: Node<'t>) -> bool {
    let kind = if node.flag(at!("is_procedure")) { Kind::CREATE_PROCEDURE } else { Kind::CREATE_FUNCTION };
    walk.effect(kind, Object::Function(qualified(node.list(at!("funcname")))));
    stored_settings(walk, node.list(at!("options")));
    walk.children(node, &[at!("funcname"), at!("options"), at!("sql_body")]);
    body(walk, node.get(at!("sql_body")));
    true
}

fn body<'t>(walk: &mut Walk<'t>, value: Value<'t>) {
    match value {
        Value::Node(node) if node.kind() == Tag::ReturnStmt => walk.children(node, &[]),
        Value::Node(node) if node.kind() == Tag::List => {
            node.list(at!("items")).iter().for_each(|item| body(walk, item))
        }
        Value::List(items) => items.iter().for_each(|item| body(walk, item)),
        other => walk.value(other),
    }
}

/// `SET` clauses of functions.
fn stored_settings<'t>(walk: &mut Walk<'t>, options: List<'t>) {
    for option in options.iter().filter_map(Value::as_node) {
        if let Some(set) = option.node(at!("arg")).filter(|arg| arg.kind() == Tag::VariableSetStmt) {
            walk.settings.push(setting(set, Some(Scope::Stored)));
        }
    }
}

fn changed<'t>(walk: &mut Walk<'t>, node: Node<'t>) -> bool {
    let kind = match node.kind() {
        Tag::AlterTableStmt => {
            on_relation(walk, kind("alter", node.text(at!("objtype"))), node);
            walk.children(node, &[at!("relation")]);
            return true;
        }
        Tag::RenameStmt => return renamed(walk, node, node.text(at!("renameType"))),
        Tag::AlterObjectSchemaStmt | Tag::AlterOwnerStmt | Tag::AlterObjectDependsStmt => {
            return renamed(walk, node, node.text(at!("objectType")));
        }
        Tag::CommentStmt => return commented(walk, node, Kind::COMMENT),
        Tag::SecLabelStmt => return commented(walk, node, kind("alter", node.text(at!("objtype")))),
        Tag::AlterSeqStmt => {
            match node.node(at!("sequence")) {
                Some(sequence) => walk.table(Kind::ALTER_SEQUENCE, sequence),
                None => walk.effect(Kind::ALTER_SEQUENCE, Object::None),
            }
            return true;
        }
        Tag::AlterPolicyStmt => {
            match node.node(at!("table")) {
                Some(table) => walk.table(Kind::ALTER_POLICY, table),
                None => walk.effect(Kind::ALTER_POLICY, Object::None),
            }
            walk.children(node, &[at!("table"), at!("roles")]);
            return true;
        }
        Tag::RefreshMatViewStmt => {
            on_relation(walk, Kind::REFRESH, node);
            return true;
        }
        Tag::AlterFunctionStmt => return altered_function(walk, node),
        Tag::AlterRoleSetStmt | Tag::AlterDatabaseSetStmt | Tag::AlterSystemStmt => return stored(walk, node),
        Tag::AlterTableMoveAllStmt => kind("alter", node.text(at!("objtype"))),
        Tag::AlterRoleStmt => Kind::ALTER_ROLE,
        Tag::AlterDatabaseStmt | Tag::AlterDatabaseRefreshCollStmt => Kind::ALTER_DATABASE,
        Tag::AlterDomainStmt => Kind::ALTER_DOMAIN,
        Tag::AlterEnumStmt | Tag::AlterTypeStmt => Kind::ALTER_TYPE,
        Tag::AlterCollationStmt => Kind::ALTER_COLLATION,
        Tag::AlterOperatorStmt => Kind::ALTER_OPERATOR,
        Tag::AlterOpFamilyStmt => Kind::ALTER_OPERATOR_FAMILY,
        Tag::AlterEventTrigStmt => Kind::ALTER_EVENT_TRIGGER,
        Tag::AlterExtensionStmt | Tag::AlterExtensionContentsStmt => Kind::ALTER_EXTENSION,
        Tag::AlterFdwStmt => Kind::ALTER_FOREIGN_DATA_WRAPPER,
        Tag::AlterForeignServerStmt => Kind::ALTER_SERVER,
        Tag::AlterUserMappingStmt => Kind::ALTER_USER_MAPPING,
        Tag::AlterPublicationStmt => Kind::ALTER_PUBLICATION,
        Tag::AlterSubscriptionStmt => Kind::ALTER_SUBSCRIPTION,
        Tag::AlterStatsStmt => Kind::ALTER_STATISTICS,
        Tag::AlterTableSpaceOptionsStmt => Kind::ALTER_TABLESPACE,
        Tag::AlterTSDictionaryStmt | Tag::AlterTSConfigurationStmt => Kind::ALTER_TEXT_SEARCH,
        Tag::ReassignOwnedStmt => Kind::ALTER_OWNED,
        _ => return false,
    };
    walk.effect(kind, Object::None);
    if matches!(node.kind(), Tag::AlterDomainStmt | Tag::AlterPublicationStmt) {
        walk.value(node.get(at!("def")));
        walk.value(node.get(at!("pubobjects")));
    }
    true
}

/// RENAME, SET SCHEMA, OWNER TO, DEPENDS ON: a relation by its `relation`, all else by its `object`.
fn renamed<'t>(walk: &mut Walk<'t>, node: Node<'t>, object_type: &str) -> bool {
    let kind = match object_type {
        "OBJECT_COLUMN" => kind("alter", node.text(at!("relationType"))),
        _ => kind("alter", object_type),
    };
    match node.node(at!("relation")) {
        Some(relation) => walk.table(kind, relation),
        None => walk.effect(kind, object(object_type, node.get(at!("object")))),
    }
    if object_type == "OBJECT_COLUMN" {
        walk.column(None, node.text(at!("subname")));
        walk.column(None, node.text(at!("newname")));
    }
    true
}

fn commented<'t>(walk: &mut Walk<'t>, node: Node<'t>, kind: Kind) -> bool {
    let object_type = node.text(at!("objtype"));
    walk.effect(kind, object(object_type, node.get(at!("object"))));
    if object_type == "OBJECT_COLUMN" {
        walk.column(None, last_of(node.get(at!("object"))));
    }
    true
}

fn altered_function<'t>(walk: &mut Walk<'t>, node: Node<'t>) -> bool {
    let object_type = node.text(at!("objtype"));
    walk.effect(kind("alter", object_type), object(object_type, node.get(at!("func"))));
    stored_settings(walk, node.list(at!("actions")));
    true
}

fn stored<'t>(walk: &mut Walk<'t>, node: Node<'t>) -> bool {
    let kind = match node.kind() {
        Tag::AlterRoleSetStmt => Kind::ALTER_ROLE,
        Tag::AlterDatabaseSetStmt => Kind::ALTER_DATABASE,
        _ => Kind::ALTER_SYSTEM,
    };
    walk.effect(kind, Object::None);
    if let Some(set) = node.node(at!("setstmt")) {
        walk.settings.push(setting(set, Some(Scope::Stored)));
    }
    true
}

fn dropped<'t>(walk: &mut Walk<'t>, node: Node<'t>) -> bool {
    let kind = match node.kind() {
        Tag::DropStmt => {
            let object_type = node.text(at!("removeType"));
            let kind = kind("drop", object_type);
            for item in node.list(at!("objects")) {
                walk.effect(kind, object(object_type, item));
            }
            return true;
        }
        Tag::DropdbStmt => Kind::DROP_DATABASE,
        Tag::DropRoleStmt => Kind::DROP_ROLE,
        Tag::DropTableSpaceStmt => Kind::DROP_TABLESPACE,
        Tag::DropUserMappingStmt => Kind::DROP_USER_MAPPING,
        Tag::DropSubscriptionStmt => Kind::DROP_SUBSCRIPTION,
        Tag::DropOwnedStmt => Kind::DROP_OWNED,
        _ => return false,
    };
    walk.effect(kind, Object::None);
    true
}

fn rights<'t>(walk: &mut Walk<'t>, node: Node<'t>) -> bool {
    let kind = if node.flag(at!("is_grant")) { Kind::GRANT } else { Kind::REVOKE };
    match node.kind() {
        Tag::GrantRoleStmt => walk.effect(kind, Object::None),
        Tag::AlterDefaultPrivilegesStmt => walk.effect(Kind::ALTER_DEFAULT_PRIVILEGES, Object::None),
        Tag::GrantStmt => {
            let object_type = node.text(at!("objtype"));
            let in_schema = node.text(at!("targtype")) != "ACL_TARGET_OBJECT";
            match object_type {
                "OBJECT_TABLE" | "OBJECT_SEQUENCE" if !in_schema => each_table(walk, kind, node.list(at!("objects"))),
                _ if in_schema => walk.effect(kind, Object::None),
                _ => node.list(at!("objects")).iter().for_each(|item| walk.effect(kind, object(object_type, item))),
            }
            for privilege in node.list(at!("privileges")).iter().filter_map(Value::as_node) {
                walk.value(privilege.get(at!("cols")));
            }
        }
        _ => return false,
    }
    true
}
