//! Sensitive columns by table OID and attribute number, and the types that a database has beside the built-in ones; kept per
//! shard because every session of one user on one database sees the same.

use std::collections::HashMap;
use std::sync::Arc;

use pan::Whole;
use policy::{ColumnPattern, Pattern, Policy, ScanMode, Sensitive, SensitiveKind};

use crate::evidence::{Evidence, Index};
use crate::postgres::rewrite::{Patterns, UserTypes};

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

/// One column of a table that has a sensitive one.
#[derive(Clone, Debug)]
pub(crate) struct CatalogColumn {
    pub(crate) number: i16,
    pub(crate) name: String,
    pub(crate) type_oid: u32,
    pub(crate) treatment: Treatment,
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
#[derive(Clone, Debug)]
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
    policy: Option<Arc<Policy>>,
    asked_ns: u64,
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

    /// Every table that policy names a column of and that the name may mean.
    pub(crate) fn named<'a>(
        &'a self,
        name: &'a sql::Name,
        schemas: &'a [String],
    ) -> impl Iterator<Item = &'a CatalogTable> + 'a {
        self.tables.iter().filter(move |table| {
            table.name == name.name
                && match &name.schema {
                    Some(schema) => *schema == table.schema,
                    None => schemas.contains(&table.schema),
                }
        })
    }

    /// Whether it was asked for under the policy in force.
    pub(crate) fn is_of(&self, policy: &Arc<Policy>) -> bool {
        self.policy.as_ref().is_some_and(|known| Arc::ptr_eq(known, policy))
    }
}

/// Collects the rows of our own query.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    tables: Vec<CatalogTable>,
    types: Vec<(u32, crate::postgres::rewrite::Kind)>,
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

    pub(crate) fn finish(mut self, policy: &Arc<Policy>, now_ns: u64, epoch: u64) -> Catalog {
        self.tables.sort_by_key(|table| table.oid);
        let types = (!self.types.is_empty()).then(|| Arc::new(UserTypes::new(self.types)));
        Catalog { tables: self.tables, types, policy: Some(Arc::clone(policy)), asked_ns: now_ns, epoch }
    }
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
        found = match (found, treatment(sensitive.kind)) {
            (Treatment::Whole(Whole::KeepNothing), _) => found,
            (_, new @ Treatment::Whole(Whole::KeepNothing)) => new,
            (Treatment::Whole(Whole::KeepEnds), _) => found,
            (_, new) => new,
        };
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

/// A star matches any run of letters.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, rest)) => {
            let Some(tail) = name.strip_prefix(head) else { return false };
            let mut starts = tail.char_indices().map(|(at, _)| at).chain([tail.len()]);
            starts.any(|at| tail.get(at..).is_some_and(|tail| matches(rest, tail)))
        }
    }
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
    epoch: u64,
    /// The policy that `patterns` are of.
    policy: Option<Arc<Policy>>,
    /// What was seen in the columns.
    pub(crate) seen: Index,
    /// Of each database, for this shard alone.
    patterns: HashMap<String, Option<Arc<Patterns>>>,
}

/// Places remembered; over it all are forgotten and asked for anew.
const PLACES_MAX: usize = 1024;

impl Catalogs {
    /// An empty cache.
    pub fn new() -> Catalogs {
        Catalogs::default()
    }

    /// An empty cache of a shard whose evidence others read.
    pub fn with_evidence(evidence: Arc<Evidence>) -> Catalogs {
        Catalogs { seen: Index::new(evidence), ..Catalogs::default() }
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

    /// A session of this shard changed the catalog: what is known is too old for the next statements.
    pub(crate) fn changed(&mut self) {
        self.epoch += 1;
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// What is known, if it is of this policy, of this epoch, and young enough.
    pub(crate) fn find(
        &self,
        (endpoint, dbname, user): (&str, &str, &str),
        policy: &Arc<Policy>,
        oldest_ns: u64,
    ) -> Option<Arc<Catalog>> {
        let place = Place { endpoint: endpoint.to_owned(), dbname: dbname.to_owned(), user: user.to_owned() };
        let catalog = self.known.get(&place)?;
        self.is_current(catalog, policy, oldest_ns).then(|| Arc::clone(catalog))
    }

    pub(crate) fn is_current(&self, catalog: &Catalog, policy: &Arc<Policy>, oldest_ns: u64) -> bool {
        catalog.is_of(policy) && catalog.epoch == self.epoch && catalog.asked_ns >= oldest_ns
    }

    pub(crate) fn keep(&mut self, (endpoint, dbname, user): (&str, &str, &str), catalog: &Arc<Catalog>) {
        if self.known.len() >= PLACES_MAX {
            self.known.clear();
        }
        let place = Place { endpoint: endpoint.to_owned(), dbname: dbname.to_owned(), user: user.to_owned() };
        self.known.insert(place, Arc::clone(catalog));
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars() {
        for (pattern, name, want) in [
            ("*", "", true),
            ("*", "pan", true),
            ("pan", "pan", true),
            ("pan", "pan2", false),
            ("card_*", "card_no", true),
            ("*pan*", "my_pan_1", true),
            ("*pan", "pan_1", false),
            ("a*b*c", "a-b-b-c", true),
        ] {
            assert_eq!(matches(pattern, name), want, "{pattern} {name}");
        }
    }
}
