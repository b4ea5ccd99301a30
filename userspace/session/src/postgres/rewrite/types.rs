//! How a type's values are written: by OID for the built-in types, by send function for the others.

use super::builtin;
use pan::Fill;

/// How a type's *binary* value is laid out. Which send function writes what: PostgreSQL's `src/backend/utils/adt`, and
/// `pg_type.typsend` says which type has which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Always this many bytes, none of them a number that could be a card: uuid, date, timestamp, bool, float4, … Their length is
    /// checked; sixteen bytes that are all ASCII digits (a card cast to uuid) are found all the same.
    Fixed(u8),
    /// `int2`. Too short for a card.
    Int2,
    /// `int4`, `oid` and the `reg…` types. Ten digits: never a card by content.
    Int4,
    /// `int8`, `xid8`, and `money` (its count of hundredths).
    Int8,
    /// `float8`: by content only a whole number below 2^53, where the float is exact; a card in any other float is a fraction or an
    /// exponent, that is, arithmetic, which no content rule can follow.
    Float8,
    /// `numeric`: base 10000 words.
    Numeric,
    /// The text itself; also bytea, whose bytes are searched for ASCII.
    Text,
    /// The text of a JSON value.
    Json,
    /// This many bytes of version or length, then text: jsonpath 1, bit strings 4.
    Prefixed(u8),
    /// `jsonb`: a version byte, then JSON text.
    Jsonb,
    /// Some structure in which text lies plain: tsvector, polygon, inet. Searched as bytes; it has no fill as a whole.
    Bytes,
    /// `array_send`: the element type is in the value.
    Array,
    /// `record_send`: the field types are in the value.
    Record,
    /// `range_send` over this type.
    Range(u32),
    /// `multirange_send` over ranges of this type.
    Multirange(u32),
    /// `hstore_send`: a count, then keys and values.
    Hstore,
    /// Not in any table: the value's own shape decides (see `binary::sniff`).
    Unknown,
    /// A sensitive column's type that has no fill.
    Opaque,
}

impl Kind {
    /// A sensitive value of this type can be written so that its reader still parses it.
    pub(super) fn has_fill(self) -> bool {
        match self {
            Kind::Int2 | Kind::Int4 | Kind::Int8 | Kind::Numeric | Kind::Text | Kind::Json | Kind::Jsonb => true,
            Kind::Array | Kind::Record | Kind::Hstore | Kind::Unknown => true, // their parts decide
            Kind::Range(of) | Kind::Multirange(of) => kind_of(of, None).has_fill(),
            Kind::Fixed(_) | Kind::Float8 | Kind::Prefixed(_) | Kind::Bytes | Kind::Opaque => false,
        }
    }

    /// The layout that a type's `pg_type.typsend` stands for; `subtype` is `pg_range.rngsubtype` for ranges and multiranges. For
    /// types that an extension or a user made. None: a send function that this crate does not know; such a type stays undeclared
    /// and its structured values are refused.
    pub fn of_send(typsend: &str, subtype: u32) -> Option<Kind> {
        Some(match typsend {
            "array_send" | "int2vectorsend" | "oidvectorsend" => Kind::Array,
            "record_send" => Kind::Record,
            "range_send" => Kind::Range(subtype),
            "multirange_send" => Kind::Multirange(subtype),
            "textsend" | "varcharsend" | "bpcharsend" | "enum_send" | "citextsend" | "namesend" | "xml_send"
            | "unknownsend" => Kind::Text,
            "byteasend" | "charsend" | "cstring_send" => Kind::Text,
            "json_send" => Kind::Json,
            "jsonb_send" => Kind::Jsonb,
            "int8send" | "cash_send" | "xid8send" => Kind::Int8,
            "int4send" | "oidsend" => Kind::Int4,
            "int2send" => Kind::Int2,
            "float8send" => Kind::Float8,
            "numeric_send" => Kind::Numeric,
            "ltree_send" | "lquery_send" | "ltxtq_send" | "jsonpath_send" => Kind::Prefixed(1),
            "bit_send" | "varbit_send" => Kind::Prefixed(4),
            "hstore_send" => Kind::Hstore,
            "vector_send" | "halfvec_send" | "sparsevec_send" | "geometry_send" | "geography_send" => Kind::Bytes,
            "uuid_send" => Kind::Fixed(16),
            "timestamp_send" | "timestamptz_send" | "time_send" => Kind::Fixed(8),
            "date_send" | "float4send" => Kind::Fixed(4),
            "boolsend" => Kind::Fixed(1),
            _ => return None,
        })
    }
}

/// How a type's *text* value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    /// Any text; masked with `*`.
    Plain,
    /// A number: digits for digits.
    Number,
    /// A JSON value.
    Json,
    /// bytea: `\x…`, or the older escape format.
    Bytea,
    /// An array literal of plain text.
    Array,
    /// An array literal of numbers.
    Numbers,
    /// An array literal of JSON, bytea or records: its elements' own escapes are escaped once more.
    Escaped,
    /// A record literal, or a type that is in no table and may be one: escaped likewise.
    Record,
}

impl Text {
    /// The fill of a value (or of an array's elements) by content.
    pub(super) fn fill(self) -> Fill {
        match self {
            Text::Number | Text::Numbers => Fill::Number,
            Text::Json => Fill::Json,
            Text::Bytea => Fill::Hex,
            Text::Plain | Text::Array | Text::Escaped | Text::Record => Fill::Text,
        }
    }
}

/// Types outside `BUILTIN`, as the session's catalog query found them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserTypes {
    sorted: Vec<(u32, Kind)>,
}

impl UserTypes {
    /// Takes (OID, layout) pairs in any order; of two with the same OID the later one holds.
    pub fn new(pairs: impl IntoIterator<Item = (u32, Kind)>) -> UserTypes {
        let mut sorted: Vec<(u32, Kind)> = Vec::new();
        for (oid, kind) in pairs {
            match sorted.binary_search_by_key(&oid, |known| known.0) {
                Ok(at) => sorted[at].1 = kind,
                Err(at) => sorted.insert(at, (oid, kind)),
            }
        }
        UserTypes { sorted }
    }

    fn find(&self, oid: u32) -> Option<Kind> {
        let at = self.sorted.binary_search_by_key(&oid, |known| known.0).ok()?;
        self.sorted.get(at).map(|known| known.1)
    }
}

/// The binary layout of the type `oid`.
pub(super) fn kind_of(oid: u32, types: Option<&UserTypes>) -> Kind {
    match builtin::find(oid) {
        Some(found) => found.kind,
        None if builtin::element_of(oid).is_some() => Kind::Array,
        None => types.and_then(|types| types.find(oid)).unwrap_or(Kind::Unknown),
    }
}

/// The text form of the type `oid`.
pub(super) fn text_of(oid: u32, types: Option<&UserTypes>) -> Text {
    if let Some(found) = builtin::find(oid) {
        return found.text;
    }
    match builtin::element_of(oid) {
        Some(element) => match element.text {
            Text::Number => Text::Numbers,
            Text::Json | Text::Bytea | Text::Record => Text::Escaped,
            _ => Text::Array,
        },
        None => match types.and_then(|types| types.find(oid)) {
            Some(Kind::Array) => Text::Escaped, // of what, only the catalog knows: the careful reading
            Some(Kind::Json | Kind::Jsonb) => Text::Json,
            Some(Kind::Text) => Text::Plain,
            _ => Text::Record,
        },
    }
}

/// An array of a built-in type that has no fill.
pub(super) fn array_is_unmaskable(oid: u32, types: Option<&UserTypes>) -> bool {
    builtin::element_of(oid).is_some_and(|element| !kind_of(element.oid, types).has_fill())
}

#[cfg(test)]
mod tests {
    use super::*;
    use builtin::BUILTIN;

    #[test]
    fn table_is_sorted_and_unambiguous() {
        for pair in BUILTIN.windows(2) {
            assert!(pair[0].oid < pair[1].oid, "{} stands before {}", pair[0].name, pair[1].name);
        }
        let mut arrays: Vec<u32> = BUILTIN.iter().map(|row| row.array).filter(|oid| *oid != 0).collect();
        let count = arrays.len();
        arrays.sort_unstable();
        arrays.dedup();
        assert_eq!(arrays.len(), count);
        assert!(arrays.iter().all(|oid| builtin::find(*oid).is_none()));
    }

    #[test]
    fn layouts() {
        for (oid, kind, text) in [
            (20, Kind::Int8, Text::Number),
            (1016, Kind::Array, Text::Numbers),
            (1231, Kind::Array, Text::Numbers),
            (3807, Kind::Array, Text::Escaped),
            (1001, Kind::Array, Text::Escaped),
            (1009, Kind::Array, Text::Array),
            (3926, Kind::Range(20), Text::Plain),
            (2249, Kind::Record, Text::Record),
            (2287, Kind::Array, Text::Escaped),
            (99_999, Kind::Unknown, Text::Record),
        ] {
            assert_eq!((kind_of(oid, None), text_of(oid, None)), (kind, text), "oid {oid}");
        }
    }

    #[test]
    fn user_types() {
        let types = UserTypes::new([(90_002, Kind::Text), (90_001, Kind::Record), (90_002, Kind::Range(20))]);
        assert_eq!(kind_of(90_001, Some(&types)), Kind::Record);
        assert_eq!(kind_of(90_002, Some(&types)), Kind::Range(20));
        assert_eq!(kind_of(90_003, Some(&types)), Kind::Unknown);
        assert_eq!(Kind::of_send("record_send", 0), Some(Kind::Record));
        assert_eq!(Kind::of_send("range_send", 20), Some(Kind::Range(20)));
        assert_eq!(Kind::of_send("no_such_send", 0), None);
    }
}
