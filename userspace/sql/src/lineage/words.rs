//! Expressions in words, and the names that the server gives to outputs. Never a literal, never a long run of digits.

use crate::tree::{At, List, Node, Tag, Value, at};

/// Characters of an expression in words.
const LENGTH_MAX: usize = 160;
/// Digits of an identifier that may be shown: an agent can write a card number between double quotes.
const DIGITS_MAX: usize = 8;
/// Levels of an expression that are shown.
const LEVELS_MAX: usize = 6;

/// An identifier as it may be shown.
pub(super) fn identifier(name: &str) -> &str {
    let has_many_digits = || name.chars().filter(|c| c.is_numeric()).count() > DIGITS_MAX;
    // What has no more letters has no more digits.
    let is_long = name.len() > DIGITS_MAX;
    if name.len() > 63 || is_long && name.bytes().any(is_of_digit) && has_many_digits() { "..." } else { name }
}

/// Whether a byte is a digit, or of a character that may be one.
fn is_of_digit(byte: u8) -> bool {
    byte.is_ascii_digit() || !byte.is_ascii()
}

/// An expression in words.
pub(super) fn expression(node: Node<'_>) -> String {
    let mut text = String::new();
    write(&mut text, node, 0);
    if text.chars().count() > LENGTH_MAX {
        text = text.chars().take(LENGTH_MAX).chain("...".chars()).collect();
    }
    text
}

fn write(text: &mut String, node: Node<'_>, level: usize) {
    if level > LEVELS_MAX || text.len() > LENGTH_MAX {
        return text.push_str("...");
    }
    match node.kind() {
        Tag::ColumnRef => names(text, node.list(at!("fields"))),
        Tag::ResTarget | Tag::SortBy | Tag::NamedArgExpr => {
            let field = [at!("val"), at!("node"), at!("arg")].into_iter().find_map(|field| node.node(field));
            match field {
                Some(inner) => write(text, inner, level),
                None => text.push_str(identifier(node.text(at!("name")))),
            }
        }
        Tag::CollateClause => part(text, node.get(at!("arg")), level),
        Tag::FuncCall => call(text, node, level),
        Tag::TypeCast => {
            part(text, node.get(at!("arg")), level);
            let type_name = node.node(at!("typeName")).map_or(List::default(), |name| name.list(at!("names")));
            text.push_str("::");
            text.push_str(identifier(last(type_name)));
        }
        Tag::A_Expr => operator(text, node, level),
        Tag::BoolExpr => {
            let word = match node.text(at!("boolop")) {
                "AND_EXPR" => " AND ",
                "OR_EXPR" => " OR ",
                _ => {
                    text.push_str("NOT ");
                    ""
                }
            };
            list(text, node.list(at!("args")), word, level);
        }
        Tag::A_Indirection => {
            text.push('(');
            part(text, node.get(at!("arg")), level);
            text.push(')');
            for step in node.list(at!("indirection")) {
                match step.as_string() {
                    Some(name) => text.extend([".", identifier(name)]),
                    None => text.push_str("[...]"),
                }
            }
        }
        Tag::CaseExpr => text.push_str("CASE ..."),
        Tag::CoalesceExpr => function(text, "coalesce", node.list(at!("args")), level),
        Tag::MinMaxExpr => function(text, min_max(node), node.list(at!("args")), level),
        Tag::RowExpr => function(text, "ROW", node.list(at!("args")), level),
        Tag::A_ArrayExpr => function(text, "ARRAY", node.list(at!("elements")), level),
        Tag::NullTest | Tag::BooleanTest => {
            part(text, node.get(at!("arg")), level);
            text.push_str(" IS ...");
        }
        Tag::SubLink => {
            part(text, node.get(at!("testexpr")), level);
            text.push_str("(SELECT ...)");
        }
        Tag::JoinExpr => match node.node(at!("quals")) {
            Some(quals) => write(text, quals, level),
            None => text.push_str(if node.flag(at!("isNatural")) { "NATURAL JOIN" } else { "USING (...)" }),
        },
        Tag::RangeFunction => part(text, node.get(at!("functions")), level),
        Tag::List => list(text, node.list(at!("items")), ", ", level),
        _ => text.push_str("..."),
    }
}

fn min_max(node: Node<'_>) -> &'static str {
    if node.text(at!("op")) == "IS_LEAST" { "least" } else { "greatest" }
}

fn part(text: &mut String, value: Value<'_>, level: usize) {
    match value {
        Value::Node(node) => write(text, node, level + 1),
        Value::List(items) => list(text, items, ", ", level),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Literal(_) => {}
    }
}

fn list(text: &mut String, items: List<'_>, between: &str, level: usize) {
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

fn function(text: &mut String, name: &str, arguments: List<'_>, level: usize) {
    text.extend([identifier(name), "("]);
    list(text, arguments, ", ", level);
    text.push(')');
}

fn call(text: &mut String, node: Node<'_>, level: usize) {
    function(text, last(node.list(at!("funcname"))), node.list(at!("args")), level);
    if node.node(at!("over")).is_some() {
        text.push_str(" OVER (...)");
    }
}

fn operator(text: &mut String, node: Node<'_>, level: usize) {
    let word = match node.text(at!("kind")) {
        "AEXPR_LIKE" | "AEXPR_ILIKE" | "AEXPR_SIMILAR" => "LIKE",
        "AEXPR_IN" => "IN",
        "AEXPR_BETWEEN" | "AEXPR_NOT_BETWEEN" | "AEXPR_BETWEEN_SYM" | "AEXPR_NOT_BETWEEN_SYM" => "BETWEEN",
        "AEXPR_DISTINCT" | "AEXPR_NOT_DISTINCT" => "IS DISTINCT FROM",
        "AEXPR_NULLIF" => {
            text.push_str("nullif(");
            part(text, node.get(at!("lexpr")), level);
            text.push_str(", ");
            part(text, node.get(at!("rexpr")), level);
            return text.push(')');
        }
        _ => last(node.list(at!("name"))),
    };
    if node.node(at!("lexpr")).is_some() {
        part(text, node.get(at!("lexpr")), level);
        text.push(' ');
    }
    text.extend([word, " "]);
    part(text, node.get(at!("rexpr")), level);
}

fn names(text: &mut String, fields: List<'_>) {
    for (at, field) in fields.iter().enumerate() {
        if at > 0 {
            text.push('.');
        }
        match field.as_string() {
            Some(name) => text.push_str(identifier(name)),
            None => text.push('*'),
        }
    }
}

/// The last word of a qualified name.
pub(super) fn last<'c>(words: List<'c>) -> &'c str {
    words.iter().rev().find_map(Value::as_string).unwrap_or_default()
}

/// The name that the server derives for an output without one (`FigureColname` in parse_target.c).
pub(super) fn output_name<'c>(node: Node<'c>) -> &'c str {
    derived(node, 0).unwrap_or("?column?")
}

fn derived<'c>(node: Node<'c>, level: usize) -> Option<&'c str> {
    let inner = |field: At| node.node(field).filter(|_| level < 100).and_then(|inner| derived(inner, level + 1));
    let name = match node.kind() {
        Tag::ColumnRef => last(node.list(at!("fields"))),
        Tag::A_Indirection => {
            let name = last(node.list(at!("indirection")));
            return if name.is_empty() { inner(at!("arg")) } else { Some(name) };
        }
        Tag::FuncCall => last(node.list(at!("funcname"))),
        Tag::A_Expr if node.text(at!("kind")) == "AEXPR_NULLIF" => "nullif",
        Tag::TypeCast => {
            let type_name = || node.node(at!("typeName")).map(|name| last(name.list(at!("names"))));
            return inner(at!("arg")).or_else(type_name);
        }
        Tag::CollateClause => return inner(at!("arg")),
        Tag::GroupingFunc => "grouping",
        Tag::SubLink => match node.text(at!("subLinkType")) {
            "EXISTS_SUBLINK" => "exists",
            "ARRAY_SUBLINK" => "array",
            "EXPR_SUBLINK" => return selected(node.node(at!("subselect"))?),
            _ => return None,
        },
        Tag::CaseExpr => return inner(at!("defresult")).or(Some("case")),
        Tag::A_ArrayExpr => "array",
        Tag::RowExpr => "row",
        Tag::CoalesceExpr => "coalesce",
        Tag::MinMaxExpr => min_max(node),
        Tag::XmlExpr => match node.text(at!("op")) {
            "IS_XMLCONCAT" => "xmlconcat",
            "IS_XMLELEMENT" => "xmlelement",
            "IS_XMLFOREST" => "xmlforest",
            "IS_XMLPARSE" => "xmlparse",
            "IS_XMLPI" => "xmlpi",
            "IS_XMLROOT" => "xmlroot",
            _ => return None,
        },
        Tag::XmlSerialize => "xmlserialize",
        Tag::JsonObjectConstructor => "json_object",
        Tag::JsonArrayConstructor | Tag::JsonArrayQueryConstructor => "json_array",
        Tag::JsonObjectAgg => "json_objectagg",
        Tag::JsonArrayAgg => "json_arrayagg",
        Tag::JsonParseExpr => "json",
        Tag::JsonScalarExpr => "json_scalar",
        Tag::JsonSerializeExpr => "json_serialize",
        Tag::JsonFuncExpr => match node.text(at!("op")) {
            "JSON_EXISTS_OP" => "json_exists",
            "JSON_QUERY_OP" => "json_query",
            _ => "json_value",
        },
        _ => return None,
    };
    (!name.is_empty()).then_some(name)
}

/// The name of a query's first output.
fn selected<'c>(query: Node<'c>) -> Option<&'c str> {
    let first = query.list(at!("targetList")).first().and_then(Value::as_node)?;
    match first.text(at!("name")) {
        "" => derived(first.node(at!("val"))?, 0),
        name => Some(name),
    }
}
