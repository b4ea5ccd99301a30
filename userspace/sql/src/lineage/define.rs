//! Statements that define or alter objects: what would carry values, or the meaning of names, past the eyes of whoever judges later.

use super::follow::{Follower, Made};
use super::scope::{self, From};
use super::select::nodes;
use super::utility::option;
use super::value::{Column, Value};
use crate::tree::{At, List, Node, Tag, Value as Field, at};
use crate::utility::constant;
use crate::walk::{qualified, range_name};
use crate::{Clause, How, Name, Sensitivity, Unknown, Watch, Word};

/// Notes what a statement that is no query means for where values go.
pub(super) fn visit<'c>(follower: &mut Follower<'c>, node: Node<'c>) {
    match node.kind() {
        Tag::CreateStmt => table(follower, node),
        Tag::CreateSeqStmt => {
            if let Some(sequence) = node.node(at!("sequence")) {
                let columns = [Column::new(scope::STAR, Value::clean())].into();
                follower.earlier.relations.push(Made { name: range_name(sequence), columns });
            }
        }
        Tag::CreateForeignTableStmt => follower.unknown_form("CREATE FOREIGN TABLE"),
        Tag::AlterTableStmt => alter(follower, node),
        Tag::RenameStmt | Tag::AlterObjectSchemaStmt => renamed(follower, node),
        Tag::DropStmt => dropped(follower, node),
        Tag::DiscardStmt | Tag::DropOwnedStmt => follower.earlier.gone.any = true,
        Tag::IndexStmt => {
            over(follower, node, at!("relation"), |follower| {
                elements(follower, node.list(at!("indexParams")));
                follower.predicate(node.get(at!("whereClause")));
            });
            sets_up(follower, node, at!("relation"), Watch::Index);
        }
        Tag::CreateStatsStmt => {
            follower.scopes.open(0);
            nodes(node.list(at!("relations"))).for_each(|relation| follower.source(relation));
            elements(follower, node.list(at!("exprs")));
            follower.scopes.close();
        }
        Tag::CreatePolicyStmt | Tag::AlterPolicyStmt => {
            over(follower, node, at!("table"), |follower| {
                follower.predicate(node.get(at!("qual")));
                follower.predicate(node.get(at!("with_check")));
            });
            sets_up(follower, node, at!("table"), Watch::Security);
        }
        Tag::CreateTrigStmt => {
            follower.unknown(Unknown::Function(qualified(node.list(at!("funcname")))));
            over(follower, node, at!("relation"), |follower| {
                let item = follower.scopes.take();
                for name in ["old", "new"] {
                    if let Some(From::Item(item)) = &item {
                        follower.scopes.add(From::Item(scope::Item { name, ..item.clone() }));
                    }
                }
                follower.predicate(node.get(at!("whenClause")));
            });
        }
        Tag::RuleStmt => follower.unknown_form("CREATE RULE"),
        Tag::CreateFunctionStmt => function(follower, node),
        Tag::CreateCastStmt => follower.unknown_form("CREATE CAST"),
        Tag::CreateTransformStmt => follower.unknown_form("CREATE TRANSFORM"),
        Tag::CreateEventTrigStmt => follower.unknown_form("CREATE EVENT TRIGGER"),
        Tag::DefineStmt => follower.unknown_form("CREATE AGGREGATE, OPERATOR or TYPE"),
        Tag::CreateOpClassStmt | Tag::CreateOpFamilyStmt | Tag::AlterOpFamilyStmt => {
            follower.unknown_form("an operator class")
        }
        Tag::CreateExtensionStmt | Tag::AlterExtensionStmt => follower.unknown_form("CREATE EXTENSION"),
        Tag::CreatePublicationStmt | Tag::AlterPublicationStmt => follower.unknown_form("a publication"),
        Tag::CreateSubscriptionStmt | Tag::AlterSubscriptionStmt => follower.unknown_form("a subscription"),
        Tag::CreateDomainStmt => domain(follower, nodes(node.list(at!("constraints")))),
        Tag::AlterDomainStmt => domain(follower, node.node(at!("def")).into_iter()),
        // Rows lie in the index' order afterwards, and are read in it.
        Tag::ClusterStmt => {
            if node.node(at!("relation")).is_none_or(|relation| matters(follower, relation)) {
                follower.unknown_form("CLUSTER of a table with columns that matter");
            }
        }
        Tag::CreateSchemaStmt => {
            nodes(node.list(at!("schemaElts"))).for_each(|element| drop(follower.statement(element)))
        }
        Tag::DoStmt => follower.unknown_form("DO"),
        Tag::CreateConversionStmt | Tag::CreatePLangStmt | Tag::CreateFdwStmt | Tag::CreateForeignServerStmt => {
            follower.unknown_form("code or a server that is not known");
        }
        Tag::ImportForeignSchemaStmt | Tag::LoadStmt => follower.unknown_form("code or a server that is not known"),
        kind if STILL.contains(&kind) => {}
        _ => follower.unknown_form(node.name()),
    }
}

/// Statements that move no value and give no name another meaning, or only take one away.
const STILL: &[Tag] = &[
    Tag::AlterCollationStmt,
    Tag::AlterDatabaseRefreshCollStmt,
    Tag::AlterDatabaseSetStmt,
    Tag::AlterDatabaseStmt,
    Tag::AlterDefaultPrivilegesStmt,
    Tag::AlterEnumStmt,
    Tag::AlterEventTrigStmt,
    Tag::AlterExtensionContentsStmt,
    Tag::AlterFdwStmt,
    Tag::AlterForeignServerStmt,
    Tag::AlterFunctionStmt,
    Tag::AlterObjectDependsStmt,
    Tag::AlterOperatorStmt,
    Tag::AlterOwnerStmt,
    Tag::AlterRoleSetStmt,
    Tag::AlterRoleStmt,
    Tag::AlterSeqStmt,
    Tag::AlterStatsStmt,
    Tag::AlterSystemStmt,
    Tag::AlterTableMoveAllStmt,
    Tag::AlterTableSpaceOptionsStmt,
    Tag::AlterTSConfigurationStmt,
    Tag::AlterTSDictionaryStmt,
    Tag::AlterTypeStmt,
    Tag::AlterUserMappingStmt,
    Tag::CheckPointStmt,
    Tag::ClosePortalStmt,
    Tag::CommentStmt,
    Tag::CompositeTypeStmt,
    Tag::ConstraintsSetStmt,
    Tag::CreateAmStmt,
    Tag::CreatedbStmt,
    Tag::CreateEnumStmt,
    Tag::CreateRangeStmt,
    Tag::CreateRoleStmt,
    Tag::CreateTableSpaceStmt,
    Tag::CreateUserMappingStmt,
    Tag::DeallocateStmt,
    Tag::DropdbStmt,
    Tag::DropRoleStmt,
    Tag::DropSubscriptionStmt,
    Tag::DropTableSpaceStmt,
    Tag::DropUserMappingStmt,
    Tag::GrantRoleStmt,
    Tag::GrantStmt,
    Tag::ListenStmt,
    Tag::LockStmt,
    Tag::NotifyStmt,
    Tag::ReassignOwnedStmt,
    Tag::RefreshMatViewStmt,
    Tag::ReindexStmt,
    Tag::ReplicaIdentityStmt,
    Tag::SecLabelStmt,
    Tag::TransactionStmt,
    Tag::TruncateStmt,
    Tag::UnlistenStmt,
    Tag::VacuumStmt,
    Tag::VariableSetStmt,
];

/// What the statement sets up over its relation, whatever column it is about.
fn sets_up<'c>(follower: &mut Follower<'c>, node: Node<'c>, field: At, by: Watch) {
    if let Some(relation) = node.node(field) {
        follower.sets_up(&range_name(relation), by, Vec::new());
    }
}

/// Runs `body` where the columns of the statement's relation are visible.
fn over<'c>(follower: &mut Follower<'c>, node: Node<'c>, field: At, body: impl FnOnce(&mut Follower<'c>)) {
    follower.scopes.open(0);
    if let Some(relation) = node.node(field) {
        follower.source(relation);
    }
    body(follower);
    follower.scopes.close();
}

/// The default and the checks of a domain. `VALUE` is a name there, and no column's: whatever is given the domain, by a column, an argument or
/// a cast. A check asks each of them, so none is set up where anything matters.
fn domain<'c>(follower: &mut Follower<'c>, constraints: impl Iterator<Item = Node<'c>>) {
    let columns = scope::Columns::Known([Column::new("value", Value::clean())].into());
    follower.scopes.open(0);
    follower.scopes.add(From::Item(scope::Item { name: "", schema: None, columns, is_stored: false }));
    for constraint in constraints {
        if constraint.text(at!("contype")) == "CONSTR_CHECK" && anything_matters(follower) {
            follower.unknown_form("which values the check of a domain asks");
        }
        follower.sum(constraint.get(at!("raw_expr")));
    }
    follower.scopes.close();
}

/// Is any column of the database sensitive?
fn anything_matters<'c>(follower: &Follower<'c>) -> bool {
    let mut columns = follower.schema().relations().flat_map(|relation| &relation.columns);
    columns.any(|column| column.sensitivity == Sensitivity::Sensitive)
}

/// The columns and expressions of an index, of statistics or of a partition's key.
fn elements<'c>(follower: &mut Follower<'c>, list: List<'c>) {
    for element in nodes(list) {
        let value = match element.node(at!("expr")) {
            Some(expression) => follower.expression(expression),
            None => follower.named_column(element.text(at!("name"))).unwrap_or_default(),
        };
        follower.probe(&value, Clause::Other, element);
    }
}

/// Does anything that matters stand in a relation of that name?
fn matters<'c>(follower: &mut Follower<'c>, relation: Node<'c>) -> bool {
    let item = follower.range(relation);
    item.columns.list(follower.schema()).iter().any(|column| follower.is_sensitive(&column.value))
}

/// CREATE TABLE: its columns, those that it takes over from others, and their defaults.
fn table<'c>(follower: &mut Follower<'c>, node: Node<'c>) {
    let Some(relation) = node.node(at!("relation")) else { return };
    let mut columns: Vec<Column<'c>> = Vec::new();
    for parent in nodes(node.list(at!("inhRelations"))) {
        if matters(follower, parent) {
            follower.unknown_form("a table that inherits columns that matter");
        }
        let item = follower.range(parent);
        columns.extend(item.columns.list(follower.schema()).iter().cloned());
    }
    for element in nodes(node.list(at!("tableElts"))) {
        match element.kind() {
            Tag::TableLikeClause => {
                if let Some(like) = element.node(at!("relation")) {
                    let item = follower.range(like);
                    columns.extend(
                        item.columns
                            .list(follower.schema())
                            .iter()
                            .map(|column| Column::new(column.name, Value::clean())),
                    );
                }
            }
            Tag::ColumnDef => columns.push(Column::new(element.text(at!("colname")), Value::clean())),
            _ => {}
        }
    }
    let name = range_name(relation);
    let takes_over = nodes(node.list(at!("tableElts")))
        .any(|one| one.kind() == Tag::TableLikeClause && one.int(at!("options")) != 0);
    if takes_over || node.node(at!("ofTypename")).is_some() || !node.list(at!("inhRelations")).is_empty() {
        follower.sets_up(&name, Watch::Check, Vec::new());
    }
    if node.node(at!("partspec")).is_some() || node.node(at!("partbound")).is_some() {
        follower.sets_up(&name, Watch::Partition, Vec::new());
    }
    for element in nodes(node.list(at!("tableElts"))).chain(nodes(node.list(at!("constraints")))) {
        follower.sets_up_definition(&name, element, "");
    }
    follower.earlier.relations.push(Made { name, columns: columns.into() });
    over(follower, node, at!("relation"), |follower| {
        for element in nodes(node.list(at!("tableElts"))) {
            definition(follower, element, "");
        }
    });
}

/// A column's or a constraint's expressions. What is computed from other columns fills its own.
fn definition<'c>(follower: &mut Follower<'c>, node: Node<'c>, column: &str) {
    match node.kind() {
        Tag::ColumnDef => {
            let name = node.text(at!("colname"));
            nodes(node.list(at!("constraints"))).for_each(|constraint| definition(follower, constraint, name));
            default(follower, node.get(at!("raw_default")));
        }
        Tag::Constraint => {
            let value = follower.sum(node.get(at!("raw_expr")));
            match node.text(at!("contype")) {
                "CONSTR_CHECK" => follower.probe(&value, Clause::Other, node.node(at!("raw_expr")).unwrap_or(node)),
                "CONSTR_DEFAULT" => default(follower, node.get(at!("raw_expr"))),
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
fn default<'c>(follower: &mut Follower<'c>, expression: Field<'c>) {
    let value = follower.sum(expression);
    if follower.is_sensitive(&value) {
        follower.unknown_form("a default that derives from what matters");
    }
}

/// The columns that a key, an exclusion or a reference compares: whoever inserts a guess is told whether it is there.
fn constrained<'c>(follower: &mut Follower<'c>, constraint: Node<'c>) {
    for key in super::select::names(constraint.list(at!("keys")))
        .iter()
        .chain(&super::select::names(constraint.list(at!("fk_attrs"))))
    {
        let value = follower.named_column(key).unwrap_or_default();
        follower.probe(&value, Clause::Other, constraint);
    }
    for exclusion in nodes(constraint.list(at!("exclusions"))) {
        elements(follower, exclusion.list(at!("items")));
    }
    let Some(referenced) = constraint.node(at!("pktable")) else { return };
    let item = follower.range(referenced);
    let names = super::select::names(constraint.list(at!("pk_attrs")));
    for column in item.columns.list(follower.schema()).iter() {
        if names.is_empty() || names.contains(&column.name) {
            follower.probe(&column.value, Clause::Other, constraint);
        }
    }
}

fn alter<'c>(follower: &mut Follower<'c>, node: Node<'c>) {
    let Some(relation) = node.node(at!("relation")) else { return };
    if node.text(at!("objtype")) == "OBJECT_INDEX" || node.text(at!("objtype")) == "OBJECT_SEQUENCE" {
        return;
    }
    let target = range_name(relation);
    over(follower, node, at!("relation"), |follower| {
        for command in nodes(node.list(at!("cmds"))) {
            let column = command.text(at!("name"));
            let definition_node = command.node(at!("def"));
            match command.text(at!("subtype")) {
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
fn retyped<'c>(follower: &mut Follower<'c>, target: &Name, column: &str, definition: Option<Node<'c>>) {
    let own = follower.named_column(column).unwrap_or_default();
    let type_name = definition.and_then(|definition| definition.node(at!("typeName")));
    if let Some(type_name) = type_name.filter(|name| super::cast::keeps(Some(*name)) < How::Verbatim) {
        follower.probe(&own, Clause::Other, type_name);
    }
    if let Some(using) = definition.and_then(|definition| definition.node(at!("raw_default"))) {
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
fn inherits<'c>(follower: &mut Follower<'c>, relation: Node<'c>, other: Option<Node<'c>>) {
    let other =
        other.map(|other| other.node(at!("name")).unwrap_or(other)).filter(|other| other.kind() == Tag::RangeVar);
    let matter = matters(follower, relation) || other.is_none_or(|other| matters(follower, other));
    if matter {
        follower.unknown_form("a table that inherits columns that matter");
    }
}

/// What is dropped no longer hides another of its name; what goes with it (CASCADE, a schema's) is not told.
fn dropped(follower: &mut Follower<'_>, node: Node<'_>) {
    const RELATIONS: [&str; 4] = ["OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_FOREIGN_TABLE"];
    let gone = &mut follower.earlier.gone;
    gone.any |= node.text(at!("behavior")) == "DROP_CASCADE" || !RELATIONS.contains(&node.text(at!("removeType")));
    for object in node.list(at!("objects")) {
        gone.names.extend(words_of(object).pop().map(Word::from));
    }
}

/// A new name for what matters is one that policy does not know.
fn renamed<'c>(follower: &mut Follower<'c>, node: Node<'c>) {
    let Some(relation) = node.node(at!("relation")) else {
        follower.earlier.gone.any = true;
        if ["OBJECT_SCHEMA", "OBJECT_ROLE", "OBJECT_DATABASE"].contains(&node.text(at!("renameType"))) {
            follower.unknown_form("ALTER ... RENAME");
        }
        return;
    };
    let item = follower.range(relation);
    follower.earlier.gone.names.push(range_name(relation).name);
    let columns = item.columns.list(follower.schema());
    let subject = node.text(at!("subname"));
    let is_column = node.text(at!("renameType")) == "OBJECT_COLUMN";
    let named = |column: &&Column| !is_column || [subject, node.text(at!("newname"))].contains(&column.name);
    if columns.iter().filter(named).any(|column| follower.is_sensitive(&column.value)) {
        follower.unknown_form("ALTER ... RENAME of what matters");
    }
}

/// CREATE FUNCTION: a body in SQL that can be read and touches nothing that matters; all else is unknown.
fn function<'c>(follower: &mut Follower<'c>, node: Node<'c>) {
    follower.earlier.functions.push(qualified(node.list(at!("funcname"))).name);
    let options = node.list(at!("options"));
    let word = |name: &str| option(options, name).map(words_of).unwrap_or_default();
    let language = word("language").concat();
    if node.node(at!("sql_body")).is_some() {
        return follower.unknown_form("CREATE FUNCTION with a body of its own");
    }
    let is_clean =
        language.eq_ignore_ascii_case("sql") && matches!(word("as").as_slice(), [body] if is_clean(follower, body));
    if !is_clean {
        follower.unknown_form("CREATE FUNCTION");
    }
}

fn words_of(field: Field<'_>) -> Vec<String> {
    match field {
        Field::Node(list) if list.kind() == Tag::List => list.list(at!("items")).iter().filter_map(constant).collect(),
        Field::List(items) => items.iter().filter_map(constant).collect(),
        one => constant(one).into_iter().collect(),
    }
}

/// Does a body read, fill and call nothing that matters or that cannot be told?
fn is_clean<'c>(follower: &mut Follower<'c>, body: &str) -> bool {
    let mut inner = Follower::new(follower.context, follower.arena, follower.earlier.clone(), follower.steps_left());
    let columns = inner.text(body, |inner, statements| {
        inner.scopes.open(0);
        // Its arguments may be used by name.
        let any = scope::Columns::Any(Value::clean());
        inner.scopes.add(From::Item(scope::Item { name: "", schema: None, columns: any, is_stored: false }));
        Some(statements.iter().flat_map(|statement| inner.statement(*statement).to_vec()).collect::<Vec<Column<'c>>>())
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
