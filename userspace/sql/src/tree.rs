//! The parse tree, uniform: every node is a type name and named fields, so that a walk misses none that it was not told of.
//!
//! Empty strings, zeros, `false` and NULL are left out, as libpg_query's JSON leaves them out; that JSON, read, is what the tests
//! compare with.

mod layout;
mod literal;

#[cfg(test)]
pub(crate) mod json;

pub(crate) use layout::{Field, Kind, Layout, Shape};
pub(crate) use literal::{Literal, Literals};

/// A value of a field. Lists and nodes lie in the arena that the tree was read into.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'j> {
    /// Absent list element, or JSON null.
    Null,
    /// A flag.
    Bool(bool),
    /// A number; fractions and what does not fit are 0 (only planner fields have them).
    Int(i64),
    /// A string or the name of an enumeration's value.
    Text(&'j str),
    /// A list.
    List(&'j [Value<'j>]),
    /// A node.
    Node(Node<'j>),
    /// The node that holds a constant's value.
    Literal(Literal<'j>),
}

/// A node of the tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'j> {
    /// Its type, as PostgreSQL's sources name it; empty for the few structs that no walk asks for.
    pub(crate) kind: &'j str,
    fields: &'j [(&'j str, Value<'j>)],
}

impl<'j> Node<'j> {
    /// A node of that type with these fields.
    pub(crate) fn new(kind: &'j str, fields: &'j [(&'j str, Value<'j>)]) -> Node<'j> {
        Node { kind, fields }
    }

    /// A field's value.
    pub(crate) fn get(&self, field: &str) -> &'j Value<'j> {
        self.fields.iter().find(|(name, _)| *name == field).map_or(&Value::Null, |(_, value)| value)
    }

    /// A field that is a node.
    pub(crate) fn node(&self, field: &str) -> Option<&'j Node<'j>> {
        self.get(field).as_node()
    }

    /// A field that is a list; empty if absent.
    pub(crate) fn list(&self, field: &str) -> &'j [Value<'j>] {
        match self.get(field) {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// A field that is a string or an enumeration; empty if absent.
    pub(crate) fn text(&self, field: &str) -> &'j str {
        match self.get(field) {
            Value::Text(text) => text,
            _ => "",
        }
    }

    /// A flag; false if absent.
    pub(crate) fn flag(&self, field: &str) -> bool {
        matches!(self.get(field), Value::Bool(true))
    }

    /// A number; 0 if absent.
    pub(crate) fn int(&self, field: &str) -> i64 {
        match self.get(field) {
            Value::Int(number) => *number,
            _ => 0,
        }
    }

    /// All fields in order.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&'j str, &'j Value<'j>)> + use<'j> {
        self.fields.iter().map(|(name, value)| (*name, value))
    }
}

impl<'j> Value<'j> {
    /// The node, if it is one.
    pub(crate) fn as_node(&self) -> Option<&Node<'j>> {
        match self {
            Value::Node(node) => Some(node),
            Value::Literal(literal) => Some(literal.look()),
            _ => None,
        }
    }

    /// The words of a `String` node.
    pub(crate) fn as_string(&self) -> Option<&str> {
        self.as_node().filter(|node| node.kind == "String").map(|node| node.text("sval"))
    }
}

/// Why a tree could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// Nested deeper than asked for.
    TooDeep,
    /// More of it than asked for.
    TooLong,
    /// Not what the library makes.
    Malformed,
}
