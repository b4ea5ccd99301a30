//! Queries: WITH, SELECT, VALUES, set operations, and the clauses behind them.

use std::rc::Rc;

use super::follow::{Cte, Follower};
use super::scope::{self, Columns, STAR};
use super::value::{Column, Value};
use super::words;
use crate::tree::{Node, Value as Field};
use crate::{Clause, How};

/// Rounds until what recursive queries hold has settled. Each round adds a source or ends it.
const ROUNDS_MAX: usize = 64;

/// Columns that a row may have (`MaxTupleAttributeNumber`).
const COLUMNS_MAX: usize = 1664;

/// The nodes of a list.
pub(super) fn nodes<'n, 'j>(list: &'n [Field<'j>]) -> impl DoubleEndedIterator<Item = &'n Node<'j>> {
    list.iter().filter_map(Field::as_node)
}

/// The names of a list of words.
pub(super) fn names(list: &[Field<'_>]) -> Vec<Rc<str>> {
    list.iter().filter_map(Field::as_string).map(Rc::from).collect()
}

impl<'c> Follower<'c> {
    /// A query, or a statement that changes rows and returns some.
    pub(super) fn query(&mut self, node: &Node<'_>) -> Rc<[Column]> {
        self.deeper(Rc::from([]), |this| match node.kind {
            "SelectStmt" => this.select(node),
            "InsertStmt" | "UpdateStmt" | "DeleteStmt" | "MergeStmt" => this.change(node),
            kind => {
                this.unknown_form(kind);
                Rc::from([])
            }
        })
    }

    /// Runs `body` where the common table expressions of `clause` are visible.
    pub(super) fn with<T>(&mut self, clause: Option<&Node<'_>>, body: impl FnOnce(&mut Self) -> T) -> T {
        let mark = self.ctes.len();
        if let Some(clause) = clause {
            let queries: Vec<&Node<'_>> = nodes(clause.list("ctes")).collect();
            if clause.flag("recursive") { self.recursive(&queries) } else { self.in_turn(&queries) }
        }
        let result = body(self);
        self.ctes.truncate(mark);
        result
    }

    /// Each sees those before it.
    fn in_turn(&mut self, queries: &[&Node<'_>]) {
        for cte in queries {
            let columns = self.cte(cte);
            self.ctes.push(Cte { name: Rc::from(cte.text("ctename")), columns: Columns::Known(columns) });
        }
    }

    /// Each sees all, itself included: again until nothing is added.
    fn recursive(&mut self, queries: &[&Node<'_>]) {
        let mark = self.ctes.len();
        for cte in queries {
            self.ctes.push(Cte { name: Rc::from(cte.text("ctename")), columns: Columns::Any(Value::clean()) });
        }
        for round in 0.. {
            let mut settled = true;
            for (at, cte) in queries.iter().enumerate() {
                let columns = self.cte(cte);
                self.charge(columns.len());
                let Some(known) = self.ctes.get_mut(mark + at) else { return };
                let merged = merged(&known.columns, &columns);
                settled &= matches!(&known.columns, Columns::Known(old) if *old == merged);
                known.columns = Columns::Known(merged);
            }
            if settled {
                return;
            }
            if round == ROUNDS_MAX {
                return self.unknown_form("WITH RECURSIVE");
            }
        }
    }

    /// One common table expression's columns, with those that SEARCH and CYCLE add.
    fn cte(&mut self, cte: &Node<'_>) -> Rc<[Column]> {
        let Some(query) = cte.node("ctequery") else { return Rc::from([]) };
        let columns = self.query(query);
        self.left_aside(query, &columns);
        let columns = scope::renamed(&columns, &names(cte.list("aliascolnames")));
        let (search, cycle) = (cte.node("search_clause"), cte.node("cycle_clause"));
        if search.is_none() && cycle.is_none() {
            return columns;
        }
        let mut all = columns.to_vec();
        let sum = Value::all(columns.iter().map(|column| &column.value)).at_most(How::Verbatim);
        if let Some(search) = search {
            self.probe(&sum, Clause::OrderBy, cte);
            all.push(Column::new(search.text("search_seq_column"), sum.clone()));
        }
        if let Some(cycle) = cycle {
            self.probe(&sum, Clause::GroupBy, cte);
            all.push(Column::new(cycle.text("cycle_mark_column"), sum.at_most(How::Predicate)));
            all.push(Column::new(cycle.text("cycle_path_column"), sum));
        }
        Rc::from(all)
    }

    /// What an inner query computes may be left aside by the outer one, and still fail on some values and not on others.
    pub(super) fn left_aside(&mut self, query: &Node<'_>, columns: &[Column]) {
        let targets: Vec<&Node<'_>> = nodes(query.list("targetList")).collect();
        for (at, column) in columns.iter().enumerate() {
            if !column.value.is_verbatim() {
                let target = targets.get(at).filter(|_| targets.len() == columns.len());
                self.dropped(&column.value, target.copied().unwrap_or(query));
            }
        }
    }

    fn select(&mut self, node: &Node<'_>) -> Rc<[Column]> {
        self.with(node.node("withClause"), |this| {
            if node.text("op") != "SETOP_NONE" && node.node("larg").is_some() {
                this.set_operation(node)
            } else if node.list("valuesLists").is_empty() {
                this.plain_select(node)
            } else {
                this.values(node)
            }
        })
    }

    /// A chain of them nests to the left: followed from its first query on, without a level for each.
    fn set_operation(&mut self, node: &Node<'_>) -> Rc<[Column]> {
        let mut chain = vec![node];
        let mut first = node.node("larg");
        while let Some(left) = first.filter(|left| is_bare_operation(left)) {
            chain.push(left);
            first = left.node("larg");
        }
        let Some(first) = first else { return Rc::from([]) };
        let mut columns = self.query(first);
        for operation in chain.into_iter().rev() {
            let Some(right) = operation.node("rarg") else { continue };
            let right = self.query(right);
            columns = either(&columns, &right);
            if operation.text("op") != "SETOP_UNION" || !operation.flag("all") {
                columns.iter().for_each(|column| self.probe(&column.value, Clause::GroupBy, operation));
            }
        }
        self.scopes.open();
        self.tail(node, &columns);
        self.scopes.close();
        columns
    }

    fn values(&mut self, node: &Node<'_>) -> Rc<[Column]> {
        let mut columns: Option<Rc<[Column]>> = None;
        for row in nodes(node.list("valuesLists")) {
            let row: Vec<Column> = nodes(row.list("items"))
                .enumerate()
                .map(|(at, item)| Column::new(&format!("column{}", at + 1), self.expression(item)))
                .collect();
            columns = Some(match columns {
                Some(known) => either(&known, &row),
                None => Rc::from(row),
            });
        }
        let columns = columns.unwrap_or_else(|| Rc::from([]));
        self.scopes.open();
        self.tail(node, &columns);
        self.scopes.close();
        columns
    }

    fn plain_select(&mut self, node: &Node<'_>) -> Rc<[Column]> {
        self.scopes.open();
        nodes(node.list("fromClause")).for_each(|item| self.source(item));
        self.predicate(node.get("whereClause"));
        let is_single = self.bounds(node);
        let was_single = std::mem::replace(&mut self.is_single, is_single);
        let columns: Rc<[Column]> = self.targets(node.list("targetList")).into();
        self.is_single = was_single;
        for item in nodes(node.list("groupClause")) {
            self.group(item, &columns);
        }
        self.predicate(node.get("havingClause"));
        nodes(node.list("windowClause")).for_each(|window| self.window(window));
        self.distinct(node, &columns);
        self.tail(node, &columns);
        self.scopes.close();
        columns
    }

    /// A select list or RETURNING.
    pub(super) fn targets(&mut self, list: &[Field<'_>]) -> Vec<Column> {
        let mut columns = Vec::with_capacity(list.len());
        for target in nodes(list) {
            let Some(expression) = target.node("val") else { continue };
            if let Some(star) = self.star(expression) {
                self.charge(star.len());
                self.used(Value::all(star.iter().map(|column| &column.value)));
                columns.extend(star);
                if columns.len() > COLUMNS_MAX {
                    self.unknown_form("more columns than the server takes");
                    break;
                }
                continue;
            }
            let value = self.expression(expression);
            let name = match target.text("name") {
                "" => words::output_name(expression),
                name => Rc::from(name),
            };
            let words = if value.is_clean() { Rc::from("") } else { Rc::from(words::expression(expression)) };
            columns.push(Column { name, value, words });
        }
        columns
    }

    /// The columns of `*`, `t.*` or `(row).*`; `None`: it is no such thing.
    fn star(&mut self, expression: &Node<'_>) -> Option<Vec<Column>> {
        let is_star =
            |list: &[Field<'_>]| list.last().and_then(Field::as_node).is_some_and(|last| last.kind == "A_Star");
        match expression.kind {
            "ColumnRef" if is_star(expression.list("fields")) => {
                let qualifiers: Vec<&str> = expression.list("fields").iter().filter_map(Field::as_string).collect();
                Some(match qualifiers.as_slice() {
                    [] => self.scopes.star(self.schema()),
                    _ => self.row_columns(&qualifiers),
                })
            }
            "A_Indirection" if is_star(expression.list("indirection")) => {
                let value = self.indirection(expression);
                Some(match value.fields() {
                    Some(fields) => fields.to_vec(),
                    None => vec![Column { words: words::expression(expression).into(), ..Column::new(STAR, value) }],
                })
            }
            _ => None,
        }
    }

    fn distinct(&mut self, node: &Node<'_>, columns: &[Column]) {
        let distinct = node.list("distinctClause");
        let keys: Vec<&Node<'_>> = nodes(distinct).filter(|key| !key.kind.is_empty()).collect();
        for key in &keys {
            let value = self.sort_key(key, columns);
            self.probe(&value, Clause::GroupBy, key);
        }
        if !distinct.is_empty() && keys.is_empty() {
            columns.iter().for_each(|column| self.probe(&column.value, Clause::GroupBy, node));
        }
    }

    /// ORDER BY, LIMIT and OFFSET.
    fn tail(&mut self, node: &Node<'_>, columns: &[Column]) {
        for sort in nodes(node.list("sortClause")) {
            if let Some(key) = sort.node("node") {
                let value = self.sort_key(key, columns);
                self.probe(&value, Clause::OrderBy, key);
            }
        }
        for limit in [node.node("limitCount"), node.node("limitOffset")].into_iter().flatten() {
            let value = self.expression(limit);
            self.probe(&value, Clause::Other, limit);
        }
    }

    /// A key of ORDER BY or DISTINCT ON: an output's number, its name, or an expression.
    fn sort_key(&mut self, key: &Node<'_>, columns: &[Column]) -> Value {
        self.charge(columns.len());
        if let Some(value) = output(key, columns) {
            return value;
        }
        if let Some(value) = bare_name(key).and_then(|name| named(name, columns)) {
            return value;
        }
        self.expression(key)
    }

    /// A key of GROUP BY: an output's number, an expression, and then an output's name.
    fn group(&mut self, key: &Node<'_>, columns: &[Column]) {
        self.charge(columns.len() + self.scopes.width());
        if key.kind == "GroupingSet" {
            return nodes(key.list("content")).for_each(|key| self.group(key, columns));
        }
        let value = match (output(key, columns), bare_name(key)) {
            (Some(value), _) => value,
            (None, Some(name)) => match (self.named_column(name).map(|value| self.used(value)), named(name, columns)) {
                (None, Some(value)) => value,
                (Some(value), named) => named.map_or(value.clone(), |named| value.with(&named)),
                (None, None) => self.expression(key),
            },
            (None, None) => self.expression(key),
        };
        self.probe(&value, Clause::GroupBy, key);
    }

    /// A window's keys and frame.
    pub(super) fn window(&mut self, window: &Node<'_>) {
        for key in nodes(window.list("partitionClause")) {
            let value = self.expression(key);
            self.probe(&value, Clause::GroupBy, key);
        }
        self.order(window.list("orderClause"));
        for offset in [window.node("startOffset"), window.node("endOffset")].into_iter().flatten() {
            let value = self.expression(offset);
            self.probe(&value, Clause::Other, offset);
        }
    }

    /// The keys of an ORDER BY inside a window or an aggregate.
    pub(super) fn order(&mut self, list: &[Field<'_>]) {
        for key in nodes(list).filter_map(|sort| sort.node("node")) {
            let value = self.expression(key);
            self.probe(&value, Clause::OrderBy, key);
        }
    }

    /// WHERE and its like.
    pub(super) fn predicate(&mut self, condition: &Field<'_>) {
        if let Some(condition) = condition.as_node() {
            let value = self.expression(condition);
            self.probe(&value, Clause::Where, condition);
        }
    }
}

/// A set operation without clauses of its own.
fn is_bare_operation(node: &Node<'_>) -> bool {
    let clauses = ["withClause", "sortClause", "limitCount", "limitOffset"];
    node.text("op") != "SETOP_NONE" && clauses.iter().all(|clause| matches!(node.get(clause), Field::Null))
}

/// The output that a number in ORDER BY or GROUP BY means.
fn output(key: &Node<'_>, columns: &[Column]) -> Option<Value> {
    let number = key.node("ival").filter(|_| key.kind == "A_Const")?.int("ival");
    if scope::has_star(columns) {
        return Some(Value::all(columns.iter().map(|column| &column.value)));
    }
    let at = usize::try_from(number).ok()?.checked_sub(1)?;
    columns.get(at).map(|column| column.value.clone())
}

/// The name, if the key is a column's name alone.
fn bare_name<'n>(key: &'n Node<'_>) -> Option<&'n str> {
    match key.list("fields") {
        [name] if key.kind == "ColumnRef" => name.as_string(),
        _ => None,
    }
}

/// The outputs of that name.
fn named(name: &str, columns: &[Column]) -> Option<Value> {
    let mut named = columns.iter().filter(|column| &*column.name == name).map(|column| &column.value);
    let first = named.next()?.clone();
    Some(named.fold(first, |all, value| all.with(value)))
}

/// The rows of either query.
fn either(left: &[Column], right: &[Column]) -> Rc<[Column]> {
    if scope::has_star(left) || scope::has_star(right) {
        let sum = Value::all(left.iter().chain(right).map(|column| &column.value));
        let mut columns: Vec<Column> = Vec::new();
        if !scope::has_star(left) {
            columns.extend(left.iter().map(|column| Column { value: sum.clone(), ..column.clone() }));
            return Rc::from(columns);
        }
        return Rc::from([Column::new(STAR, sum)]);
    }
    left.iter()
        .enumerate()
        .map(|(at, column)| match right.get(at) {
            Some(other) => {
                let words = if column.words.is_empty() { &other.words } else { &column.words };
                Column { value: column.value.or(&other.value), words: Rc::clone(words), name: Rc::clone(&column.name) }
            }
            None => column.clone(),
        })
        .collect()
}

/// What is known of a recursive query's columns after one more round.
fn merged(known: &Columns<'_>, new: &Rc<[Column]>) -> Rc<[Column]> {
    let Columns::Known(known) = known else { return Rc::clone(new) };
    if known.len() != new.len() {
        return Rc::from([Column::new(STAR, Value::all(known.iter().chain(new.iter()).map(|column| &column.value)))]);
    }
    let both = known.iter().zip(new.iter());
    both.map(|(old, new)| {
        if old.value == new.value {
            return old.clone();
        }
        Column { value: old.value.clone().with(&new.value), ..old.clone() }
    })
    .collect()
}
