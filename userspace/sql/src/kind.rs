//! Statement kinds: what a statement does, by effect. The words of `policy.toml`.

use std::fmt;
use std::sync::LazyLock;

/// One kind of effect (`select`, `create-table`, …). A statement has every kind that it causes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind(u8);

/// A named set of kinds, usable in a rule's `statements`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// select, declare, fetch, close, explain, show
    Read,
    /// insert, update, delete, merge
    Write,
    /// create-*, alter-*, drop-*, truncate, comment, refresh
    Schema,
    /// grant, revoke, set-role, and create-, alter- and drop- of roles; default privileges are grants
    Access,
    /// set, reset, discard, transaction, prepare, execute, deallocate, listen, notify, close
    Session,
}

impl Group {
    /// The group of that name, as rules write it.
    pub fn parse(name: &str) -> Option<Group> {
        Some(match name {
            "read" => Group::Read,
            "write" => Group::Write,
            "schema" => Group::Schema,
            "access" => Group::Access,
            "session" => Group::Session,
            _ => return None,
        })
    }

    /// Every group's name, for messages.
    pub const NAMES: &'static [&'static str] = &["read", "write", "schema", "access", "session"];

    /// Is `kind` in this group?
    pub fn contains(self, kind: Kind) -> bool {
        kind.traits() & 1 << self as u8 != 0
    }

    fn has(self, name: &str) -> bool {
        let one_of = |names: &[&str]| names.contains(&name);
        match self {
            Group::Read => one_of(&["select", "declare", "fetch", "close", "explain", "show"]),
            Group::Write => one_of(&["insert", "update", "delete", "merge"]),
            Group::Schema => {
                one_of(&["truncate", "comment", "refresh"])
                    || ["create-", "alter-", "drop-"].iter().any(|p| name.starts_with(p))
            }
            Group::Access => one_of(&[
                "grant",
                "revoke",
                "set-role",
                "create-role",
                "alter-role",
                "drop-role",
                "alter-default-privileges",
            ]),
            Group::Session => one_of(&[
                "set",
                "reset",
                "discard",
                "transaction",
                "prepare",
                "execute",
                "deallocate",
                "listen",
                "notify",
                "close",
            ]),
        }
    }
}

macro_rules! kinds {
    ($($constant:ident = $name:literal),+ $(,)?) => {
        const NAMES: &[&str] = &[$($name),+];
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        #[repr(u8)]
        enum Number { $($constant),+ }
        #[allow(missing_docs)] // the name says it
        impl Kind { $(pub const $constant: Kind = Kind(Number::$constant as u8);)+ }
    };
}

kinds! {
    SELECT = "select", INSERT = "insert", UPDATE = "update", DELETE = "delete", MERGE = "merge",
    COPY_IN = "copy-in", COPY_OUT = "copy-out", COPY_FILE = "copy-file", COPY_PROGRAM = "copy-program",
    TRUNCATE = "truncate", GRANT = "grant", REVOKE = "revoke", SET = "set", SET_ROLE = "set-role", RESET = "reset",
    SHOW = "show", DISCARD = "discard", TRANSACTION = "transaction", LOCK = "lock", DO = "do", CALL = "call",
    FUNCTION_CALL = "function-call", PREPARE = "prepare", EXECUTE = "execute", DEALLOCATE = "deallocate",
    DECLARE = "declare", FETCH = "fetch", CLOSE = "close", EXPLAIN = "explain", LISTEN = "listen", NOTIFY = "notify",
    COMMENT = "comment", LOAD = "load", VACUUM = "vacuum", ANALYZE = "analyze", REFRESH = "refresh",
    MAINTENANCE = "maintenance", REPLICATION = "replication", UNKNOWN = "unknown",
    CREATE_TABLE = "create-table", ALTER_TABLE = "alter-table", DROP_TABLE = "drop-table",
    CREATE_VIEW = "create-view", ALTER_VIEW = "alter-view", DROP_VIEW = "drop-view",
    CREATE_MATERIALIZED_VIEW = "create-materialized-view", ALTER_MATERIALIZED_VIEW = "alter-materialized-view",
    DROP_MATERIALIZED_VIEW = "drop-materialized-view",
    CREATE_INDEX = "create-index", ALTER_INDEX = "alter-index", DROP_INDEX = "drop-index",
    CREATE_SEQUENCE = "create-sequence", ALTER_SEQUENCE = "alter-sequence", DROP_SEQUENCE = "drop-sequence",
    CREATE_FOREIGN_TABLE = "create-foreign-table", ALTER_FOREIGN_TABLE = "alter-foreign-table",
    DROP_FOREIGN_TABLE = "drop-foreign-table",
    CREATE_SCHEMA = "create-schema", ALTER_SCHEMA = "alter-schema", DROP_SCHEMA = "drop-schema",
    CREATE_DATABASE = "create-database", ALTER_DATABASE = "alter-database", DROP_DATABASE = "drop-database",
    CREATE_ROLE = "create-role", ALTER_ROLE = "alter-role", DROP_ROLE = "drop-role",
    CREATE_FUNCTION = "create-function", ALTER_FUNCTION = "alter-function", DROP_FUNCTION = "drop-function",
    CREATE_PROCEDURE = "create-procedure", ALTER_PROCEDURE = "alter-procedure", DROP_PROCEDURE = "drop-procedure",
    CREATE_AGGREGATE = "create-aggregate", ALTER_AGGREGATE = "alter-aggregate", DROP_AGGREGATE = "drop-aggregate",
    CREATE_OPERATOR = "create-operator", ALTER_OPERATOR = "alter-operator", DROP_OPERATOR = "drop-operator",
    CREATE_OPERATOR_CLASS = "create-operator-class", ALTER_OPERATOR_CLASS = "alter-operator-class",
    DROP_OPERATOR_CLASS = "drop-operator-class",
    CREATE_OPERATOR_FAMILY = "create-operator-family", ALTER_OPERATOR_FAMILY = "alter-operator-family",
    DROP_OPERATOR_FAMILY = "drop-operator-family",
    CREATE_TYPE = "create-type", ALTER_TYPE = "alter-type", DROP_TYPE = "drop-type",
    CREATE_DOMAIN = "create-domain", ALTER_DOMAIN = "alter-domain", DROP_DOMAIN = "drop-domain",
    CREATE_TRIGGER = "create-trigger", ALTER_TRIGGER = "alter-trigger", DROP_TRIGGER = "drop-trigger",
    CREATE_EVENT_TRIGGER = "create-event-trigger", ALTER_EVENT_TRIGGER = "alter-event-trigger",
    DROP_EVENT_TRIGGER = "drop-event-trigger",
    CREATE_RULE = "create-rule", ALTER_RULE = "alter-rule", DROP_RULE = "drop-rule",
    CREATE_POLICY = "create-policy", ALTER_POLICY = "alter-policy", DROP_POLICY = "drop-policy",
    CREATE_EXTENSION = "create-extension", ALTER_EXTENSION = "alter-extension", DROP_EXTENSION = "drop-extension",
    CREATE_SERVER = "create-server", ALTER_SERVER = "alter-server", DROP_SERVER = "drop-server",
    CREATE_FOREIGN_DATA_WRAPPER = "create-foreign-data-wrapper",
    ALTER_FOREIGN_DATA_WRAPPER = "alter-foreign-data-wrapper",
    DROP_FOREIGN_DATA_WRAPPER = "drop-foreign-data-wrapper",
    CREATE_USER_MAPPING = "create-user-mapping", ALTER_USER_MAPPING = "alter-user-mapping",
    DROP_USER_MAPPING = "drop-user-mapping",
    CREATE_PUBLICATION = "create-publication", ALTER_PUBLICATION = "alter-publication",
    DROP_PUBLICATION = "drop-publication",
    CREATE_SUBSCRIPTION = "create-subscription", ALTER_SUBSCRIPTION = "alter-subscription",
    DROP_SUBSCRIPTION = "drop-subscription",
    CREATE_COLLATION = "create-collation", ALTER_COLLATION = "alter-collation", DROP_COLLATION = "drop-collation",
    CREATE_CONVERSION = "create-conversion", ALTER_CONVERSION = "alter-conversion",
    DROP_CONVERSION = "drop-conversion",
    CREATE_CAST = "create-cast", DROP_CAST = "drop-cast",
    CREATE_TRANSFORM = "create-transform", DROP_TRANSFORM = "drop-transform",
    CREATE_LANGUAGE = "create-language", ALTER_LANGUAGE = "alter-language", DROP_LANGUAGE = "drop-language",
    CREATE_ACCESS_METHOD = "create-access-method", DROP_ACCESS_METHOD = "drop-access-method",
    CREATE_STATISTICS = "create-statistics", ALTER_STATISTICS = "alter-statistics",
    DROP_STATISTICS = "drop-statistics",
    CREATE_TABLESPACE = "create-tablespace", ALTER_TABLESPACE = "alter-tablespace",
    DROP_TABLESPACE = "drop-tablespace",
    CREATE_TEXT_SEARCH = "create-text-search", ALTER_TEXT_SEARCH = "alter-text-search",
    DROP_TEXT_SEARCH = "drop-text-search",
    ALTER_LARGE_OBJECT = "alter-large-object", ALTER_DEFAULT_PRIVILEGES = "alter-default-privileges",
    ALTER_SYSTEM = "alter-system", ALTER_OWNED = "alter-owned", DROP_OWNED = "drop-owned",
}

/// What is asked of a kind at every statement: bits.
type Traits = u8;

/// It makes, changes or drops an object.
const DEFINES: Traits = 1 << 5;
/// It changes data, objects, rights or what others see.
const CHANGES: Traits = 1 << 6;

fn traits_of(name: &str) -> Traits {
    let groups = [Group::Read, Group::Write, Group::Schema, Group::Access, Group::Session];
    let groups = groups.iter().filter(|group| group.has(name)).fold(0, |bits, group| bits | 1 << *group as u8);
    let defines = ["create-", "alter-", "drop-"].iter().any(|verb| name.starts_with(verb));
    // All but reading, the session's own state, row locks and COPY to the client.
    let harmless = ["lock", "copy-out", "set-role"].contains(&name);
    let session = Group::Session.has(name) && name != "notify";
    let changes = !(Group::Read.has(name) || session || harmless);
    groups | if defines { DEFINES } else { 0 } | if changes { CHANGES } else { 0 }
}

impl Kind {
    fn traits(self) -> Traits {
        static OF_ALL: LazyLock<Vec<Traits>> = LazyLock::new(|| NAMES.iter().map(|name| traits_of(name)).collect());
        OF_ALL.get(usize::from(self.0)).copied().unwrap_or(CHANGES)
    }

    /// Does it make, change or drop an object (`create-table`)?
    pub(crate) fn defines(self) -> bool {
        self.traits() & DEFINES != 0
    }

    /// Does it change data, objects, rights or what others see?
    pub(crate) fn changes_data(self) -> bool {
        self.traits() & CHANGES != 0
    }

    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Kind> {
        NAMES.iter().position(|known| *known == name).and_then(|at| u8::try_from(at).ok()).map(Kind)
    }

    /// Its name, as rules and records write it.
    pub fn as_str(self) -> &'static str {
        NAMES.get(usize::from(self.0)).copied().unwrap_or("unknown")
    }

    /// Can it fall on a table or another relation?
    pub fn takes_table(self) -> bool {
        let name = self.as_str();
        let relations =
            ["table", "view", "materialized-view", "index", "sequence", "foreign-table", "trigger", "rule", "policy"];
        let plain = [
            "select",
            "insert",
            "update",
            "delete",
            "merge",
            "copy-in",
            "copy-out",
            "copy-file",
            "copy-program",
            "truncate",
            "grant",
            "revoke",
            "lock",
            "explain",
            "comment",
            "vacuum",
            "analyze",
            "refresh",
            "maintenance",
        ];
        plain.contains(&name) || self.object_word().is_some_and(|word| relations.contains(&word))
    }

    /// Can it fall on a function?
    pub fn takes_function(self) -> bool {
        let name = self.as_str();
        ["function-call", "call", "grant", "revoke", "comment"].contains(&name)
            || self.object_word().is_some_and(|word| ["function", "procedure", "aggregate"].contains(&word))
    }

    /// What stands behind `create-`, `alter-` or `drop-`.
    fn object_word(self) -> Option<&'static str> {
        ["create-", "alter-", "drop-"].iter().find_map(|verb| self.as_str().strip_prefix(verb))
    }

    /// Every kind there is.
    pub fn all() -> impl Iterator<Item = Kind> {
        (0..NAMES.len()).filter_map(|at| u8::try_from(at).ok()).map(Kind)
    }
}

/// A set of kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kinds {
    /// A bit for each: there are fewer than 256.
    bits: [u64; 4],
}

impl Kinds {
    /// Is it one of them?
    #[inline]
    pub fn contains(&self, kind: Kind) -> bool {
        self.bits[usize::from(kind.0 >> 6)] & 1 << (kind.0 & 63) != 0
    }

    /// Whether none is in it.
    pub fn is_empty(&self) -> bool {
        self.bits == [0; 4]
    }

    /// Those that are in it, in the order of their names' list.
    pub fn iter(&self) -> impl Iterator<Item = Kind> {
        Kind::all().filter(|kind| self.contains(*kind))
    }
}

impl FromIterator<Kind> for Kinds {
    fn from_iter<I: IntoIterator<Item = Kind>>(kinds: I) -> Kinds {
        let mut set = Kinds::default();
        for kind in kinds {
            set.bits[usize::from(kind.0 >> 6)] |= 1 << (kind.0 & 63);
        }
        set
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_was_put_in() {
        let chosen: Vec<Kind> = Kind::all().step_by(3).collect();
        let set: Kinds = chosen.iter().copied().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), chosen);
        assert!(Kind::all().all(|kind| set.contains(kind) == chosen.contains(&kind)));
        assert!(!set.is_empty() && Kinds::default().is_empty());
        assert_eq!(Kind::all().collect::<Kinds>().iter().count(), NAMES.len());
    }
}
