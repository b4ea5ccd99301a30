//! What the server ships: functions that read nothing but their arguments and the catalog, and relations without values.

use std::ops::RangeInclusive;
use std::sync::LazyLock;

use crate::Name;
use crate::digest::{Map, Set};

/// Made by `data/safe-functions.sql` from a real server; the first lines say which and how.
const SAFE_FUNCTIONS: &str = include_str!("../data/safe-functions.txt");
/// The other names of functions in `pg_catalog`, made with it.
const OTHER_FUNCTIONS: &str = include_str!("../data/other-functions.txt");
/// The relations behind `@catalog`, and which ones are left out and why.
const CATALOG: &str = include_str!("../data/catalog.txt");

fn lines(data: &'static str) -> impl Iterator<Item = &'static str> {
    data.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The versions whose functions are listed.
pub const SERVERS: RangeInclusive<u16> = 13..=18;
/// The version that a server is taken for which has not said its own.
pub const SERVER: u16 = 15;

/// Is every function of that name in `pg_catalog` harmless, in every version that has one: no reading of tables or files, no change of
/// anything?
pub fn is_safe_function(name: &str) -> bool {
    safe_functions().contains_key(name)
}

/// The same where a server of that version has it: in another the name may be a user's function. One that is newer than those listed has what
/// the newest of them has; what it has beside that is harmless to nobody.
pub fn is_safe_function_of(server: u16, name: &str) -> bool {
    let server = server.clamp(*SERVERS.start(), *SERVERS.end());
    safe_functions().get(name).is_some_and(|servers| servers.contains(&server))
}

fn safe_functions() -> &'static Map<&'static str, RangeInclusive<u16>> {
    static NAMES: LazyLock<Map<&str, RangeInclusive<u16>>> =
        LazyLock::new(|| lines(SAFE_FUNCTIONS).map(of_versions).collect());
    &NAMES
}

/// `name`, `name 16-`, `name -14` or `name 14-16`.
fn of_versions(line: &'static str) -> (&'static str, RangeInclusive<u16>) {
    let Some((name, versions)) = line.split_once(' ') else { return (line, SERVERS) };
    let (first, last) = versions.split_once('-').unwrap_or((versions, versions));
    let version = |word: &str, else_: u16| word.parse().unwrap_or(else_);
    (name, version(first, *SERVERS.start())..=version(last, *SERVERS.end()))
}

/// The names of all functions of `pg_catalog` that are listed.
pub(crate) fn functions() -> impl Iterator<Item = &'static str> {
    safe_functions().keys().copied().chain(lines(OTHER_FUNCTIONS))
}

/// Is it the name of some function of `pg_catalog`, harmless or not? A call without a schema may then mean that one.
pub fn is_catalog_function(name: &str) -> bool {
    static NAMES: LazyLock<Set<&str>> = LazyLock::new(|| lines(OTHER_FUNCTIONS).collect());
    is_safe_function(name) || NAMES.contains(name) || name.starts_with("pg_")
}

/// Is it one of the relations behind `@catalog`: a system catalog or view without values of user tables, credentials,
/// or others' statements? Only names with their schema are; who judges an unqualified one resolves it first.
pub fn is_catalog(name: &Name) -> bool {
    name.schema.as_deref().is_some_and(|schema| is_catalog_in(schema, &name.name))
}

/// The same of a schema and a name.
pub fn is_catalog_in(schema: &str, name: &str) -> bool {
    static NAMES: LazyLock<Set<(&str, &str)>> = LazyLock::new(|| {
        lines(CATALOG).filter(|line| !line.starts_with('!')).filter_map(|line| line.split_once('.')).collect()
    });
    NAMES.contains(&(schema, name))
}

/// Is it the name of some relation of `pg_catalog`, behind `@catalog` or not?
pub fn is_catalog_relation(name: &str) -> bool {
    static NAMES: LazyLock<Set<&str>> = LazyLock::new(|| {
        let names = lines(CATALOG).map(|line| line.trim_start_matches('!'));
        names.filter_map(|line| line.strip_prefix("pg_catalog.")).collect()
    });
    NAMES.contains(name)
}

/// Is it the name of some relation of `information_schema`?
pub(crate) fn is_information_schema(name: &str) -> bool {
    static NAMES: LazyLock<Set<&str>> = LazyLock::new(|| {
        let names = lines(CATALOG).map(|line| line.trim_start_matches('!'));
        names.filter_map(|line| line.strip_prefix("information_schema.")).collect()
    });
    NAMES.contains(name)
}

/// Is it one of the server's own relations that hold values, statements or secrets of others? (`@catalog` leaves out more: what
/// tells of the server.)
pub(crate) fn holds_values(schema: &str, name: &str) -> bool {
    const OF_THE_SERVER: &[&str] = &[
        "pg_backend_memory_contexts",
        "pg_replication_slots",
        "pg_sequences",
        "pg_shmem_allocations",
        "pg_stat_gssapi",
        "pg_stat_ssl",
        "pg_stat_subscription",
    ];
    !is_catalog_in(schema, name) && !OF_THE_SERVER.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(schema: Option<&str>, name: &str) -> Name {
        Name::new(schema, name)
    }

    #[test]
    fn the_catalog_holds_no_values() {
        for known in ["pg_class", "pg_attribute", "pg_type", "pg_roles"] {
            assert!(is_catalog(&name(Some("pg_catalog"), known)) && is_catalog_relation(known), "{known}");
        }
        for secret in ["pg_authid", "pg_statistic", "pg_stats", "pg_stat_activity", "pg_largeobject", "pg_user_mapping"]
        {
            assert!(!is_catalog(&name(Some("pg_catalog"), secret)) && is_catalog_relation(secret), "{secret}");
        }
        assert!(is_catalog(&name(Some("information_schema"), "columns")));
        assert!(!is_catalog(&name(None, "pg_class")) && !is_catalog(&name(Some("public"), "pg_class")));
    }

    #[test]
    fn only_harmless_functions_are_safe() {
        for safe in ["count", "now", "lower", "pg_get_viewdef", "random", "obj_description"] {
            assert!(is_safe_function(safe) && is_catalog_function(safe), "{safe}");
        }
        for other in
            ["nextval", "lo_get", "query_to_xml", "table_to_xml", "pg_read_file", "ts_stat", "set_config", "pg_sleep"]
        {
            assert!(!is_safe_function(other) && is_catalog_function(other), "{other}");
        }
        for (name, servers) in [
            ("lower", 13..=18),
            ("any_value", 16..=18),
            ("uuidv7", 18..=18),
            ("numeric_fac", 13..=13),
            ("date_bin", 14..=18),
        ] {
            let harmless: Vec<u16> = SERVERS.filter(|server| is_safe_function_of(*server, name)).collect();
            assert_eq!(harmless, servers.collect::<Vec<_>>(), "{name}");
        }
        assert!(is_safe_function_of(19, "uuidv7") && !is_safe_function_of(0, "uuidv7"));
        assert!(!is_catalog_function("dblink"));
    }
}
