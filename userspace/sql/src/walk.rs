//! The walk over one statement's tree, collecting effects. Nodes that it does not know are walked through; statements that
//! it does not know are `unknown`.

use std::collections::BTreeSet;

use crate::catalog;
use crate::statement::{ColumnRef, Copy, Name, Object, Pair, Prepared, Setting, Transaction};
use crate::tree::{Node, Value};
use crate::{Kind, definition, query, utility};

/// What was found so far.
#[derive(Default)]
pub(crate) struct Walk {
    pub(crate) pairs: BTreeSet<Pair>,
    pub(crate) columns: BTreeSet<ColumnRef>,
    pub(crate) settings: Vec<Setting>,
    pub(crate) prepared: Vec<Prepared>,
    pub(crate) copy: Option<Copy>,
    pub(crate) transaction: Option<Transaction>,
    pub(crate) changes_catalog: bool,
    pub(crate) search_path_sensitive: bool,
    pub(crate) without_where: BTreeSet<Name>,
    pub(crate) harmless_calls: BTreeSet<Name>,
    pub(crate) is_database_wide: bool,
    /// Major version of the server.
    pub(crate) server: u16,
    /// Names of common table expressions that are visible here, innermost last.
    ctes: Vec<String>,
    /// In this SELECT, the one word that its column `name` can be (`WHERE name = 'x'`).
    pub(crate) fixed_name: Option<String>,
    /// Tables and aliases: a column reference of that name alone is a whole row.
    range_names: BTreeSet<String>,
}

/// A reserved word since PostgreSQL 16; an older server reads the name of a column or a table.
const OLDER_NAME: &str = "system_user";

/// `FROM system_user`.
pub(crate) fn is_older_table(range: &Node<'_>) -> bool {
    let of_entry = |entry: &Value<'_>| {
        let function = entry.as_node().and_then(|entry| entry.list("items").first()).and_then(Value::as_node);
        function.is_some_and(|call| call.list("args").is_empty() && qualified(call.list("funcname")).name == OLDER_NAME)
    };
    range.list("functions").iter().any(of_entry)
}

impl Walk {
    /// Of a statement that a server of this major version reads.
    pub(crate) fn of(server: u16) -> Walk {
        Walk { server, ..Walk::default() }
    }

    /// Walks a statement that stands on its own or is carried by another one (PREPARE, DECLARE, EXPLAIN, …).
    pub(crate) fn statement(&mut self, node: &Node<'_>) {
        self.visit(node);
        if let Some(kind) = query::kind(node)
            && !self.pairs.iter().any(|pair| pair.kind == kind)
        {
            self.effect(kind, Object::None);
        }
    }

    /// Closes the walk: column references that name a table or alias are whole rows.
    pub(crate) fn finish(&mut self) {
        let rows: Vec<ColumnRef> = self
            .columns
            .iter()
            .filter_map(|column| match column {
                ColumnRef::Named { name, .. } if self.range_names.contains(name) => {
                    Some(ColumnRef::All { of: Some(name.clone()) })
                }
                _ => None,
            })
            .collect();
        self.columns.extend(rows);
    }

    /// Notes an effect.
    pub(crate) fn effect(&mut self, kind: Kind, object: Object) {
        let name = kind.as_str();
        let definition = ["create-", "alter-", "drop-"].iter().any(|verb| name.starts_with(verb));
        let opaque = [Kind::DO, Kind::CALL, Kind::FUNCTION_CALL, Kind::LOAD, Kind::GRANT, Kind::REVOKE, Kind::UNKNOWN]
            .contains(&kind);
        self.changes_catalog |= definition || opaque;
        if let Object::Table(name) | Object::Function(name) = &object {
            self.search_path_sensitive |= name.schema.is_none();
        }
        self.pairs.insert(Pair { kind, object });
    }

    /// Notes an effect on a table that stands in a `RangeVar`.
    pub(crate) fn table(&mut self, kind: Kind, range: &Node<'_>) {
        self.range_names(range);
        self.effect(kind, Object::Table(range_name(range)));
    }

    /// Notes a column by its bare name.
    pub(crate) fn column(&mut self, qualifier: Option<&str>, name: &str) {
        if !name.is_empty() {
            self.columns.insert(ColumnRef::Named { qualifier: qualifier.map(str::to_owned), name: name.to_owned() });
        }
    }

    /// Notes that every column is meant.
    pub(crate) fn all_columns(&mut self, of: Option<&str>) {
        self.columns.insert(ColumnRef::All { of: of.map(str::to_owned) });
    }

    /// Does a range variable mean a common table expression?
    pub(crate) fn is_cte(&self, range: &Node<'_>) -> bool {
        range.text("schemaname").is_empty() && self.ctes.iter().any(|cte| cte == range.text("relname"))
    }

    /// Runs `body` where the CTEs of `clause` are visible. Each CTE sees those before it; with RECURSIVE, all.
    /// (PostgreSQL 18, Queries, 7.8; `parse_cte.c`.)
    pub(crate) fn with(&mut self, clause: Option<&Node<'_>>, body: impl FnOnce(&mut Walk)) {
        let mark = self.ctes.len();
        let queries: Vec<&Node<'_>> =
            clause.map(|clause| clause.list("ctes").iter().filter_map(Value::as_node).collect()).unwrap_or_default();
        let recursive = clause.is_some_and(|clause| clause.flag("recursive"));
        if recursive {
            self.ctes.extend(queries.iter().map(|cte| cte.text("ctename").to_owned()));
        }
        for cte in &queries {
            if let Some(query) = cte.node("ctequery") {
                self.visit(query);
            }
            self.range_names.insert(cte.text("ctename").to_owned());
            if !recursive {
                self.ctes.push(cte.text("ctename").to_owned());
            }
        }
        body(self);
        self.ctes.truncate(mark);
    }

    /// What `body` notes as effects, apart from those noted so far.
    pub(crate) fn apart(&mut self, body: impl FnOnce(&mut Walk)) -> BTreeSet<Pair> {
        let before = std::mem::take(&mut self.pairs);
        body(self);
        std::mem::replace(&mut self.pairs, before)
    }

    /// Walks any value.
    pub(crate) fn value(&mut self, value: &Value<'_>) {
        match value {
            Value::Node(node) => self.visit(node),
            Value::List(items) => items.iter().for_each(|item| self.value(item)),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Literal(_) => {}
        }
    }

    /// Walks the fields of `node` but those named.
    pub(crate) fn children(&mut self, node: &Node<'_>, except: &[&str]) {
        for (name, value) in node.fields() {
            if !except.contains(&name) {
                self.value(value);
            }
        }
    }

    /// Walks a node.
    pub(crate) fn visit(&mut self, node: &Node<'_>) {
        match node.kind {
            "RangeVar" if self.is_cte(node) => self.range_names(node),
            "RangeVar" => self.table(Kind::SELECT, node),
            "SelectStmt" => query::select(self, node),
            "InsertStmt" => query::insert(self, node),
            "UpdateStmt" => query::update(self, node),
            "DeleteStmt" => query::delete(self, node),
            "MergeStmt" => query::merge(self, node),
            "ColumnRef" => self.column_ref(node),
            "FuncCall" => self.call(node),
            "A_Indirection" => self.indirection(node),
            "A_Expr" => {
                self.operator(node.list("name"));
                self.children(node, &["name"]);
            }
            "SubLink" => {
                self.operator(node.list("operName"));
                self.children(node, &["operName"]);
            }
            "SortBy" => {
                self.operator(node.list("useOp"));
                self.children(node, &["useOp"]);
            }
            "JoinExpr" => self.join(node),
            "RangeSubselect" | "RangeFunction" | "RangeTableFunc" | "JsonTable" => {
                if is_older_table(node) {
                    let name = Name { schema: None, name: OLDER_NAME.to_owned() };
                    self.effect(Kind::SELECT, Object::Table(name));
                }
                self.range_names(node);
                self.children(node, &["alias", "coldeflist"]);
            }
            "RangeTableSample" => {
                self.sample_method(node);
                self.children(node, &["method"]);
            }
            "String" => self.column(None, node.text("sval")),
            "IndexElem" | "StatsElem" | "AlterTableCmd" | "PartitionElem" => {
                self.column(None, node.text("name"));
                self.children(node, &["opclass", "collation", "newowner"]);
            }
            "ColumnDef" => {
                self.column(None, node.text("colname"));
                self.children(node, &[]);
            }
            "TypeName" => self.children(node, &["names"]),
            "CollateClause" => self.children(node, &["collname"]),
            "WithClause" => self.with(Some(node), |_| {}),
            "DefElem" => self.option(node),
            "PartitionCmd" => self.partition(node),
            // Names that are neither tables nor columns.
            "Alias" | "RoleSpec" | "A_Const" | "LockingClause" | "ObjectWithArgs" | "ReplicaIdentityStmt" => {}
            kind if kind.ends_with("Stmt") => {
                if !utility::visit(self, node) && !definition::visit(self, node) {
                    self.effect(Kind::UNKNOWN, Object::None);
                    self.children(node, &[]);
                }
            }
            _ => self.children(node, &[]),
        }
    }

    fn range_names(&mut self, node: &Node<'_>) {
        let alias = node.node("alias").map_or("", |alias| alias.text("aliasname"));
        for name in [alias, node.text("relname")] {
            if !name.is_empty() {
                self.range_names.insert(name.to_owned());
            }
        }
    }

    fn join(&mut self, node: &Node<'_>) {
        if node.flag("isNatural") {
            self.all_columns(None);
        }
        self.range_names(node);
        self.children(node, &["alias", "join_using_alias"]);
    }

    fn column_ref(&mut self, node: &Node<'_>) {
        let fields = node.list("fields");
        let qualifier = fields.len().checked_sub(2).and_then(|at| fields.get(at)).and_then(Value::as_string);
        match fields.last().map(|last| (last, last.as_string())) {
            Some((_, Some(name))) => {
                self.column(qualifier, name);
                // `t.text` and `t.row_to_json` are calls with the whole row where no such column exists.
                if qualifier.is_some() && (catalog::is_safe_function(name) || is_row_cast(name)) {
                    self.all_columns(qualifier);
                }
            }
            Some(_) => self.all_columns(qualifier),
            None => {}
        }
    }

    fn indirection(&mut self, node: &Node<'_>) {
        for step in node.list("indirection") {
            match (step.as_string(), step.as_node().map(|step| step.kind)) {
                (Some(name), _) => {
                    self.column(None, name);
                    if catalog::is_safe_function(name) || is_row_cast(name) {
                        self.all_columns(None);
                    }
                }
                (None, Some("A_Star")) => self.all_columns(None),
                _ => self.value(step),
            }
        }
        self.children(node, &["indirection"]);
    }

    /// A function call. Calls of known harmless functions of the server's own are no effect.
    pub(crate) fn call(&mut self, node: &Node<'_>) {
        let name = qualified(node.list("funcname"));
        let arguments = node.list("args");
        if name.name == OLDER_NAME && arguments.is_empty() {
            self.column(None, OLDER_NAME);
        }
        if name.schema.is_none() {
            self.search_path_sensitive = true;
            if arguments.len() == 1 {
                self.column(None, &name.name); // `pan(payments)` is `payments.pan`
            }
        }
        let built_in = name.schema.as_deref().is_none_or(|schema| schema == "pg_catalog");
        match name.name.as_str() {
            "set_config" if built_in => utility::set_config(self, arguments),
            "pg_notify" if built_in => self.effect(Kind::NOTIFY, Object::None),
            safe if built_in && catalog::is_safe_function_of(self.server, safe) => _ = self.harmless_calls.insert(name),
            _ => self.effect(Kind::FUNCTION_CALL, Object::Function(name)),
        }
        self.children(node, &["funcname"]);
    }

    /// `OPERATOR(schema.+)` of a foreign schema calls whatever function stands behind it.
    fn operator(&mut self, words: &[Value<'_>]) {
        if parts(words).0.is_some_and(|schema| schema != "pg_catalog") {
            self.effect(Kind::FUNCTION_CALL, Object::Function(qualified(words)));
        }
    }

    fn sample_method(&mut self, node: &Node<'_>) {
        let name = qualified(node.list("method"));
        if !["system", "bernoulli"].contains(&name.name.as_str()) {
            self.effect(Kind::FUNCTION_CALL, Object::Function(name));
        }
    }

    /// Options: words are no columns, but an expression may stand there.
    fn option(&mut self, node: &Node<'_>) {
        match node.get("arg") {
            Value::Node(arg) if arg.kind != "String" && arg.kind != "List" => self.visit(arg),
            _ => {}
        }
    }

    fn partition(&mut self, node: &Node<'_>) {
        if let Some(part) = node.node("name") {
            self.table(Kind::ALTER_TABLE, part);
        }
        self.children(node, &["name"]);
    }
}

/// Types that a row casts to by attribute notation.
fn is_row_cast(name: &str) -> bool {
    ["text", "varchar", "bpchar", "json", "jsonb"].contains(&name)
}

/// A range variable's name; a temporary table's schema is `pg_temp`, as the server resolves it.
pub(crate) fn range_name(range: &Node<'_>) -> Name {
    let schema = match (range.text("schemaname"), range.text("relpersistence")) {
        ("", "t") => Some("pg_temp".to_owned()),
        ("", _) => None,
        (schema, _) => Some(schema.to_owned()),
    };
    Name { schema, name: range.text("relname").to_owned() }
}

/// A name from its words: the last is the name, the one before it the schema.
pub(crate) fn qualified(words: &[Value<'_>]) -> Name {
    let (schema, name) = parts(words);
    Name { schema: schema.map(str::to_owned), name: name.to_owned() }
}

/// The same without a copy: schema and name.
pub(crate) fn parts<'n>(words: &'n [Value<'_>]) -> (Option<&'n str>, &'n str) {
    let mut words = words.iter().rev().filter_map(Value::as_string);
    let name = words.next().unwrap_or_default();
    (words.next(), name)
}
