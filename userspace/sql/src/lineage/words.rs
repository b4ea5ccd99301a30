//! Expressions in words, and the names that the server gives to outputs. Never a literal, never a long run of digits.

use std::rc::Rc;

use crate::tree::{Node, Value};

/// Characters of an expression in words.
const LENGTH_MAX: usize = 160;
/// Digits of an identifier that may be shown: an agent can write a card number between double quotes.
const DIGITS_MAX: usize = 8;
/// Levels of an expression that are shown.
const LEVELS_MAX: usize = 6;

/// An identifier as it may be shown.
pub(super) fn identifier(name: &str) -> Rc<str> {
    let digits = name.chars().filter(|c| c.is_numeric()).count();
    Rc::from(if digits > DIGITS_MAX || name.len() > 63 { "..." } else { name })
}

/// An expression in words.
pub(super) fn expression(node: &Node<'_>) -> String {
    let mut text = String::new();
    write(&mut text, node, 0);
    if text.chars().count() > LENGTH_MAX {
        text = text.chars().take(LENGTH_MAX).chain("...".chars()).collect();
    }
    text
}

fn write(text: &mut String, node: &Node<'_>, level: usize) {
    if level > LEVELS_MAX || text.len() > LENGTH_MAX {
        return text.push_str("...");
    }
    match node.kind {
        "ColumnRef" => names(text, node.list("fields")),
        "ResTarget" | "SortBy" | "NamedArgExpr" => {
            let field = ["val", "node", "arg"].into_iter().find_map(|field| node.node(field));
            match field {
                Some(inner) => write(text, inner, level),
                None => text.push_str(&identifier(node.text("name"))),
            }
        }
        "CollateClause" => part(text, node.get("arg"), level),
        "FuncCall" => call(text, node, level),
        "TypeCast" => {
            part(text, node.get("arg"), level);
            let type_name = node.node("typeName").map_or(&[][..], |name| name.list("names"));
            text.push_str("::");
            text.push_str(&identifier(last(type_name)));
        }
        "A_Expr" => operator(text, node, level),
        "BoolExpr" => {
            let word = match node.text("boolop") {
                "AND_EXPR" => " AND ",
                "OR_EXPR" => " OR ",
                _ => {
                    text.push_str("NOT ");
                    ""
                }
            };
            list(text, node.list("args"), word, level);
        }
        "A_Indirection" => {
            text.push('(');
            part(text, node.get("arg"), level);
            text.push(')');
            for step in node.list("indirection") {
                match step.as_string() {
                    Some(name) => text.extend([".", &identifier(name)]),
                    None => text.push_str("[...]"),
                }
            }
        }
        "CaseExpr" => text.push_str("CASE ..."),
        "CoalesceExpr" => function(text, "coalesce", node.list("args"), level),
        "MinMaxExpr" => function(text, min_max(node), node.list("args"), level),
        "RowExpr" => function(text, "ROW", node.list("args"), level),
        "A_ArrayExpr" => function(text, "ARRAY", node.list("elements"), level),
        "NullTest" | "BooleanTest" => {
            part(text, node.get("arg"), level);
            text.push_str(" IS ...");
        }
        "SubLink" => {
            part(text, node.get("testexpr"), level);
            text.push_str("(SELECT ...)");
        }
        "JoinExpr" => match node.node("quals") {
            Some(quals) => write(text, quals, level),
            None => text.push_str(if node.flag("isNatural") { "NATURAL JOIN" } else { "USING (...)" }),
        },
        "RangeFunction" => part(text, node.get("functions"), level),
        "List" => list(text, node.list("items"), ", ", level),
        _ => text.push_str("..."),
    }
}

fn min_max(node: &Node<'_>) -> &'static str {
    if node.text("op") == "IS_LEAST" { "least" } else { "greatest" }
}

fn part(text: &mut String, value: &Value<'_>, level: usize) {
    match value {
        Value::Node(node) => write(text, node, level + 1),
        Value::List(items) => list(text, items, ", ", level),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Literal(_) => {}
    }
}

fn list(text: &mut String, items: &[Value<'_>], between: &str, level: usize) {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            text.push_str(between);
        }
        if text.len() > LENGTH_MAX {
            return text.push_str("...");
        }
        part(text, item, level);
    }
}

fn function(text: &mut String, name: &str, arguments: &[Value<'_>], level: usize) {
    text.extend([&identifier(name), "("]);
    list(text, arguments, ", ", level);
    text.push(')');
}

fn call(text: &mut String, node: &Node<'_>, level: usize) {
    function(text, last(node.list("funcname")), node.list("args"), level);
    if node.node("over").is_some() {
        text.push_str(" OVER (...)");
    }
}

fn operator(text: &mut String, node: &Node<'_>, level: usize) {
    let word = match node.text("kind") {
        "AEXPR_LIKE" | "AEXPR_ILIKE" | "AEXPR_SIMILAR" => "LIKE",
        "AEXPR_IN" => "IN",
        "AEXPR_BETWEEN" | "AEXPR_NOT_BETWEEN" | "AEXPR_BETWEEN_SYM" | "AEXPR_NOT_BETWEEN_SYM" => "BETWEEN",
        "AEXPR_DISTINCT" | "AEXPR_NOT_DISTINCT" => "IS DISTINCT FROM",
        "AEXPR_NULLIF" => {
            text.push_str("nullif(");
            part(text, node.get("lexpr"), level);
            text.push_str(", ");
            part(text, node.get("rexpr"), level);
            return text.push(')');
        }
        _ => last(node.list("name")),
    };
    if node.node("lexpr").is_some() {
        part(text, node.get("lexpr"), level);
        text.push(' ');
    }
    text.extend([word, " "]);
    part(text, node.get("rexpr"), level);
}

fn names(text: &mut String, fields: &[Value<'_>]) {
    for (at, field) in fields.iter().enumerate() {
        if at > 0 {
            text.push('.');
        }
        match field.as_string() {
            Some(name) => text.push_str(&identifier(name)),
            None => text.push('*'),
        }
    }
}

/// The last word of a qualified name.
pub(super) fn last<'n>(words: &'n [Value<'_>]) -> &'n str {
    words.iter().rev().find_map(Value::as_string).unwrap_or_default()
}

/// The name that the server derives for an output without one (`FigureColname` in parse_target.c).
pub(super) fn output_name(node: &Node<'_>) -> Rc<str> {
    Rc::from(derived(node, 0).unwrap_or("?column?"))
}

fn derived<'n>(node: &'n Node<'_>, level: usize) -> Option<&'n str> {
    let inner = |field: &str| node.node(field).filter(|_| level < 100).and_then(|inner| derived(inner, level + 1));
    let name = match node.kind {
        "ColumnRef" => last(node.list("fields")),
        "A_Indirection" => {
            let name = last(node.list("indirection"));
            return if name.is_empty() { inner("arg") } else { Some(name) };
        }
        "FuncCall" => last(node.list("funcname")),
        "A_Expr" if node.text("kind") == "AEXPR_NULLIF" => "nullif",
        "TypeCast" => {
            let type_name = || node.node("typeName").map(|name| last(name.list("names")));
            return inner("arg").or_else(type_name);
        }
        "CollateClause" => return inner("arg"),
        "GroupingFunc" => "grouping",
        "SubLink" => match node.text("subLinkType") {
            "EXISTS_SUBLINK" => "exists",
            "ARRAY_SUBLINK" => "array",
            "EXPR_SUBLINK" => return selected(node.node("subselect")?),
            _ => return None,
        },
        "CaseExpr" => return inner("defresult").or(Some("case")),
        "A_ArrayExpr" => "array",
        "RowExpr" => "row",
        "CoalesceExpr" => "coalesce",
        "MinMaxExpr" => min_max(node),
        "XmlExpr" => match node.text("op") {
            "IS_XMLCONCAT" => "xmlconcat",
            "IS_XMLELEMENT" => "xmlelement",
            "IS_XMLFOREST" => "xmlforest",
            "IS_XMLPARSE" => "xmlparse",
            "IS_XMLPI" => "xmlpi",
            "IS_XMLROOT" => "xmlroot",
            _ => return None,
        },
        "XmlSerialize" => "xmlserialize",
        "JsonObjectConstructor" => "json_object",
        "JsonArrayConstructor" | "JsonArrayQueryConstructor" => "json_array",
        "JsonObjectAgg" => "json_objectagg",
        "JsonArrayAgg" => "json_arrayagg",
        "JsonParseExpr" => "json",
        "JsonScalarExpr" => "json_scalar",
        "JsonSerializeExpr" => "json_serialize",
        "JsonFuncExpr" => match node.text("op") {
            "JSON_EXISTS_OP" => "json_exists",
            "JSON_QUERY_OP" => "json_query",
            _ => "json_value",
        },
        _ => return None,
    };
    (!name.is_empty()).then_some(name)
}

/// The name of a query's first output.
fn selected<'n>(query: &'n Node<'_>) -> Option<&'n str> {
    let first = query.list("targetList").first().and_then(Value::as_node)?;
    match first.text("name") {
        "" => derived(first.node("val")?, 0),
        name => Some(name),
    }
}
