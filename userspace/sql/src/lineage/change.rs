//! INSERT, UPDATE, DELETE and MERGE: what they fill, what they ask, and what RETURNING shows.

use std::rc::Rc;

use super::follow::Follower;
use super::operators::is_fixed;
use super::scope::{self, Columns, From, Item};
use super::select::nodes;
use super::value::{Column, Value};
use crate::tree::{List, Node, Tag, at};
use crate::{Clause, Name, RelationKind};

/// The relation that a statement changes.
struct Target<'c> {
    /// As it was written.
    name: Name,
    /// As RETURNING and WHERE see it.
    item: Item<'c>,
    /// Its columns.
    columns: Rc<[Column<'c>]>,
    /// What was assigned to them, by name.
    assigned: Vec<(&'c str, Value<'c>)>,
    is_view: bool,
}

impl<'c> Follower<'c> {
    /// A statement that changes rows; its columns are those of RETURNING.
    pub(super) fn change(&mut self, node: Node<'c>) -> Rc<[Column<'c>]> {
        self.with(node.node(at!("withClause")), |this| {
            let Some(relation) = node.node(at!("relation")) else { return Rc::from([]) };
            let mut target = this.target(relation);
            let source = if node.kind() == Tag::InsertStmt { this.inserted(node, &mut target) } else { Value::clean() };
            this.scopes.open(0);
            this.scopes.open(0);
            this.scopes.add(From::Item(target.item.clone()));
            match node.kind() {
                Tag::InsertStmt => this.conflict(node, &mut target, &source),
                Tag::MergeStmt => this.merge(node, &mut target),
                _ => {
                    nodes(node.list(at!("fromClause")))
                        .chain(nodes(node.list(at!("usingClause"))))
                        .for_each(|item| this.source(item));
                    this.predicate(node.get(at!("whereClause")));
                    this.assignments(node.list(at!("targetList")), &mut target);
                }
            }
            let columns = this.returning(node, &target);
            this.scopes.close();
            this.scopes.close();
            columns
        })
    }

    fn target(&mut self, relation: Node<'c>) -> Target<'c> {
        let name = crate::walk::range_name(relation);
        let (written, bare) = crate::walk::range_parts(relation);
        let schema = super::relations::resolve(self, written, bare).schema;
        let known = self.schema().named(bare).iter().find(|known| known.name.schema.as_deref() == schema);
        if known.is_some_and(|known| known.has_rules) {
            self.unknown_form("a change of a relation with rules");
        }
        let ctes = std::mem::take(&mut self.ctes);
        let item = self.range(relation);
        self.ctes = ctes;
        let is_view = known.is_some_and(|known| matches!(known.kind, RelationKind::View { .. }));
        let columns = item.columns.list(self.schema());
        Target { name, item, columns, assigned: Vec::new(), is_view }
    }

    /// Notes what a column of the target gets.
    fn assign(&mut self, target: &mut Target<'c>, column: &'c str, value: Value<'c>) {
        let known = target.columns.iter().find(|known| known.name == column);
        if let Some(known) = known {
            self.used(known.value.clone());
        }
        if target.is_view && known.is_some_and(|known| self.is_sensitive(&known.value)) {
            self.unknown_form("a change of columns that matter through a view");
        }
        self.may_quote(&Value::all(target.columns.iter().map(|column| &column.value)));
        self.may_quote(&value);
        if value.is_clean() || known.is_some_and(|known| known.value == value) {
            return;
        }
        if target.is_view && self.is_sensitive(&value) {
            self.unknown_form("a view is filled from columns that matter");
        }
        self.flow(&target.name, column, &value);
        target.assigned.push((column, value));
    }

    /// The rows that INSERT brings.
    fn inserted(&mut self, node: Node<'c>, target: &mut Target<'c>) -> Value<'c> {
        let Some(query) = node.node(at!("selectStmt")) else { return Value::clean() };
        let columns = self.query(query);
        let written: Vec<&'c str> = nodes(node.list(at!("cols"))).map(|column| column.text(at!("name"))).collect();
        let known: Vec<&'c str> = target.columns.iter().map(|column| column.name).collect();
        let names = if written.is_empty() { known } else { written };
        let told = !scope::has_star(&columns) && !names.contains(&scope::STAR);
        for (at, column) in columns.iter().enumerate() {
            let name = names.get(at).copied().filter(|_| told).unwrap_or_default();
            self.assign(target, name, column.value.clone());
        }
        Value::all(columns.iter().map(|column| &column.value))
    }

    /// ON CONFLICT compares what is brought with what is there.
    fn conflict(&mut self, node: Node<'c>, target: &mut Target<'c>, source: &Value<'c>) {
        let Some(conflict) = node.node(at!("onConflictClause")) else { return };
        self.arbiter(node, conflict, target, source);
        let excluded = Item { name: "excluded", schema: None, ..self.with_assigned(target) };
        self.scopes.add(From::Item(excluded));
        self.predicate(conflict.get(at!("whereClause")));
        self.assignments(conflict.list(at!("targetList")), target);
        self.scopes.take();
    }

    /// The columns by which a conflict is found: those named, or any that is brought.
    fn arbiter(&mut self, node: Node<'c>, conflict: Node<'c>, target: &Target<'c>, source: &Value<'c>) {
        let infer = conflict.node(at!("infer"));
        let elements: Vec<Node<'c>> =
            infer.map(|infer| nodes(infer.list(at!("indexElems"))).collect()).unwrap_or_default();
        let rows = node.node(at!("selectStmt")).map_or(List::default(), |query| query.list(at!("valuesLists")));
        let fixed =
            source.is_clean() && !rows.is_empty() && nodes(rows).all(|row| nodes(row.list(at!("items"))).all(is_fixed));
        let clause = if fixed { Clause::Match } else { Clause::Where };
        if elements.is_empty() {
            let written: Vec<&str> = nodes(node.list(at!("cols"))).map(|column| column.text(at!("name"))).collect();
            for column in target.columns.iter().filter(|column| written.is_empty() || written.contains(&column.name)) {
                self.probe(&column.value, clause, conflict);
            }
        }
        for element in elements {
            let value = match element.node(at!("expr")) {
                Some(expression) => self.expression(expression),
                None => self.named_column(element.text(at!("name"))).unwrap_or_default(),
            };
            self.probe(&value, if value.is_whole() { clause } else { Clause::Where }, element);
        }
        if let Some(infer) = infer {
            self.predicate(infer.get(at!("whereClause")));
        }
    }

    /// `SET a = …, (b, c) = …`.
    fn assignments(&mut self, list: List<'c>, target: &mut Target<'c>) {
        for assignment in nodes(list) {
            let value = self.of(assignment.get(at!("val")));
            for index in nodes(assignment.list(at!("indirection"))) {
                let index = self.of(index.get(at!("lidx"))).with(&self.of(index.get(at!("uidx"))));
                self.probe(&index, Clause::Other, assignment);
            }
            self.assign(target, assignment.text(at!("name")), value);
        }
    }

    fn merge(&mut self, node: Node<'c>, target: &mut Target<'c>) {
        node.node(at!("sourceRelation")).into_iter().for_each(|source| self.source(source));
        self.predicate(node.get(at!("joinCondition")));
        for clause in nodes(node.list(at!("mergeWhenClauses"))) {
            self.predicate(clause.get(at!("condition")));
            if clause.text(at!("commandType")) != "CMD_INSERT" {
                self.assignments(clause.list(at!("targetList")), target);
                continue;
            }
            let written: Vec<&'c str> =
                nodes(clause.list(at!("targetList"))).map(|column| column.text(at!("name"))).collect();
            let known: Vec<&'c str> = target.columns.iter().map(|column| column.name).collect();
            let names = if written.is_empty() { known } else { written };
            for (at, value) in nodes(clause.list(at!("values"))).enumerate() {
                let value = self.expression(value);
                self.assign(target, names.get(at).copied().unwrap_or_default(), value);
            }
        }
    }

    /// The target with what was assigned in it.
    fn with_assigned(&self, target: &Target<'c>) -> Item<'c> {
        if target.assigned.is_empty() {
            return target.item.clone();
        }
        let columns = target.item.columns.list(self.schema());
        let columns = columns.iter().map(|column| {
            let assigned = target.assigned.iter().filter(|(name, _)| name.is_empty() || *name == column.name);
            let value = assigned.fold(column.value.clone(), |all, (_, value)| all.or(value));
            Column { value, ..column.clone() }
        });
        Item { columns: Columns::Known(columns.collect()), ..target.item.clone() }
    }

    /// RETURNING: the rows as they are now, and as `old` and `new`.
    fn returning(&mut self, node: Node<'c>, target: &Target<'c>) -> Rc<[Column<'c>]> {
        let Some(clause) = node.node(at!("returningClause")) else { return Rc::from([]) };
        let item = self.with_assigned(target);
        let mut from = self.scopes.replace(Vec::new());
        if let Some(first) = from.first_mut() {
            *first = From::Item(item.clone());
        }
        if node.kind() == Tag::MergeStmt {
            from.reverse(); // `*`: those of the source first
        }
        self.scopes.close();
        let mut names = ["old", "new"];
        for option in nodes(clause.list(at!("options"))) {
            let at = usize::from(option.text(at!("option")) != "RETURNING_OPTION_OLD");
            if let Some(name) = names.get_mut(at) {
                *name = option.text(at!("value"));
            }
        }
        for name in names {
            self.scopes.add(From::Item(Item { name, schema: None, ..item.clone() }));
        }
        self.scopes.open(0);
        self.scopes.replace(from);
        let columns = self.targets(clause.list(at!("exprs")));
        columns.into()
    }
}
