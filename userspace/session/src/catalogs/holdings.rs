//! What a database holds, put together from rows, with what policy names in it and what was written into it.

use std::collections::{HashMap, HashSet};

use pan::Whole;
use policy::{ColumnPattern, Policy};
use sql::{Column, ColumnId, Computation, Name, Relation, RelationKind, Schema, Sensitivity, Watch, matches};

use super::{CatalogColumn, CatalogTable, Treatment, sought_of, treatment_of};
use crate::taints::Tainted;

/// Relations as their rows come: each one's own, then the columns of all, both in order of the OIDs.
#[derive(Debug, Default)]
pub(crate) struct Relations {
    relations: Vec<Relation>,
    columns: usize,
    /// Which relation the last column was of.
    at: usize,
}

/// The columns of one relation's row.
#[derive(Debug)]
pub(crate) struct RelationRow<'a> {
    pub(crate) oid: u32,
    pub(crate) schema: String,
    pub(crate) name: String,
    /// `pg_class.relkind`.
    pub(crate) kind: &'a str,
    /// OIDs with a blank between.
    pub(crate) parents: &'a str,
    pub(crate) has_rules: bool,
    /// What `pg_get_viewdef` says; cut off: nothing.
    pub(crate) query: Option<String>,
    /// What it makes of its rows by itself, as the question writes it.
    pub(crate) computations: &'a str,
}

/// One of those: what it is, which columns it looks at, an expression.
fn computation(words: &str) -> Option<Computation> {
    let mut parts = words.splitn(3, '\u{1f}');
    let (what, columns, expression) = (parts.next()?, parts.next()?, parts.next()?);
    let numbers: Vec<i16> = columns.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
    if what == "g" {
        // Cut off: not told.
        let is_whole = expression.chars().count() < EXPRESSION_MAX;
        let expression = if is_whole { expression.to_owned() } else { String::new() };
        return Some(Computation::Generated { column: *numbers.first()?, expression });
    }
    let by = match what {
        "c" => Watch::Check,
        "p" | "u" => Watch::Key,
        "x" => Watch::Exclusion,
        "f" => Watch::Reference,
        "i" => Watch::Index,
        "b" => Watch::Partition,
        "t" => Watch::Trigger,
        "s" => Watch::Security,
        "d" => Watch::Domain,
        _ => return None,
    };
    let named: Vec<i16> = numbers.iter().copied().filter(|number| *number > 0).collect();
    // 0 stands for an expression. An index tells beside it which columns that is made of.
    let is_told = !numbers.contains(&0) || by == Watch::Index && !named.is_empty();
    Some(Computation::Watched { by, columns: if is_told { named } else { Vec::new() } })
}

/// The longest expression that is asked for; one of this length counts as cut off.
const EXPRESSION_MAX: usize = 1 << 16;

impl Relations {
    /// `None`: what it makes of its rows cannot be read.
    pub(crate) fn relation(&mut self, row: RelationRow<'_>) -> Option<()> {
        let temporary = row.schema.starts_with("pg_temp_");
        let kind = match row.kind {
            // A materialized view holds what its query gave when it was last refreshed.
            "v" | "m" => RelationKind::View { query: row.query.unwrap_or_default() },
            "S" => RelationKind::Sequence,
            "r" | "p" | "f" => RelationKind::Table,
            _ => RelationKind::Other,
        };
        self.relations.push(Relation {
            oid: row.oid,
            name: Name::new(Some(if temporary { "pg_temp" } else { &row.schema }), &row.name),
            kind,
            columns: Vec::new(),
            has_rules: row.has_rules,
            parents: row.parents.split(' ').filter_map(|oid| oid.parse().ok()).collect(),
            computations: row
                .computations
                .split('\u{1e}')
                .filter(|words| !words.is_empty())
                .map(computation)
                .collect::<Option<_>>()?,
        });
        Some(())
    }

    /// A column of a relation that was not told of is left out: there were too many.
    pub(crate) fn column(&mut self, oid: u32, column: Column) {
        self.columns += 1;
        while self.relations.get(self.at).is_some_and(|relation| relation.oid < oid) {
            self.at += 1;
        }
        if let Some(relation) = self.relations.get_mut(self.at).filter(|relation| relation.oid == oid) {
            relation.columns.push(column);
        }
    }

    /// There were more rows than were asked for.
    pub(super) fn is_cut(&self, rows_max: usize) -> bool {
        self.columns > rows_max || self.relations.len() > rows_max
    }

    /// Those that are known whole.
    pub(crate) fn finish(mut self, rows_max: usize) -> Vec<Relation> {
        if self.is_cut(rows_max) {
            let last = self.relations.iter().rposition(|relation| !relation.columns.is_empty()).unwrap_or_default();
            self.relations.truncate(last);
        }
        self.relations
    }
}

/// A schema and how its columns are treated, while that is being found out.
pub(super) struct Holdings<'a> {
    policy: &'a Policy,
    endpoint: &'a str,
    schema: Schema,
    tables: Vec<CatalogTable>,
    treated: HashMap<ColumnId, Treatment>,
    /// Columns that agents have written into.
    written: HashSet<ColumnId>,
}

impl<'a> Holdings<'a> {
    /// `tables`: sorted by OID.
    pub(super) fn of(
        (policy, endpoint): (&'a Policy, &'a str),
        schema: Schema,
        tables: Vec<CatalogTable>,
    ) -> Holdings<'a> {
        let mut treated = HashMap::new();
        for table in &tables {
            for column in table.columns.iter().filter(|column| column.treatment != Treatment::Content) {
                treated.insert(ColumnId { relation: table.oid, number: column.number }, column.treatment);
            }
        }
        Holdings { policy, endpoint, schema, tables, treated, written: HashSet::new() }
    }

    /// What policy names.
    pub(super) fn name(&mut self) {
        for relation in self.schema.relations() {
            let schema = relation.name.schema.as_deref().unwrap_or_default();
            for column in &relation.columns {
                match treatment_of(self.policy, self.endpoint, schema, &relation.name.name, &column.name) {
                    Treatment::Content => {}
                    named => _ = self.treated.insert(ColumnId { relation: relation.oid, number: column.number }, named),
                }
            }
        }
    }

    /// What was written into it.
    pub(super) fn taint(&mut self, taints: &[&Tainted]) {
        if taints.is_empty() {
            return;
        }
        for relation in self.schema.relations() {
            for column in &relation.columns {
                if taints.iter().any(|tainted| tainted.is(relation, column)) {
                    let id = ColumnId { relation: relation.oid, number: column.number };
                    self.written.insert(id);
                    let known = self.treated.get(&id).copied().unwrap_or(Treatment::Content);
                    // What policy hides already keeps its way.
                    if !matches!(known, Treatment::Whole(_)) {
                        self.treated.insert(id, Treatment::Whole(Whole::KeepNothing));
                    }
                }
            }
        }
    }

    /// A partition's rows are its parent's, both ways; a column that is clear in the parent is clear in its parts alone.
    fn inherit(&mut self) {
        let mut pairs: Vec<(ColumnId, ColumnId)> = Vec::new();
        for child in self.schema.relations() {
            for parent in child.parents.iter().filter_map(|oid| self.schema.relation_of(*oid)) {
                for column in &parent.columns {
                    if let Some(own) = child.columns.iter().find(|own| own.name == column.name) {
                        pairs.push((
                            ColumnId { relation: parent.oid, number: column.number },
                            ColumnId { relation: child.oid, number: own.number },
                        ));
                    }
                }
            }
        }
        let mut changed = !pairs.is_empty();
        while changed {
            changed = false;
            for (parent, child) in &pairs {
                let of =
                    |treated: &HashMap<ColumnId, Treatment>, id| treated.get(id).copied().unwrap_or(Treatment::Content);
                let (above, below) = (of(&self.treated, parent), of(&self.treated, child));
                let both = above.stricter(below);
                if both != below {
                    self.treated.insert(*child, both);
                    changed = true;
                }
                if both != above && matches!(both, Treatment::Whole(_)) {
                    self.treated.insert(*parent, both);
                    changed = true;
                }
                let is_written = [parent, child].map(|id| self.written.contains(id));
                if is_written[0] != is_written[1] {
                    self.written.extend([*parent, *child]);
                    changed = true;
                }
            }
        }
    }

    /// The schema, and the tables with a column that is treated, sorted by OID.
    pub(super) fn assemble(mut self) -> (Schema, Vec<CatalogTable>) {
        self.inherit();
        let Holdings { policy, endpoint, mut schema, mut tables, treated, written } = self;
        let watched = policy.watched(endpoint);
        schema.is_watching = !watched.is_empty();
        let is_watched =
            |relation: &Relation, column: &Column| watched.iter().any(|one| is_meant(one, relation, column));
        let is_touched = |relation: &Relation, column: &Column| {
            treated.contains_key(&id(relation, column)) || is_watched(relation, column)
        };
        let touched: Vec<Relation> = schema
            .relations()
            .filter(|relation| relation.columns.iter().any(|column| is_touched(relation, column)))
            .cloned()
            .collect();
        for mut relation in touched {
            let oid = relation.oid;
            let known: Vec<Sensitivity> = relation
                .columns
                .iter()
                .map(|column| match treated.get(&id(&relation, column)) {
                    Some(Treatment::Whole(_)) => Sensitivity::Sensitive,
                    Some(Treatment::Clear) => Sensitivity::Clear,
                    Some(Treatment::Content) | None if is_watched(&relation, column) => Sensitivity::Watched,
                    Some(Treatment::Content) | None => Sensitivity::None,
                })
                .collect();
            let is_treated = relation.columns.iter().any(|column| treated.contains_key(&id(&relation, column)));
            relation.columns.iter_mut().zip(known).for_each(|(column, known)| column.sensitivity = known);
            if !is_treated {
                schema.add_relation(relation);
                continue;
            }
            match tables.binary_search_by_key(&oid, |table| table.oid) {
                Ok(at) => retreat(tables.get_mut(at), &treated),
                Err(at) => tables.insert(at, table_of((policy, endpoint), &relation, &treated)),
            }
            schema.add_relation(relation);
        }
        for table in &mut tables {
            let oid = table.oid;
            let is_written = |number| written.contains(&ColumnId { relation: oid, number });
            table.columns.iter_mut().for_each(|column| column.is_written = is_written(column.number));
        }
        (schema, tables)
    }
}

/// Does a rule name this column?
fn is_meant(pattern: &ColumnPattern, relation: &Relation, column: &Column) -> bool {
    matches(&pattern.schema, relation.name.schema.as_deref().unwrap_or_default())
        && matches(&pattern.table, &relation.name.name)
        && matches(&pattern.column, &column.name)
}

fn id(relation: &Relation, column: &Column) -> ColumnId {
    ColumnId { relation: relation.oid, number: column.number }
}

fn retreat(table: Option<&mut CatalogTable>, treated: &HashMap<ColumnId, Treatment>) {
    let Some(table) = table else { return };
    for column in &mut table.columns {
        if let Some(treatment) = treated.get(&ColumnId { relation: table.oid, number: column.number }) {
            column.treatment = *treatment;
        }
    }
}

fn table_of(
    (policy, endpoint): (&Policy, &str),
    relation: &Relation,
    treated: &HashMap<ColumnId, Treatment>,
) -> CatalogTable {
    let (schema, name) = (relation.name.schema.clone().unwrap_or_default(), &relation.name.name);
    let columns = relation.columns.iter().map(|column| CatalogColumn {
        number: column.number,
        name: column.name.clone(),
        type_oid: column.type_oid,
        treatment: treated.get(&id(relation, column)).copied().unwrap_or(Treatment::Content),
        is_written: false,
        sought: sought_of(policy, endpoint, &schema, name, &column.name),
    });
    let columns = columns.collect();
    CatalogTable { columns, oid: relation.oid, schema: schema.to_string(), name: name.to_string() }
}
