//! The constants of a tree: their values are told to whoever asks for them, and that somebody asked is remembered. What is said of a
//! statement without a look at them holds for every text that differs in them alone.

use std::cell::Cell;
use std::fmt;

use super::Node;

/// The value of one constant.
#[derive(Clone, Copy)]
pub(crate) struct Literal<'j> {
    node: &'j Node<'j>,
    looked: &'j Cell<bool>,
}

impl<'j> Literal<'j> {
    /// A value; `looked` is of the whole tree.
    pub(crate) fn new(node: &'j Node<'j>, looked: &'j Cell<bool>) -> Literal<'j> {
        Literal { node, looked }
    }

    /// The node that holds it, from now on looked at.
    pub(super) fn look(&self) -> &'j Node<'j> {
        self.looked.set(true);
        self.node
    }
}

impl fmt::Debug for Literal<'_> {
    /// Its type alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Literal").field(&self.node.fields().next().map(|(name, _)| name)).finish()
    }
}

/// All constants of a tree.
pub(crate) struct Literals<'j> {
    looked: &'j Cell<bool>,
    places: Vec<usize>,
}

impl<'j> Literals<'j> {
    /// None yet.
    pub(crate) fn new(looked: &'j Cell<bool>) -> Literals<'j> {
        Literals { looked, places: Vec::new() }
    }

    /// One more, and the byte of the text where it begins; of one with a sign that is where the sign stands.
    pub(crate) fn add(&mut self, node: &'j Node<'j>, place: Option<usize>) -> Literal<'j> {
        self.places.extend(place);
        Literal::new(node, self.looked)
    }

    /// Where they begin, in no order, if nobody has looked at the value of any.
    pub(crate) fn unseen(self) -> Option<Vec<usize>> {
        (!self.looked.get()).then_some(self.places)
    }
}
