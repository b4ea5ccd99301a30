//! Words that the grammar here knows and an older server's does not: there they are names. Both are taken to be meant.
//!
//! PostgreSQL 16 made `system_user` a reserved word; 16 and 17 made the words of SQL/JSON, and `merge_action`, words that no function may be
//! called by. All other words that have come since 13 may still be names wherever a name may stand.

use super::follow::Follower;
use super::value::Value;
use crate::tree::{Node, Tag, at};
use crate::{How, Name};

/// What the node is written as, where an older server reads a call of a function of that name.
fn written(kind: Tag, node: Node<'_>) -> Option<&'static str> {
    Some(match kind {
        Tag::JsonParseExpr => "json",
        Tag::JsonScalarExpr => "json_scalar",
        Tag::JsonSerializeExpr => "json_serialize",
        Tag::JsonObjectConstructor => "json_object",
        Tag::JsonArrayConstructor | Tag::JsonArrayQueryConstructor => "json_array",
        Tag::JsonObjectAgg => "json_objectagg",
        Tag::JsonArrayAgg => "json_arrayagg",
        Tag::MergeSupportFunc => "merge_action",
        Tag::JsonFuncExpr => match node.text(at!("op")) {
            "JSON_EXISTS_OP" => "json_exists",
            "JSON_QUERY_OP" => "json_query",
            _ => "json_value",
        },
        _ => return None,
    })
}

impl<'c> Follower<'c> {
    /// `SYSTEM_USER` is a column of that name before 16. The other words of its kind are reserved in every version.
    pub(super) fn newer_name(&mut self) -> Value<'c> {
        let value = self.named_column("system_user").unwrap_or_default();
        self.used(value)
    }

    /// `value` is what the form gives; a function of the user's of that name may be meant as well.
    pub(super) fn newer_function(&mut self, kind: Tag, node: Node<'c>, value: Value<'c>) -> Value<'c> {
        let Some(name) = written(kind, node) else { return value };
        if self.schema().functions(name).is_empty() && !self.earlier.functions.iter().any(|made| made == name) {
            return value;
        }
        self.unknown(crate::Unknown::Function(Name::new(None, name)));
        value.at_most(How::Lossy).with(&value)
    }
}
