//! The built-in types: name, OID, OID of the array type, binary layout, text form.
//!
//! Source: `pg_type` and `pg_range` of a PostgreSQL 15.18 server (that is, its `src/include/catalog/pg_type.dat`): all rows with a
//! send function below OID 10000 that are no array, no row type and no domain; the pseudo-types kept are those that a result can
//! have. The layout is read off `typsend`, `typlen` and `rngsubtype`.

use super::types::{Kind, Text};

/// One row of the table.
pub(super) struct Builtin {
    /// `pg_type.typname`; for people and tests.
    #[cfg_attr(not(test), allow(dead_code, reason = "the table is read by people too"))]
    pub(super) name: &'static str,
    pub(super) oid: u32,
    /// `pg_type.typarray`, 0 where there is none.
    pub(super) array: u32,
    pub(super) kind: Kind,
    pub(super) text: Text,
}

/// The row of the type `oid`.
pub(super) fn find(oid: u32) -> Option<&'static Builtin> {
    let at = BUILTIN.binary_search_by_key(&oid, |row| row.oid).ok()?;
    BUILTIN.get(at)
}

/// The row of the element type, if `oid` is a built-in array type.
pub(super) fn element_of(oid: u32) -> Option<&'static Builtin> {
    BUILTIN.iter().find(|row| row.array == oid && oid != 0)
}

const fn row(name: &'static str, oid: u32, array: u32, kind: Kind, text: Text) -> Builtin {
    Builtin { name, oid, array, kind, text }
}

/// Sorted by OID.
#[rustfmt::skip]
pub(super) static BUILTIN: &[Builtin] = &[
    row("bool", 16, 1000, Kind::Fixed(1), Text::Plain),
    row("bytea", 17, 1001, Kind::Text, Text::Bytea),
    row("char", 18, 1002, Kind::Text, Text::Plain),
    row("name", 19, 1003, Kind::Text, Text::Plain),
    row("int8", 20, 1016, Kind::Int8, Text::Number),
    row("int2", 21, 1005, Kind::Int2, Text::Number),
    row("int2vector", 22, 1006, Kind::Array, Text::Plain),
    row("int4", 23, 1007, Kind::Int4, Text::Number),
    row("regproc", 24, 1008, Kind::Int4, Text::Plain),
    row("text", 25, 1009, Kind::Text, Text::Plain),
    row("oid", 26, 1028, Kind::Int4, Text::Number),
    row("tid", 27, 1010, Kind::Fixed(6), Text::Plain),
    row("xid", 28, 1011, Kind::Fixed(4), Text::Number),
    row("cid", 29, 1012, Kind::Fixed(4), Text::Number),
    row("oidvector", 30, 1013, Kind::Array, Text::Plain),
    row("json", 114, 199, Kind::Json, Text::Json),
    row("xml", 142, 143, Kind::Text, Text::Plain),
    row("pg_node_tree", 194, 0, Kind::Text, Text::Plain),
    row("point", 600, 1017, Kind::Fixed(16), Text::Plain),
    row("lseg", 601, 1018, Kind::Fixed(32), Text::Plain),
    row("path", 602, 1019, Kind::Bytes, Text::Plain),
    row("box", 603, 1020, Kind::Fixed(32), Text::Plain),
    row("polygon", 604, 1027, Kind::Bytes, Text::Plain),
    row("line", 628, 629, Kind::Fixed(24), Text::Plain),
    row("cidr", 650, 651, Kind::Bytes, Text::Plain),
    row("float4", 700, 1021, Kind::Fixed(4), Text::Number),
    row("float8", 701, 1022, Kind::Float8, Text::Number),
    row("unknown", 705, 0, Kind::Text, Text::Plain),
    row("circle", 718, 719, Kind::Fixed(24), Text::Plain),
    row("macaddr8", 774, 775, Kind::Fixed(8), Text::Plain),
    row("money", 790, 791, Kind::Int8, Text::Plain),
    row("macaddr", 829, 1040, Kind::Fixed(6), Text::Plain),
    row("inet", 869, 1041, Kind::Bytes, Text::Plain),
    row("bpchar", 1042, 1014, Kind::Text, Text::Plain),
    row("varchar", 1043, 1015, Kind::Text, Text::Plain),
    row("date", 1082, 1182, Kind::Fixed(4), Text::Plain),
    row("time", 1083, 1183, Kind::Fixed(8), Text::Plain),
    row("timestamp", 1114, 1115, Kind::Fixed(8), Text::Plain),
    row("timestamptz", 1184, 1185, Kind::Fixed(8), Text::Plain),
    row("interval", 1186, 1187, Kind::Fixed(16), Text::Plain),
    row("timetz", 1266, 1270, Kind::Fixed(12), Text::Plain),
    row("bit", 1560, 1561, Kind::Prefixed(4), Text::Plain),
    row("varbit", 1562, 1563, Kind::Prefixed(4), Text::Plain),
    row("numeric", 1700, 1231, Kind::Numeric, Text::Number),
    row("refcursor", 1790, 2201, Kind::Text, Text::Plain),
    row("regprocedure", 2202, 2207, Kind::Int4, Text::Plain),
    row("regoper", 2203, 2208, Kind::Int4, Text::Plain),
    row("regoperator", 2204, 2209, Kind::Int4, Text::Plain),
    row("regclass", 2205, 2210, Kind::Int4, Text::Plain),
    row("regtype", 2206, 2211, Kind::Int4, Text::Plain),
    row("record", 2249, 2287, Kind::Record, Text::Record),
    row("cstring", 2275, 1263, Kind::Text, Text::Plain),
    row("void", 2278, 0, Kind::Bytes, Text::Plain),
    row("uuid", 2950, 2951, Kind::Fixed(16), Text::Plain),
    row("txid_snapshot", 2970, 2949, Kind::Bytes, Text::Plain),
    row("pg_lsn", 3220, 3221, Kind::Fixed(8), Text::Plain),
    row("pg_ndistinct", 3361, 0, Kind::Bytes, Text::Plain),
    row("pg_dependencies", 3402, 0, Kind::Bytes, Text::Plain),
    row("tsvector", 3614, 3643, Kind::Bytes, Text::Plain),
    row("tsquery", 3615, 3645, Kind::Bytes, Text::Plain),
    row("regconfig", 3734, 3735, Kind::Int4, Text::Plain),
    row("regdictionary", 3769, 3770, Kind::Int4, Text::Plain),
    row("jsonb", 3802, 3807, Kind::Jsonb, Text::Json),
    row("int4range", 3904, 3905, Kind::Range(23), Text::Plain),
    row("numrange", 3906, 3907, Kind::Range(1700), Text::Plain),
    row("tsrange", 3908, 3909, Kind::Range(1114), Text::Plain),
    row("tstzrange", 3910, 3911, Kind::Range(1184), Text::Plain),
    row("daterange", 3912, 3913, Kind::Range(1082), Text::Plain),
    row("int8range", 3926, 3927, Kind::Range(20), Text::Plain),
    row("jsonpath", 4072, 4073, Kind::Prefixed(1), Text::Plain),
    row("regnamespace", 4089, 4090, Kind::Int4, Text::Plain),
    row("regrole", 4096, 4097, Kind::Int4, Text::Plain),
    row("regcollation", 4191, 4192, Kind::Int4, Text::Plain),
    row("int4multirange", 4451, 6150, Kind::Multirange(23), Text::Plain),
    row("nummultirange", 4532, 6151, Kind::Multirange(1700), Text::Plain),
    row("tsmultirange", 4533, 6152, Kind::Multirange(1114), Text::Plain),
    row("tstzmultirange", 4534, 6153, Kind::Multirange(1184), Text::Plain),
    row("datemultirange", 4535, 6155, Kind::Multirange(1082), Text::Plain),
    row("int8multirange", 4536, 6157, Kind::Multirange(20), Text::Plain),
    row("pg_brin_bloom_summary", 4600, 0, Kind::Bytes, Text::Plain),
    row("pg_brin_minmax_multi_summary", 4601, 0, Kind::Bytes, Text::Plain),
    row("pg_mcv_list", 5017, 0, Kind::Bytes, Text::Plain),
    row("pg_snapshot", 5038, 5039, Kind::Bytes, Text::Plain),
    row("xid8", 5069, 271, Kind::Int8, Text::Number),
];
