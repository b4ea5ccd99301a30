//! The parse tree, uniform: every node is a type name and named fields, so that a walk misses none that it was not told of.
//!
//! Empty strings, zeros, `false` and NULL are left out, as libpg_query's JSON leaves them out; that JSON, read, is what the tests
//! compare with.

mod layout;
mod literal;
mod tag;

#[cfg(test)]
pub(crate) mod json;

pub(crate) use crate::grammar::{List, Node};
pub(crate) use layout::{Field, Kind, Layout, Shape, Shapes, TAGS};
pub(crate) use literal::{Literal, Literals};
pub(crate) use tag::{At, Tag, at};

/// A value of a field.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'t> {
    /// Absent.
    Null,
    /// A flag.
    Bool(bool),
    /// A number.
    Int(i64),
    /// A string or the name of an enumeration's value.
    Text(&'t str),
    /// A list.
    List(List<'t>),
    /// A node.
    Node(Node<'t>),
    /// The node that holds a constant's value.
    Literal(Literal<'t>),
}

impl<'t> Value<'t> {
    /// The node, if it is one.
    pub(crate) fn as_node(self) -> Option<Node<'t>> {
        match self {
            Value::Node(node) => Some(node),
            Value::Literal(literal) => Some(literal.look()),
            _ => None,
        }
    }

    /// The words of a `String` node.
    pub(crate) fn as_string(self) -> Option<&'t str> {
        match self {
            Value::Node(node) => node.string(),
            _ => None,
        }
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
