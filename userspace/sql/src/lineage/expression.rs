//! Expressions: what each keeps of the columns that it is made of.

use std::rc::Rc;

use super::follow::Follower;
use super::operators;
use super::select::nodes;
use super::value::{Column, Value};
use super::words;
use crate::tree::{Node, Value as Field};
use crate::{Clause, How, Unknown};

/// `pg_type.oid` of jsonb and of the arrays that may hold numbers or words.
const ELEMENTS: &[u32] = &[3802, 199, 3807, 1001, 1007, 1009, 1014, 1015, 1016, 1231];

impl<'c> Follower<'c> {
    /// What an expression derives from.
    pub(super) fn expression(&mut self, node: &Node<'_>) -> Value {
        self.deeper(Value::clean(), |this| this.one(node))
    }

    fn one(&mut self, node: &Node<'_>) -> Value {
        match node.kind {
            "A_Const" | "SQLValueFunction" | "SetToDefault" | "GroupingFunc" | "String" => Value::clean(),
            "CurrentOfExpr" | "Integer" | "Float" | "Boolean" => Value::clean(),
            "ParamRef" => self.parameter(node),
            "ColumnRef" => self.column(node),
            "FuncCall" => self.call(node),
            "A_Expr" => self.operator(node),
            "BoolExpr" => self.boolean(node),
            "NullTest" => self.presence(node.get("arg"), node),
            "BooleanTest" => {
                let value = self.of(node.get("arg"));
                self.compared(&value, node)
            }
            "TypeCast" => {
                let value = self.of(node.get("arg"));
                self.cast(&value, node)
            }
            "CollateClause" | "NamedArgExpr" => self.of(node.get("arg")),
            "A_Indirection" => self.indirection(node),
            "SubLink" => self.sublink(node),
            "CaseExpr" => self.case(node),
            "CoalesceExpr" => self.coalesce(node),
            "MinMaxExpr" => self.extreme(node),
            "RowExpr" => self.row(node),
            "A_ArrayExpr" => self.sum(node.get("elements")).at_most(How::Verbatim),
            "MultiAssignRef" => self.assigned(node),
            "SelectStmt" => self.query(node).first().map_or_else(Value::clean, |column| column.value.clone()),
            kind => {
                let value = self.constructor(kind, node);
                self.newer_function(kind, node, value)
            }
        }
    }

    /// What a field that holds an expression derives from.
    pub(super) fn of(&mut self, field: &Field<'_>) -> Value {
        field.as_node().map_or_else(Value::clean, |node| self.expression(node))
    }

    /// What all the expressions of a list, or below a node that is no expression, derive from.
    pub(super) fn sum(&mut self, field: &Field<'_>) -> Value {
        match field {
            Field::List(items) => items.iter().fold(Value::clean(), |all, item| all.with(&self.sum(item))),
            Field::Node(node) if node.kind == "List" => self.sum(node.get("items")),
            Field::Node(node) => self.expression(node),
            Field::Null | Field::Bool(_) | Field::Int(_) | Field::Text(_) | Field::Literal(_) => Value::clean(),
        }
    }

    /// JSON and XML constructors embed what they are given; the other forms of the standard's cut pieces out.
    fn constructor(&mut self, kind: &str, node: &Node<'_>) -> Value {
        match kind {
            "XmlExpr" => {
                let value = self.sum(node.get("named_args")).with(&self.sum(node.get("args")));
                match node.text("op") {
                    "IS_XMLELEMENT" | "IS_XMLFOREST" | "IS_XMLCONCAT" => value.at_most(How::Verbatim),
                    "IS_DOCUMENT" => self.compared(&value, node),
                    _ => self.transformed(&value, How::Injective),
                }
            }
            "ResTarget" => self.of(node.get("val")),
            "XmlSerialize" => self.of(node.get("expr")).at_most(How::Verbatim),
            "JsonObjectConstructor" | "JsonArrayConstructor" => self.sum(node.get("exprs")).at_most(How::Verbatim),
            "JsonArrayQueryConstructor" => self.sum(node.get("query")).at_most(How::Verbatim),
            "JsonScalarExpr" | "JsonSerializeExpr" => self.of(node.get("expr")).at_most(How::Verbatim),
            "JsonValueExpr" => self.of(node.get("raw_expr")),
            "JsonKeyValue" => self.of(node.get("key")).with(&self.of(node.get("value"))).at_most(How::Verbatim),
            "JsonArgument" => self.of(node.get("val")),
            "JsonParseExpr" => {
                let value = self.of(node.get("expr"));
                self.may_quote(&value);
                value.at_most(How::Verbatim)
            }
            "JsonObjectAgg" | "JsonArrayAgg" => self.json_aggregate(node),
            "JsonIsPredicate" => {
                let value = self.of(node.get("expr"));
                self.compared(&value, node)
            }
            "JsonFuncExpr" => self.json_function(node),
            // Fields that hold one type only do not name it.
            "" if node.node("raw_expr").is_some() => self.of(node.get("raw_expr")),
            "" if node.node("key").is_some() => self.constructor("JsonKeyValue", node),
            _ => self.anything(kind, node),
        }
    }

    fn json_aggregate(&mut self, node: &Node<'_>) -> Value {
        let value = self.of(node.get("arg")).at_most(How::Verbatim);
        if let Some(constructor) = node.node("constructor") {
            self.predicate(constructor.get("agg_filter"));
            self.order(constructor.list("agg_order"));
            constructor.node("over").into_iter().for_each(|over| self.window(over));
        }
        value
    }

    /// JSON_VALUE, JSON_QUERY and JSON_EXISTS.
    fn json_function(&mut self, node: &Node<'_>) -> Value {
        let document = self.of(node.get("context_item"));
        let path = node.node("pathspec");
        let passed = self.sum(node.get("passing"));
        let otherwise = [node.node("on_empty"), node.node("on_error")].into_iter().flatten();
        let default = otherwise.fold(Value::clean(), |all, behavior| all.with(&self.of(behavior.get("expr"))));
        self.may_quote(&document);
        if node.text("op") == "JSON_EXISTS_OP" || !passed.is_clean() {
            return self.compared(&document.with(&passed), node);
        }
        let how = if path.is_some_and(operators::is_plain_path) { How::Verbatim } else { How::Lossy };
        self.transformed(&document, how).with(&default)
    }

    /// A form that is not known: everything below it is transformed, and if that matters the form is told.
    fn anything(&mut self, kind: &str, node: &Node<'_>) -> Value {
        let mut value = Value::clean();
        for (_, field) in node.fields() {
            value.add(&self.sum(field));
        }
        if self.is_sensitive(&value) {
            self.unknown_form(kind);
        }
        self.transformed(&value, How::Lossy)
    }

    /// The result of something that keeps no more than `how`, and whose failure may quote.
    pub(super) fn transformed(&mut self, value: &Value, how: How) -> Value {
        if how < How::Verbatim {
            self.may_quote(value);
        }
        value.at_most(how)
    }

    /// The truth value of a comparison: a probe.
    pub(super) fn compared(&mut self, value: &Value, node: &Node<'_>) -> Value {
        self.probe(value, self.clause, node);
        self.transformed(value, How::Predicate)
    }

    fn parameter(&self, node: &Node<'_>) -> Value {
        let at = usize::try_from(node.int("number")).ok().and_then(|number| number.checked_sub(1));
        at.and_then(|at| self.arguments.get(at)).cloned().unwrap_or_default()
    }

    /// A column by its name, a whole row by that of its relation, or a function of a row in attribute notation.
    fn column(&mut self, node: &Node<'_>) -> Value {
        let fields = node.list("fields");
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
        self.charge(self.scopes.width());
        match words {
            [name] => {
                let value = self.named_column(name).unwrap_or_else(|| self.no_column(name));
                self.used(value)
            }
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
    pub(super) fn named_column(&mut self, name: &str) -> Option<Value> {
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

    fn no_column(&mut self, name: &str) -> Value {
        self.unknown(Unknown::Column(words::identifier(name).to_string()));
        Value::clean()
    }

    /// The items that `t` or `s.t` means.
    fn items(&self, qualifiers: &[&str]) -> Vec<super::scope::Item<'c>> {
        let (table, schema) = match qualifiers {
            [table] => (table, None),
            [.., schema, table] => (table, Some(*schema)),
            [] => return Vec::new(),
        };
        self.scopes.items(table, schema)
    }

    fn whole_row(&mut self, qualifiers: &[&str]) -> Option<Value> {
        let items = self.items(qualifiers);
        let mut rows = items.iter().map(|item| Value::row(item.columns.list(self.schema())));
        let first = rows.next()?;
        Some(rows.fold(first, |all, row| all.with(&row)))
    }

    /// The columns of `t.*`.
    pub(super) fn row_columns(&mut self, qualifiers: &[&str]) -> Vec<Column> {
        let items = self.items(qualifiers);
        if items.is_empty() {
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
        let columns: Vec<Column> = items.iter().flat_map(|item| item.columns.list(self.schema()).to_vec()).collect();
        self.charge(columns.len());
        self.used(Value::all(columns.iter().map(|column| &column.value)));
        columns
    }

    fn qualified(&mut self, qualifiers: &[&str], name: &str) -> Value {
        let mut found = super::scope::Found::default();
        let items = self.items(qualifiers);
        for item in &items {
            item.columns.find(self.schema(), name, &mut found);
            if found.value.is_none() && item.is_stored && super::scope::is_system(name) {
                return Value::clean();
            }
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
    pub(super) fn field(&mut self, value: &Value, name: &str) -> Value {
        if let Some(fields) = value.fields() {
            let mut found = super::scope::Found::default();
            super::scope::Columns::Known(Rc::clone(fields)).find(self.schema(), name, &mut found);
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
    pub(super) fn indirection(&mut self, node: &Node<'_>) -> Value {
        let mut value = self.of(node.get("arg"));
        for step in node.list("indirection") {
            value = match (step.as_string(), step.as_node()) {
                (Some(name), _) => self.field(&value, name),
                (None, Some(step)) if step.kind == "A_Indices" => {
                    let index = self.of(step.get("lidx")).with(&self.of(step.get("uidx")));
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
    fn has_elements(&self, value: &Value) -> bool {
        value.sources().iter().all(|source| {
            let relation = self.schema().relation_of(source.column.relation);
            let mut columns = relation.into_iter().flat_map(|relation| &relation.columns);
            let column = columns.find(|column| column.number == source.column.number);
            column.is_some_and(|column| ELEMENTS.contains(&column.type_oid))
        })
    }

    fn boolean(&mut self, node: &Node<'_>) -> Value {
        let mut all = Value::clean();
        for argument in nodes(node.list("args")) {
            let value = self.expression(argument);
            all.add(&self.compared(&value, argument));
        }
        all
    }

    /// IS NULL, `count(x)`: whether there is a value. Of a column that tells nothing of what it is.
    pub(super) fn presence(&mut self, argument: &Field<'_>, node: &Node<'_>) -> Value {
        let value = self.of(argument);
        self.present(&value, node)
    }

    /// As [`Follower::presence`], of a value.
    pub(super) fn present(&mut self, value: &Value, node: &Node<'_>) -> Value {
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

    fn case(&mut self, node: &Node<'_>) -> Value {
        let clause = std::mem::replace(&mut self.clause, Clause::Case);
        let tested = node.node("arg").map(|argument| self.expression(argument));
        let mut asked = Value::clean();
        let mut results: Option<Value> = None;
        let mut add = |value: Value| {
            results = Some(results.take().map_or(value.clone(), |known| known.or(&value)));
        };
        for when in nodes(node.list("args")) {
            let condition = self.of(when.get("expr"));
            asked.add(&match &tested {
                Some(tested) => self.equality(tested, &condition, node.node("arg"), when.node("expr"), when),
                None => self.compared(&condition, when.node("expr").unwrap_or(node)),
            });
            let was = std::mem::replace(&mut self.clause, clause);
            add(self.of(when.get("result")));
            self.clause = was;
        }
        self.clause = clause;
        add(self.of(node.get("defresult")));
        results.unwrap_or_default().with(&asked)
    }

    /// COALESCE tells which of its arguments are NULL; of a column that tells nothing of what it is.
    fn coalesce(&mut self, node: &Node<'_>) -> Value {
        let values: Vec<Value> = nodes(node.list("args")).map(|argument| self.expression(argument)).collect();
        let mut values = values.into_iter();
        let first = values.next().unwrap_or_default();
        values.fold(first, |known, value| known.or(&value))
    }

    /// GREATEST and LEAST compare their arguments.
    fn extreme(&mut self, node: &Node<'_>) -> Value {
        let value = self.sum(node.get("args"));
        if node.list("args").len() > 1 {
            self.probe(&value, Clause::Case, node);
        }
        value.at_most(How::Verbatim)
    }

    fn row(&mut self, node: &Node<'_>) -> Value {
        let mut fields = Vec::new();
        for (at, argument) in nodes(node.list("args")).enumerate() {
            let value = self.expression(argument);
            let is_star =
                argument.list("fields").last().and_then(Field::as_node).is_some_and(|last| last.kind == "A_Star");
            match value.fields().filter(|_| is_star) {
                Some(inner) => fields.extend(inner.iter().cloned()),
                None => fields.push(Column::new(&format!("f{}", at + 1), value)),
            }
        }
        Value::row(Rc::from(fields))
    }

    /// One column of `SET (a, b) = …`.
    fn assigned(&mut self, node: &Node<'_>) -> Value {
        let at = usize::try_from(node.int("colno")).unwrap_or_default().saturating_sub(1);
        let Some(source) = node.node("source") else { return Value::clean() };
        match source.kind {
            "RowExpr" => source.list("args").get(at).map_or_else(Value::clean, |value| self.of(value)),
            "SubLink" => {
                let Some(query) = source.node("subselect") else { return Value::clean() };
                let columns = self.query(query);
                match columns.get(at).filter(|_| !super::scope::has_star(&columns)) {
                    Some(column) => column.value.clone(),
                    None => Value::all(columns.iter().map(|column| &column.value)),
                }
            }
            _ => self.expression(source),
        }
    }

    fn sublink(&mut self, node: &Node<'_>) -> Value {
        let Some(query) = node.node("subselect") else { return Value::clean() };
        let was_asked = std::mem::replace(&mut self.is_asked, true);
        let columns = self.query(query);
        self.is_asked = was_asked;
        let all = || Value::all(columns.iter().map(|column| &column.value));
        match node.text("subLinkType") {
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
                let tested = self.of(node.get("testexpr"));
                let inner = all();
                let is_equal = ["", "="].contains(&words::last(node.list("operName")));
                let clause = if is_equal && self.are_columns(&tested, &inner) { Clause::Join } else { self.clause };
                let both = tested.with(&inner);
                self.probe(&both, clause, node);
                both.at_most(How::Predicate)
            }
            _ => {
                let both = self.of(node.get("testexpr")).with(&all());
                self.compared(&both, node)
            }
        }
    }
}
