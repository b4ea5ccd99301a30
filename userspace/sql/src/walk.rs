//! The walk over one statement's tree, collecting effects. Nodes that it does not know are walked through; statements that
//! it does not know are `unknown`.

mod mentions;

use std::collections::BTreeSet;

use crate::catalog;
use crate::grammar::Arena;
use crate::statement::{ColumnRef, Copy, Name, Object, Pair, Prepared, Setting, Transaction};
use crate::tree::{At, List, Node, Tag, Value, at};
use crate::{Kind, definition, query, utility};
use mentions::{Mention, Mentions};

/// What was found so far.
pub(crate) struct Walk<'t> {
    /// Some may stand there twice until it is closed.
    pub(crate) pairs: Vec<Pair>,
    mentions: Mentions<'t>,
    pub(crate) settings: Vec<Setting>,
    pub(crate) prepared: Vec<Prepared>,
    pub(crate) copy: Option<Copy>,
    pub(crate) transaction: Option<Transaction>,
    pub(crate) changes_catalog: bool,
    pub(crate) search_path_sensitive: bool,
    pub(crate) without_where: BTreeSet<Name>,
    pub(crate) harmless_calls: Vec<Name>,
    pub(crate) is_database_wide: bool,
    /// Major version of the server.
    pub(crate) server: u16,
    /// Names of common table expressions that are visible here, innermost last.
    ctes: Vec<&'t str>,
    /// In this SELECT, the one word that its column `name` can be (`WHERE name = 'x'`).
    pub(crate) fixed_name: Option<String>,
}

/// Among so many that were noted last a new one is looked for before it is copied: a text may have any number of them.
const LATELY: usize = 32;

/// A reserved word since PostgreSQL 16; an older server reads the name of a column or a table.
const OLDER_NAME: &str = "system_user";

/// `FROM system_user`.
pub(crate) fn is_older_table(range: Node<'_>) -> bool {
    let of_entry = |entry: Value<'_>| {
        let function = entry.as_node().and_then(|entry| entry.list(at!("items")).first()).and_then(Value::as_node);
        function.is_some_and(|call| {
            call.list(at!("args")).is_empty() && qualified(call.list(at!("funcname"))).name == OLDER_NAME
        })
    };
    range.list(at!("functions")).iter().any(of_entry)
}

impl<'t> Walk<'t> {
    /// Of a statement that a server of this major version reads.
    pub(crate) fn of(server: u16, arena: &'t Arena) -> Walk<'t> {
        Walk {
            pairs: Vec::new(),
            mentions: Mentions::new(arena),
            settings: Vec::new(),
            prepared: Vec::new(),
            copy: None,
            transaction: None,
            changes_catalog: false,
            search_path_sensitive: false,
            without_where: BTreeSet::new(),
            harmless_calls: Vec::new(),
            is_database_wide: false,
            server,
            ctes: Vec::new(),
            fixed_name: None,
        }
    }

    /// Walks a statement that stands on its own or is carried by another one (PREPARE, DECLARE, EXPLAIN, …).
    pub(crate) fn statement(&mut self, node: Node<'t>) {
        self.visit(node);
        if let Some(kind) = query::kind(node)
            && !self.pairs.iter().any(|pair| pair.kind == kind)
        {
            self.effect(kind, Object::None);
        }
    }

    /// Closes the walk: column references that name a table or alias are whole rows. Gives the columns.
    pub(crate) fn finish(&mut self) -> Vec<ColumnRef> {
        self.pairs.sort_unstable_by(Ord::cmp);
        self.pairs.dedup();
        self.harmless_calls.sort_unstable();
        self.harmless_calls.dedup();
        self.mentions.told()
    }

    /// Notes an effect.
    pub(crate) fn effect(&mut self, kind: Kind, object: Object) {
        let opaque = [Kind::DO, Kind::CALL, Kind::FUNCTION_CALL, Kind::LOAD, Kind::GRANT, Kind::REVOKE, Kind::UNKNOWN]
            .contains(&kind);
        self.changes_catalog |= kind.defines() || opaque;
        if let Object::Table(name) | Object::Function(name) = &object {
            self.search_path_sensitive |= name.schema.is_none();
        }
        self.pairs.push(Pair { kind, object });
    }

    /// Notes an effect on a table that stands in a `RangeVar`.
    pub(crate) fn table(&mut self, kind: Kind, range: Node<'t>) {
        let (schema, name) = range_parts(range);
        self.named_table(kind, range, schema, name);
    }

    /// As a table of a query, if it is no common table expression.
    fn read_table(&mut self, range: Node<'t>) {
        let (schema, name) = range_parts(range);
        if !self.ctes.is_empty() && self.is_cte(range) {
            self.row_names(range, name);
        } else {
            self.named_table(Kind::SELECT, range, schema, name);
        }
    }

    fn named_table(&mut self, kind: Kind, range: Node<'t>, schema: Option<&'t str>, name: &'t str) {
        self.row_names(range, name);
        let is_it = |pair: &Pair| match &pair.object {
            Object::Table(known) => pair.kind == kind && known.name == name && known.schema.as_deref() == schema,
            Object::None | Object::Function(_) => false,
        };
        if !self.pairs.iter().rev().take(LATELY).any(is_it) {
            self.effect(kind, Object::Table(Name::new(schema, name)));
        }
    }

    /// Notes a column by its bare name.
    pub(crate) fn column(&mut self, qualifier: Option<&'t str>, name: &'t str) {
        if !name.is_empty() {
            self.mentions.note(Mention::named(qualifier, name));
        }
    }

    /// Notes that every column is meant.
    pub(crate) fn all_columns(&mut self, of: Option<&'t str>) {
        self.mentions.note(Mention::all(of));
    }

    /// Does a range variable mean a common table expression?
    pub(crate) fn is_cte(&self, range: Node<'t>) -> bool {
        range.text(at!("schemaname")).is_empty() && self.ctes.contains(&range.text(at!("relname")))
    }

    /// Runs `body` where the CTEs of `clause` are visible. Each CTE sees those before it; with RECURSIVE, all.
    /// (PostgreSQL 18, Queries, 7.8; `parse_cte.c`.)
    pub(crate) fn with(&mut self, clause: Option<Node<'t>>, body: impl FnOnce(&mut Walk<'t>)) {
        let mark = self.ctes.len();
        if let Some(clause) = clause {
            self.queries(clause);
        }
        body(self);
        self.ctes.truncate(mark);
    }

    fn queries(&mut self, clause: Node<'t>) {
        let queries: Vec<Node<'t>> = clause.list(at!("ctes")).iter().filter_map(Value::as_node).collect();
        let recursive = clause.flag(at!("recursive"));
        if recursive {
            self.ctes.extend(queries.iter().map(|cte| cte.text(at!("ctename"))));
        }
        for cte in &queries {
            if let Some(query) = cte.node(at!("ctequery")) {
                self.visit(query);
            }
            self.mentions.row(cte.text(at!("ctename")));
            if !recursive {
                self.ctes.push(cte.text(at!("ctename")));
            }
        }
    }

    /// What `body` notes as effects, apart from those noted so far.
    pub(crate) fn apart(&mut self, body: impl FnOnce(&mut Walk<'t>)) -> Vec<Pair> {
        let before = std::mem::take(&mut self.pairs);
        body(self);
        std::mem::replace(&mut self.pairs, before)
    }

    /// Walks any value.
    pub(crate) fn value(&mut self, value: Value<'t>) {
        match value {
            Value::Node(node) => self.visit(node),
            Value::List(items) => self.items(items),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Literal(_) => {}
        }
    }

    fn items(&mut self, items: List<'t>) {
        items.iter().filter_map(Value::as_node).for_each(|item| self.visit(item));
    }

    /// Walks the fields of `node` but those named.
    pub(crate) fn children(&mut self, node: Node<'t>, except: &[At]) {
        let mut at = 0;
        // A tree may be deep: this takes less of the stack than an iterator.
        while let Some((name, value)) = node.inner(at) {
            if !matches!(value, Value::Null) && !except.contains(&name) {
                self.value(value);
            }
            at += 1;
        }
    }

    /// Walks a node.
    pub(crate) fn visit(&mut self, node: Node<'t>) {
        match node.kind() {
            Tag::RangeVar => self.read_table(node),
            Tag::SelectStmt => query::select(self, node),
            Tag::InsertStmt => query::insert(self, node),
            Tag::UpdateStmt => query::update(self, node),
            Tag::DeleteStmt => query::delete(self, node),
            Tag::MergeStmt => query::merge(self, node),
            Tag::ColumnRef => self.column_ref(node),
            Tag::FuncCall => self.call(node),
            Tag::A_Indirection => self.indirection(node),
            Tag::A_Expr => {
                self.operator(node.list(at!("name")));
                self.children(node, &[at!("name")]);
            }
            Tag::SubLink => {
                self.operator(node.list(at!("operName")));
                self.children(node, &[at!("operName")]);
            }
            Tag::SortBy => {
                self.operator(node.list(at!("useOp")));
                self.children(node, &[at!("useOp")]);
            }
            Tag::JoinExpr => self.join(node),
            Tag::RangeSubselect | Tag::RangeFunction | Tag::RangeTableFunc | Tag::JsonTable => self.source_item(node),
            Tag::RangeTableSample => {
                self.sample_method(node);
                self.children(node, &[at!("method")]);
            }
            Tag::String => self.column(None, node.text(at!("sval"))),
            Tag::IndexElem | Tag::StatsElem | Tag::AlterTableCmd | Tag::PartitionElem => {
                self.column(None, node.text(at!("name")));
                self.children(node, &[at!("opclass"), at!("collation"), at!("newowner")]);
            }
            Tag::ColumnDef => {
                self.column(None, node.text(at!("colname")));
                self.children(node, &[]);
            }
            Tag::TypeName => self.children(node, &[at!("names")]),
            Tag::CollateClause => self.children(node, &[at!("collname")]),
            Tag::WithClause => self.with(Some(node), |_| {}),
            Tag::DefElem => self.option(node),
            Tag::PartitionCmd => self.partition(node),
            // Names that are neither tables nor columns.
            Tag::Alias
            | Tag::RoleSpec
            | Tag::A_Const
            | Tag::LockingClause
            | Tag::ObjectWithArgs
            | Tag::ReplicaIdentityStmt => {}
            _ if node.is_statement() => {
                if !utility::visit(self, node) && !definition::visit(self, node) {
                    self.effect(Kind::UNKNOWN, Object::None);
                    self.children(node, &[]);
                }
            }
            _ => self.children(node, &[]),
        }
    }

    /// A relation of that name, and its alias.
    fn row_names(&mut self, node: Node<'t>, name: &'t str) {
        let alias = node.node(at!("alias")).map_or("", |alias| alias.text(at!("aliasname")));
        for name in [alias, name] {
            if !name.is_empty() {
                self.mentions.row(name);
            }
        }
    }

    fn source_item(&mut self, node: Node<'t>) {
        if is_older_table(node) {
            let name = Name::new(None, OLDER_NAME);
            self.effect(Kind::SELECT, Object::Table(name));
        }
        self.row_names(node, "");
        self.children(node, &[at!("alias"), at!("coldeflist")]);
    }

    fn join(&mut self, node: Node<'t>) {
        if node.flag(at!("isNatural")) {
            self.all_columns(None);
        }
        self.row_names(node, "");
        self.children(node, &[at!("alias"), at!("join_using_alias")]);
    }

    fn column_ref(&mut self, node: Node<'t>) {
        let fields = node.list(at!("fields"));
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

    fn indirection(&mut self, node: Node<'t>) {
        for step in node.list(at!("indirection")) {
            match (step.as_string(), step.as_node().map(|step| step.kind())) {
                (Some(name), _) => {
                    self.column(None, name);
                    if catalog::is_safe_function(name) || is_row_cast(name) {
                        self.all_columns(None);
                    }
                }
                (None, Some(Tag::A_Star)) => self.all_columns(None),
                _ => self.value(step),
            }
        }
        self.children(node, &[at!("indirection")]);
    }

    /// A function call. Calls of known harmless functions of the server's own are no effect.
    pub(crate) fn call(&mut self, node: Node<'t>) {
        let words = node.list(at!("funcname"));
        let (schema, name) = parts(words);
        let arguments = node.list(at!("args"));
        if name == OLDER_NAME && arguments.is_empty() {
            self.column(None, OLDER_NAME);
        }
        if schema.is_none() {
            self.search_path_sensitive = true;
            if arguments.len() == 1 {
                self.column(None, name); // `pan(payments)` is `payments.pan`
            }
        }
        let built_in = schema.is_none_or(|schema| schema == "pg_catalog");
        match name {
            "set_config" if built_in => utility::set_config(self, arguments),
            "pg_notify" if built_in => self.effect(Kind::NOTIFY, Object::None),
            safe if built_in && catalog::is_safe_function_of(self.server, safe) => {
                let mut lately = self.harmless_calls.iter().rev().take(LATELY);
                if !lately.any(|known| known.name == name && known.schema.as_deref() == schema) {
                    self.harmless_calls.push(qualified(words));
                }
            }
            _ => self.effect(Kind::FUNCTION_CALL, Object::Function(qualified(words))),
        }
        self.children(node, &[at!("funcname")]);
    }

    /// `OPERATOR(schema.+)` of a foreign schema calls whatever function stands behind it.
    fn operator(&mut self, words: List<'t>) {
        if words.len() > 1 && parts(words).0.is_some_and(|schema| schema != "pg_catalog") {
            self.effect(Kind::FUNCTION_CALL, Object::Function(qualified(words)));
        }
    }

    fn sample_method(&mut self, node: Node<'t>) {
        let name = qualified(node.list(at!("method")));
        if !["system", "bernoulli"].contains(&name.name.as_str()) {
            self.effect(Kind::FUNCTION_CALL, Object::Function(name));
        }
    }

    /// Options: words are no columns, but an expression may stand there.
    fn option(&mut self, node: Node<'t>) {
        match node.get(at!("arg")) {
            Value::Node(arg) if arg.kind() != Tag::String && arg.kind() != Tag::List => self.visit(arg),
            _ => {}
        }
    }

    fn partition(&mut self, node: Node<'t>) {
        if let Some(part) = node.node(at!("name")) {
            self.table(Kind::ALTER_TABLE, part);
        }
        self.children(node, &[at!("name")]);
    }
}

/// Types that a row casts to by attribute notation.
fn is_row_cast(name: &str) -> bool {
    ["text", "varchar", "bpchar", "json", "jsonb"].contains(&name)
}

/// A range variable's name; a temporary table's schema is `pg_temp`, as the server resolves it.
pub(crate) fn range_name(range: Node<'_>) -> Name {
    let (schema, name) = range_parts(range);
    Name::new(schema, name)
}

/// The same without a copy: schema and name.
pub(crate) fn range_parts<'t>(range: Node<'t>) -> (Option<&'t str>, &'t str) {
    let schema = match range.text(at!("schemaname")) {
        "" => range.is_letter(at!("relpersistence"), b't').then_some("pg_temp"),
        schema => Some(schema),
    };
    (schema, range.text(at!("relname")))
}

/// A name from its words: the last is the name, the one before it the schema.
pub(crate) fn qualified(words: List<'_>) -> Name {
    let (schema, name) = parts(words);
    Name::new(schema, name)
}

/// The same without a copy: schema and name.
#[inline]
pub(crate) fn parts<'t>(words: List<'t>) -> (Option<&'t str>, &'t str) {
    match words.only() {
        Some(only) => (None, only.as_string().unwrap_or_default()),
        None => several_parts(words),
    }
}

fn several_parts<'t>(words: List<'t>) -> (Option<&'t str>, &'t str) {
    let mut words = words.iter().rev().filter_map(Value::as_string);
    let name = words.next().unwrap_or_default();
    (words.next(), name)
}
