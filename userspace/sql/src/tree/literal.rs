//! The constants of a tree: their values are told to whoever asks for them, and that somebody asked is remembered. What is said of a
//! statement without a look at them holds for every text that differs in them alone.

use std::fmt;

use super::Node;
use crate::grammar::Tree;

/// The value of one constant.
#[derive(Clone, Copy)]
pub(crate) struct Literal<'t>(Node<'t>);

impl<'t> Literal<'t> {
    /// A value, by the node that holds it.
    pub(crate) fn new(node: Node<'t>) -> Literal<'t> {
        Literal(node)
    }

    /// The node that holds it, from now on looked at.
    pub(super) fn look(self) -> Node<'t> {
        self.0.look();
        self.0
    }
}

impl fmt::Debug for Literal<'_> {
    /// Its type alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Literal").field(&self.0.name()).finish()
    }
}

/// All constants of a tree.
#[derive(Clone, Copy)]
pub(crate) struct Literals<'t> {
    tree: &'t Tree<'t>,
    places: &'t [usize],
}

impl<'t> Literals<'t> {
    /// They begin in these bytes of the text; one with a sign where the sign stands.
    pub(crate) fn new(tree: &'t Tree<'t>, places: &'t [usize]) -> Literals<'t> {
        Literals { tree, places }
    }

    /// Where they begin, in no order, if nobody has looked at the value of any.
    pub(crate) fn unseen(self) -> Option<&'t [usize]> {
        (!self.tree.is_looked()).then_some(self.places)
    }
}
