//! What the server's own functions do with what they are given, as far as telling where a value comes from needs it.

use std::sync::LazyLock;

use super::words;
use crate::catalog;
use crate::digest::Map;
use crate::tree::{Node, Value, at};

/// What a function of the server's does with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Tells only whether there is a value (`count`).
    Presence,
    /// Tells nothing of it (`pg_typeof`, `row_number`).
    Nothing,
    /// Gives it back as it is, alone or beside others.
    Embeds,
    /// Picks one of many by their order (`max`, `mode`).
    Picks,
    /// Puts its arguments one behind the other (`concat`).
    Joins,
    /// Writes a number by a format (`to_char`).
    Formats,
    /// Takes white space off, or the characters of a second argument.
    Trims,
    /// Puts many behind each other, with the second argument between them.
    Lists,
    /// Takes a piece out of a JSON value by keys (`jsonb_extract_path`).
    Extracts,
    /// Cuts a piece out of a JSON value by a path (`jsonb_path_query`).
    Cuts,
    /// Fills a record from a JSON value (`jsonb_populate_record`).
    Fills,
    /// Makes a JSON object: the server puts its keys in order, and one of two that are the same away.
    Objects,
    /// Makes lexemes of a text: in order, each once.
    Lexemes,
    /// Makes a range of two bounds.
    Ranges,
    /// Compares: gives true or false, or a place.
    Compares,
    /// Anything else that gives a value made of its arguments alone.
    Transforms,
    /// Reads what is not among its arguments: files, other tables, other sessions, statistics.
    Elsewhere,
    /// Does more than give a value (`set_config`, `pg_sleep`, `nextval`), or is not told.
    Acts,
}

/// The class of a function of `pg_catalog`, or of a well-known extension, by its name.
pub(super) fn class(name: &str) -> Class {
    static KNOWN: LazyLock<Map<&str, Class>> =
        LazyLock::new(|| catalog::functions().map(|name| (name, told_class(name))).collect());
    KNOWN.get(name).copied().unwrap_or_else(|| told_class(name))
}

fn told_class(name: &str) -> Class {
    match name {
        "count" | "num_nulls" | "num_nonnulls" | "regr_count" => Class::Presence,
        "pg_typeof" | "row_number" | "rank" | "dense_rank" | "percent_rank" | "cume_dist" => Class::Nothing,
        "concat" | "concat_ws" | "format" => Class::Joins,
        "max" | "min" | "mode" | "percentile_disc" => Class::Picks,
        "to_char" => Class::Formats,
        "json_populate_record" | "json_populate_recordset" | "jsonb_populate_record" | "jsonb_populate_recordset" => {
            Class::Fills
        }
        "btrim" | "ltrim" | "rtrim" => Class::Trims,
        "string_agg" | "array_to_string" => Class::Lists,
        "json_extract_path" | "json_extract_path_text" | "jsonb_extract_path" | "jsonb_extract_path_text" => {
            Class::Extracts
        }
        "jsonb_path_query" | "jsonb_path_query_array" | "jsonb_path_query_first" => Class::Cuts,
        "int8range" | "numrange" | "int4range" => Class::Ranges,
        "to_tsvector" => Class::Lexemes,
        _ if OBJECTS.contains(&name) => Class::Objects,
        _ if EMBEDS.contains(&name) => Class::Embeds,
        _ if COMPARES.contains(&name) => Class::Compares,
        _ if is_elsewhere(name) => Class::Elsewhere,
        _ if catalog::is_safe_function(name) => Class::Transforms,
        _ => Class::Acts,
    }
}

/// What comes out of these is what went in, unchanged: picked, listed, quoted, or set into JSON or XML.
const EMBEDS: &[&str] = &[
    "any_value",
    "array_agg",
    "array_append",
    "array_cat",
    "array_prepend",
    "array_to_json",
    "first_value",
    "initcap",
    "json_agg",
    "json_agg_strict",
    "json_array_elements",
    "json_array_elements_text",
    "json_build_array",
    "json_each",
    "json_each_text",
    "json_object_keys",
    "json_strip_nulls",
    "json_to_record",
    "json_to_recordset",
    "jsonb_agg",
    "jsonb_agg_strict",
    "jsonb_array_elements",
    "jsonb_array_elements_text",
    "jsonb_build_array",
    "jsonb_each",
    "jsonb_each_text",
    "jsonb_object_keys",
    "jsonb_pretty",
    "jsonb_strip_nulls",
    "jsonb_to_record",
    "jsonb_to_recordset",
    "lag",
    "last_value",
    "lead",
    "lower",
    "nth_value",
    "quote_ident",
    "quote_literal",
    "quote_nullable",
    "row_to_json",
    "text",
    "to_json",
    "to_jsonb",
    "unnest",
    "upper",
    "xmlagg",
    "xmlconcat2",
];

/// An object of keys and values in turn, or of a key and a value each row.
const OBJECTS: &[&str] = &[
    "json_build_object",
    "json_object_agg",
    "json_object_agg_strict",
    "json_object_agg_unique",
    "json_object_agg_unique_strict",
    "jsonb_build_object",
    "jsonb_object_agg",
    "jsonb_object_agg_strict",
    "jsonb_object_agg_unique",
    "jsonb_object_agg_unique_strict",
];

/// The value that comes out of these is a verdict about what went in.
const COMPARES: &[&str] = &[
    "bool_and",
    "bool_or",
    "every",
    "isempty",
    "json_exists",
    "jsonb_exists",
    "jsonb_exists_all",
    "jsonb_exists_any",
    "jsonb_path_exists",
    "jsonb_path_match",
    "like",
    "notlike",
    "regexp_like",
    "similar_to_escape",
    "starts_with",
    "texteq",
    "textlike",
    "textne",
    "textregexeq",
    "ts_match_vq",
    "xmlexists",
    "xpath_exists",
];

/// Functions that hand out what is not among their arguments, by the beginning of their names or whole.
fn is_elsewhere(name: &str) -> bool {
    const BEGINNINGS: &[&str] = &[
        "brin_page_",
        "bt_page_",
        "crosstab",
        "dblink",
        "get_raw_page",
        "gist_page_",
        "hash_page_",
        "heap_page_",
        "lo_",
        "page_",
        "pg_current_logfile",
        "pg_cursor",
        "pg_file_",
        "pg_get_wal_",
        "pg_hba_",
        "pg_ident_",
        "pg_logdir_",
        "pg_logical_",
        "pg_ls_",
        "pg_mcv_",
        "pg_prepared_",
        "pg_read_",
        "pg_show_all_file",
        "pg_stat_file",
        "pg_stat_get_activity",
        "pg_stat_get_backend_activity",
        "pg_stat_statements",
        "pg_stats",
        "ts_stat",
        "tuple_data_",
    ];
    const WHOLE: &[&str] = &[
        "connectby",
        "currtid",
        "currtid2",
        "loread",
        "lowrite",
        "ts_rewrite",
        "xpath_table",
        "pg_get_replication_slots",
    ];
    let to_xml = ["cursor_to_xml", "database_to_xml", "query_to_xml", "schema_to_xml", "table_to_xml"];
    WHOLE.contains(&name) || BEGINNINGS.iter().chain(&to_xml).any(|beginning| name.starts_with(beginning))
}

/// The names of the columns of a well-known function in FROM; `None`: not told.
pub(super) fn columns(name: &str) -> Option<&'static [&'static str]> {
    Some(match name {
        "json_each" | "json_each_text" | "jsonb_each" | "jsonb_each_text" => &["key", "value"],
        "json_array_elements" | "json_array_elements_text" | "jsonb_array_elements" | "jsonb_array_elements_text" => {
            &["value"]
        }
        "generate_series" => &["generate_series"],
        "generate_subscripts" => &["generate_subscripts"],
        "string_to_table" => &["string_to_table"],
        "regexp_split_to_table" => &["regexp_split_to_table"],
        "json_object_keys" => &["json_object_keys"],
        "jsonb_object_keys" => &["jsonb_object_keys"],
        "jsonb_path_query" => &["jsonb_path_query"],
        _ => return None,
    })
}

/// Is the one column of a function in FROM, which bears the function's name, named by the alias?
pub(super) fn is_named_by_alias(column: &str, range: Node<'_>) -> bool {
    let function = range
        .list(at!("functions"))
        .first()
        .and_then(Value::as_node)
        .and_then(|entry| entry.list(at!("items")).first());
    let name = function.and_then(Value::as_node).map_or("", |call| words::last(call.list(at!("funcname"))));
    name == column && range.list(at!("coldeflist")).is_empty()
}
