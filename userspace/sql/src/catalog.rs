//! What the server ships: functions that read nothing but their arguments and the catalog, and relations without values.

use std::collections::HashSet;
use std::sync::LazyLock;

use crate::Name;

/// Made by `data/safe-functions.sql` from a real server; the first lines say which and how.
const SAFE_FUNCTIONS: &str = include_str!("../data/safe-functions.txt");
/// The relations behind `@catalog`, and which ones are left out and why.
const CATALOG: &str = include_str!("../data/catalog.txt");

fn lines(data: &'static str) -> impl Iterator<Item = &'static str> {
    data.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Is every function of that name in `pg_catalog` harmless: no reading of tables or files, no change of anything?
pub fn is_safe_function(name: &str) -> bool {
    static NAMES: LazyLock<HashSet<&str>> = LazyLock::new(|| lines(SAFE_FUNCTIONS).collect());
    NAMES.contains(name)
}

/// Is it one of the relations behind `@catalog`: a system catalog or view without values of user tables, credentials,
/// or others' statements? Only names with their schema are; who judges an unqualified one resolves it first.
pub fn is_catalog(name: &Name) -> bool {
    static NAMES: LazyLock<HashSet<(&str, &str)>> =
        LazyLock::new(|| lines(CATALOG).filter_map(|line| line.split_once('.')).collect());
    let Some(schema) = name.schema.as_deref() else { return false };
    NAMES.contains(&(schema, name.name.as_str()))
}
