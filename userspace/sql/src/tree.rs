//! The parse tree, uniform: every node is a type name and named fields, so that a walk misses none that it was not told of.
//!
//! Empty strings, zeros, `false` and NULL are left out, as libpg_query's JSON leaves them out; that JSON, read, is what the tests
//! compare with.

mod layout;
mod literal;
mod tag;

#[cfg(test)]
pub(crate) mod json;

pub(crate) use layout::{Field, Kind, Layout, Shape};
pub(crate) use literal::{Literal, Literals};
pub(crate) use tag::{At, Tag, at};

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
    Node(&'j Node<'j>),
    /// The node that holds a constant's value.
    Literal(Literal<'j>),
}

/// A node of the tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'j> {
    /// Its type; none for the few structs that no walk asks for.
    pub(crate) kind: Tag,
    name: &'j str,
    fields: &'j [(At, Value<'j>)],
}

impl<'j> Node<'j> {
    /// One of no type without fields.
    pub(crate) const EMPTY: Node<'static> = Node { kind: Tag::None, name: "", fields: &[] };

    /// A node of that type with these fields.
    pub(crate) fn new(kind: Tag, name: &'j str, fields: &'j [(At, Value<'j>)]) -> Node<'j> {
        Node { kind, name, fields }
    }

    /// One of no type.
    pub(crate) fn bare(fields: &'j [(At, Value<'j>)]) -> Node<'j> {
        Node::new(Tag::None, "", fields)
    }

    /// The name of its type, as PostgreSQL's sources have it.
    pub(crate) fn name(&self) -> &'j str {
        self.name
    }

    /// A field's value.
    pub(crate) fn get(&self, field: At) -> &'j Value<'j> {
        self.fields.iter().find(|(name, _)| *name == field).map_or(&Value::Null, |(_, value)| value)
    }

    /// A field that is a node.
    pub(crate) fn node(&self, field: At) -> Option<&'j Node<'j>> {
        self.get(field).as_node()
    }

    /// A field that is a list; empty if absent.
    pub(crate) fn list(&self, field: At) -> &'j [Value<'j>] {
        match self.get(field) {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// A field that is a string or an enumeration; empty if absent.
    pub(crate) fn text(&self, field: At) -> &'j str {
        match self.get(field) {
            Value::Text(text) => text,
            _ => "",
        }
    }

    /// A flag; false if absent.
    pub(crate) fn flag(&self, field: At) -> bool {
        matches!(self.get(field), Value::Bool(true))
    }

    /// A number; 0 if absent.
    pub(crate) fn int(&self, field: At) -> i64 {
        match self.get(field) {
            Value::Int(number) => *number,
            _ => 0,
        }
    }

    /// All fields in order.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (At, &'j Value<'j>)> + use<'j> {
        self.fields.iter().map(|(name, value)| (*name, value))
    }
}

impl<'j> Value<'j> {
    /// The node, if it is one.
    pub(crate) fn as_node(&self) -> Option<&'j Node<'j>> {
        match self {
            Value::Node(node) => Some(node),
            Value::Literal(literal) => Some(literal.look()),
            _ => None,
        }
    }

    /// The words of a `String` node.
    pub(crate) fn as_string(&self) -> Option<&'j str> {
        self.as_node().filter(|node| node.kind == Tag::String).map(|node| node.text(at!("sval")))
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
