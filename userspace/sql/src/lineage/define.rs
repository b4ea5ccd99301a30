//! Statements that define or alter objects: what would carry values, or the meaning of names, past the eyes of whoever judges later.

use super::follow::{Follower, Made};
use super::scope::{self, From};
use super::select::nodes;
use super::utility::option;
use super::value::{Column, Value};
use crate::tree::{Node, Value as Field};
use crate::utility::constant;
use crate::walk::{qualified, range_name};
use crate::{Clause, How, Name, Sensitivity, Unknown, Watch};

/// Notes what a statement that is no query means for where values go.
pub(super) fn visit(follower: &mut Follower<'_>, node: &Node<'_>) {
    match node.kind {
        "CreateStmt" => table(follower, node),
        "CreateSeqStmt" => {
            if let Some(sequence) = node.node("sequence") {
                let columns = [Column::new(scope::STAR, Value::clean())].into();
                follower.earlier.relations.push(Made { name: range_name(sequence), columns });
            }
        }
        "CreateForeignTableStmt" => follower.unknown_form("CREATE FOREIGN TABLE"),
        "AlterTableStmt" => alter(follower, node),
        "RenameStmt" | "AlterObjectSchemaStmt" => renamed(follower, node),
        "DropStmt" => dropped(follower, node),
        "DiscardStmt" | "DropOwnedStmt" => follower.earlier.gone.any = true,
        "IndexStmt" => {
            over(follower, node, "relation", |follower| {
                elements(follower, node.list("indexParams"));
                follower.predicate(node.get("whereClause"));
            });
            sets_up(follower, node, "relation", Watch::Index);
        }
        "CreateStatsStmt" => {
            follower.scopes.open();
            nodes(node.list("relations")).for_each(|relation| follower.source(relation));
            elements(follower, node.list("exprs"));
            follower.scopes.close();
        }
        "CreatePolicyStmt" | "AlterPolicyStmt" => {
            over(follower, node, "table", |follower| {
                follower.predicate(node.get("qual"));
                follower.predicate(node.get("with_check"));
            });
            sets_up(follower, node, "table", Watch::Security);
        }
        "CreateTrigStmt" => {
            follower.unknown(Unknown::Function(qualified(node.list("funcname"))));
            over(follower, node, "relation", |follower| {
                let item = follower.scopes.take();
                for name in ["old", "new"] {
                    if let Some(From::Item(item)) = &item {
                        follower.scopes.add(From::Item(scope::Item { name: name.into(), ..item.clone() }));
                    }
                }
                follower.predicate(node.get("whenClause"));
            });
        }
        "RuleStmt" => follower.unknown_form("CREATE RULE"),
        "CreateFunctionStmt" => function(follower, node),
        "CreateCastStmt" => follower.unknown_form("CREATE CAST"),
        "CreateTransformStmt" => follower.unknown_form("CREATE TRANSFORM"),
        "CreateEventTrigStmt" => follower.unknown_form("CREATE EVENT TRIGGER"),
        "DefineStmt" => follower.unknown_form("CREATE AGGREGATE, OPERATOR or TYPE"),
        "CreateOpClassStmt" | "CreateOpFamilyStmt" | "AlterOpFamilyStmt" => follower.unknown_form("an operator class"),
        "CreateExtensionStmt" | "AlterExtensionStmt" => follower.unknown_form("CREATE EXTENSION"),
        "CreatePublicationStmt" | "AlterPublicationStmt" => follower.unknown_form("a publication"),
        "CreateSubscriptionStmt" | "AlterSubscriptionStmt" => follower.unknown_form("a subscription"),
        "CreateDomainStmt" => domain(follower, nodes(node.list("constraints"))),
        "AlterDomainStmt" => domain(follower, node.node("def").into_iter()),
        // Rows lie in the index' order afterwards, and are read in it.
        "ClusterStmt" => {
            if node.node("relation").is_none_or(|relation| matters(follower, relation)) {
                follower.unknown_form("CLUSTER of a table with columns that matter");
            }
        }
        "CreateSchemaStmt" => nodes(node.list("schemaElts")).for_each(|element| drop(follower.statement(element))),
        "DoStmt" => follower.unknown_form("DO"),
        "CreateConversionStmt" | "CreatePLangStmt" | "CreateFdwStmt" | "CreateForeignServerStmt" => {
            follower.unknown_form("code or a server that is not known");
        }
        "ImportForeignSchemaStmt" | "LoadStmt" => follower.unknown_form("code or a server that is not known"),
        kind if STILL.contains(&kind) => {}
        kind => follower.unknown_form(kind),
    }
}

/// Statements that move no value and give no name another meaning, or only take one away.
const STILL: &[&str] = &[
    "AlterCollationStmt",
    "AlterDatabaseRefreshCollStmt",
    "AlterDatabaseSetStmt",
    "AlterDatabaseStmt",
    "AlterDefaultPrivilegesStmt",
    "AlterEnumStmt",
    "AlterEventTrigStmt",
    "AlterExtensionContentsStmt",
    "AlterFdwStmt",
    "AlterForeignServerStmt",
    "AlterFunctionStmt",
    "AlterObjectDependsStmt",
    "AlterOperatorStmt",
    "AlterOwnerStmt",
    "AlterRoleSetStmt",
    "AlterRoleStmt",
    "AlterSeqStmt",
    "AlterStatsStmt",
    "AlterSystemStmt",
    "AlterTableMoveAllStmt",
    "AlterTableSpaceOptionsStmt",
    "AlterTSConfigurationStmt",
    "AlterTSDictionaryStmt",
    "AlterTypeStmt",
    "AlterUserMappingStmt",
    "CheckPointStmt",
    "ClosePortalStmt",
    "CommentStmt",
    "CompositeTypeStmt",
    "ConstraintsSetStmt",
    "CreateAmStmt",
    "CreatedbStmt",
    "CreateEnumStmt",
    "CreateRangeStmt",
    "CreateRoleStmt",
    "CreateTableSpaceStmt",
    "CreateUserMappingStmt",
    "DeallocateStmt",
    "DropdbStmt",
    "DropRoleStmt",
    "DropSubscriptionStmt",
    "DropTableSpaceStmt",
    "DropUserMappingStmt",
    "GrantRoleStmt",
    "GrantStmt",
    "ListenStmt",
    "LockStmt",
    "NotifyStmt",
    "ReassignOwnedStmt",
    "RefreshMatViewStmt",
    "ReindexStmt",
    "ReplicaIdentityStmt",
    "SecLabelStmt",
    "TransactionStmt",
    "TruncateStmt",
    "UnlistenStmt",
    "VacuumStmt",
    "VariableSetStmt",
];

/// What the statement sets up over its relation, whatever column it is about.
fn sets_up(follower: &mut Follower<'_>, node: &Node<'_>, field: &str, by: Watch) {
    if let Some(relation) = node.node(field) {
        follower.sets_up(&range_name(relation), by, Vec::new());
    }
}

/// Runs `body` where the columns of the statement's relation are visible.
fn over<'c>(follower: &mut Follower<'c>, node: &Node<'_>, field: &str, body: impl FnOnce(&mut Follower<'c>)) {
    follower.scopes.open();
    if let Some(relation) = node.node(field) {
        follower.source(relation);
    }
    body(follower);
    follower.scopes.close();
}

/// The default and the checks of a domain. `VALUE` is a name there, and no column's: whatever is given the domain, by a column, an argument or
/// a cast. A check asks each of them, so none is set up where anything matters.
fn domain<'n>(follower: &mut Follower<'_>, constraints: impl Iterator<Item = &'n Node<'n>>) {
    let columns = scope::Columns::Known([Column::new("value", Value::clean())].into());
    follower.scopes.open();
    follower.scopes.add(From::Item(scope::Item { name: "".into(), schema: None, columns, is_stored: false }));
    for constraint in constraints {
        if constraint.text("contype") == "CONSTR_CHECK" && anything_matters(follower) {
            follower.unknown_form("which values the check of a domain asks");
        }
        follower.sum(constraint.get("raw_expr"));
    }
    follower.scopes.close();
}

/// Is any column of the database sensitive?
fn anything_matters(follower: &Follower<'_>) -> bool {
    let mut columns = follower.schema().relations().flat_map(|relation| &relation.columns);
    columns.any(|column| column.sensitivity == Sensitivity::Sensitive)
}

/// The columns and expressions of an index, of statistics or of a partition's key.
fn elements(follower: &mut Follower<'_>, list: &[Field<'_>]) {
    for element in nodes(list) {
        let value = match element.node("expr") {
            Some(expression) => follower.expression(expression),
            None => follower.named_column(element.text("name")).unwrap_or_default(),
        };
        follower.probe(&value, Clause::Other, element);
    }
}

/// Does anything that matters stand in a relation of that name?
fn matters(follower: &mut Follower<'_>, relation: &Node<'_>) -> bool {
    let item = follower.range(relation);
    item.columns.list(follower.schema()).iter().any(|column| follower.is_sensitive(&column.value))
}

/// CREATE TABLE: its columns, those that it takes over from others, and their defaults.
fn table(follower: &mut Follower<'_>, node: &Node<'_>) {
    let Some(relation) = node.node("relation") else { return };
    let mut columns: Vec<Column> = Vec::new();
    for parent in nodes(node.list("inhRelations")) {
        if matters(follower, parent) {
            follower.unknown_form("a table that inherits columns that matter");
        }
        let item = follower.range(parent);
        columns.extend(item.columns.list(follower.schema()).iter().cloned());
    }
    for element in nodes(node.list("tableElts")) {
        match element.kind {
            "TableLikeClause" => {
                if let Some(like) = element.node("relation") {
                    let item = follower.range(like);
                    columns.extend(
                        item.columns
                            .list(follower.schema())
                            .iter()
                            .map(|column| Column::new(&column.name, Value::clean())),
                    );
                }
            }
            "ColumnDef" => columns.push(Column::new(element.text("colname"), Value::clean())),
            _ => {}
        }
    }
    let name = range_name(relation);
    let takes_over = nodes(node.list("tableElts")).any(|one| one.kind == "TableLikeClause" && one.int("options") != 0);
    if takes_over || node.node("ofTypename").is_some() || !node.list("inhRelations").is_empty() {
        follower.sets_up(&name, Watch::Check, Vec::new());
    }
    if node.node("partspec").is_some() || node.node("partbound").is_some() {
        follower.sets_up(&name, Watch::Partition, Vec::new());
    }
    for element in nodes(node.list("tableElts")).chain(nodes(node.list("constraints"))) {
        follower.sets_up_definition(&name, element, "");
    }
    follower.earlier.relations.push(Made { name, columns: columns.into() });
    over(follower, node, "relation", |follower| {
        for element in nodes(node.list("tableElts")) {
            definition(follower, element, "");
        }
    });
}

/// A column's or a constraint's expressions. What is computed from other columns fills its own.
fn definition(follower: &mut Follower<'_>, node: &Node<'_>, column: &str) {
    match node.kind {
        "ColumnDef" => {
            let name = node.text("colname");
            nodes(node.list("constraints")).for_each(|constraint| definition(follower, constraint, name));
            default(follower, node.get("raw_default"));
        }
        "Constraint" => {
            let value = follower.sum(node.get("raw_expr"));
            match node.text("contype") {
                "CONSTR_CHECK" => follower.probe(&value, Clause::Other, node.node("raw_expr").unwrap_or(node)),
                "CONSTR_DEFAULT" => default(follower, node.get("raw_expr")),
                "CONSTR_GENERATED" if follower.is_sensitive(&value) => {
                    follower.unknown_form(&format!(
                        "a column {} that is generated from columns that matter",
                        super::words::identifier(column)
                    ));
                }
                _ => {}
            }
            constrained(follower, node);
        }
        _ => {}
    }
}

/// A default that derives from what matters fills its column with every row that comes.
fn default(follower: &mut Follower<'_>, expression: &Field<'_>) {
    let value = follower.sum(expression);
    if follower.is_sensitive(&value) {
        follower.unknown_form("a default that derives from what matters");
    }
}

/// The columns that a key, an exclusion or a reference compares: whoever inserts a guess is told whether it is there.
fn constrained(follower: &mut Follower<'_>, constraint: &Node<'_>) {
    for key in
        super::select::names(constraint.list("keys")).iter().chain(&super::select::names(constraint.list("fk_attrs")))
    {
        let value = follower.named_column(key).unwrap_or_default();
        follower.probe(&value, Clause::Other, constraint);
    }
    for exclusion in nodes(constraint.list("exclusions")) {
        elements(follower, exclusion.list("items"));
    }
    let Some(referenced) = constraint.node("pktable") else { return };
    let item = follower.range(referenced);
    let names = super::select::names(constraint.list("pk_attrs"));
    for column in item.columns.list(follower.schema()).iter() {
        if names.is_empty() || names.contains(&column.name) {
            follower.probe(&column.value, Clause::Other, constraint);
        }
    }
}

fn alter(follower: &mut Follower<'_>, node: &Node<'_>) {
    let Some(relation) = node.node("relation") else { return };
    if node.text("objtype") == "OBJECT_INDEX" || node.text("objtype") == "OBJECT_SEQUENCE" {
        return;
    }
    let target = range_name(relation);
    over(follower, node, "relation", |follower| {
        for command in nodes(node.list("cmds")) {
            let column = command.text("name");
            let definition_node = command.node("def");
            match command.text("subtype") {
                "AT_AlterColumnType" => {
                    retyped(follower, &target, column, definition_node);
                }
                "AT_AttachPartition" | "AT_AddInherit" | "AT_DetachPartition" | "AT_DropInherit" => {
                    inherits(follower, relation, definition_node)
                }
                _ => {
                    if let Some(node) = definition_node {
                        definition(follower, node, column);
                        follower.sets_up_definition(&target, node, column);
                    }
                }
            }
        }
    });
}

/// ALTER COLUMN … TYPE: each value is cast, by the expression of USING or by assignment.
fn retyped(follower: &mut Follower<'_>, target: &Name, column: &str, definition: Option<&Node<'_>>) {
    let own = follower.named_column(column).unwrap_or_default();
    let type_name = definition.and_then(|definition| definition.node("typeName"));
    if let Some(type_name) = type_name.filter(|name| super::cast::keeps(Some(name)) < How::Verbatim) {
        follower.probe(&own, Clause::Other, type_name);
    }
    if let Some(using) = definition.and_then(|definition| definition.node("raw_default")) {
        let value = follower.expression(using);
        if own != value {
            follower.flow(target, column, &value);
        }
    }
    if type_name.is_some_and(|name| !super::computed::is_plain(name)) {
        follower.sets_up(target, Watch::Domain, vec![column.to_owned()]);
    }
}

/// A table that becomes, or ceases to be, a part of another.
fn inherits(follower: &mut Follower<'_>, relation: &Node<'_>, other: Option<&Node<'_>>) {
    let other = other.map(|other| other.node("name").unwrap_or(other)).filter(|other| other.kind == "RangeVar");
    let matter = matters(follower, relation) || other.is_none_or(|other| matters(follower, other));
    if matter {
        follower.unknown_form("a table that inherits columns that matter");
    }
}

/// A new name for what matters is one that policy does not know.
/// What is dropped no longer hides another of its name; what goes with it (CASCADE, a schema's) is not told.
fn dropped(follower: &mut Follower<'_>, node: &Node<'_>) {
    const RELATIONS: [&str; 4] = ["OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_FOREIGN_TABLE"];
    let gone = &mut follower.earlier.gone;
    gone.any |= node.text("behavior") == "DROP_CASCADE" || !RELATIONS.contains(&node.text("removeType"));
    for object in node.list("objects") {
        gone.names.extend(words_of(object).pop());
    }
}

fn renamed(follower: &mut Follower<'_>, node: &Node<'_>) {
    let Some(relation) = node.node("relation") else {
        follower.earlier.gone.any = true;
        if ["OBJECT_SCHEMA", "OBJECT_ROLE", "OBJECT_DATABASE"].contains(&node.text("renameType")) {
            follower.unknown_form("ALTER ... RENAME");
        }
        return;
    };
    let item = follower.range(relation);
    follower.earlier.gone.names.push(range_name(relation).name);
    let columns = item.columns.list(follower.schema());
    let subject = node.text("subname");
    let is_column = node.text("renameType") == "OBJECT_COLUMN";
    let named = |column: &&Column| !is_column || [subject, node.text("newname")].contains(&&*column.name);
    if columns.iter().filter(named).any(|column| follower.is_sensitive(&column.value)) {
        follower.unknown_form("ALTER ... RENAME of what matters");
    }
}

/// CREATE FUNCTION: a body in SQL that can be read and touches nothing that matters; all else is unknown.
fn function(follower: &mut Follower<'_>, node: &Node<'_>) {
    follower.earlier.functions.push(qualified(node.list("funcname")).name);
    let options = node.list("options");
    let word = |name: &str| option(options, name).map(words_of).unwrap_or_default();
    let language = word("language").concat();
    if node.node("sql_body").is_some() {
        return follower.unknown_form("CREATE FUNCTION with a body of its own");
    }
    let is_clean =
        language.eq_ignore_ascii_case("sql") && matches!(word("as").as_slice(), [body] if is_clean(follower, body));
    if !is_clean {
        follower.unknown_form("CREATE FUNCTION");
    }
}

fn words_of(field: &Field<'_>) -> Vec<String> {
    match field {
        Field::Node(list) if list.kind == "List" => list.list("items").iter().filter_map(constant).collect(),
        Field::List(items) => items.iter().filter_map(constant).collect(),
        one => constant(one).into_iter().collect(),
    }
}

/// Does a body read, fill and call nothing that matters or that cannot be told?
fn is_clean(follower: &mut Follower<'_>, body: &str) -> bool {
    let mut inner = Follower::new(follower.context, follower.earlier.clone(), follower.steps_left());
    let columns = inner.text(body, |inner, statements| {
        inner.scopes.open();
        // Its arguments may be used by name.
        let any = scope::Columns::Any(Value::clean());
        inner.scopes.add(From::Item(scope::Item { name: "".into(), schema: None, columns: any, is_stored: false }));
        Some(statements.iter().flat_map(|statement| inner.statement(statement).to_vec()).collect::<Vec<Column>>())
    });
    follower.charge(follower.steps_left() - inner.steps_left());
    let Some(columns) = columns else { return false };
    let lineage = inner.finish(&columns);
    lineage.probes.is_empty()
        && lineage.flows.is_empty()
        && lineage.unknown.is_empty()
        && lineage.elsewhere.is_empty()
        && lineage.outputs.iter().all(|output| output.sources.is_empty())
}
