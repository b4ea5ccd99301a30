//! Operators: comparisons ask, JSON's take pieces out, `||` puts together, and the others transform.

use super::follow::Follower;
use super::select::nodes;
use super::value::Value;
use super::words;
use crate::tree::{Node, Tag, Value as Field, at};
use crate::walk::{parts, qualified};
use crate::{Clause, How, Unknown};

/// Operators whose result is true or false.
const COMPARISONS: &[&str] = &[
    "=", "<>", "!=", "<", "<=", ">", ">=", "~", "~*", "!~", "!~*", "~~", "~~*", "!~~", "!~~*", "^@", "@>", "<@", "&&",
    "?", "?|", "?&", "@?", "@@", "@@@", "*=", "*<>", "*<", "*>", "*<=", "*>=", "<<=", ">>=", "&<", "&>", "-|-", "~<~",
    "~>~", "~<=~", "~>=~", "~=",
];

/// A constant or a parameter, also cast: something that no row decides.
pub(super) fn is_fixed(node: Node<'_>) -> bool {
    match node.kind() {
        Tag::A_Const | Tag::ParamRef => true,
        Tag::TypeCast => node.node(at!("arg")).is_some_and(is_fixed),
        Tag::A_ArrayExpr => nodes(node.list(at!("elements"))).all(is_fixed),
        Tag::List => nodes(node.list(at!("items"))).all(is_fixed),
        _ => false,
    }
}

/// A JSON path of keys and positions alone: it compares nothing and computes nothing.
pub(super) fn is_plain_path(path: Node<'_>) -> bool {
    let words = constant_of(path);
    words.is_some_and(|words| {
        let plain = |c: char| c.is_alphanumeric() || "$._[]*\" ".contains(c);
        words.chars().all(plain) && !words.contains("**")
    })
}

fn constant_of(node: Node<'_>) -> Option<String> {
    match node.kind() {
        Tag::TypeCast => constant_of(node.node(at!("arg"))?),
        _ if node.kind() == Tag::A_Const => node.node(at!("sval")).map(|word| word.text(at!("sval")).to_owned()),
        _ => None,
    }
}

impl<'c> Follower<'c> {
    /// An operator with its operands.
    pub(super) fn operator(&mut self, node: Node<'c>) -> Value<'c> {
        let (schema, name) = parts(node.list(at!("name")));
        let values = [self.sum(node.get(at!("lexpr"))), self.sum(node.get(at!("rexpr")))];
        let [left, right] = &values;
        let foreign = schema.is_some_and(|schema| schema != "pg_catalog");
        let own = foreign || self.schema().has_operator(name);
        if own && values.iter().any(|value| self.is_sensitive(value)) {
            self.unknown(Unknown::Function(qualified(node.list(at!("name")))));
        }
        // Nothing matters, and none of these looks at a constant.
        let looks = || matches!(name, "||" | "->" | "->>" | "#>" | "#>>");
        if left.is_clean() && right.is_clean() && !looks() {
            return Value::clean();
        }
        let sides = (node.node(at!("lexpr")), node.node(at!("rexpr")));
        match node.text(at!("kind")) {
            "AEXPR_NULLIF" => {
                let clause = std::mem::replace(&mut self.clause, Clause::Case);
                let asked = self.equality(left, right, sides.0, sides.1, node);
                self.clause = clause;
                left.at_most(How::Verbatim).with(&asked)
            }
            "AEXPR_OP" => match name {
                "=" => self.equality(left, right, sides.0, sides.1, node),
                "||" => self.joined(node, &values),
                "->" | "->>" | "#>" | "#>>" => self.piece(left, right, node),
                other if COMPARISONS.contains(&other) => self.compared(&left.clone().with(right), node),
                "+" | "-" | "#" | "*" => self.transformed(&left.clone().with(right), How::Injective),
                _ => self.transformed(&left.clone().with(right), How::Lossy),
            },
            "AEXPR_IN" | "AEXPR_OP_ANY" if name == "=" => {
                // IN takes a list: a row of values.
                let listed = match node.get(at!("rexpr")) {
                    Field::List(items) => items.iter().filter_map(Field::as_node).all(is_fixed),
                    Field::Node(list) => is_fixed(list),
                    _ => false,
                };
                let bare = left.is_whole() && right.is_clean() && listed;
                self.equal(&left.clone().with(right), bare, node)
            }
            _ => self.compared(&left.clone().with(right), node),
        }
    }

    /// `left = right`.
    pub(super) fn equality(
        &mut self,
        left: &Value<'c>,
        right: &Value<'c>,
        left_node: Option<Node<'c>>,
        right_node: Option<Node<'c>>,
        node: Node<'c>,
    ) -> Value<'c> {
        let both = left.clone().with(right);
        if self.are_columns(left, right) {
            self.probe(&both, Clause::Join, node);
            return both.at_most(How::Predicate);
        }
        let fixed = |value: &Value<'c>, node: Option<Node<'c>>| value.is_clean() && node.is_some_and(is_fixed);
        let bare = left.is_whole() && fixed(right, right_node) || right.is_whole() && fixed(left, left_node);
        self.equal(&both, bare, node)
    }

    fn equal(&mut self, both: &Value<'c>, is_match: bool, node: Node<'c>) -> Value<'c> {
        // A function's parameter is whatever its caller's rows give it.
        if !is_match || !self.arguments.is_empty() {
            return self.compared(both, node);
        }
        self.probe(both, Clause::Match, node);
        both.at_most(How::Predicate)
    }

    /// `json -> key`: the piece stands in the whole as it is. A key that matters is compared with those that are there.
    pub(super) fn piece(&mut self, whole: &Value<'c>, key: &Value<'c>, node: Node<'c>) -> Value<'c> {
        let asked = self.compared(key, node);
        let name = node.node(at!("rexpr")).and_then(constant_of);
        let fields = whole.fields().into_iter().flat_map(|fields| fields.iter());
        if let Some(field) = fields.into_iter().find(|field| name.as_deref() == Some(field.name)) {
            return field.value.at_most(How::Verbatim).with(&asked);
        }
        whole.at_most(How::Verbatim).with(&asked)
    }

    /// `a || b`: a value that stands apart from digits and letters beside it stands there as it is.
    fn joined(&mut self, node: Node<'c>, values: &[Value<'c>; 2]) -> Value<'c> {
        let [left, right] = values;
        let apart = |edge: Option<char>| edge.is_some_and(is_border);
        let (left_node, right_node) = (node.node(at!("lexpr")), node.node(at!("rexpr")));
        let left_kept = left.is_clean() || apart(right_node.and_then(|node| edge(node, false)));
        let right_kept = right.is_clean() || apart(left_node.and_then(|node| edge(node, true)));
        let how = if left_kept && right_kept { How::Verbatim } else { How::Injective };
        self.transformed(&left.clone().with(right), how)
    }
}

/// A character that ends a number: no digit, no letter, none that may be part of one.
pub(super) fn is_border(c: char) -> bool {
    c.is_ascii() && !c.is_alphanumeric() && !"-_.+".contains(c)
}

/// The last or first character of what an expression surely begins or ends with.
fn edge(node: Node<'_>, last: bool) -> Option<char> {
    match node.kind() {
        Tag::A_Expr if words::last(node.list(at!("name"))) == "||" => {
            edge(node.node(if last { at!("rexpr") } else { at!("lexpr") })?, last)
        }
        Tag::A_Const | Tag::TypeCast => {
            let words = constant_of(node)?;
            let digits = words.chars().any(|c| c.is_numeric());
            let end = if last { words.chars().next_back() } else { words.chars().next() };
            end.filter(|_| !digits)
        }
        _ => None,
    }
}

/// Do the constants around the arguments of `string_agg`, `concat`, `format` or `to_char` leave each apart from the others?
pub(super) fn is_set_apart(function: &str, call: Node<'_>) -> bool {
    let arguments: Vec<Node<'_>> = nodes(call.list(at!("args"))).collect();
    let word = |at: usize| arguments.get(at).and_then(|argument| constant_of(*argument));
    let is_apart = |word: &str| {
        !word.chars().any(|c| c.is_numeric())
            && word.chars().next().is_some_and(is_border)
            && word.chars().next_back().is_some_and(is_border)
    };
    match function {
        "string_agg" | "array_to_string" => word(1).is_some_and(|word| is_apart(&word)) && arguments.len() == 2,
        "concat_ws" => word(0).is_some_and(|word| is_apart(&word)),
        "concat" => between(&arguments),
        "format" => word(0).is_some_and(|format| is_plain_format(&format)),
        "to_char" => word(1).is_some_and(|format| is_plain_number(&format)),
        _ => false,
    }
}

/// No two neighbours of which neither is a constant that keeps them apart.
fn between(arguments: &[Node<'_>]) -> bool {
    let apart = |argument: Node<'_>, last: bool| edge(argument, last).is_some_and(is_border);
    arguments.windows(2).all(|pair| match pair {
        [left, right] => apart(*left, true) || apart(*right, false),
        _ => true,
    })
}

/// A text with `%s` and its like that have no digit or letter beside them.
fn is_plain_format(format: &str) -> bool {
    let mut rest = format;
    let mut before: Option<char> = None;
    while let Some((head, tail)) = rest.split_once('%') {
        let mut tail = tail.chars();
        let kind = tail.next();
        let after = tail.clone().next();
        before = head.chars().next_back().or(before);
        let plain = kind.is_some_and(|kind| "sIL".contains(kind));
        if head.chars().any(|c| c.is_numeric())
            || !plain
            || !before.is_none_or(is_border)
            || !after.is_none_or(|c| is_border(c) && c != '%')
        {
            return false;
        }
        before = Some('%').filter(|_| false);
        rest = tail.as_str();
    }
    !rest.chars().any(|c| c.is_numeric())
}

/// A number's format of digits and blanks alone, long enough for a card number.
fn is_plain_number(format: &str) -> bool {
    let digits = format.strip_prefix("FM").unwrap_or(format);
    digits.chars().all(|c| "90 ".contains(c)) && digits.chars().filter(|c| *c != ' ').count() >= 19
}
