//! Expressions: what each keeps of the columns that it is made of.

use std::rc::Rc;

use super::follow::Follower;
use super::operators;
use super::scope::Soon;
use super::select::nodes;
use super::value::{Column, Value};
use super::words;
use crate::digest::Sought;
use crate::tree::{Node, Tag, Value as Field, at};
use crate::{Clause, How, Unknown};

/// `pg_type.oid` of jsonb and of the arrays that may hold numbers or words.
const ELEMENTS: &[u32] = &[3802, 199, 3807, 1001, 1007, 1009, 1014, 1015, 1016, 1231];

impl<'c> Follower<'c> {
    /// What an expression derives from.
    pub(super) fn expression(&mut self, node: Node<'c>) -> Value<'c> {
        self.deeper(Value::clean(), |this| this.one(node))
    }

    fn one(&mut self, node: Node<'c>) -> Value<'c> {
        match node.kind() {
            Tag::A_Const | Tag::SQLValueFunction | Tag::SetToDefault | Tag::GroupingFunc | Tag::String => {
                Value::clean()
            }
            Tag::CurrentOfExpr | Tag::Integer | Tag::Float | Tag::Boolean => Value::clean(),
            Tag::ParamRef => self.parameter(node),
            Tag::ColumnRef => self.column(node),
            Tag::FuncCall => self.call(node),
            Tag::A_Expr => self.operator(node),
            Tag::BoolExpr => self.boolean(node),
            Tag::NullTest => self.presence(node.get(at!("arg")), node),
            Tag::BooleanTest => {
                let value = self.of(node.get(at!("arg")));
                self.compared(&value, node)
            }
            Tag::TypeCast => {
                let value = self.of(node.get(at!("arg")));
                self.cast(&value, node)
            }
            Tag::CollateClause | Tag::NamedArgExpr => self.of(node.get(at!("arg"))),
            Tag::A_Indirection => self.indirection(node),
            Tag::SubLink => self.sublink(node),
            Tag::CaseExpr => self.case(node),
            Tag::CoalesceExpr => self.coalesce(node),
            Tag::MinMaxExpr => self.extreme(node),
            Tag::RowExpr => self.row(node),
            Tag::A_ArrayExpr => self.sum(node.get(at!("elements"))).at_most(How::Verbatim),
            Tag::MultiAssignRef => self.assigned(node),
            Tag::SelectStmt => self.query(node).first().map_or_else(Value::clean, |column| column.value.clone()),
            kind => {
                let value = self.constructor(kind, node);
                self.newer_function(kind, node, value)
            }
        }
    }

    /// What a field that holds an expression derives from.
    pub(super) fn of(&mut self, field: Field<'c>) -> Value<'c> {
        field.as_node().map_or_else(Value::clean, |node| self.expression(node))
    }

    /// What all the expressions of a list, or below a node that is no expression, derive from.
    pub(super) fn sum(&mut self, field: Field<'c>) -> Value<'c> {
        match field {
            Field::List(items) => items.iter().fold(Value::clean(), |all, item| all.with(&self.sum(item))),
            Field::Node(node) if node.kind() == Tag::List => self.sum(node.get(at!("items"))),
            Field::Node(node) => self.expression(node),
            Field::Null | Field::Bool(_) | Field::Int(_) | Field::Text(_) | Field::Literal(_) => Value::clean(),
        }
    }

    /// JSON and XML constructors embed what they are given; the other forms of the standard's cut pieces out.
    fn constructor(&mut self, kind: Tag, node: Node<'c>) -> Value<'c> {
        match kind {
            Tag::XmlExpr => {
                let value = self.sum(node.get(at!("named_args"))).with(&self.sum(node.get(at!("args"))));
                match node.text(at!("op")) {
                    "IS_XMLELEMENT" | "IS_XMLFOREST" | "IS_XMLCONCAT" => value.at_most(How::Verbatim),
                    "IS_DOCUMENT" => self.compared(&value, node),
                    _ => self.transformed(&value, How::Injective),
                }
            }
            Tag::ResTarget => self.of(node.get(at!("val"))),
            Tag::XmlSerialize => self.of(node.get(at!("expr"))).at_most(How::Verbatim),
            Tag::JsonObjectConstructor | Tag::JsonArrayConstructor => {
                self.sum(node.get(at!("exprs"))).at_most(How::Verbatim)
            }
            Tag::JsonArrayQueryConstructor => self.sum(node.get(at!("query"))).at_most(How::Verbatim),
            Tag::JsonScalarExpr | Tag::JsonSerializeExpr => self.of(node.get(at!("expr"))).at_most(How::Verbatim),
            Tag::JsonValueExpr => self.of(node.get(at!("raw_expr"))),
            Tag::JsonKeyValue => {
                self.of(node.get(at!("key"))).with(&self.of(node.get(at!("value")))).at_most(How::Verbatim)
            }
            Tag::JsonArgument => self.of(node.get(at!("val"))),
            Tag::JsonParseExpr => {
                let value = self.of(node.get(at!("expr")));
                self.may_quote(&value);
                value.at_most(How::Verbatim)
            }
            Tag::JsonObjectAgg | Tag::JsonArrayAgg => self.json_aggregate(node),
            Tag::JsonIsPredicate => {
                let value = self.of(node.get(at!("expr")));
                self.compared(&value, node)
            }
            Tag::JsonFuncExpr => self.json_function(node),
            // Fields that hold one type only do not name it.
            Tag::None if node.node(at!("raw_expr")).is_some() => self.of(node.get(at!("raw_expr"))),
            Tag::None if node.node(at!("key")).is_some() => self.constructor(Tag::JsonKeyValue, node),
            _ => self.anything(node),
        }
    }

    fn json_aggregate(&mut self, node: Node<'c>) -> Value<'c> {
        let value = self.of(node.get(at!("arg"))).at_most(How::Verbatim);
        if let Some(constructor) = node.node(at!("constructor")) {
            self.predicate(constructor.get(at!("agg_filter")));
            self.order(constructor.list(at!("agg_order")));
            constructor.node(at!("over")).into_iter().for_each(|over| self.window(over));
        }
        value
    }

    /// JSON_VALUE, JSON_QUERY and JSON_EXISTS.
    fn json_function(&mut self, node: Node<'c>) -> Value<'c> {
        let document = self.of(node.get(at!("context_item")));
        let path = node.node(at!("pathspec"));
        let passed = self.sum(node.get(at!("passing")));
        let otherwise = [node.node(at!("on_empty")), node.node(at!("on_error"))].into_iter().flatten();
        let default = otherwise.fold(Value::clean(), |all, behavior| all.with(&self.of(behavior.get(at!("expr")))));
        self.may_quote(&document);
        if node.text(at!("op")) == "JSON_EXISTS_OP" || !passed.is_clean() {
            return self.compared(&document.with(&passed), node);
        }
        let how = if path.is_some_and(operators::is_plain_path) { How::Verbatim } else { How::Lossy };
        self.transformed(&document, how).with(&default)
    }

    /// A form that is not known: everything below it is transformed, and if that matters the form is told.
    fn anything(&mut self, node: Node<'c>) -> Value<'c> {
        let mut value = Value::clean();
        for (_, field) in node.inner_fields() {
            value.add(&self.sum(field));
        }
        if self.is_sensitive(&value) {
            self.unknown_form(node.name());
        }
        self.transformed(&value, How::Lossy)
    }

    /// The result of something that keeps no more than `how`, and whose failure may quote.
    pub(super) fn transformed(&mut self, value: &Value<'c>, how: How) -> Value<'c> {
        if value.is_clean() {
            return Value::clean();
        }
        if how < How::Verbatim {
            self.may_quote(value);
        }
        value.at_most(how)
    }

    /// The truth value of a comparison: a probe.
    pub(super) fn compared(&mut self, value: &Value<'c>, node: Node<'c>) -> Value<'c> {
        if value.is_clean() {
            return Value::clean();
        }
        self.probe(value, self.clause, node);
        self.transformed(value, How::Predicate)
    }

    fn parameter(&self, node: Node<'c>) -> Value<'c> {
        let at = usize::try_from(node.int(at!("number"))).ok().and_then(|number| number.checked_sub(1));
        at.and_then(|at| self.arguments.get(at)).cloned().unwrap_or_default()
    }

    /// A column by its name, a whole row by that of its relation, or a function of a row in attribute notation.
    fn column(&mut self, node: Node<'c>) -> Value<'c> {
        let fields = node.list(at!("fields"));
        self.charge(self.scopes.width());
        if let Some(name) = fields.only().and_then(Field::as_string) {
            let value = self.named_column(name).unwrap_or_else(|| self.no_column(name));
            return self.used(value);
        }
        let (mut few, mut many) = ([""; 4], Vec::new());
        let words: &[&str] = if fields.len() <= few.len() {
            let mut count = 0;
            for (place, word) in few.iter_mut().zip(fields.iter().filter_map(Field::as_string)) {
                *place = word;
                count += 1;
            }
            few.get(..count).unwrap_or_default()
        } else {
            many.extend(fields.iter().filter_map(Field::as_string));
            &many
        };
        match words {
            [qualifiers @ .., name] if fields.len() == words.len() => {
                let value = self.qualified(qualifiers, name);
                self.used(value)
            }
            // `t.*` where a value is wanted.
            qualifiers if !qualifiers.is_empty() => Value::row(Rc::from(self.row_columns(qualifiers))),
            _ => {
                let value = Value::row(Rc::from(self.scopes.star(self.schema())));
                self.used(value)
            }
        }
    }

    /// What a bare name means: a column, or where none is known by it a whole row. `None`: neither.
    pub(super) fn named_column(&mut self, name: &str) -> Option<Value<'c>> {
        match self.scopes.sure_column(self.schema(), name) {
            Soon::Is(value) => Some(value),
            Soon::Nowhere => self.whole_row(&[name]),
            Soon::Perhaps => self.searched_column(name),
        }
    }

    /// The same, wherever it may be.
    #[inline(never)]
    fn searched_column(&mut self, name: &str) -> Option<Value<'c>> {
        let mut found = self.scopes.column(self.schema(), name);
        if (found.value.is_none() || found.is_open)
            && let Some(row) = self.whole_row(&[name])
        {
            // Alone it keeps its fields.
            match found.value {
                Some(_) => found.add(row),
                None => found.value = Some(row),
            }
        }
        found.value.or_else(|| found.is_open.then(Value::clean))
    }

    fn no_column(&mut self, name: &str) -> Value<'c> {
        self.unknown(Unknown::Column(words::identifier(name).into()));
        Value::clean()
    }

    /// Tells of the items that `t` or `s.t` means.
    fn items(&self, qualifiers: &[&str], tell: impl FnMut(&super::scope::Item<'c>)) {
        match qualifiers {
            [table] => self.scopes.items(table, None, tell),
            [.., schema, table] => self.scopes.items(table, Some(schema), tell),
            [] => {}
        }
    }

    fn whole_row(&mut self, qualifiers: &[&str]) -> Option<Value<'c>> {
        let mut rows: Option<Value<'c>> = None;
        self.items(qualifiers, |item| {
            let row = Value::row(item.columns.list(self.schema()));
            match &mut rows {
                Some(rows) => rows.add(&row),
                None => rows = Some(row),
            }
        });
        rows
    }

    /// The columns of `t.*`.
    pub(super) fn row_columns(&mut self, qualifiers: &[&str]) -> Vec<Column<'c>> {
        let (mut columns, mut is_item): (Vec<Column<'c>>, _) = (Vec::new(), false);
        self.items(qualifiers, |item| {
            is_item = true;
            columns.extend(item.columns.list(self.schema()).iter().cloned());
        });
        if !is_item {
            // `c.*` of a composite column `c`.
            let value = match qualifiers {
                [name] => self.named_column(name),
                [qualifiers @ .., name] => Some(self.qualified(qualifiers, name)),
                [] => None,
            };
            let Some(value) = value else {
                self.no_column(qualifiers.last().copied().unwrap_or("*"));
                return vec![Column::new(super::scope::STAR, Value::clean())];
            };
            return match value.fields() {
                Some(fields) => fields.to_vec(),
                None => vec![Column::new(super::scope::STAR, value.at_most(How::Verbatim))],
            };
        }
        self.charge(columns.len());
        self.used(Value::all(columns.iter().map(|column| &column.value)));
        columns
    }

    fn qualified(&mut self, qualifiers: &[&str], name: &str) -> Value<'c> {
        let mut found = super::scope::Found::default();
        let mut is_system = false;
        let sought = Sought::from(name);
        self.items(qualifiers, |item| {
            if !is_system {
                item.columns.find(self.schema(), sought, &mut found);
                is_system = found.value.is_none() && item.is_stored && super::scope::is_system(name);
            }
        });
        if is_system {
            return Value::clean();
        }
        if let Some(value) = found.value {
            return value;
        }
        if found.is_open {
            return Value::clean();
        }
        if let Some(row) = self.whole_row(qualifiers) {
            return self.field(&row, name);
        }
        self.no_column(name)
    }

    /// `(value).name`: a field, or a function of the row.
    pub(super) fn field(&mut self, value: &Value<'c>, name: &str) -> Value<'c> {
        if let Some(fields) = value.fields() {
            let mut found = super::scope::Found::default();
            super::scope::Columns::Known(Rc::clone(fields)).find(self.schema(), name.into(), &mut found);
            if let Some(found) = found.value {
                return found;
            }
            if found.is_open {
                return value.at_most(How::Verbatim);
            }
            return self.applied(None, name, std::slice::from_ref(value));
        }
        // A composite value whose fields are not told: the field is in it, or a function of it.
        if value.is_clean() {
            Value::clean()
        } else {
            self.applied(None, name, std::slice::from_ref(value)).with(value)
        }
    }

    /// `(value).field`, `(value)[i]`.
    pub(super) fn indirection(&mut self, node: Node<'c>) -> Value<'c> {
        let mut value = self.of(node.get(at!("arg")));
        for step in node.list(at!("indirection")) {
            value = match (step.as_string(), step.as_node()) {
                (Some(name), _) => self.field(&value, name),
                (None, Some(step)) if step.kind() == Tag::A_Indices => {
                    let index = self.of(step.get(at!("lidx"))).with(&self.of(step.get(at!("uidx"))));
                    // `name` is a type with subscripts: its letters.
                    let kept = if value.is_whole() && !self.has_elements(&value) { How::Lossy } else { How::Verbatim };
                    let index = self.compared(&index, node);
                    self.transformed(&value, kept).with(&index)
                }
                _ => value,
            };
        }
        value
    }

    /// Is it of a type whose subscripts pick elements: an array or JSON?
    fn has_elements(&self, value: &Value<'c>) -> bool {
        value.sources().iter().all(|source| {
            let relation = self.schema().relation_of(source.column.relation);
            let mut columns = relation.into_iter().flat_map(|relation| &relation.columns);
            let column = columns.find(|column| column.number == source.column.number);
            column.is_some_and(|column| ELEMENTS.contains(&column.type_oid))
        })
    }

    fn boolean(&mut self, node: Node<'c>) -> Value<'c> {
        let mut all = Value::clean();
        for argument in nodes(node.list(at!("args"))) {
            let value = self.expression(argument);
            all.add(&self.compared(&value, argument));
        }
        all
    }

    /// IS NULL, `count(x)`: whether there is a value. Of a column that tells nothing of what it is.
    pub(super) fn presence(&mut self, argument: Field<'c>, node: Node<'c>) -> Value<'c> {
        let value = self.of(argument);
        self.present(&value, node)
    }

    /// As [`Follower::presence`], of a value.
    pub(super) fn present(&mut self, value: &Value<'c>, node: Node<'c>) -> Value<'c> {
        if !value.is_verbatim() {
            self.probe(value, self.clause, node);
            self.may_quote(value);
        }
        let mut rest = Value::clean();
        for source in value.sources().iter().filter(|source| source.how < How::Verbatim) {
            rest.add(&Value::column(source.column).at_most(How::Predicate));
        }
        rest
    }

    fn case(&mut self, node: Node<'c>) -> Value<'c> {
        let clause = std::mem::replace(&mut self.clause, Clause::Case);
        let tested = node.node(at!("arg")).map(|argument| self.expression(argument));
        let mut asked = Value::clean();
        let mut results: Option<Value<'c>> = None;
        let mut add = |value: Value<'c>| {
            results = Some(results.take().map_or(value.clone(), |known| known.or(&value)));
        };
        for when in nodes(node.list(at!("args"))) {
            let condition = self.of(when.get(at!("expr")));
            asked.add(&match &tested {
                Some(tested) => self.equality(tested, &condition, node.node(at!("arg")), when.node(at!("expr")), when),
                None => self.compared(&condition, when.node(at!("expr")).unwrap_or(node)),
            });
            let was = std::mem::replace(&mut self.clause, clause);
            add(self.of(when.get(at!("result"))));
            self.clause = was;
        }
        self.clause = clause;
        add(self.of(node.get(at!("defresult"))));
        results.unwrap_or_default().with(&asked)
    }

    /// COALESCE tells which of its arguments are NULL; of a column that tells nothing of what it is.
    fn coalesce(&mut self, node: Node<'c>) -> Value<'c> {
        let values: Vec<Value<'c>> = nodes(node.list(at!("args"))).map(|argument| self.expression(argument)).collect();
        let mut values = values.into_iter();
        let first = values.next().unwrap_or_default();
        values.fold(first, |known, value| known.or(&value))
    }

    /// GREATEST and LEAST compare their arguments.
    fn extreme(&mut self, node: Node<'c>) -> Value<'c> {
        let value = self.sum(node.get(at!("args")));
        if node.list(at!("args")).len() > 1 {
            self.probe(&value, Clause::Case, node);
        }
        value.at_most(How::Verbatim)
    }

    fn row(&mut self, node: Node<'c>) -> Value<'c> {
        let mut fields = Vec::new();
        for (at, argument) in nodes(node.list(at!("args"))).enumerate() {
            let value = self.expression(argument);
            let is_star = argument
                .list(at!("fields"))
                .last()
                .and_then(Field::as_node)
                .is_some_and(|last| last.kind() == Tag::A_Star);
            match value.fields().filter(|_| is_star) {
                Some(inner) => fields.extend(inner.iter().cloned()),
                None => fields.push(Column::new(self.numbered("f", at + 1), value)),
            }
        }
        Value::row(Rc::from(fields))
    }

    /// One column of `SET (a, b) = …`.
    fn assigned(&mut self, node: Node<'c>) -> Value<'c> {
        let at = usize::try_from(node.int(at!("colno"))).unwrap_or_default().saturating_sub(1);
        let Some(source) = node.node(at!("source")) else { return Value::clean() };
        match source.kind() {
            Tag::RowExpr => source.list(at!("args")).get(at).map_or_else(Value::clean, |value| self.of(value)),
            Tag::SubLink => {
                let Some(query) = source.node(at!("subselect")) else { return Value::clean() };
                let columns = self.query(query);
                match columns.get(at).filter(|_| !super::scope::has_star(&columns)) {
                    Some(column) => column.value.clone(),
                    None => Value::all(columns.iter().map(|column| &column.value)),
                }
            }
            _ => self.expression(source),
        }
    }

    fn sublink(&mut self, node: Node<'c>) -> Value<'c> {
        let Some(query) = node.node(at!("subselect")) else { return Value::clean() };
        let was_asked = std::mem::replace(&mut self.is_asked, true);
        let columns = self.query(query);
        self.is_asked = was_asked;
        let all = || Value::all(columns.iter().map(|column| &column.value));
        match node.text(at!("subLinkType")) {
            "EXISTS_SUBLINK" => {
                self.left_aside(query, &columns);
                Value::clean()
            }
            "EXPR_SUBLINK" => match &*columns {
                [column] => column.value.clone(),
                _ => all(),
            },
            "ARRAY_SUBLINK" => all().at_most(How::Verbatim),
            "ANY_SUBLINK" | "ALL_SUBLINK" => {
                let tested = self.of(node.get(at!("testexpr")));
                let inner = all();
                let is_equal = ["", "="].contains(&words::last(node.list(at!("operName"))));
                let clause = if is_equal && self.are_columns(&tested, &inner) { Clause::Join } else { self.clause };
                let both = tested.with(&inner);
                self.probe(&both, clause, node);
                both.at_most(How::Predicate)
            }
            _ => {
                let both = self.of(node.get(at!("testexpr"))).with(&all());
                self.compared(&both, node)
            }
        }
    }
}
