//! Function calls: by the class of a function of the server's own, by the body of the user's, or unknown.

use std::rc::Rc;

use super::follow::Follower;
use super::functions::{self, Class};
use super::operators;
use super::scope::{Columns, From, Item};
use super::select::nodes;
use super::value::{Column, Value};
use crate::tree::{Node, Tag, at};
use crate::walk::{parts, qualified};
use crate::{Clause, Function, How, Name, Unknown, catalog};

/// Aggregates that give back the only value that they are given.
const SUMS: &[&str] = &["avg", "bit_and", "bit_or", "sum"];

/// A function's name where it lies.
#[derive(Clone, Copy)]
struct Called<'a> {
    schema: Option<&'a str>,
    name: &'a str,
}

impl Called<'_> {
    fn to_name(self) -> Name {
        Name::new(self.schema, self.name)
    }
}

/// What takes a JSON object apart into its keys and values.
const EACH: &[&str] = &["json_each", "json_each_text", "jsonb_each", "jsonb_each_text"];

/// Functions of the user's inside each other.
const FUNCTIONS_MAX: usize = 16;
/// Functions of one name that are looked into.
const OVERLOADS_MAX: usize = 32;

impl<'c> Follower<'c> {
    /// A function call.
    pub(super) fn call(&mut self, node: Node<'c>) -> Value<'c> {
        let (schema, name) = parts(node.list(at!("funcname")));
        let name = Called { schema, name };
        if name.name == "system_user" && node.list(at!("args")).is_empty() {
            return self.newer_name();
        }
        let given = node.list(at!("args"));
        let mut arguments = bumpalo::collections::Vec::with_capacity_in(given.len(), self.arena);
        arguments.extend(nodes(given).map(|argument| self.expression(argument)));
        self.predicate(node.get(at!("agg_filter")));
        if let Some(over) = node.node(at!("over")) {
            self.window(over);
        }
        if node.flag(at!("agg_within_group")) {
            self.within_group(node, name, &mut arguments);
        } else {
            self.order(node.list(at!("agg_order")));
        }
        if node.flag(at!("agg_distinct")) {
            self.probe(&Value::all(arguments.iter()), Clause::GroupBy, node);
        }
        if let ([argument], None) = (arguments.as_slice(), name.schema) {
            // `pan(p)` is `p.pan`.
            let field = argument.fields().and_then(|fields| fields.iter().find(|field| field.name == name.name));
            if let Some(field) = field {
                let field = field.value.clone();
                let may_be_one = self.is_function(name) || self.is_made(name) || self.schema().is_partial;
                if may_be_one {
                    return field.with(&self.named(name, Some(node), &arguments));
                }
                self.found.attributes.insert(name.name.to_owned());
                return self.used(field);
            }
        }
        self.named(name, Some(node), &arguments)
    }

    /// `f(value)` in attribute notation.
    pub(super) fn applied(&mut self, schema: Option<&str>, name: &str, arguments: &[Value<'c>]) -> Value<'c> {
        let name = Called { schema, name };
        if !self.is_function(name) && !is_type(name.name) {
            self.unknown(Unknown::Column(super::words::identifier(name.name).into()));
            return Value::all(arguments).at_most(How::Lossy);
        }
        self.named(name, None, arguments)
    }

    fn is_function(&self, name: Called<'_>) -> bool {
        catalog::is_catalog_function(name.name) || !self.schema().functions(name.name).is_empty()
    }

    /// Did an earlier statement of the text make a function of that name?
    fn is_made(&self, name: Called<'_>) -> bool {
        self.earlier.functions.iter().any(|made| made == name.name)
    }

    /// The keys of WITHIN GROUP: picked from (`mode`), or compared with an argument (`rank`).
    fn within_group(
        &mut self,
        node: Node<'c>,
        name: Called<'_>,
        arguments: &mut bumpalo::collections::Vec<'c, Value<'c>>,
    ) {
        let keys: Vec<Value<'c>> = nodes(node.list(at!("agg_order")))
            .filter_map(|sort| sort.node(at!("node")))
            .map(|key| self.expression(key))
            .collect();
        if functions::class(name.name) != Class::Picks {
            keys.iter().for_each(|key| self.probe(key, Clause::OrderBy, node));
            arguments.extend(keys.iter().map(|key| key.at_most(How::Lossy)));
        } else {
            // The fraction decides which one is picked.
            arguments.iter_mut().for_each(|argument| *argument = argument.at_most(How::Lossy));
            arguments.extend(keys);
        }
    }

    /// A function by its name: the user's of that name, and the server's own.
    fn named(&mut self, name: Called<'_>, node: Option<Node<'c>>, arguments: &[Value<'c>]) -> Value<'c> {
        let mut value = Value::clean();
        let own: Vec<&'c Function> = self.users(name);
        for function in &own {
            value.add(&self.users_function(function, node, arguments));
        }
        let built_in = name.schema.is_none_or(|schema| schema == "pg_catalog");
        if name.schema == Some("information_schema") && own.is_empty() {
            // Parts of its views: of arguments and catalogs alone.
            return self.transformed(&Value::all(arguments), How::Lossy);
        }
        if self.is_made(name) {
            self.unknown(Unknown::Function(name.to_name()));
        }
        let class = functions::class(name.name);
        if class == Class::Elsewhere {
            self.elsewhere(name.to_name());
        }
        if built_in && catalog::is_catalog_function(name.name) {
            let given = self.built_in(class, name, node, arguments);
            return if own.is_empty() { given } else { value.with(&given) };
        }
        if own.is_empty() {
            // Neither the server's nor told of.
            self.unknown(Unknown::Function(name.to_name()));
            return Value::all(arguments).at_most(How::Lossy);
        }
        value
    }

    /// The user's functions that a name may mean.
    fn users(&self, name: Called<'_>) -> Vec<&'c Function> {
        let is_searched = |function: &&Function| match (name.schema, &function.name.schema) {
            (Some(written), Some(schema)) => *schema == *written,
            (None, Some(schema)) => self.earlier.moved_path || self.context.path().any(|searched| *schema == *searched),
            (_, None) => true,
        };
        self.schema().functions(name.name).iter().filter(is_searched).take(OVERLOADS_MAX).collect()
    }

    fn users_function(&mut self, function: &'c Function, node: Option<Node<'c>>, arguments: &[Value<'c>]) -> Value<'c> {
        let all = Value::all(arguments);
        let nested = self.open.len() >= FUNCTIONS_MAX || self.open.contains(&&function.name);
        let body = function.body.as_deref().filter(|_| !nested);
        let value = body.and_then(|body| self.body(function, body, arguments));
        if value.is_none() {
            self.unknown(Unknown::Function(function.name.clone()));
            if let Some(node) = node {
                self.probe(&all, Clause::Other, node);
            }
            self.may_quote(&all);
        }
        // What a body without arguments reads was decided by its owner; that its result is used is the statement's.
        let value = value.map(|value| self.used(value));
        value.unwrap_or_else(|| all.at_most(How::Lossy))
    }

    /// What a body in SQL gives: the rows of its last statement; `None`: it cannot be read.
    fn body(&mut self, function: &'c Function, body: &str, arguments: &[Value<'c>]) -> Option<Value<'c>> {
        self.open.push(&function.name);
        let value = self.apart(arguments.to_vec(), |this| {
            this.scopes.open(0);
            this.scopes.add(From::Item(parameters(function, arguments)));
            let value = this.text(body, |this, statements| {
                let mut last: Option<Rc<[Column<'c>]>> = None;
                for &statement in statements {
                    last = Some(this.query(statement));
                }
                let columns = last?;
                Some(match &*columns {
                    [column] => column.value.clone(),
                    _ => Value::row(columns),
                })
            });
            this.scopes.close();
            value
        });
        self.open.pop();
        value
    }

    /// A function of the server's own.
    fn built_in(
        &mut self,
        class: Class,
        name: Called<'_>,
        node: Option<Node<'c>>,
        arguments: &[Value<'c>],
    ) -> Value<'c> {
        let all = Value::all(arguments);
        if all.is_clean() {
            return all;
        }
        let Some(node) = node else {
            let how = if name.name == "text" || class == Class::Embeds { How::Verbatim } else { How::Lossy };
            return self.transformed(&all, how);
        };
        match class {
            Class::Presence => {
                let each: Vec<Value<'c>> = arguments.iter().map(|argument| self.present(argument, node)).collect();
                Value::all(&each)
            }
            Class::Nothing => Value::clean(),
            Class::Embeds => match arguments {
                [row] if ["row_to_json", "to_json", "to_jsonb"].contains(&name.name) && row.fields().is_some() => {
                    row.clone()
                }
                // Its keys are the names of columns.
                [row] if EACH.contains(&name.name) && row.fields().is_some() => {
                    let value = Column::new("value", all.at_most(How::Verbatim));
                    Value::row([Column::new("key", Value::clean()), value].into())
                }
                _ => all.at_most(How::Verbatim),
            },
            Class::Picks => {
                let written = if node.flag(at!("agg_within_group")) { at!("agg_order") } else { at!("args") };
                let are_columns =
                    all.is_verbatim() && nodes(node.list(written)).all(|one| self.is_whole_column(uncast(one)));
                // A column's values are compared with each other, as by a join.
                let asks_others = !are_columns && arguments.iter().any(|argument| !argument.is_whole());
                self.probe(&all, if asks_others { Clause::OrderBy } else { Clause::Join }, node);
                all.at_most(How::Verbatim)
            }
            Class::Compares => self.compared(&all, node),
            Class::Trims => self.transformed(&all, if arguments.len() == 1 { How::Verbatim } else { How::Lossy }),
            Class::Lists | Class::Joins | Class::Formats => {
                let how = if operators::is_set_apart(name.name, node) { How::Verbatim } else { How::Injective };
                self.transformed(&all, how)
            }
            Class::Extracts => {
                let (first, rest) = arguments.split_first().map_or((Value::clean(), &[][..]), |(f, r)| (f.clone(), r));
                let asked = self.compared(&Value::all(rest), node);
                first.at_most(How::Verbatim).with(&asked)
            }
            Class::Cuts => self.cut(node, arguments),
            Class::Fills => self.filled_record(node, &all),
            Class::Objects => self.object(node, name, arguments),
            Class::Lexemes => {
                let is_bare = arguments.last().is_some_and(Value::is_whole);
                self.transformed(&all, if is_bare { How::Verbatim } else { How::Lossy })
            }
            Class::Ranges => self.between(node, arguments),
            // Of one row it is the row's own value, or that of its kind.
            Class::Transforms if self.is_single && SUMS.contains(&name.name) => self.transformed(&all, How::Verbatim),
            Class::Transforms => self.transformed(&all, How::Lossy),
            Class::Elsewhere | Class::Acts if !self.is_sensitive(&all) => all.at_most(How::Lossy),
            Class::Elsewhere | Class::Acts => {
                self.unknown(Unknown::Function(name.to_name()));
                self.probe(&all, Clause::Other, node);
                self.transformed(&all, How::Lossy)
            }
        }
    }

    /// A record of the type of the first argument, filled from a JSON value: each field is a piece of it, as far as its type keeps it.
    fn filled_record(&mut self, node: Node<'c>, all: &Value<'c>) -> Value<'c> {
        let type_name = nodes(node.list(at!("args"))).next().and_then(|first| first.node(at!("typeName")));
        let relation = type_name.map(|name| qualified(name.list(at!("names"))));
        let relation = relation.and_then(|name| self.schema().relation_on(&name, self.context.path()));
        let Some(relation) = relation else { return self.transformed(all, How::Lossy) };
        let fields = relation.columns.iter().map(|column| {
            let how = if super::cast::is_wide_type(column.type_oid) { How::Verbatim } else { How::Lossy };
            Column::new(&column.name, all.at_most(how))
        });
        self.may_quote(all);
        Value::row(fields.collect())
    }

    /// A JSON object. Keys are compared with each other, and looked for (`->`): one that matters makes an oracle of the object.
    fn object(&mut self, node: Node<'c>, name: Called<'_>, arguments: &[Value<'c>]) -> Value<'c> {
        let all = Value::all(arguments);
        let step = if name.name.ends_with("_build_object") { 2 } else { arguments.len().max(1) };
        let keys = Value::all(arguments.iter().step_by(step));
        if keys.is_clean() && !node.flag(at!("func_variadic")) {
            return all.at_most(How::Verbatim);
        }
        self.probe(&all, Clause::GroupBy, node);
        self.transformed(&all, How::Lossy)
    }

    /// A range. The server compares its bounds, and an empty or a wrong one says how they stand: a column and the number next to it tell nothing.
    fn between(&mut self, node: Node<'c>, arguments: &[Value<'c>]) -> Value<'c> {
        let written: Vec<Node<'c>> = nodes(node.list(at!("args"))).collect();
        let bounds: Vec<Value<'c>> = written.iter().zip(arguments).map(|(one, value)| bounded(*one, value)).collect();
        let all = Value::all(&bounds);
        let is_next = matches!(written.as_slice(), [lower, upper, ..] if column_of(*lower).is_some_and(|lower| {
            column_of(*upper).is_some_and(|upper| parts(lower.list(at!("fields"))) == parts(upper.list(at!("fields"))))
        }));
        if is_next {
            return all;
        }
        self.probe(&all, Clause::Where, node);
        self.transformed(&all, How::Lossy)
    }

    fn is_whole_column(&mut self, node: Node<'c>) -> bool {
        node.kind() == Tag::ColumnRef && self.expression(node).is_whole()
    }

    fn cut(&mut self, node: Node<'c>, arguments: &[Value<'c>]) -> Value<'c> {
        let (first, rest) = arguments.split_first().map_or((Value::clean(), &[][..]), |(f, r)| (f.clone(), r));
        let asked = self.compared(&Value::all(rest), node);
        let path = nodes(node.list(at!("args"))).nth(1);
        if path.is_some_and(operators::is_plain_path) {
            return first.at_most(How::Verbatim).with(&asked);
        }
        self.probe(&first, Clause::Where, node);
        self.transformed(&first, How::Lossy).with(&asked)
    }
}

/// What is cast, or sorted by.
fn uncast<'j>(node: Node<'j>) -> Node<'j> {
    let mut node = node;
    let inner = |node: Node<'_>| match node.kind() {
        Tag::SortBy => Some(at!("node")),
        Tag::TypeCast => Some(at!("arg")),
        _ => None,
    };
    while let Some(next) = inner(node).and_then(|field| node.node(field)) {
        node = next;
    }
    node
}

/// The column of a bound that is a column, or one next to it.
fn column_of<'j>(bound: Node<'j>) -> Option<Node<'j>> {
    let column = if bound.kind() == Tag::A_Expr { bound.node(at!("lexpr"))? } else { bound };
    (column.kind() == Tag::ColumnRef).then_some(column)
}

/// A bound of a range: a column that matters, or one next to it, stands in the range as a number.
fn bounded<'c>(bound: Node<'_>, value: &Value<'c>) -> Value<'c> {
    let is_next = bound.kind() == Tag::A_Expr
        && ["+", "-"].contains(&super::words::last(bound.list(at!("name"))))
        && bound.node(at!("lexpr")).is_some_and(|left| left.kind() == Tag::ColumnRef)
        && bound
            .node(at!("rexpr"))
            .is_some_and(|right| right.node(at!("ival")).is_some_and(|number| number.int(at!("ival")) <= 1));
    if !is_next {
        return value.at_most(How::Verbatim);
    }
    let columns: Vec<Value> = value.sources().iter().map(|source| Value::column(source.column)).collect();
    Value::all(&columns).at_most(How::Verbatim)
}

/// A function's arguments by their names, as its body sees them.
fn parameters<'c>(function: &'c Function, arguments: &[Value<'c>]) -> Item<'c> {
    let named = function.arguments.iter().zip(arguments);
    let columns = named.filter(|(name, _)| !name.is_empty()).map(|(name, value)| Column::new(name, value.clone()));
    Item { name: &function.name.name, schema: None, columns: Columns::Known(columns.collect()), is_stored: false }
}

/// A type that a row is cast to by attribute notation.
fn is_type(name: &str) -> bool {
    ["text", "varchar", "bpchar", "json", "jsonb", "name"].contains(&name)
}
