//! Casts: what a type keeps of a value that is cast to it.

use super::follow::Follower;
use super::functions::{self, Class};
use super::value::Value;
use super::words;
use crate::How;
use crate::tree::{Node, Tag, at};

/// Characters that any card number fits into.
const LENGTH_MIN: i64 = 19;

/// What a type keeps of a value.
pub(super) fn keeps(type_name: Option<Node<'_>>) -> How {
    let Some(type_name) = type_name else { return How::Lossy };
    match words::last(type_name.list(at!("names"))) {
        "text" | "json" | "jsonb" | "record" => How::Verbatim,
        "varchar" | "bpchar" if is_wide(type_name) => How::Verbatim,
        "int8" => How::Verbatim,
        "numeric" if type_name.list(at!("typmods")).is_empty() => How::Verbatim,
        "bytea" | "name" | "xml" | "float8" | "citext" | "cstring" | "tsvector" => How::Injective,
        _ => How::Lossy,
    }
}

/// By `pg_type.oid`: text, json, jsonb, int8.
pub(super) fn is_wide_type(type_oid: u32) -> bool {
    [25, 114, 3802, 20].contains(&type_oid)
}

/// No length, or one that cuts nothing off.
fn is_wide(type_name: Node<'_>) -> bool {
    let lengths = type_name.list(at!("typmods"));
    let Some(length) = lengths.only() else { return lengths.is_empty() };
    let length =
        length.as_node().and_then(|length| length.node(at!("ival"))).map_or(0, |length| length.int(at!("ival")));
    length >= LENGTH_MIN
}

/// Is it a text that was put together or cut, and not a value of its own?
fn is_composed(node: Node<'_>) -> bool {
    let mut node = node;
    while let (true, Some(inner)) = ([Tag::TypeCast, Tag::CollateClause].contains(&node.kind()), node.node(at!("arg")))
    {
        node = inner;
    }
    let of_texts = [Class::Joins, Class::Lists, Class::Formats, Class::Trims];
    let is_of_texts = |name: &str| of_texts.contains(&functions::class(name));
    words::last(node.list(at!("name"))) == "||"
        || node.kind() == Tag::FuncCall && is_of_texts(words::last(node.list(at!("funcname"))))
}

impl<'c> Follower<'c> {
    /// `value::type`: what does not fit is quoted in the error.
    pub(super) fn cast(&mut self, value: &Value<'c>, cast: Node<'c>) -> Value<'c> {
        let type_name = cast.node(at!("typeName"));
        let is_text = type_name.is_some_and(|name| {
            let name = words::last(name.list(at!("names")));
            ["text", "varchar", "bpchar", "record"].contains(&name)
        });
        if !is_text {
            self.may_quote(value);
        }
        let is_record = type_name.is_some_and(|name| words::last(name.list(at!("names"))) == "record");
        // A text that was put together may be read as another value, or as none. Of what derives from nothing that matters nothing is kept anyway.
        let is_joined = !value.is_clean() && cast.node(at!("arg")).is_some_and(is_composed);
        let how = if is_joined && !is_text { How::Lossy } else { keeps(type_name) };
        if is_record { value.clone() } else { value.at_most(how) }
    }
}
