//! Queries: WITH, SELECT, VALUES, set operations, and the clauses behind them.

use std::rc::Rc;

use super::follow::{Cte, Follower};
use super::scope::{self, Columns, STAR};
use super::value::{Column, Value};
use super::words;
use crate::tree::{List, Node, Tag, Value as Field, at};
use crate::{Clause, How};

/// Rounds until what recursive queries hold has settled. Each round adds a source or ends it.
const ROUNDS_MAX: usize = 64;

/// Columns that a row may have (`MaxTupleAttributeNumber`).
const COLUMNS_MAX: usize = 1664;

/// The nodes of a list.
pub(super) fn nodes<'j>(list: List<'j>) -> impl DoubleEndedIterator<Item = Node<'j>> {
    list.iter().filter_map(Field::as_node)
}

/// The names of a list of words.
pub(super) fn names<'c>(list: List<'c>) -> Vec<&'c str> {
    list.iter().filter_map(Field::as_string).collect()
}

impl<'c> Follower<'c> {
    /// A query, or a statement that changes rows and returns some.
    pub(super) fn query(&mut self, node: Node<'c>) -> Rc<[Column<'c>]> {
        let columns = self.deeper(None, |this| match node.kind() {
            Tag::SelectStmt => Some(this.select(node)),
            Tag::InsertStmt | Tag::UpdateStmt | Tag::DeleteStmt | Tag::MergeStmt => Some(this.change(node)),
            _ => {
                this.unknown_form(node.name());
                None
            }
        });
        columns.unwrap_or_else(|| self.nothing())
    }

    /// Runs `body` where the common table expressions of `clause` are visible.
    pub(super) fn with<T>(&mut self, clause: Option<Node<'c>>, body: impl FnOnce(&mut Self) -> T) -> T {
        let mark = self.ctes.len();
        if let Some(clause) = clause {
            let queries: Vec<Node<'c>> = nodes(clause.list(at!("ctes"))).collect();
            if clause.flag(at!("recursive")) { self.recursive(&queries) } else { self.in_turn(&queries) }
        }
        let result = body(self);
        self.ctes.truncate(mark);
        result
    }

    /// Each sees those before it.
    fn in_turn(&mut self, queries: &[Node<'c>]) {
        for &cte in queries {
            let columns = self.cte(cte);
            self.ctes.push(Cte { name: cte.text(at!("ctename")), columns: Columns::Known(columns) });
        }
    }

    /// Each sees all, itself included: again until nothing is added.
    fn recursive(&mut self, queries: &[Node<'c>]) {
        let mark = self.ctes.len();
        for &cte in queries {
            self.ctes.push(Cte { name: cte.text(at!("ctename")), columns: Columns::Any(Value::clean()) });
        }
        for round in 0.. {
            let mut settled = true;
            for (at, &cte) in queries.iter().enumerate() {
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
    fn cte(&mut self, cte: Node<'c>) -> Rc<[Column<'c>]> {
        let Some(query) = cte.node(at!("ctequery")) else { return Rc::from([]) };
        let columns = self.query(query);
        self.left_aside(query, &columns);
        let columns = scope::renamed(&columns, &names(cte.list(at!("aliascolnames"))));
        let (search, cycle) = (cte.node(at!("search_clause")), cte.node(at!("cycle_clause")));
        if search.is_none() && cycle.is_none() {
            return columns;
        }
        let mut all = columns.to_vec();
        let sum = Value::all(columns.iter().map(|column| &column.value)).at_most(How::Verbatim);
        if let Some(search) = search {
            self.probe(&sum, Clause::OrderBy, cte);
            all.push(Column::new(search.text(at!("search_seq_column")), sum.clone()));
        }
        if let Some(cycle) = cycle {
            self.probe(&sum, Clause::GroupBy, cte);
            all.push(Column::new(cycle.text(at!("cycle_mark_column")), sum.at_most(How::Predicate)));
            all.push(Column::new(cycle.text(at!("cycle_path_column")), sum));
        }
        Rc::from(all)
    }

    /// What an inner query computes may be left aside by the outer one, and still fail on some values and not on others.
    pub(super) fn left_aside(&mut self, query: Node<'c>, columns: &[Column<'c>]) {
        let targets = query.list(at!("targetList"));
        for (at, column) in columns.iter().enumerate() {
            if !column.value.is_verbatim() {
                let target = targets.get(at).and_then(Field::as_node).filter(|_| targets.len() == columns.len());
                self.dropped(&column.value, target.unwrap_or(query));
            }
        }
    }

    fn select(&mut self, node: Node<'c>) -> Rc<[Column<'c>]> {
        self.with(node.node(at!("withClause")), |this| {
            if node.text(at!("op")) != "SETOP_NONE" && node.node(at!("larg")).is_some() {
                this.set_operation(node)
            } else if node.list(at!("valuesLists")).is_empty() {
                this.plain_select(node)
            } else {
                this.values(node)
            }
        })
    }

    /// A chain of them nests to the left: followed from its first query on, without a level for each.
    fn set_operation(&mut self, node: Node<'c>) -> Rc<[Column<'c>]> {
        let mut chain = vec![node];
        let mut first = node.node(at!("larg"));
        while let Some(left) = first.filter(|left| is_bare_operation(*left)) {
            chain.push(left);
            first = left.node(at!("larg"));
        }
        let Some(first) = first else { return Rc::from([]) };
        let mut columns = self.query(first);
        for operation in chain.into_iter().rev() {
            let Some(right) = operation.node(at!("rarg")) else { continue };
            let right = self.query(right);
            columns = either(&columns, &right);
            if operation.text(at!("op")) != "SETOP_UNION" || !operation.flag(at!("all")) {
                columns.iter().for_each(|column| self.probe(&column.value, Clause::GroupBy, operation));
            }
        }
        self.scopes.open(0);
        self.tail(node, &columns);
        self.scopes.close();
        columns
    }

    fn values(&mut self, node: Node<'c>) -> Rc<[Column<'c>]> {
        let mut columns: Option<Rc<[Column<'c>]>> = None;
        for row in nodes(node.list(at!("valuesLists"))) {
            let row: Vec<Column<'c>> = nodes(row.list(at!("items")))
                .enumerate()
                .map(|(at, item)| Column::new(self.numbered("column", at + 1), self.expression(item)))
                .collect();
            columns = Some(match columns {
                Some(known) => either(&known, &row),
                None => Rc::from(row),
            });
        }
        let columns = columns.unwrap_or_else(|| Rc::from([]));
        self.scopes.open(0);
        self.tail(node, &columns);
        self.scopes.close();
        columns
    }

    fn plain_select(&mut self, node: Node<'c>) -> Rc<[Column<'c>]> {
        let from = node.list(at!("fromClause"));
        self.scopes.open(from.len());
        nodes(from).for_each(|item| self.source(item));
        self.predicate(node.get(at!("whereClause")));
        let is_single = self.bounds(node);
        let was_single = std::mem::replace(&mut self.is_single, is_single);
        let columns: Rc<[Column<'c>]> = self.targets(node.list(at!("targetList"))).into();
        self.is_single = was_single;
        for item in nodes(node.list(at!("groupClause"))) {
            self.group(item, &columns);
        }
        self.predicate(node.get(at!("havingClause")));
        nodes(node.list(at!("windowClause"))).for_each(|window| self.window(window));
        self.distinct(node, &columns);
        self.tail(node, &columns);
        self.scopes.close();
        columns
    }

    /// A select list or RETURNING.
    pub(super) fn targets(&mut self, list: List<'c>) -> Vec<Column<'c>> {
        let mut columns = Vec::with_capacity(list.len());
        for target in nodes(list) {
            let Some(expression) = target.node(at!("val")) else { continue };
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
            let name = match target.text(at!("name")) {
                "" => words::output_name(expression),
                name => name,
            };
            let words = if value.is_clean() { "" } else { self.words(expression) };
            columns.push(Column { name, value, words });
        }
        columns
    }

    /// An expression in words that last as long as the tree.
    fn words(&self, expression: Node<'c>) -> &'c str {
        self.arena.alloc_str(&words::expression(expression))
    }

    /// `f1`, `column1`.
    pub(super) fn numbered(&self, word: &str, number: usize) -> &'c str {
        let mut name = bumpalo::collections::String::with_capacity_in(word.len() + 2, self.arena);
        name.push_str(word);
        push_number(&mut name, number);
        name.into_bump_str()
    }

    /// The columns of `*`, `t.*` or `(row).*`; `None`: it is no such thing.
    fn star(&mut self, expression: Node<'c>) -> Option<Vec<Column<'c>>> {
        let is_star =
            |list: List<'c>| list.last().and_then(Field::as_node).is_some_and(|last| last.kind() == Tag::A_Star);
        match expression.kind() {
            Tag::ColumnRef if is_star(expression.list(at!("fields"))) => {
                let qualifiers: Vec<&str> =
                    expression.list(at!("fields")).iter().filter_map(Field::as_string).collect();
                Some(match qualifiers.as_slice() {
                    [] => self.scopes.star(self.schema()),
                    _ => self.row_columns(&qualifiers),
                })
            }
            Tag::A_Indirection if is_star(expression.list(at!("indirection"))) => {
                let value = self.indirection(expression);
                Some(match value.fields() {
                    Some(fields) => fields.to_vec(),
                    None => vec![Column { words: self.words(expression), ..Column::new(STAR, value) }],
                })
            }
            _ => None,
        }
    }

    fn distinct(&mut self, node: Node<'c>, columns: &[Column<'c>]) {
        let distinct = node.list(at!("distinctClause"));
        let keys: Vec<Node<'c>> = nodes(distinct).filter(|key| key.kind() != Tag::None).collect();
        for &key in &keys {
            let value = self.sort_key(key, columns);
            self.probe(&value, Clause::GroupBy, key);
        }
        if !distinct.is_empty() && keys.is_empty() {
            columns.iter().for_each(|column| self.probe(&column.value, Clause::GroupBy, node));
        }
    }

    /// ORDER BY, LIMIT and OFFSET.
    fn tail(&mut self, node: Node<'c>, columns: &[Column<'c>]) {
        for sort in nodes(node.list(at!("sortClause"))) {
            if let Some(key) = sort.node(at!("node")) {
                let value = self.sort_key(key, columns);
                self.probe(&value, Clause::OrderBy, key);
            }
        }
        for limit in [node.node(at!("limitCount")), node.node(at!("limitOffset"))].into_iter().flatten() {
            let value = self.expression(limit);
            self.probe(&value, Clause::Other, limit);
        }
    }

    /// A key of ORDER BY or DISTINCT ON: an output's number, its name, or an expression.
    fn sort_key(&mut self, key: Node<'c>, columns: &[Column<'c>]) -> Value<'c> {
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
    fn group(&mut self, key: Node<'c>, columns: &[Column<'c>]) {
        self.charge(columns.len() + self.scopes.width());
        if key.kind() == Tag::GroupingSet {
            return nodes(key.list(at!("content"))).for_each(|key| self.group(key, columns));
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
    pub(super) fn window(&mut self, window: Node<'c>) {
        for key in nodes(window.list(at!("partitionClause"))) {
            let value = self.expression(key);
            self.probe(&value, Clause::GroupBy, key);
        }
        self.order(window.list(at!("orderClause")));
        for offset in [window.node(at!("startOffset")), window.node(at!("endOffset"))].into_iter().flatten() {
            let value = self.expression(offset);
            self.probe(&value, Clause::Other, offset);
        }
    }

    /// The keys of an ORDER BY inside a window or an aggregate.
    pub(super) fn order(&mut self, list: List<'c>) {
        for key in nodes(list).filter_map(|sort| sort.node(at!("node"))) {
            let value = self.expression(key);
            self.probe(&value, Clause::OrderBy, key);
        }
    }

    /// WHERE and its like.
    pub(super) fn predicate(&mut self, condition: Field<'c>) {
        if let Some(condition) = condition.as_node() {
            let value = self.expression(condition);
            self.probe(&value, Clause::Where, condition);
        }
    }
}

/// A set operation without clauses of its own.
fn is_bare_operation(node: Node<'_>) -> bool {
    let clauses = [at!("withClause"), at!("sortClause"), at!("limitCount"), at!("limitOffset")];
    node.text(at!("op")) != "SETOP_NONE" && clauses.iter().all(|clause| matches!(node.get(*clause), Field::Null))
}

/// The output that a number in ORDER BY or GROUP BY means.
fn output<'c>(key: Node<'_>, columns: &[Column<'c>]) -> Option<Value<'c>> {
    let number = key.node(at!("ival")).filter(|_| key.kind() == Tag::A_Const)?.int(at!("ival"));
    if scope::has_star(columns) {
        return Some(Value::all(columns.iter().map(|column| &column.value)));
    }
    let at = usize::try_from(number).ok()?.checked_sub(1)?;
    columns.get(at).map(|column| column.value.clone())
}

/// The name, if the key is a column's name alone.
fn bare_name<'c>(key: Node<'c>) -> Option<&'c str> {
    let name = key.list(at!("fields")).only().filter(|_| key.kind() == Tag::ColumnRef);
    name.and_then(Field::as_string)
}

/// The outputs of that name.
fn named<'c>(name: &str, columns: &[Column<'c>]) -> Option<Value<'c>> {
    let mut named = columns.iter().filter(|column| column.name == name).map(|column| &column.value);
    let first = named.next()?.clone();
    Some(named.fold(first, |all, value| all.with(value)))
}

/// The rows of either query.
fn either<'c>(left: &[Column<'c>], right: &[Column<'c>]) -> Rc<[Column<'c>]> {
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
                let words = if column.words.is_empty() { other.words } else { column.words };
                Column { value: column.value.or(&other.value), words, name: column.name }
            }
            None => column.clone(),
        })
        .collect()
}

/// What is known of a recursive query's columns after one more round.
fn merged<'c>(known: &Columns<'c>, new: &Rc<[Column<'c>]>) -> Rc<[Column<'c>]> {
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

/// Each row of VALUES has as many such names as it has values: written without the machinery of `format!`.
fn push_number(name: &mut bumpalo::collections::String<'_>, number: usize) {
    if number > 9 {
        push_number(name, number / 10);
    }
    name.push(char::from(b'0' + (number % 10) as u8));
}
