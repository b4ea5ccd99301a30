//! Statements that carry a query: EXPLAIN, cursors, prepared statements, COPY, CREATE TABLE AS, CREATE VIEW.

use std::borrow::Cow;
use std::rc::Rc;

use super::follow::{Follower, Made};
use super::scope;
use super::select::{names, nodes};
use super::value::{Column, Value};
use super::{define, words};
use crate::tree::{List, Node, Tag, Value as Field, at};
use crate::walk::{range_name, range_parts};
use crate::{Name, Unknown, utility};

impl<'c> Follower<'c> {
    /// A statement as it stands in the text; its columns are those that it returns.
    pub(super) fn statement(&mut self, node: Node<'c>) -> Rc<[Column<'c>]> {
        match node.kind() {
            Tag::SelectStmt => {
                let columns = self.query(node);
                match into(node) {
                    Some(clause) => self.made_from(clause, columns),
                    None => columns,
                }
            }
            Tag::InsertStmt | Tag::UpdateStmt | Tag::DeleteStmt | Tag::MergeStmt => self.query(node),
            Tag::CreateTableAsStmt => self.carried(node, |this, columns| match node.node(at!("into")) {
                Some(into) => this.made_from(into, columns),
                None => columns,
            }),
            Tag::ViewStmt => self.view(node),
            Tag::ExplainStmt => self.explain(node),
            // What a cursor's FETCH or a prepared statement's EXECUTE will return.
            Tag::DeclareCursorStmt | Tag::PrepareStmt => self.carried(node, |_, columns| columns),
            Tag::ExecuteStmt => self.execute(node),
            Tag::FetchStmt => self.fetch(node),
            Tag::CopyStmt => self.copy(node),
            Tag::CallStmt => {
                if let Some(call) = node.node(at!("funccall")) {
                    self.expression(call);
                }
                Rc::from([])
            }
            Tag::VariableShowStmt => Rc::from([Column::new(node.text(at!("name")), Value::clean())]),
            _ => {
                define::visit(self, node);
                Rc::from([])
            }
        }
    }

    fn carried(
        &mut self,
        node: Node<'c>,
        then: impl FnOnce(&mut Self, Rc<[Column<'c>]>) -> Rc<[Column<'c>]>,
    ) -> Rc<[Column<'c>]> {
        let Some(query) = node.node(at!("query")) else { return Rc::from([]) };
        let columns = self.deeper(Rc::from([]), |this| this.statement(query));
        then(self, columns)
    }

    /// The relation of SELECT INTO or CREATE TABLE AS gets these columns.
    fn made_from(&mut self, into: Node<'c>, columns: Rc<[Column<'c>]>) -> Rc<[Column<'c>]> {
        if let Some(relation) = into.node(at!("rel")) {
            self.filled(range_name(relation), &columns, &names(into.list(at!("colNames"))));
        }
        Rc::from([])
    }

    fn view(&mut self, node: Node<'c>) -> Rc<[Column<'c>]> {
        self.carried(node, |this, columns| {
            if let Some(view) = node.node(at!("view")) {
                this.filled(range_name(view), &columns, &names(node.list(at!("aliases"))));
            }
            Rc::from([])
        })
    }

    fn filled(&mut self, target: Name, columns: &Rc<[Column<'c>]>, aliases: &[&'c str]) {
        let columns = scope::renamed(columns, aliases);
        for column in columns.iter() {
            let name = if column.name == scope::STAR { "" } else { column.name };
            self.flow(&target, name, &column.value);
        }
        self.earlier.relations.push(Made { name: target, columns });
    }

    /// Without ANALYZE nothing runs; the plan tells how many rows are expected. With it, how many there were.
    fn explain(&mut self, node: Node<'c>) -> Rc<[Column<'c>]> {
        let analyze = utility::is_analyze(node);
        let flows = self.found.flows.clone();
        let made = self.earlier.relations.len();
        self.carried(node, |this, columns| {
            if let Some(query) = node.node(at!("query")).filter(|_| analyze) {
                this.left_aside(query, &columns);
            }
            if !analyze {
                this.found.flows = flows;
                this.earlier.relations.truncate(made);
                this.found.is_plan = true;
            }
            Rc::from([Column::new("QUERY PLAN", Value::clean())])
        })
    }

    /// EXECUTE does what was prepared, if that is known.
    fn execute(&mut self, node: Node<'c>) -> Rc<[Column<'c>]> {
        nodes(node.list(at!("params"))).for_each(|parameter| drop(self.expression(parameter)));
        let name = node.text(at!("name"));
        let text = self.earlier.prepared.get(name).cloned();
        match text.or_else(|| (self.context.prepared)(name).map(str::to_owned)) {
            Some(text) => self.kept(&text, "EXECUTE of a statement that cannot be read"),
            None => self.unheard_of("EXECUTE of an unknown statement"),
        }
    }

    /// FETCH returns what the cursor's query says. What that asks was judged when it was declared.
    fn fetch(&mut self, node: Node<'c>) -> Rc<[Column<'c>]> {
        let name = node.text(at!("portalname"));
        let text = self.earlier.cursors.get(name).cloned();
        let Some(text) = text.or_else(|| (self.context.cursors)(name).map(str::to_owned)) else {
            return self.unheard_of("FETCH from an unknown cursor");
        };
        let probes = self.found.probes.clone();
        let columns = self.kept(&text, "FETCH from a cursor that cannot be read");
        self.found.probes = probes;
        if node.flag(at!("ismove")) { Rc::from([]) } else { columns }
    }

    fn unheard_of(&mut self, form: &str) -> Rc<[Column<'c>]> {
        self.unknown_form(form);
        Rc::from([])
    }

    /// A statement that was said before.
    fn kept(&mut self, text: &str, otherwise: &str) -> Rc<[Column<'c>]> {
        let columns = self.deeper(None, |this| {
            this.text(text, |this, statements| match statements {
                [statement] => Some(this.statement(*statement)),
                _ => None,
            })
        });
        columns.unwrap_or_else(|| self.unheard_of(otherwise))
    }

    fn copy(&mut self, node: Node<'c>) -> Rc<[Column<'c>]> {
        if let Some(query) = node.node(at!("query")) {
            return self.deeper(Rc::from([]), |this| this.statement(query));
        }
        let Some(relation) = node.node(at!("relation")) else { return Rc::from([]) };
        let item = self.range(relation);
        let columns = item.columns.list(self.schema());
        let named = names(node.list(at!("attlist")));
        let is_moved = |column: &&Column| named.is_empty() || named.contains(&column.name);
        self.used(Value::all(columns.iter().filter(is_moved).map(|column| &column.value)));
        if node.flag(at!("is_from")) {
            return Rc::from([]);
        }
        let (written, name) = range_parts(relation);
        let schema = super::relations::resolve(self, written, name).schema;
        let name = Name::new(schema, name);
        self.found.unbounded.push(Cow::Owned(name));
        let wanted = named;
        if wanted.is_empty() {
            return columns;
        }
        let pick = |name: &&'c str| columns.iter().find(|column| column.name == *name).cloned();
        let picked: Option<Vec<Column<'c>>> = wanted.iter().map(pick).collect();
        match picked {
            Some(picked) => Rc::from(picked),
            None if scope::has_star(&columns) => columns,
            None => {
                let missing = wanted.iter().find(|name| pick(name).is_none()).map_or("", |name| name);
                self.unknown(Unknown::Column(words::identifier(missing).into()));
                columns
            }
        }
    }
}

/// The INTO of a query: it stands in the first of a set operation's.
fn into<'j>(query: Node<'j>) -> Option<Node<'j>> {
    let mut query = query;
    loop {
        match (query.node(at!("intoClause")), query.node(at!("larg"))) {
            (Some(into), _) => return Some(into),
            (None, Some(left)) => query = left,
            (None, None) => return None,
        }
    }
}

/// The nodes that a definition's list of options names.
pub(super) fn option<'j>(options: List<'j>, name: &str) -> Option<Field<'j>> {
    nodes(options).find(|option| option.text(at!("defname")) == name).map(|option| option.get(at!("arg")))
}
