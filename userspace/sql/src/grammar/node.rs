//! Nodes of the library's parse tree, read where they lie: a field is looked at when it is asked for, and nothing is copied.

use std::ffi::c_char;
use std::fmt;
use std::ptr::NonNull;

use super::measure::{Tree, UNNOTED};
use crate::tree::{At, Field, Kind, Literal, Shape, TAGS, Tag, Value};

/// Every ASCII character in its place, so that a `char` is a piece of it.
const ASCII: &str = "\0\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}\u{7}\u{8}\t\n\u{b}\u{c}\r\u{e}\u{f}\u{10}\u{11}\u{12}\u{13}\u{14}\u{15}\u{16}\u{17}\u{18}\u{19}\u{1a}\u{1b}\u{1c}\u{1d}\u{1e}\u{1f} !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~\u{7f}";

/// What an absent element of a list points to: a tag that no type has.
static ABSENT: u64 = 0;

/// A node of a tree. A value: two words that are copied.
#[derive(Clone, Copy)]
pub(crate) struct Node<'t> {
    /// A live node of the tree, which was measured; or [`ABSENT`].
    at: NonNull<u8>,
    tree: &'t Tree<'t>,
}

impl<'t> Node<'t> {
    fn absent(tree: &'t Tree<'t>) -> Node<'t> {
        Node { at: NonNull::from(&ABSENT).cast(), tree }
    }

    #[inline]
    fn tag(self) -> u32 {
        // SAFETY: every node begins with its tag, the absent one as well.
        unsafe { self.at.cast::<u32>().read() }
    }

    #[inline]
    fn shape(self) -> &'static Shape {
        // The measure passed none whose tag is not below that; the absent one has none of a type.
        &self.tree.shapes[self.tag() as usize % TAGS]
    }

    /// Its type; none for the few structs that no walk asks for.
    #[inline]
    pub(crate) fn kind(self) -> Tag {
        self.shape().tag
    }

    /// The name of its type, as PostgreSQL's sources have it.
    pub(crate) fn name(self) -> &'static str {
        self.shape().name
    }

    /// Its type is a statement's, by its name.
    pub(crate) fn is_statement(self) -> bool {
        self.shape().is_statement
    }

    /// A field's value.
    pub(crate) fn get(self, at: At) -> Value<'t> {
        match self.shape().field(at) {
            // SAFETY: it is one of its own shape's.
            Some(field) => unsafe { self.read(field) },
            None => self.constant().filter(|(name, _)| *name == at).map_or(Value::Null, |(_, value)| value),
        }
    }

    /// A field that is a node.
    pub(crate) fn node(self, at: At) -> Option<Node<'t>> {
        match self.shape().field(at) {
            // SAFETY: it is one of its own shape's.
            Some(field) if field.kind == Kind::Node => unsafe { self.pointed(field.offset()) },
            Some(_) => None,
            None => self.get(at).as_node(),
        }
    }

    /// A field that is a list; empty if absent.
    pub(crate) fn list(self, at: At) -> List<'t> {
        match self.shape().field(at) {
            // SAFETY: it is one of its own shape's.
            Some(field) if field.kind == Kind::List => unsafe { self.items(field.offset()) }.unwrap_or_default(),
            // SAFETY: it is a list itself.
            Some(field) if field.kind == Kind::Cells => unsafe { List::at(self.at, self.tree) },
            _ => List::default(),
        }
    }

    /// The words of a `String` node.
    #[inline]
    pub(crate) fn string(self) -> Option<&'t str> {
        if self.tag() != self.tree.layout.string {
            return None;
        }
        // SAFETY: the measure wrote its note behind the tag.
        let length = unsafe { self.at.cast::<u32>().add(1).read() };
        let offset = self.tree.layout.string_words;
        if length == UNNOTED || length == 0 {
            // SAFETY: a pointer to the words stands there.
            return Some(unsafe { self.words(offset) });
        }
        // SAFETY: so many bytes stand there, all of them ASCII: the measure counted them.
        unsafe {
            let text = self.at.add(offset).cast::<*const u8>().read();
            Some(std::str::from_utf8_unchecked(std::slice::from_raw_parts(text, length as usize)))
        }
    }

    /// A field that is a string or an enumeration; empty if absent.
    pub(crate) fn text(self, at: At) -> &'t str {
        match self.shape().field(at) {
            // SAFETY: it is one of its own shape's.
            Some(field) if field.kind == Kind::Text => unsafe { self.words(field.offset()) },
            Some(field) => match field.kind {
                // SAFETY: as above, and a number stands there.
                Kind::Enum(of) => self.enumerated(of, unsafe { self.at.add(field.offset()).cast::<i32>().read() }),
                // SAFETY: as above.
                _ => match unsafe { self.read(field) } {
                    Value::Text(text) => text,
                    _ => "",
                },
            },
            None => "",
        }
    }

    /// Whether a field is this letter.
    pub(crate) fn is_letter(self, at: At, letter: u8) -> bool {
        match self.shape().field(at) {
            // SAFETY: it is one of its own shape's, and the layout says that a letter stands there.
            Some(field) if field.kind == Kind::Char => unsafe { self.at.add(field.offset()).read() == letter },
            _ => false,
        }
    }

    /// A flag; false if absent.
    pub(crate) fn flag(self, at: At) -> bool {
        matches!(self.get(at), Value::Bool(true))
    }

    /// A number; 0 if absent.
    pub(crate) fn int(self, at: At) -> i64 {
        match self.get(at) {
            Value::Int(number) => number,
            _ => 0,
        }
    }

    /// The fields that are there, in order.
    #[cfg(test)]
    pub(crate) fn fields(self) -> impl Iterator<Item = (At, Value<'t>)> + use<'t> {
        // SAFETY: they are those of its own shape.
        let own = self.shape().fields().map(move |field| (field.at, unsafe { self.read(field) }));
        own.chain(self.constant()).filter(|(_, value)| !matches!(value, Value::Null))
    }

    /// A field that nodes or a list may stand in, by its place among those: its name, and what stands there.
    #[inline]
    pub(crate) fn inner(self, at: usize) -> Option<(At, Value<'t>)> {
        let field = self.shape().inner().get(at)?;
        // SAFETY: it is one of its own shape's.
        Some((field.at, unsafe { self.holds(field) }.unwrap_or(Value::Null)))
    }

    /// Those of them that nodes and lists stand in.
    pub(crate) fn inner_fields(self) -> impl Iterator<Item = (At, Value<'t>)> + use<'t> {
        // SAFETY: they are those of its own shape.
        self.shape().inner().iter().filter_map(move |field| Some((field.at, unsafe { self.holds(field) }?)))
    }

    /// # Safety
    /// `field` is one of its shape.
    unsafe fn read(self, field: &Field) -> Value<'t> {
        // SAFETY: the field lies inside the struct, at the offset that its own compiler gave, and the layout says that this is what stands
        // there; the library aligns its fields.
        unsafe {
            let at = self.at.add(field.offset());
            match field.kind {
                Kind::List | Kind::Node | Kind::Cells => self.holds(field).unwrap_or(Value::Null),
                Kind::Text => text(self.words(field.offset())),
                Kind::Bool if at.read() != 0 => Value::Bool(true),
                Kind::Bool | Kind::Constant => Value::Null,
                Kind::Enum(of) => text(self.enumerated(of, at.cast::<i32>().read())),
                Kind::Int(16) => number(i64::from(at.cast::<i16>().read())),
                Kind::Int(32) => number(i64::from(at.cast::<i32>().read())),
                Kind::Uint(32) => number(i64::from(at.cast::<u32>().read())),
                Kind::Int(_) | Kind::Uint(_) => number(at.cast::<i64>().read()),
                Kind::Char => text(self.letter(at.read())),
            }
        }
    }

    /// What stands in a field that a node or list may stand in.
    ///
    /// # Safety
    /// `field` is such a one of its shape.
    #[inline]
    unsafe fn holds(self, field: &Field) -> Option<Value<'t>> {
        // SAFETY: as above.
        unsafe {
            match field.kind {
                Kind::List => self.items(field.offset()).map(Value::List),
                Kind::Cells => Some(Value::List(List::at(self.at, self.tree))),
                _ => self.pointed(field.offset()).map(Value::Node),
            }
        }
    }

    /// # Safety
    /// A pointer to a node, or null, stands at that place of it.
    #[inline]
    unsafe fn pointed(self, offset: usize) -> Option<Node<'t>> {
        // SAFETY: as above; the measure went through it.
        let inner = unsafe { self.at.add(offset).cast::<*mut u8>().read() };
        NonNull::new(inner).map(|at| Node { at, tree: self.tree })
    }

    /// # Safety
    /// A pointer to a list of nodes, or null, stands at that place of it.
    #[inline]
    unsafe fn items(self, offset: usize) -> Option<List<'t>> {
        // SAFETY: as above; the measure went through it.
        unsafe {
            let list = self.at.add(offset).cast::<*mut u8>().read();
            NonNull::new(list).map(|list| List::at(list, self.tree))
        }
    }

    /// # Safety
    /// A pointer to a NUL-terminated string, or null, stands at that place of it.
    unsafe fn words(self, offset: usize) -> &'t str {
        // SAFETY: as above; the string lives as long as the tree.
        let text = unsafe { self.at.add(offset).cast::<*const c_char>().read() };
        if text.is_null() {
            return "";
        }
        // Most are short and ASCII: one pass finds their end and says so.
        let (mut length, mut bits) = (0, 0);
        // SAFETY: as above: the NUL is the last byte that is read.
        let bytes = unsafe {
            while text.add(length).read() != 0 {
                bits |= text.add(length).read() as u8;
                length += 1;
            }
            std::slice::from_raw_parts(text.cast::<u8>(), length)
        };
        if bits.is_ascii() {
            // SAFETY: every byte is ASCII.
            return unsafe { std::str::from_utf8_unchecked(bytes) };
        }
        std::str::from_utf8(bytes).unwrap_or_else(|_| self.malformed())
    }

    fn enumerated(self, of: u16, value: i32) -> &'static str {
        self.tree.layout.enum_name(of, value).unwrap_or_else(|| self.malformed())
    }

    fn letter(self, byte: u8) -> &'static str {
        match usize::from(byte) {
            0 => "",
            at => ASCII.get(at..=at).unwrap_or_else(|| self.malformed()),
        }
    }

    /// The text is refused, whatever else is found in it.
    fn malformed(self) -> &'static str {
        self.tree.arena.is_unsound();
        ""
    }

    /// The value of a constant stands under its type's name; NULL has none.
    fn constant(self) -> Option<(At, Value<'t>)> {
        let shape = self.shape();
        let value = shape.constant.as_ref()?;
        // SAFETY: both lie inside the struct: the layout says so.
        let is_null = unsafe { self.at.add(value.null_offset).read() } != 0;
        if is_null {
            return None;
        }
        // SAFETY: a union of nodes of one field lies there; the measure looked at its tag.
        let inner = Node { at: unsafe { self.at.add(value.offset) }, tree: self.tree };
        let field = inner.shape().fields().next()?;
        Some((field.at, Value::Literal(Literal::new(inner))))
    }

    /// Notes that somebody looked at the value of a constant.
    pub(crate) fn look(self) {
        self.tree.is_looked.set(true);
    }
}

impl fmt::Debug for Node<'_> {
    /// Its type alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Node").field(&self.name()).finish()
    }
}

/// A list of nodes.
#[derive(Clone, Copy, Default)]
pub(crate) struct List<'t> {
    /// Of nodes of the tree.
    cells: &'t [Option<NonNull<u8>>],
    /// None, if it is empty.
    tree: Option<&'t Tree<'t>>,
}

impl<'t> List<'t> {
    /// # Safety
    /// `list` points to a live list of the tree, which was measured: so many cells of eight bytes as it says, each a pointer to a node or
    /// null.
    pub(super) unsafe fn at(list: NonNull<u8>, tree: &'t Tree<'t>) -> List<'t> {
        // SAFETY: as above.
        let (cells, length) = unsafe { tree.cells(list) };
        // SAFETY: as above; an `Option<NonNull>` is a pointer. They live and are not written to as long as the tree is there.
        List { cells: unsafe { std::slice::from_raw_parts(cells.as_ptr(), length) }, tree: Some(tree) }
    }

    /// How many items it has.
    pub(crate) fn len(self) -> usize {
        self.cells.len()
    }

    /// Whether it has none.
    pub(crate) fn is_empty(self) -> bool {
        self.cells.is_empty()
    }

    /// Its items; one that is absent is a node of no type.
    pub(crate) fn iter(self) -> Items<'t> {
        Items { cells: self.cells.iter(), list: self }
    }

    fn item(self, cell: Option<NonNull<u8>>) -> Value<'t> {
        self.tree.map_or(Value::Null, |tree| Value::Node(cell.map_or(Node::absent(tree), |at| Node { at, tree })))
    }

    /// The item at a place.
    pub(crate) fn get(self, at: usize) -> Option<Value<'t>> {
        self.cells.get(at).map(|cell| self.item(*cell))
    }

    /// The first.
    pub(crate) fn first(self) -> Option<Value<'t>> {
        self.get(0)
    }

    /// The last.
    pub(crate) fn last(self) -> Option<Value<'t>> {
        self.cells.last().map(|cell| self.item(*cell))
    }

    /// The item of a list of one.
    pub(crate) fn only(self) -> Option<Value<'t>> {
        self.first().filter(|_| self.len() == 1)
    }

    /// Those before the last; `None`: it is empty.
    pub(crate) fn before_last(self) -> Option<List<'t>> {
        self.cells.split_last().map(|(_, cells)| List { cells, tree: self.tree })
    }
}

impl<'t> IntoIterator for List<'t> {
    type Item = Value<'t>;
    type IntoIter = Items<'t>;

    fn into_iter(self) -> Items<'t> {
        self.iter()
    }
}

/// The items of a list.
#[derive(Clone)]
pub(crate) struct Items<'t> {
    cells: std::slice::Iter<'t, Option<NonNull<u8>>>,
    list: List<'t>,
}

impl<'t> Iterator for Items<'t> {
    type Item = Value<'t>;

    fn next(&mut self) -> Option<Value<'t>> {
        self.cells.next().map(|cell| self.list.item(*cell))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.cells.size_hint()
    }
}

impl DoubleEndedIterator for Items<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.cells.next_back().map(|cell| self.list.item(*cell))
    }
}

impl ExactSizeIterator for Items<'_> {}

impl fmt::Debug for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

fn number<'t>(number: i64) -> Value<'t> {
    if number == 0 { Value::Null } else { Value::Int(number) }
}

fn text(text: &str) -> Value<'_> {
    if text.is_empty() { Value::Null } else { Value::Text(text) }
}
