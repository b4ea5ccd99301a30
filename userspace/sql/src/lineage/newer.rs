//! Words that the grammar here knows and an older server's does not: there they are names. Both are taken to be meant.
//!
//! PostgreSQL 16 made `system_user` a reserved word; 16 and 17 made the words of SQL/JSON, and `merge_action`, words that no function may be
//! called by. All other words that have come since 13 may still be names wherever a name may stand.

use super::follow::Follower;
use super::value::Value;
use crate::tree::Node;
use crate::{How, Name};

/// What the node is written as, where an older server reads a call of a function of that name.
fn written(kind: &str, node: &Node<'_>) -> Option<&'static str> {
    Some(match kind {
        "JsonParseExpr" => "json",
        "JsonScalarExpr" => "json_scalar",
        "JsonSerializeExpr" => "json_serialize",
        "JsonObjectConstructor" => "json_object",
        "JsonArrayConstructor" | "JsonArrayQueryConstructor" => "json_array",
        "JsonObjectAgg" => "json_objectagg",
        "JsonArrayAgg" => "json_arrayagg",
        "MergeSupportFunc" => "merge_action",
        "JsonFuncExpr" => match node.text("op") {
            "JSON_EXISTS_OP" => "json_exists",
            "JSON_QUERY_OP" => "json_query",
            _ => "json_value",
        },
        _ => return None,
    })
}

impl Follower<'_> {
    /// `SYSTEM_USER` is a column of that name before 16. The other words of its kind are reserved in every version.
    pub(super) fn newer_name(&mut self) -> Value {
        let value = self.named_column("system_user").unwrap_or_default();
        self.used(value)
    }

    /// `value` is what the form gives; a function of the user's of that name may be meant as well.
    pub(super) fn newer_function(&mut self, kind: &str, node: &Node<'_>, value: Value) -> Value {
        let Some(name) = written(kind, node) else { return value };
        if self.schema().functions(name).is_empty() && !self.earlier.functions.iter().any(|made| made == name) {
            return value;
        }
        self.unknown(crate::Unknown::Function(Name { schema: None, name: name.to_owned() }));
        value.at_most(How::Lossy).with(&value)
    }
}
