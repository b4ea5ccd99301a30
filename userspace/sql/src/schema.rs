//! What a database holds, as far as telling where a value comes from needs it: plain data, filled by who may ask the server.
//!
//! The server's own relations (`pg_catalog`, `information_schema`) are not in it: [`crate::is_catalog_relation`] knows them.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::OnceLock;

use foldhash::fast::RandomState;

use crate::Name;
use crate::digest::{Digests, Map, Sought};

/// A column of a relation: its OID and attribute number, as RowDescription names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnId {
    /// `pg_class.oid`.
    pub relation: u32,
    /// `pg_attribute.attnum`, from 1.
    pub number: i16,
}

/// What policy, or what was written into it before, makes of a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sensitivity {
    /// Nobody named it.
    #[default]
    None,
    /// A rule asks whether it is used (`columns`, `where`); nothing else is known of it.
    Watched,
    /// Policy calls it clear: nothing that derives from it is masked by name or by content.
    Clear,
    /// Its values must not leave.
    Sensitive,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// `attnum`, from 1.
    pub number: i16,
    /// `attname`.
    pub name: String,
    /// `atttypid`; a domain's own.
    pub type_oid: u32,
    /// What is known of its values.
    pub sensitivity: Sensitivity,
}

/// What a relation is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelationKind {
    /// Holds rows of its own: a table, a partitioned table, a foreign table.
    Table,
    /// A view, or a materialized view; its query as `pg_get_viewdef` writes it under `search_path = pg_catalog`, so that every other name is qualified.
    View {
        /// The query. Empty: the server did not tell; such a view is unknown.
        query: String,
    },
    /// A sequence: reveals numbers of its own.
    Sequence,
    /// An index, a composite type, a toast table.
    Other,
}

/// One relation that is not the server's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// `pg_class.oid`.
    pub oid: u32,
    /// Schema and name; the schema is always there. A temporary one's is `pg_temp`.
    pub name: Name,
    /// What it is.
    pub kind: RelationKind,
    /// Its columns in order of their numbers, dropped ones left out.
    pub columns: Vec<Column>,
    /// Has rules (`pg_rewrite`) beside a view's own: what a statement on it does cannot be told from its text.
    pub has_rules: bool,
    /// Relations that it inherits from or is a partition of, by OID: their columns' sensitivity holds here too by name.
    pub parents: Vec<u32>,
    /// What it makes of the values of its columns by itself.
    pub computations: Vec<Computation>,
}

/// What a relation makes of a row's values when it comes or is changed, with nothing of it in the statement: whoever fills a column and
/// looks at what was made, or at whether it failed, learns of the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Computation {
    /// A generated column.
    Generated {
        /// Its `attnum`.
        column: i16,
        /// As `pg_get_expr` writes it under `search_path = pg_catalog`. Empty: not told, so it may be made of all columns.
        expression: String,
    },
    /// Something that looks at columns.
    Watched {
        /// What.
        by: Watch,
        /// Their `attnum`s; empty: it may look at all.
        columns: Vec<i16>,
    },
}

/// What looks at the columns of a row that comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Watch {
    /// A generated column is made of it.
    Generated,
    /// CHECK: fails, or does not.
    Check,
    /// A primary key or UNIQUE: fails where the value is there already.
    Key,
    /// EXCLUDE: fails by an operator's word.
    Exclusion,
    /// A foreign key: a lookup that fails or does not, and a value that may be copied on.
    Reference,
    /// An index: its expressions run, its predicate decides, its order and size can be seen.
    Index,
    /// A partition's bounds: the place of the row tells of the value.
    Partition,
    /// A trigger: code that sees the row.
    Trigger,
    /// Row level security: a predicate that fails or hides.
    Security,
    /// The column's type is a domain, or made of others: its constraints run.
    Domain,
}

impl Watch {
    /// In words: `a check`.
    pub fn as_str(self) -> &'static str {
        match self {
            Watch::Generated => "a generated column",
            Watch::Check => "a check",
            Watch::Key => "a key",
            Watch::Exclusion => "an exclusion",
            Watch::Reference => "a foreign key",
            Watch::Index => "an index",
            Watch::Partition => "a partition's bounds",
            Watch::Trigger => "a trigger",
            Watch::Security => "row level security",
            Watch::Domain => "a domain",
        }
    }
}

/// What a function that is not the server's own does with what it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Schema and name.
    pub name: Name,
    /// Language `sql` with a body as text: it can be looked into. Everything else is opaque.
    pub body: Option<String>,
    /// The names of its arguments in order, empty where it has none; for a body that uses them by name.
    pub arguments: Vec<String>,
}

/// By names that a database has, and so agents may make: hashed with a seed of its own.
type Named<T> = HashMap<String, T, RandomState>;

/// What follows from the relations, kept: no part of what a schema is.
#[derive(Clone, Debug, Default)]
struct Index {
    /// Made when first asked for.
    kin: OnceLock<Kin>,
}

/// Relations that inherit or are inherited.
#[derive(Clone, Debug, Default)]
struct Kin {
    /// What is known of their columns, by relation and column name.
    columns: Map<u32, Named<Sensitivity>>,
    /// All that inherit from one, directly or not.
    heirs: Map<u32, Vec<u32>>,
}

impl PartialEq for Index {
    fn eq(&self, _: &Index) -> bool {
        true
    }
}

impl Eq for Index {}

/// A relation, and where to look for a column by its name.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    relation: Relation,
    names: Digests,
}

impl Kept {
    fn new(relation: Relation) -> Kept {
        let names = Digests::of(relation.columns.iter().map(|column| column.name.as_str()));
        Kept { relation, names }
    }

    /// The slots of its columns' names.
    pub(crate) fn slots(&self) -> impl Iterator<Item = usize> {
        self.names.slots()
    }

    /// The column of that name.
    #[inline(always)]
    pub(crate) fn column(&self, name: Sought<'_>) -> Option<&Column> {
        let is_it = |at: usize, name: &str| self.columns.get(at).is_some_and(|column| column.name == name);
        self.names.find(name, is_it).and_then(|at| self.columns.get(at))
    }
}

impl Deref for Kept {
    type Target = Relation;

    fn deref(&self) -> &Relation {
        &self.relation
    }
}

impl PartialEq for Kept {
    fn eq(&self, other: &Kept) -> bool {
        self.relation == other.relation
    }
}

impl Eq for Kept {}

/// As rules and the description call a session's temporary schema.
pub(crate) const TEMPORARY: &str = "pg_temp";

/// A schema by that name: the server has a number for each session's temporary one.
pub(crate) fn plain(schema: &str) -> &str {
    if schema.starts_with("pg_temp_") { TEMPORARY } else { schema }
}

/// What one database holds for one user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    /// By bare name; of those of one name each has another schema, and they are in its order.
    relations: Named<Vec<Kept>>,
    by_oid: Map<u32, Name>,
    functions: Named<Vec<Function>>,
    operators: Vec<String>,
    index: Index,
    keys: Map<u32, Vec<Vec<i16>>>,
    /// Every column that a rule asks about is [`Sensitivity::Watched`] or more; else what is used of a relation is not told.
    pub is_watching: bool,
    /// Not all of it was told: more relations, columns or functions than the limit.
    pub is_partial: bool,
}

impl Schema {
    /// An empty database.
    pub fn new() -> Schema {
        Schema::default()
    }

    /// Adds a relation, or replaces the one of its name.
    pub fn add_relation(&mut self, relation: Relation) {
        self.index.kin.take();
        self.by_oid.insert(relation.oid, relation.name.clone());
        let named = self.relations.entry(relation.name.name.to_string()).or_default();
        let relation = Kept::new(relation);
        match named.binary_search_by(|known| known.name.schema.cmp(&relation.name.schema)) {
            Ok(at) => named.splice(at..=at, [relation]).for_each(drop),
            Err(at) => named.insert(at, relation),
        }
    }

    /// Adds a function; overloads stand beside each other.
    pub fn add_function(&mut self, function: Function) {
        self.functions.entry(function.name.name.to_string()).or_default().push(function);
    }

    /// Adds a key of a relation: columns, by number, of which no two rows have the same values.
    pub fn add_key(&mut self, relation: u32, columns: Vec<i16>) {
        self.keys.entry(relation).or_default().push(columns);
    }

    /// The keys of a relation.
    pub fn keys(&self, relation: u32) -> &[Vec<i16>] {
        self.keys.get(&relation).map_or(&[], Vec::as_slice)
    }

    /// Adds the name of an operator that is not the server's own.
    pub fn add_operator(&mut self, name: &str) {
        if !self.has_operator(name) {
            self.operators.push(name.to_owned());
        }
    }

    /// The relation that a name means, with the schemas that are searched in order (`current_schemas(true)`).
    pub fn relation(&self, name: &Name, schemas: &[String]) -> Option<&Relation> {
        self.relation_on(name, schemas.iter().map(String::as_str))
    }

    /// The same where these are searched.
    pub(crate) fn relation_on<'p>(&self, name: &Name, mut path: impl Iterator<Item = &'p str>) -> Option<&Relation> {
        let named = self.named(&name.name);
        let of = |schema: &str| named.iter().find(|one| one.name.is_in(schema)).map(Deref::deref);
        match &name.schema {
            Some(schema) => of(schema),
            None => path.find_map(|schema| of(plain(schema))),
        }
    }

    /// The relations of that bare name, in any schema.
    pub(crate) fn named(&self, name: &str) -> &[Kept] {
        self.relations.get(name).map_or(&[], Vec::as_slice)
    }

    /// The relation of an OID.
    pub fn relation_of(&self, oid: u32) -> Option<&Relation> {
        let name = self.by_oid.get(&oid)?;
        self.named(&name.name).iter().find(|relation| relation.name.schema == name.schema).map(Deref::deref)
    }

    /// What is known of a column's values: its own, that of the columns of its name which its relation inherits, and that of those
    /// which inherit it (reading a parent reads its children).
    pub fn sensitivity_in(&self, relation: &Relation, column: &Column) -> Sensitivity {
        let Some(inherited) = self.kin().columns.get(&relation.oid) else { return column.sensitivity };
        inherited.get(&column.name).copied().unwrap_or_default().max(column.sensitivity)
    }

    /// As [`Schema::sensitivity_in`], by number.
    pub fn sensitivity(&self, id: ColumnId) -> Sensitivity {
        let Some(relation) = self.relation_of(id.relation) else { return Sensitivity::None };
        let column = relation.columns.iter().find(|column| column.number == id.number);
        column.map_or(Sensitivity::None, |column| self.sensitivity_in(relation, column))
    }

    /// All relations, in no order.
    pub fn relations(&self) -> impl Iterator<Item = &Relation> {
        self.kept().map(Deref::deref)
    }

    /// The same with where their columns are.
    pub(crate) fn kept(&self) -> impl Iterator<Item = &Kept> {
        self.relations.values().flatten()
    }

    fn kin(&self) -> &Kin {
        self.index.kin.get_or_init(|| {
            let mut kin = Kin::default();
            for relation in self.relations() {
                for ancestor in self.ancestors(relation) {
                    inherit(&mut kin.columns, relation, ancestor);
                    inherit(&mut kin.columns, ancestor, relation);
                    kin.heirs.entry(ancestor.oid).or_default().push(relation.oid);
                }
            }
            kin
        })
    }

    fn ancestors<'s>(&'s self, relation: &Relation) -> Vec<&'s Relation> {
        let mut open: Vec<u32> = relation.parents.clone();
        let mut known: Vec<&Relation> = Vec::new();
        while let Some(oid) = open.pop() {
            let Some(parent) = self.relation_of(oid) else { continue };
            if parent.oid != relation.oid && known.iter().all(|one| one.oid != oid) {
                known.push(parent);
                open.extend(&parent.parents);
            }
        }
        known
    }

    /// A relation, and all that inherit from it: what is written into it may be written there.
    pub fn heirs<'s>(&'s self, relation: &'s Relation) -> impl Iterator<Item = &'s Relation> {
        let heirs = self.kin().heirs.get(&relation.oid).into_iter().flatten();
        std::iter::once(relation).chain(heirs.filter_map(|oid| self.relation_of(*oid)))
    }

    /// The functions of the user's that bear a bare name, in any schema.
    pub fn functions(&self, name: &str) -> &[Function] {
        self.functions.get(name).map_or(&[], Vec::as_slice)
    }

    /// Is there an operator of that name that is not the server's own?
    pub fn has_operator(&self, name: &str) -> bool {
        self.operators.iter().any(|known| known == name)
    }
}

/// Notes for `to` what is known of the columns of `from`.
fn inherit(inherited: &mut Map<u32, Named<Sensitivity>>, to: &Relation, from: &Relation) {
    let known = inherited.entry(to.oid).or_default();
    for column in from.columns.iter().filter(|column| column.sensitivity != Sensitivity::None) {
        let entry = known.entry(column.name.clone()).or_default();
        *entry = column.sensitivity.max(*entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(oid: u32, schema: &str, name: &str) -> Relation {
        let name = Name::new(Some(schema), name);
        Relation {
            oid,
            name,
            kind: RelationKind::Table,
            columns: Vec::new(),
            has_rules: false,
            parents: Vec::new(),
            computations: Vec::new(),
        }
    }

    #[test]
    fn a_bare_name_is_the_first_that_is_found() {
        let mut schema = Schema::new();
        schema.add_relation(table(1, "public", "t"));
        schema.add_relation(table(2, "pg_temp", "t"));
        let searched = |path: &[&str]| {
            let path: Vec<String> = path.iter().map(|&s| s.to_owned()).collect();
            schema.relation(&Name::new(None, "t"), &path).map(|relation| relation.oid)
        };
        assert_eq!(searched(&["pg_temp_3", "pg_catalog", "public"]), Some(2));
        assert_eq!(searched(&["public", "pg_temp_3"]), Some(1));
        assert_eq!(searched(&["app"]), None);
    }
}
