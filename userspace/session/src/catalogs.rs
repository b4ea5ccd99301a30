//! Sensitive columns by table OID and attribute number, and the types that a database has beside the built-in ones; kept per
//! shard because every session of one user on one database sees the same.

use std::collections::HashMap;
use std::sync::Arc;

use pan::Whole;
use policy::{ColumnPattern, Pattern, Policy, ScanMode, Sensitive, SensitiveKind};
use sql::{Function, Relation, Schema, matches};

use crate::budgets::Budgets;
use crate::evidence::{Evidence, Index};
use crate::postgres::rewrite::{Passed, Patterns, Spare, UserTypes};
use crate::taints::{Changes, Tainted, Taints};
use holdings::{Holdings, Relations};

pub(crate) mod holdings;

/// How one column is masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Treatment {
    /// By content alone.
    Content,
    /// The whole value.
    Whole(Whole),
    /// Not at all; policy says so by name.
    Clear,
}

impl Treatment {
    /// Of two that hold for one column, the one that shows less.
    pub(crate) fn stricter(self, other: Treatment) -> Treatment {
        let rank = |treatment| match treatment {
            Treatment::Content => 0,
            Treatment::Clear => 1,
            Treatment::Whole(Whole::KeepEnds) => 2,
            Treatment::Whole(Whole::KeepNothing) => 3,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

/// One column of a table that has a sensitive one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CatalogColumn {
    pub(crate) number: i16,
    pub(crate) name: String,
    pub(crate) type_oid: u32,
    pub(crate) treatment: Treatment,
    /// Agents have written into it: a copy of what is sensitive, or values of their own.
    pub(crate) is_written: bool,
    pub(crate) sought: NamedSought,
}

/// How policy wants one column to be searched by content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NamedSought {
    /// None: as its database.
    pub(crate) mode: Option<pan::Mode>,
    /// A bit for each of the database's patterns that is for it.
    pub(crate) patterns: u16,
}

/// A table (or view, or partition) that has a sensitive column, with all its columns in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CatalogTable {
    pub(crate) oid: u32,
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) columns: Vec<CatalogColumn>,
}

/// What our own query found in one database.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    /// Sorted by OID.
    tables: Vec<CatalogTable>,
    pub(crate) types: Option<Arc<UserTypes>>,
    /// All that the database holds; `None` where nothing in it is sensitive and no rule asks about it, and in a catalog that was never
    /// asked for.
    pub(crate) schema: Option<Arc<Schema>>,
    /// Something in it is sensitive: what cannot be told of a statement refuses it. Else only rules ask.
    pub(crate) guards: bool,
    /// All that the database holds is known, and nothing in it is sensitive: neither what policy names nor what was written there. So what
    /// cannot be told of a statement can tell no value.
    pub(crate) is_clean: bool,
    /// Major version of the server; 0: not known.
    server: u16,
    /// Equal versions of one shard: the same content, so that verdicts still hold. 0: nothing is known.
    pub(crate) version: u32,
    /// The taints that are in it.
    pub(crate) taints: u64,
    policy: Option<Arc<Policy>>,
    asked_ns: u64,
    /// What is changed in the database, and how often it was when this was asked for.
    changes: Arc<Changes>,
    epoch: u64,
}

impl Catalog {
    pub(crate) fn treatment(&self, table_oid: u32, number: i16) -> Treatment {
        self.column(table_oid, number).map_or(Treatment::Content, |column| column.treatment)
    }

    pub(crate) fn column(&self, table_oid: u32, number: i16) -> Option<&CatalogColumn> {
        let at = self.tables.binary_search_by_key(&table_oid, |table| table.oid).ok()?;
        self.tables.get(at).and_then(|table| table.columns.iter().find(|column| column.number == number))
    }

    /// Every table that policy names a column of.
    pub(crate) fn tables(&self) -> &[CatalogTable] {
        &self.tables
    }

    /// Every table that policy names a column of and that the name may mean.
    pub(crate) fn named<'a>(
        &'a self,
        name: &'a sql::Name,
        schemas: &'a [String],
    ) -> impl Iterator<Item = &'a CatalogTable> + 'a {
        self.tables.iter().filter(move |table| {
            name.name == table.name
                && match &name.schema {
                    Some(schema) => *schema == table.schema,
                    None => schemas.contains(&table.schema),
                }
        })
    }

    /// Whether an object for which `uses` holds may have been changed since this was asked for, by a session of any shard.
    pub(crate) fn is_behind(&self, uses: impl FnMut(&str) -> bool) -> bool {
        self.changes.count() != self.epoch && self.changes.since(self.epoch, uses)
    }

    /// Whether an object for which `uses` holds is being changed by a transaction that is open.
    pub(crate) fn is_changing(&self, uses: impl FnMut(&str) -> bool) -> bool {
        self.changes.is_changing(uses)
    }

    /// Major version of the server; what it is taken for where it is not known.
    pub(crate) fn server(&self) -> u16 {
        if self.server == 0 { sql::SERVER } else { self.server }
    }

    /// Whether it was asked for under the policy in force.
    pub(crate) fn is_of(&self, policy: &Arc<Policy>) -> bool {
        self.policy.as_ref().is_some_and(|known| Arc::ptr_eq(known, policy))
    }

    fn says_as(&self, other: &Catalog) -> bool {
        (&self.tables, &self.types, &self.schema, self.guards, self.server)
            == (&other.tables, &other.types, &other.schema, other.guards, other.server)
    }

    /// With these relations of one session beside the others, and what is tainted by now.
    fn with(&self, own: &[Relation], endpoint: &str, taints: &[&Tainted], generation: u64) -> Catalog {
        let mut fresh = Catalog { taints: generation, ..self.clone_of() };
        let (Some(schema), Some(policy)) = (&self.schema, &self.policy) else { return fresh };
        let mut schema = Schema::clone(schema);
        own.iter().for_each(|relation| schema.add_relation(relation.clone()));
        let mut holdings = Holdings::of((policy, endpoint), schema, std::mem::take(&mut fresh.tables));
        if !own.is_empty() {
            holdings.name();
        }
        holdings.taint(taints);
        fresh.guards |= !taints.is_empty();
        let (schema, tables) = holdings.assemble();
        fresh.is_clean = taints.is_empty() && is_clean(&schema, &tables);
        fresh.schema = Some(Arc::new(schema));
        fresh.tables = tables;
        fresh
    }

    fn clone_of(&self) -> Catalog {
        Catalog {
            tables: self.tables.clone(),
            types: self.types.clone(),
            schema: self.schema.clone(),
            guards: self.guards,
            is_clean: self.is_clean,
            server: self.server,
            version: self.version,
            taints: self.taints,
            policy: self.policy.clone(),
            asked_ns: self.asked_ns,
            changes: Arc::clone(&self.changes),
            epoch: self.epoch,
        }
    }
}

/// Collects the rows of our own query.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    tables: Vec<CatalogTable>,
    types: Vec<(u32, crate::postgres::rewrite::Kind)>,
    pub(crate) relations: Relations,
    functions: Vec<Function>,
    operators: Vec<String>,
    keys: Vec<(u32, Vec<i16>)>,
    pub(crate) server: u16,
}

/// What a catalog is of.
pub(crate) struct Origin<'a> {
    pub(crate) policy: &'a Arc<Policy>,
    pub(crate) endpoint: &'a str,
    pub(crate) dbname: &'a str,
    pub(crate) now_ns: u64,
    pub(crate) changes: Arc<Changes>,
    pub(crate) epoch: u64,
    /// Rows of a kind beyond which the rest was not asked for.
    pub(crate) columns_max: usize,
}

impl Builder {
    /// One row of the columns' part; rows come ordered by table OID and attribute number.
    pub(crate) fn column(&mut self, oid: u32, schema: String, table: String, column: CatalogColumn) {
        match self.tables.last_mut() {
            Some(last) if last.oid == oid => last.columns.push(column),
            _ => self.tables.push(CatalogTable { oid, schema, name: table, columns: vec![column] }),
        }
    }

    /// One row of the types' part: OID, name of the send function, subtype of a range or 0.
    pub(crate) fn type_of(&mut self, oid: u32, send: &str, subtype: u32) {
        if let Some(kind) = crate::postgres::rewrite::Kind::of_send(send, subtype) {
            self.types.push((oid, kind));
        }
    }

    pub(crate) fn function(&mut self, function: Function) {
        self.functions.push(function);
    }

    pub(crate) fn operator(&mut self, name: String) {
        self.operators.push(name);
    }

    /// A unique index: its relation, and its columns by number.
    pub(crate) fn key(&mut self, relation: u32, columns: Vec<i16>) {
        self.keys.push((relation, columns));
    }

    /// `schema`: whether it was asked what the database holds.
    fn finish(mut self, origin: &Origin<'_>, schema: bool, taints: (&[&Tainted], u64)) -> Catalog {
        self.tables.sort_by_key(|table| table.oid);
        let types = (!self.types.is_empty()).then(|| Arc::new(UserTypes::new(self.types)));
        let mut catalog = Catalog {
            types,
            taints: taints.1,
            policy: Some(Arc::clone(origin.policy)),
            asked_ns: origin.now_ns,
            changes: Arc::clone(&origin.changes),
            epoch: origin.epoch,
            server: self.server,
            ..Catalog::default()
        };
        if !schema {
            catalog.tables = self.tables;
            return catalog;
        }
        let mut schema = Schema::new();
        schema.is_partial = self.relations.is_cut(origin.columns_max) || self.functions.len() > origin.columns_max;
        self.relations.finish(origin.columns_max).into_iter().for_each(|relation| schema.add_relation(relation));
        self.functions.into_iter().for_each(|function| schema.add_function(function));
        self.operators.iter().for_each(|name| schema.add_operator(name));
        self.keys.into_iter().for_each(|(relation, columns)| schema.add_key(relation, columns));
        catalog.guards = !taints.0.is_empty() || origin.policy.sensitive(origin.endpoint).any(is_masked);
        let mut holdings = Holdings::of((origin.policy, origin.endpoint), schema, self.tables);
        holdings.name();
        holdings.taint(taints.0);
        let (schema, tables) = holdings.assemble();
        catalog.is_clean = taints.0.is_empty() && is_clean(&schema, &tables);
        catalog.schema = Some(Arc::new(schema));
        catalog.tables = tables;
        catalog
    }
}

fn is_clean(schema: &Schema, tables: &[CatalogTable]) -> bool {
    let mut columns = tables.iter().flat_map(|table| &table.columns);
    !schema.is_partial && !columns.any(|column| matches!(column.treatment, Treatment::Whole(_)))
}

/// By which OIDs relations are known that were tainted when they had none: the taint stays when they are renamed.
fn bound(schema: &Schema, taints: &[&Tainted]) -> Vec<Tainted> {
    let mut bound = Vec::new();
    for one in taints.iter().filter(|one| one.id.0 == 0) {
        for relation in schema.relations() {
            let Some(column) = relation.columns.iter().find(|column| one.is(relation, column)) else { continue };
            let number = if one.column.is_empty() { 0 } else { column.number };
            let named = relation.name.schema.as_deref().unwrap_or_default().to_owned();
            bound.push(Tainted { schema: named, id: (relation.oid, number), ..Tainted::clone(one) });
        }
    }
    bound
}

/// The strictest treatment that policy names for a column: nothing kept, then its ends kept, then clear.
pub(crate) fn treatment_of(policy: &Policy, database: &str, schema: &str, table: &str, column: &str) -> Treatment {
    let mut found = Treatment::Content;
    for sensitive in policy.sensitive(database) {
        let hit = matches(&sensitive.schema, schema)
            && matches(&sensitive.table, table)
            && matches(&sensitive.column, column);
        if !hit {
            continue;
        }
        found = found.stricter(treatment(sensitive.kind));
    }
    found
}

/// How policy wants this column to be searched by content; of several modes strict holds.
pub(crate) fn sought_of(policy: &Policy, database: &str, schema: &str, table: &str, column: &str) -> NamedSought {
    let hit = |names: &ColumnPattern| {
        matches(&names.schema, schema) && matches(&names.table, table) && matches(&names.column, column)
    };
    let mode = policy.scans(database).filter(|scan| hit(&scan.column)).map(|scan| scan.mode).max();
    let wanted = |pattern: &Pattern| pattern.columns.is_empty() || pattern.columns.iter().any(hit);
    NamedSought {
        mode: mode.map(|mode| match mode {
            ScanMode::Balanced => pan::Mode::Balanced,
            ScanMode::Strict => pan::Mode::Strict,
        }),
        patterns: (0..).zip(policy.patterns(database)).fold(0, |bits, (at, one)| bits | u16::from(wanted(one)) << at),
    }
}

fn treatment(kind: SensitiveKind) -> Treatment {
    match kind {
        SensitiveKind::Pan => Treatment::Whole(Whole::KeepEnds),
        SensitiveKind::Cvv
        | SensitiveKind::Expiry
        | SensitiveKind::Track
        | SensitiveKind::Secret
        | SensitiveKind::Pii => Treatment::Whole(Whole::KeepNothing),
        SensitiveKind::Clear => Treatment::Clear,
    }
}

/// Data that may not be kept at all, not even masked, after authorization (PCI DSS 3.3.1), and secrets.
pub(crate) fn is_secret(sensitive: &Sensitive) -> bool {
    matches!(sensitive.kind, SensitiveKind::Cvv | SensitiveKind::Track | SensitiveKind::Secret)
}

/// Every kind that is masked.
pub(crate) fn is_masked(sensitive: &Sensitive) -> bool {
    !matches!(sensitive.kind, SensitiveKind::Clear)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Place {
    endpoint: String,
    dbname: String,
    user: String,
}

/// The cache; one per shard.
#[derive(Debug, Default)]
pub struct Catalogs {
    known: HashMap<Place, Arc<Catalog>>,
    versions: u32,
    /// The policy that `patterns` are of.
    policy: Option<Arc<Policy>>,
    /// What was seen in the columns.
    pub(crate) seen: Index,
    /// What was written into columns that nobody names.
    pub(crate) taints: Arc<Taints>,
    pub(crate) budgets: Arc<Budgets>,
    /// Rows that are being passed and are not counted yet: empty between two calls.
    pub(crate) passed: Passed,
    /// Maskers that no session needs at the moment.
    pub(crate) masks: Spare,
    /// Of each database, for this shard alone.
    patterns: HashMap<String, Option<Arc<Patterns>>>,
    /// Lists of schemas that sessions of this shard have, one of each.
    paths: Vec<Arc<[String]>>,
}

/// Lists of schemas remembered; over it all are forgotten, and sessions have their own.
const PATHS_MAX: usize = 64;

/// Places remembered; over it all are forgotten and asked for anew.
const PLACES_MAX: usize = 1024;

/// Endpoint, database, user.
pub(crate) type PlaceRef<'a> = (&'a str, &'a str, &'a str);

impl Catalogs {
    /// An empty cache.
    pub fn new() -> Catalogs {
        Catalogs::default()
    }

    /// An empty cache of a shard whose evidence others read, and which shares with the others what is tainted and what is spent.
    pub fn with(evidence: Arc<Evidence>, taints: Arc<Taints>, budgets: Arc<Budgets>) -> Catalogs {
        Catalogs { seen: Index::new(evidence), taints, budgets, ..Catalogs::default() }
    }

    /// The patterns of a database.
    pub(crate) fn patterns(&mut self, policy: &Arc<Policy>, database: &str) -> Option<Arc<Patterns>> {
        if !self.policy.as_ref().is_some_and(|known| Arc::ptr_eq(known, policy)) {
            self.policy = Some(Arc::clone(policy));
            self.patterns.clear();
        }
        let fresh = || Patterns::new(policy.patterns(database)).map(Arc::new);
        self.patterns.entry(database.to_owned()).or_insert_with(fresh).clone()
    }

    /// The one list of these names that sessions share: most have the same.
    pub(crate) fn path(&mut self, names: Vec<String>) -> Arc<[String]> {
        if let Some(known) = self.paths.iter().find(|known| ***known == *names) {
            return Arc::clone(known);
        }
        if self.paths.len() >= PATHS_MAX {
            self.paths.clear();
        }
        let path: Arc<[String]> = names.into();
        self.paths.push(Arc::clone(&path));
        path
    }

    /// A version that no catalog of this shard had.
    fn next_version(&mut self) -> u32 {
        self.versions += 1;
        self.versions
    }

    /// What is known, if it is of this policy, of this epoch, and young enough; with all that is tainted by now.
    pub(crate) fn find(&mut self, place: PlaceRef<'_>, policy: &Arc<Policy>, oldest_ns: u64) -> Option<Arc<Catalog>> {
        let key = Place::of(place);
        let catalog = self.known.get(&key)?;
        if !self.is_current(catalog, policy, oldest_ns) {
            return None;
        }
        let catalog = Arc::clone(catalog);
        if catalog.taints == self.taints.generation() {
            return Some(catalog);
        }
        let fresh = self.extended(&catalog, (&[], &[]), place)?;
        self.known.insert(key, Arc::clone(&fresh));
        Some(fresh)
    }

    /// The same catalog with a session's own relations and with what is tainted by now. `None`: nothing was asked of what the database
    /// holds while nothing in it was sensitive, so it has to be asked anew.
    pub(crate) fn extended(
        &mut self,
        catalog: &Arc<Catalog>,
        (own, own_taints): (&[Relation], &[Tainted]),
        (endpoint, dbname, _): PlaceRef<'_>,
    ) -> Option<Arc<Catalog>> {
        let (all, generation) = self.taints.snapshot();
        let mine: Vec<&Tainted> = all.iter().filter(|one| one.is_of(endpoint, dbname)).chain(own_taints).collect();
        if !mine.is_empty() && catalog.schema.is_none() {
            return None;
        }
        let mut fresh = catalog.with(own, endpoint, &mine, generation);
        if !fresh.says_as(catalog) {
            fresh.version = self.next_version();
        }
        Some(Arc::new(fresh))
    }

    pub(crate) fn is_current(&self, catalog: &Catalog, policy: &Arc<Policy>, oldest_ns: u64) -> bool {
        catalog.is_of(policy) && catalog.epoch == catalog.changes.count() && catalog.asked_ns >= oldest_ns
    }

    /// What was found, kept for the others; one that says what the last one said keeps its version. Beside it what is now known of
    /// tainted relations, to be remembered.
    pub(crate) fn keep(
        &mut self,
        user: &str,
        builder: Builder,
        asked: bool,
        origin: &Origin<'_>,
    ) -> (Arc<Catalog>, Vec<Tainted>) {
        let (all, generation) = self.taints.snapshot();
        let mine: Vec<&Tainted> = all.iter().filter(|one| one.is_of(origin.endpoint, origin.dbname)).collect();
        let mut catalog = builder.finish(origin, asked, (&mine, generation));
        let bound = catalog.schema.as_deref().map(|schema| bound(schema, &mine)).unwrap_or_default();
        let place = Place::of((origin.endpoint, origin.dbname, user));
        match self.known.get(&place).filter(|known| known.is_of(origin.policy) && known.says_as(&catalog)) {
            Some(known) => {
                catalog.version = known.version;
                catalog.schema.clone_from(&known.schema);
            }
            None => catalog.version = self.next_version(),
        }
        if self.known.len() >= PLACES_MAX {
            self.known.clear();
        }
        let catalog = Arc::new(catalog);
        self.known.insert(place, Arc::clone(&catalog));
        (catalog, self.taints.add(bound).unwrap_or_default())
    }
}

impl Place {
    fn of((endpoint, dbname, user): PlaceRef<'_>) -> Place {
        Place { endpoint: endpoint.to_owned(), dbname: dbname.to_owned(), user: user.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Catalogs, PATHS_MAX};

    #[test]
    fn sessions_with_the_same_path_share_it() {
        let mut catalogs = Catalogs::default();
        let mut path = |name: &str| catalogs.path(vec!["pg_catalog".to_owned(), name.to_owned()]);
        let first = path("public");
        assert!(Arc::ptr_eq(&first, &path("public")) && !Arc::ptr_eq(&first, &path("app")));
        // Bounded: forgotten in the end, and still the same names.
        for number in 0..PATHS_MAX {
            path(&number.to_string());
        }
        assert_eq!(first, path("public"));
        assert!(!Arc::ptr_eq(&first, &path("public")));
    }
}
