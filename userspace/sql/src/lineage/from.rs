//! FROM: relations, subqueries, functions and joins.

use std::rc::Rc;

use super::follow::Follower;
use super::functions::{self, Class};
use super::scope::{self, Columns, From, Item, STAR};
use super::select::{names, nodes};
use super::value::{Column, Value};
use super::{relations, words};
use crate::tree::{List, Node, Tag, at};
use crate::{Clause, How};

impl<'c> Follower<'c> {
    /// An item under its alias, or under its own name.
    fn item(&self, node: Node<'c>, columns: Columns<'c>) -> Item<'c> {
        let Some(alias) = node.node(at!("alias")) else {
            let functions =
                nodes(node.list(at!("functions"))).next().and_then(|entry| entry.list(at!("items")).first());
            let function =
                functions.and_then(crate::tree::Value::as_node).map(|call| words::last(call.list(at!("funcname"))));
            let own = match node.kind() {
                // As the server calls them (`addRangeTableEntryForTableFunc`, parse_relation.c).
                Tag::RangeTableFunc => "xmltable",
                Tag::JsonTable => "json_table",
                _ => function.unwrap_or_else(|| node.text(at!("relname"))),
            };
            return Item { name: own, schema: None, columns, is_stored: false };
        };
        let names = names(alias.list(at!("colnames")));
        let columns = match columns {
            columns if names.is_empty() => columns,
            columns => Columns::Known(scope::renamed(&columns.list(self.schema()), &names)),
        };
        Item { name: alias.text(at!("aliasname")), schema: None, columns, is_stored: false }
    }

    /// Adds an item to the FROM of the innermost query.
    pub(super) fn source(&mut self, node: Node<'c>) {
        let from = self.source_item(node);
        self.scopes.add(from);
    }

    fn source_item(&mut self, node: Node<'c>) -> From<'c> {
        let read = self.deeper(None, |this| match node.kind() {
            Tag::RangeVar => Some(From::Item(this.range(node))),
            Tag::JoinExpr => Some(this.join(node)),
            Tag::RangeSubselect => Some(From::Item(this.subselect(node))),
            Tag::RangeFunction => Some(From::Item(this.range_function(node))),
            Tag::RangeTableFunc | Tag::JsonTable => Some(From::Item(this.table_function(node))),
            Tag::RangeTableSample => {
                for argument in nodes(node.list(at!("args"))).chain(node.node(at!("repeatable"))) {
                    let value = this.expression(argument);
                    this.probe(&value, Clause::Other, argument);
                }
                node.node(at!("relation")).map(|relation| this.source_item(relation))
            }
            _ => {
                this.unknown_form(node.name());
                None
            }
        });
        read.unwrap_or_else(|| From::Item(self.item(node, Columns::Any(Value::clean()))))
    }

    /// A relation or common table expression by its name.
    pub(super) fn range(&mut self, node: Node<'c>) -> Item<'c> {
        let (schema, name) = crate::walk::range_parts(node);
        let cte = self.ctes.iter().rev().find(|cte| schema.is_none() && cte.name == name);
        if let Some(cte) = cte {
            return self.item(node, cte.columns.clone());
        }
        let relation = relations::resolve(self, schema, name);
        let aliased = node.node(at!("alias")).is_some();
        let mut item = self.item(node, relation.columns);
        item.schema = relation.schema.filter(|_| !aliased);
        item.is_stored = true;
        item
    }

    fn subselect(&mut self, node: Node<'c>) -> Item<'c> {
        let Some(query) = node.node(at!("subquery")) else { return self.item(node, Columns::Any(Value::clean())) };
        let depth = self.scopes.depth();
        self.scopes.show(depth, node.flag(at!("lateral")));
        let columns = self.query(query);
        self.left_aside(query, &columns);
        self.scopes.show(depth, true);
        self.item(node, Columns::Known(columns))
    }

    fn join(&mut self, node: Node<'c>) -> From<'c> {
        let (Some(left), Some(right)) = (node.node(at!("larg")), node.node(at!("rarg"))) else {
            return From::Item(self.item(node, Columns::Any(Value::clean())));
        };
        let left = self.source_item(left);
        self.scopes.add(left);
        let right = self.source_item(right);
        let Some(left) = self.scopes.take() else { return right };
        let merged = self.merged(node, &left, &right);
        let alias = node.node(at!("join_using_alias")).map_or("", |alias| alias.text(at!("aliasname")));
        let join = From::Join { sides: Box::new([left, right]), merged, alias };
        // ON sees the two sides alone, not what stands before them in FROM.
        self.scopes.add(join);
        let hidden = self.scopes.hide_others();
        self.predicate(node.get(at!("quals")));
        self.scopes.show_others(hidden);
        let Some(join) = self.scopes.take() else {
            return From::Item(self.item(node, Columns::Any(Value::clean())));
        };
        match node.node(at!("alias")) {
            Some(_) => From::Item(self.item(node, Columns::Known(join.star(self.schema()).into()))),
            None => join,
        }
    }

    /// The columns of USING or NATURAL, compared with each other.
    fn merged(&mut self, node: Node<'c>, left: &From<'c>, right: &From<'c>) -> Rc<[Column<'c>]> {
        let schema = self.schema();
        let natural = node.flag(at!("isNatural"));
        if !natural && node.list(at!("usingClause")).is_empty() {
            return self.nothing();
        }
        let common = if natural { self.common(node, left, right) } else { names(node.list(at!("usingClause"))) };
        let mut columns = Vec::with_capacity(common.len());
        for name in common {
            let sides = [left, right].map(|side| side.column(schema, name).value.unwrap_or_default());
            let [l, r] = &sides;
            let clause = if self.are_columns(l, r) { Clause::Join } else { Clause::Where };
            let both = l.clone().with(r);
            self.probe(&both, clause, node);
            let value = if node.text(at!("jointype")) == "JOIN_FULL" { both.at_most(How::Verbatim) } else { both };
            let words = if value.is_clean() { "" } else { words::identifier(name) };
            columns.push(Column { name, value, words });
        }
        Rc::from(columns)
    }

    /// The names that both sides of a NATURAL JOIN have.
    fn common(&mut self, node: Node<'c>, left: &From<'c>, right: &From<'c>) -> Vec<&'c str> {
        let (left, right) = (left.star(self.schema()), right.star(self.schema()));
        self.charge(left.len().saturating_mul(right.len()) / 8);
        if scope::has_star(&left) || scope::has_star(&right) {
            let sum = Value::all(left.iter().chain(&right).map(|column| &column.value));
            self.probe(&sum, Clause::Where, node);
        }
        let named = left.into_iter().map(|column| column.name).filter(|name| *name != STAR);
        named.filter(|name| right.iter().any(|column| column.name == *name)).collect()
    }

    /// Are both sensitive, and whole columns?
    pub(super) fn are_columns(&self, left: &Value<'c>, right: &Value<'c>) -> bool {
        [left, right].iter().all(|side| self.is_sensitive(side) && side.is_whole())
    }

    /// `f(…)`, `ROWS FROM (f(…), g(…))`, WITH ORDINALITY; each sees what stands before it.
    fn range_function(&mut self, node: Node<'c>) -> Item<'c> {
        if crate::walk::is_older_table(node) && self.schema().relations().any(|one| one.name.name == "system_user") {
            self.unknown_form("a table that is called system_user");
        }
        let mut columns: Vec<Column<'c>> = Vec::new();
        let whole = node.list(at!("coldeflist"));
        for entry in nodes(node.list(at!("functions"))) {
            let items = entry.list(at!("items"));
            let Some(function) = items.first().and_then(crate::tree::Value::as_node) else { continue };
            let (value, changes_rows) = self.row_source(function);
            if changes_rows {
                self.probe(&value, Clause::Other, function);
            }
            let defined = items
                .get(1)
                .and_then(crate::tree::Value::as_node)
                .map_or(List::default(), |list| list.list(at!("items")));
            let list = if defined.is_empty() { whole } else { defined };
            self.function_columns(function, &value, list, &mut columns);
        }
        if node.flag(at!("ordinality")) {
            columns.push(Column::new("ordinality", Value::clean()));
        }
        let alias = node.node(at!("alias"));
        let name = alias.map_or("", |alias| alias.text(at!("aliasname")));
        // A function of one plain column gives it the alias' name.
        if let [first, ..] = columns.as_mut_slice()
            && node.list(at!("functions")).len() == 1
            && !name.is_empty()
            && functions::is_named_by_alias(first.name, node)
        {
            first.name = name;
        }
        self.item(node, Columns::Known(Rc::from(columns)))
    }

    /// What a function in FROM gives, and whether what it is given decides how many rows.
    fn row_source(&mut self, function: Node<'c>) -> (Value<'c>, bool) {
        let value = self.expression(function);
        let name = words::last(function.list(at!("funcname")));
        let embeds = [Class::Embeds, Class::Fills].contains(&functions::class(name)) && value.is_verbatim();
        let is_own = !self.schema().functions(name).is_empty(); // its body was gone through
        (value, !embeds && !is_own)
    }

    fn function_columns(
        &mut self,
        function: Node<'c>,
        value: &Value<'c>,
        defined: List<'c>,
        columns: &mut Vec<Column<'c>>,
    ) {
        let told: &'c str = self.arena.alloc_str(&words::expression(function));
        let column = |name: &'c str, value: Value<'c>| Column { words: told, ..Column::new(name, value) };
        if !defined.is_empty() {
            for definition in nodes(defined) {
                let kept = super::cast::keeps(definition.node(at!("typeName")));
                columns.push(column(definition.text(at!("colname")), value.at_most(kept)));
            }
            return;
        }
        match value.fields() {
            Some(fields) => columns.extend(fields.iter().cloned()),
            None => match functions::columns(words::last(function.list(at!("funcname")))) {
                Some(names) => columns.extend(names.iter().map(|name| column(name, value.clone()))),
                None if value.is_clean() => columns.push(column(STAR, Value::clean())),
                None => columns.push(column(words::last(function.list(at!("funcname"))), value.clone())),
            },
        }
    }

    /// XMLTABLE and JSON_TABLE: every column is cut out of the document.
    fn table_function(&mut self, node: Node<'c>) -> Item<'c> {
        let mut document = Value::clean();
        for field in
            [at!("docexpr"), at!("rowexpr"), at!("context_item")].into_iter().filter_map(|field| node.node(field))
        {
            document.add(&self.expression(field));
        }
        for passed in nodes(node.list(at!("passing"))).chain(nodes(node.list(at!("namespaces")))) {
            document.add(&self.expression(passed));
        }
        self.probe(&document, Clause::Other, node);
        self.may_quote(&document);
        let mut columns = Vec::new();
        self.table_columns(node, &document.at_most(How::Lossy), &mut columns);
        self.item(node, Columns::Known(Rc::from(columns)))
    }

    fn table_columns(&mut self, node: Node<'c>, document: &Value<'c>, columns: &mut Vec<Column<'c>>) {
        for column in nodes(node.list(at!("columns"))) {
            let mut value = document.clone();
            for field in [at!("colexpr"), at!("coldefexpr")].into_iter().filter_map(|field| column.node(field)) {
                value.add(&self.expression(field).at_most(How::Lossy));
            }
            let name = if column.text(at!("colname")).is_empty() {
                column.text(at!("name"))
            } else {
                column.text(at!("colname"))
            };
            if column.list(at!("columns")).is_empty() {
                columns.push(Column::new(name, value));
            } else {
                self.deeper((), |this| this.table_columns(column, document, columns));
            }
        }
    }
}
