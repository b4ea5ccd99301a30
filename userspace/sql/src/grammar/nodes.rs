//! Reads the library's parse tree out of its memory. What is read is copied: nothing of it outlives the call.

use std::cell::Cell;
use std::ffi::c_char;

use bumpalo::Bump;
use bumpalo::collections::Vec;

use crate::tree::{At, Field, Kind, Layout, Literals, Node, Shape, Unreadable, Value, at};

/// Every ASCII character in its place, so that a `char` is a piece of it.
const ASCII: &str = "\0\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}\u{7}\u{8}\t\n\u{b}\u{c}\r\u{e}\u{f}\u{10}\u{11}\u{12}\u{13}\u{14}\u{15}\u{16}\u{17}\u{18}\u{19}\u{1a}\u{1b}\u{1c}\u{1d}\u{1e}\u{1f} !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~\u{7f}";

/// Bytes that a value counts for, beside those of a text.
const VALUE_BYTES: usize = 16;

/// Reads nodes, without recursion: the text decides the nesting.
pub(super) struct Reader<'t> {
    /// Where it is copied to.
    arena: &'t Bump,
    layout: &'static Layout,
    depth_max: usize,
    bytes_left: usize,
    open: Vec<'t, Open>,
    /// The items read so far of all lists that are open, those of the innermost last.
    items: Vec<'t, Value<'t>>,
    /// The fields read so far of all nodes that are open, those of the innermost last.
    fields: Vec<'t, (At, Value<'t>)>,
    literals: Literals<'t>,
}

/// A node or list that is being read.
struct Open {
    depth: usize,
    what: What,
}

enum What {
    Node {
        /// Points to a live struct of that shape.
        node: *const u8,
        shape: &'static Shape,
        /// The field that comes next.
        at: usize,
        /// Where its own begin among the fields read so far.
        first: usize,
    },
    List {
        /// Points to so many cells of eight bytes, each null or a pointer to a live node.
        cells: *const *const u8,
        length: usize,
        /// Where its own begin among the items read so far.
        first: usize,
    },
}

impl<'t> Reader<'t> {
    pub(super) fn new(arena: &'t Bump, depth_max: usize, bytes_max: usize) -> Reader<'t> {
        Reader {
            arena,
            layout: Layout::get(),
            depth_max,
            bytes_left: bytes_max,
            open: Vec::with_capacity_in(64, arena),
            items: Vec::with_capacity_in(128, arena),
            fields: Vec::with_capacity_in(128, arena),
            literals: Literals::new(arena.alloc(Cell::new(false))),
        }
    }

    /// The root: its `stmts` are the statements of the list; null: of none.
    ///
    /// # Safety
    /// `list` is null or a `List *` of `RawStmt` that `raw_parser` made and that is alive.
    pub(super) unsafe fn root(mut self, list: *const u8) -> Result<(Node<'t>, Literals<'t>), Unreadable> {
        if list.is_null() {
            return Ok((Node::bare(&[(at!("stmts"), Value::List(&[]))]), self.literals));
        }
        // SAFETY: as above.
        unsafe { self.open_list(list, 1)? };
        let mut done: Option<Value<'t>> = None;
        while !self.open.is_empty() {
            if let Some(value) = done.take() {
                self.push(value);
            }
            // SAFETY: what is open was opened on a live node or list.
            let is_done = unsafe { self.step()? };
            if is_done {
                done = self.open.pop().map(|open| self.close(open));
            }
        }
        let root = Node::bare(self.arena.alloc_slice_copy(&[(at!("stmts"), done.unwrap_or(Value::Null))]));
        Ok((root, self.literals))
    }

    /// Reads on in what was opened last, until a part of it has to be opened (`false`) or nothing of it is left (`true`).
    ///
    /// # Safety
    /// What is open points to live nodes and lists.
    unsafe fn step(&mut self) -> Result<bool, Unreadable> {
        loop {
            let Some(Open { depth, what }) = self.open.last_mut() else { return Ok(true) };
            let depth = *depth;
            match what {
                What::List { cells, length, first } => {
                    let at = self.items.len() - *first;
                    if at == *length {
                        return Ok(true);
                    }
                    // SAFETY: the index is below the list's length.
                    let item = unsafe { cells.add(at).read() };
                    if item.is_null() {
                        self.items.push(Value::Node(&Node::EMPTY));
                        continue;
                    }
                    // SAFETY: a cell that is not null points to a node.
                    unsafe { self.open_node(item, depth)? };
                    return Ok(false);
                }
                What::Node { node, shape, at, .. } => {
                    let (node, shape, first) = (*node, *shape, *at);
                    let place = self.open.len() - 1;
                    for (at, field) in (1..).zip(shape.fields.iter()).skip(first) {
                        // SAFETY: `field` is one of the struct's.
                        if unsafe { self.field(node, field, depth)? } {
                            if let Some(Open { what: What::Node { at: next, .. }, .. }) = self.open.get_mut(place) {
                                *next = at;
                            }
                            return Ok(false);
                        }
                    }
                    return Ok(true);
                }
            }
        }
    }

    /// One more level, and what it costs.
    fn enter(&mut self, depth: usize, levels: usize, name: &str) -> Result<usize, Unreadable> {
        let depth = depth + levels;
        if depth > self.depth_max {
            return Err(Unreadable::TooDeep);
        }
        self.spend(VALUE_BYTES + name.len())?;
        Ok(depth)
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Unreadable> {
        self.bytes_left = self.bytes_left.checked_sub(bytes).ok_or(Unreadable::TooLong)?;
        Ok(())
    }

    fn shape(&self, tag: u32) -> Result<&'static Shape, Unreadable> {
        let tag = usize::try_from(tag).map_err(|_| Unreadable::Malformed)?;
        self.layout.shape(tag).ok_or(Unreadable::Malformed)
    }

    /// # Safety
    /// `node` points to a live node: its first four bytes are its tag, and what the layout says of that tag holds for what follows.
    unsafe fn open_node(&mut self, node: *const u8, depth: usize) -> Result<(), Unreadable> {
        // SAFETY: every node begins with its tag.
        let shape = self.shape(unsafe { node.cast::<u32>().read() })?;
        self.open_struct(node, shape, depth, 2)
    }

    /// Opens a struct of that shape, which `node` must point to.
    fn open_struct(
        &mut self,
        node: *const u8,
        shape: &'static Shape,
        depth: usize,
        levels: usize,
    ) -> Result<(), Unreadable> {
        let depth = self.enter(depth, levels, shape.name)?;
        let first = self.fields.len();
        self.open.push(Open { depth, what: What::Node { node, shape, at: 0, first } });
        Ok(())
    }

    /// # Safety
    /// `list` points to a live `List`: so many cells of eight bytes as it says, each a pointer to a live node or null.
    unsafe fn open_list(&mut self, list: *const u8, depth: usize) -> Result<(), Unreadable> {
        let depth = self.enter(depth, 1, "")?;
        // SAFETY: as above.
        let (length, cells) = unsafe { self.cells(list) };
        self.open.push(Open { depth, what: What::List { cells, length, first: self.items.len() } });
        Ok(())
    }

    /// Reads a field. `true`: it was opened, and its value comes when it is closed.
    ///
    /// # Safety
    /// `node` points to a live struct of which `field` is one.
    unsafe fn field(&mut self, node: *const u8, field: &'static Field, depth: usize) -> Result<bool, Unreadable> {
        // SAFETY: the field lies inside the struct, at the offset that its own compiler gave.
        let at = unsafe { node.add(field.offset) };
        // SAFETY: the layout says that this is what stands there; pointers are null or point to what the library allocated
        // together with the node.
        let value = unsafe {
            match field.kind {
                Kind::List | Kind::Node | Kind::Pointer(_) => {
                    return self.pointer(at.cast::<*const u8>().read(), field.kind, depth);
                }
                Kind::Struct(tag) => {
                    let shape = self.layout.shape(tag).ok_or(Unreadable::Malformed)?;
                    return self.open_struct(at, shape, depth, 1).map(|()| true);
                }
                Kind::Cells => return self.open_list(node, depth).map(|()| true),
                Kind::Numbers => Some(self.numbers(node)),
                Kind::Constant => return self.constant(node, at).map(|()| false),
                scalar => self.scalar(at, scalar)?,
            }
        };
        if let Some(value) = value {
            self.keep(field, value)?;
        }
        Ok(false)
    }

    /// # Safety
    /// `inner` is null or points to a live thing of that kind.
    unsafe fn pointer(&mut self, inner: *const u8, kind: Kind, depth: usize) -> Result<bool, Unreadable> {
        if inner.is_null() {
            return Ok(false);
        }
        // SAFETY: as above.
        unsafe {
            match kind {
                Kind::List => self.open_list(inner, depth)?,
                Kind::Pointer(tag) => {
                    let shape = self.layout.shape(tag).ok_or(Unreadable::Malformed)?;
                    self.open_struct(inner, shape, depth, 1)?;
                }
                _ => self.open_node(inner, depth)?,
            }
        }
        Ok(true)
    }

    /// Adds a value to the node that was opened last.
    fn keep(&mut self, field: &'static Field, value: Value<'t>) -> Result<(), Unreadable> {
        self.spend(VALUE_BYTES + field.name.len())?;
        self.fields.push((field.at, value));
        Ok(())
    }

    /// # Safety
    /// A scalar of that kind stands at that place of a live struct.
    unsafe fn scalar(&mut self, at: *const u8, kind: Kind) -> Result<Option<Value<'t>>, Unreadable> {
        // SAFETY: as above; the library aligns its fields.
        unsafe {
            Ok(match kind {
                Kind::Int(16) => number(i64::from(at.cast::<i16>().read())),
                Kind::Int(32) => number(i64::from(at.cast::<i32>().read())),
                Kind::Uint(32) => number(i64::from(at.cast::<u32>().read())),
                Kind::Int(_) | Kind::Uint(_) => number(at.cast::<i64>().read()),
                Kind::Bool => (at.read() != 0).then_some(Value::Bool(true)),
                Kind::Char => letter(at.read())?,
                Kind::Enum(of) => {
                    let name = self.layout.enum_name(of, at.cast::<i32>().read()).ok_or(Unreadable::Malformed)?;
                    Some(Value::Text(name))
                }
                Kind::Text => self.text(at.cast::<*const c_char>().read())?,
                _ => return Err(Unreadable::Malformed),
            })
        }
    }

    /// # Safety
    /// `list` points to a live `List`.
    unsafe fn cells(&self, list: *const u8) -> (usize, *const *const u8) {
        // SAFETY: the offsets are those of the struct.
        unsafe {
            let length = list.add(self.layout.list_length).cast::<i32>().read();
            let cells = list.add(self.layout.list_cells).cast::<*const *const u8>().read();
            (usize::try_from(length).unwrap_or_default(), cells)
        }
    }

    /// # Safety
    /// `list` points to a live `IntList` or `OidList`: cells of eight bytes, of which the first four are a number.
    unsafe fn numbers(&self, list: *const u8) -> Value<'t> {
        // SAFETY: as above.
        let (length, cells) = unsafe { self.cells(list) };
        // SAFETY: `at` is below the list's length.
        let number = |at| Value::Int(i64::from(unsafe { cells.add(at).cast::<i32>().read() }));
        Value::List(self.arena.alloc_slice_fill_iter((0..length).map(number)))
    }

    /// The value of a constant stands under its type's name; NULL has none.
    ///
    /// # Safety
    /// `value` points to the union of value nodes of `node`, a live `A_Const`.
    unsafe fn constant(&mut self, node: *const u8, value: *const u8) -> Result<(), Unreadable> {
        // Its first field.
        if self.fields.last().is_some_and(|(name, _)| *name == at!("isnull")) {
            return Ok(());
        }
        // SAFETY: every node begins with its tag.
        let shape = self.shape(unsafe { value.cast::<u32>().read() })?;
        let [field] = shape.fields.as_slice() else { return Err(Unreadable::Malformed) };
        // SAFETY: the union's member of that tag is a struct of that shape, with one scalar.
        let inner = unsafe { self.scalar(value.add(field.offset), field.kind)? };
        let fields: &[_] = match inner {
            Some(inner) => self.arena.alloc_slice_copy(&[(field.at, inner)]),
            None => &[],
        };
        // SAFETY: its place in the text is a number at that offset.
        let place = unsafe { node.add(self.layout.constant_location).cast::<i32>().read() };
        let literal = self.literals.add(self.arena.alloc(Node::bare(fields)), usize::try_from(place).ok());
        self.keep(field, Value::Literal(literal))
    }

    /// # Safety
    /// `text` is null or a NUL-terminated string.
    unsafe fn text(&mut self, text: *const c_char) -> Result<Option<Value<'t>>, Unreadable> {
        if text.is_null() {
            return Ok(None);
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
        let words = if bits.is_ascii() {
            // SAFETY: every byte is ASCII.
            unsafe { std::str::from_utf8_unchecked(bytes) }
        } else {
            std::str::from_utf8(bytes).map_err(|_| Unreadable::Malformed)?
        };
        self.spend(words.len())?;
        Ok((!words.is_empty()).then(|| Value::Text(self.arena.alloc_str(words))))
    }
}

impl<'t> Reader<'t> {
    /// Adds what was opened to what it was opened in.
    fn push(&mut self, value: Value<'t>) {
        match self.open.last_mut().map(|open| &mut open.what) {
            Some(What::List { .. }) => self.items.push(value),
            Some(What::Node { shape, at, .. }) => {
                if let Some(field) = at.checked_sub(1).and_then(|at| shape.fields.get(at)) {
                    self.fields.push((field.at, value));
                }
            }
            None => {}
        }
    }

    fn close(&mut self, open: Open) -> Value<'t> {
        match open.what {
            What::List { first, .. } => {
                let items = self.arena.alloc_slice_copy(self.items.get(first..).unwrap_or_default());
                self.items.truncate(first);
                Value::List(items)
            }
            What::Node { shape, first, .. } => {
                let fields = self.arena.alloc_slice_copy(self.fields.get(first..).unwrap_or_default());
                self.fields.truncate(first);
                Value::Node(self.arena.alloc(Node::new(shape.tag, shape.name, fields)))
            }
        }
    }
}

fn number(number: i64) -> Option<Value<'static>> {
    (number != 0).then_some(Value::Int(number))
}

fn letter(byte: u8) -> Result<Option<Value<'static>>, Unreadable> {
    if byte == 0 {
        return Ok(None);
    }
    let at = usize::from(byte);
    ASCII.get(at..=at).map(|letter| Some(Value::Text(letter))).ok_or(Unreadable::Malformed)
}
