//! INSERT, UPDATE, DELETE and MERGE: what they fill, what they ask, and what RETURNING shows.

use std::rc::Rc;

use super::follow::Follower;
use super::operators::is_fixed;
use super::scope::{self, Columns, From, Item};
use super::select::nodes;
use super::value::{Column, Value};
use crate::tree::{Node, Value as Field};
use crate::{Clause, Name, RelationKind};

/// The relation that a statement changes.
struct Target<'c> {
    /// As it was written.
    name: Name,
    /// As RETURNING and WHERE see it.
    item: Item<'c>,
    /// Its columns.
    columns: Rc<[Column]>,
    /// What was assigned to them, by name.
    assigned: Vec<(Rc<str>, Value)>,
    is_view: bool,
}

impl<'c> Follower<'c> {
    /// A statement that changes rows; its columns are those of RETURNING.
    pub(super) fn change(&mut self, node: &Node<'_>) -> Rc<[Column]> {
        self.with(node.node("withClause"), |this| {
            let Some(relation) = node.node("relation") else { return Rc::from([]) };
            let mut target = this.target(relation);
            let source = if node.kind == "InsertStmt" { this.inserted(node, &mut target) } else { Value::clean() };
            this.scopes.open();
            this.scopes.open();
            this.scopes.add(From::Item(target.item.clone()));
            match node.kind {
                "InsertStmt" => this.conflict(node, &mut target, &source),
                "MergeStmt" => this.merge(node, &mut target),
                _ => {
                    nodes(node.list("fromClause"))
                        .chain(nodes(node.list("usingClause")))
                        .for_each(|item| this.source(item));
                    this.predicate(node.get("whereClause"));
                    this.assignments(node.list("targetList"), &mut target);
                }
            }
            let columns = this.returning(node, &target);
            this.scopes.close();
            this.scopes.close();
            columns
        })
    }

    fn target(&mut self, relation: &Node<'_>) -> Target<'c> {
        let name = crate::walk::range_name(relation);
        let resolved = super::relations::resolve(self, &name);
        let known = self.schema().relation(&resolved.name, &[]);
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
    fn assign(&mut self, target: &mut Target<'c>, column: &str, value: Value) {
        let known = target.columns.iter().find(|known| &*known.name == column);
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
        target.assigned.push((Rc::from(column), value));
    }

    /// The rows that INSERT brings.
    fn inserted(&mut self, node: &Node<'_>, target: &mut Target<'c>) -> Value {
        let Some(query) = node.node("selectStmt") else { return Value::clean() };
        let columns = self.query(query);
        let written: Vec<Rc<str>> = nodes(node.list("cols")).map(|column| Rc::from(column.text("name"))).collect();
        let known: Vec<Rc<str>> = target.columns.iter().map(|column| Rc::clone(&column.name)).collect();
        let names = if written.is_empty() { known } else { written };
        let told = !scope::has_star(&columns) && !names.iter().any(|name| &**name == scope::STAR);
        for (at, column) in columns.iter().enumerate() {
            let name = names.get(at).filter(|_| told).map_or("", |name| name);
            self.assign(target, name, column.value.clone());
        }
        Value::all(columns.iter().map(|column| &column.value))
    }

    /// ON CONFLICT compares what is brought with what is there.
    fn conflict(&mut self, node: &Node<'_>, target: &mut Target<'c>, source: &Value) {
        let Some(conflict) = node.node("onConflictClause") else { return };
        self.arbiter(node, conflict, target, source);
        let excluded = Item { name: Rc::from("excluded"), schema: None, ..self.with_assigned(target) };
        self.scopes.add(From::Item(excluded));
        self.predicate(conflict.get("whereClause"));
        self.assignments(conflict.list("targetList"), target);
        self.scopes.take();
    }

    /// The columns by which a conflict is found: those named, or any that is brought.
    fn arbiter(&mut self, node: &Node<'_>, conflict: &Node<'_>, target: &Target<'c>, source: &Value) {
        let infer = conflict.node("infer");
        let elements: Vec<&Node<'_>> = infer.map(|infer| nodes(infer.list("indexElems")).collect()).unwrap_or_default();
        let rows = node.node("selectStmt").map_or(&[][..], |query| query.list("valuesLists"));
        let fixed =
            source.is_clean() && !rows.is_empty() && nodes(rows).all(|row| nodes(row.list("items")).all(is_fixed));
        let clause = if fixed { Clause::Match } else { Clause::Where };
        if elements.is_empty() {
            let written: Vec<&str> = nodes(node.list("cols")).map(|column| column.text("name")).collect();
            for column in target.columns.iter().filter(|column| written.is_empty() || written.contains(&&*column.name))
            {
                self.probe(&column.value, clause, conflict);
            }
        }
        for element in elements {
            let value = match element.node("expr") {
                Some(expression) => self.expression(expression),
                None => self.named_column(element.text("name")).unwrap_or_default(),
            };
            self.probe(&value, if value.is_whole() { clause } else { Clause::Where }, element);
        }
        if let Some(infer) = infer {
            self.predicate(infer.get("whereClause"));
        }
    }

    /// `SET a = …, (b, c) = …`.
    fn assignments(&mut self, list: &[Field<'_>], target: &mut Target<'c>) {
        for assignment in nodes(list) {
            let value = self.of(assignment.get("val"));
            for index in nodes(assignment.list("indirection")) {
                let index = self.of(index.get("lidx")).with(&self.of(index.get("uidx")));
                self.probe(&index, Clause::Other, assignment);
            }
            self.assign(target, assignment.text("name"), value);
        }
    }

    fn merge(&mut self, node: &Node<'_>, target: &mut Target<'c>) {
        node.node("sourceRelation").into_iter().for_each(|source| self.source(source));
        self.predicate(node.get("joinCondition"));
        for clause in nodes(node.list("mergeWhenClauses")) {
            self.predicate(clause.get("condition"));
            if clause.text("commandType") != "CMD_INSERT" {
                self.assignments(clause.list("targetList"), target);
                continue;
            }
            let written: Vec<Rc<str>> =
                nodes(clause.list("targetList")).map(|column| Rc::from(column.text("name"))).collect();
            let known: Vec<Rc<str>> = target.columns.iter().map(|column| Rc::clone(&column.name)).collect();
            let names = if written.is_empty() { known } else { written };
            for (at, value) in nodes(clause.list("values")).enumerate() {
                let value = self.expression(value);
                self.assign(target, names.get(at).map_or("", |name| name), value);
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
    fn returning(&mut self, node: &Node<'_>, target: &Target<'c>) -> Rc<[Column]> {
        let Some(clause) = node.node("returningClause") else { return Rc::from([]) };
        let item = self.with_assigned(target);
        let mut from = self.scopes.replace(Vec::new());
        if let Some(first) = from.first_mut() {
            *first = From::Item(item.clone());
        }
        if node.kind == "MergeStmt" {
            from.reverse(); // `*`: those of the source first
        }
        self.scopes.close();
        let mut names = [Rc::from("old"), Rc::from("new")];
        for option in nodes(clause.list("options")) {
            let at = usize::from(option.text("option") != "RETURNING_OPTION_OLD");
            if let Some(name) = names.get_mut(at) {
                *name = Rc::from(option.text("value"));
            }
        }
        for name in names {
            self.scopes.add(From::Item(Item { name, schema: None, ..item.clone() }));
        }
        self.scopes.open();
        self.scopes.replace(from);
        let columns = self.targets(clause.list("exprs"));
        columns.into()
    }
}
