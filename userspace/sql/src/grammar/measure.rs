//! Before anything is read of a tree it is gone through once: how deep and how large it is, that all of it is of types that the layout knows,
//! and where its constants stand.

use std::cell::Cell;
use std::ffi::{CStr, c_char};
use std::ptr::NonNull;

use bumpalo::collections::Vec;

use super::Arena;
use crate::tree::{Kind, Layout, Shape, Shapes, Unreadable};

/// Bytes that a list's item counts for, and a list or node beside what it holds.
const ITEM_BYTES: usize = 24;

/// In the place of the length of a word that is not ASCII.
pub(super) const UNNOTED: u32 = u32::MAX;

/// Bytes of a word that are looked at one by one.
const SHORT: usize = 24;

/// The tag of a list of nodes.
const LIST: u32 = 1;

/// What is known of a tree beside its nodes.
pub(crate) struct Tree<'t> {
    pub(super) layout: &'static Layout,
    pub(super) shapes: &'static Shapes,
    pub(super) arena: &'t Arena,
    /// Somebody has looked at the value of a constant.
    pub(super) is_looked: Cell<bool>,
}

impl<'t> Tree<'t> {
    pub(super) fn new(arena: &'t Arena) -> Tree<'t> {
        let layout = Layout::get();
        Tree { layout, shapes: layout.shapes(), arena, is_looked: Cell::new(false) }
    }

    /// Whether somebody has looked at the value of a constant.
    pub(crate) fn is_looked(&self) -> bool {
        self.is_looked.get()
    }

    /// # Safety
    /// `list` points to a live list.
    pub(super) unsafe fn cells(&self, list: NonNull<u8>) -> (NonNull<Option<NonNull<u8>>>, usize) {
        // SAFETY: the offsets are those of the struct; a list always has room for a cell, and as many cells as it says.
        unsafe {
            let length = list.add(self.layout.list_length).cast::<i32>().read();
            let cells = list.add(self.layout.list_cells).cast::<*mut Option<NonNull<u8>>>().read();
            match NonNull::new(cells) {
                Some(cells) => (cells, usize::try_from(length).unwrap_or_default()),
                None => (NonNull::dangling(), 0),
            }
        }
    }
}

/// Goes through a tree, without recursion: the text decides the nesting.
pub(super) struct Measure<'t> {
    tree: &'t Tree<'t>,
    depth_max: usize,
    bytes_left: usize,
    /// The tag of a word, and what one counts for.
    string: u32,
    string_bytes: usize,
    open: Vec<'t, Open>,
    constants: Vec<'t, usize>,
}

/// How long a word is, if it is ASCII; else [`UNNOTED`].
///
/// # Safety
/// `text` points to a NUL-terminated string.
#[inline]
unsafe fn ascii_length(text: *const c_char) -> u32 {
    let mut bits = 0;
    // Most names are this short: one pass finds their end and says so, without a call.
    for length in 0..SHORT {
        // SAFETY: as above: nothing is read behind the NUL.
        let byte = unsafe { text.add(length).read() } as u8;
        if byte == 0 {
            return if bits & 0x80 == 0 { length as u32 } else { UNNOTED };
        }
        bits |= byte;
    }
    // SAFETY: as above.
    let bytes = unsafe { CStr::from_ptr(text).to_bytes() };
    u32::try_from(bytes.len()).ok().filter(|_| bytes.is_ascii()).unwrap_or(UNNOTED)
}

/// What is still to be gone through.
#[derive(Clone, Copy)]
struct Open {
    /// A live struct of that shape.
    at: NonNull<u8>,
    shape: &'static Shape,
    depth: usize,
}

impl<'t> Measure<'t> {
    pub(super) fn new(tree: &'t Tree<'t>, depth_max: usize, bytes_max: usize) -> Measure<'t> {
        let string = tree.layout.string;
        Measure {
            string,
            string_bytes: tree.layout.shape(string).bytes,
            tree,
            depth_max,
            bytes_left: bytes_max,
            open: Vec::with_capacity_in(64, tree.arena),
            constants: Vec::with_capacity_in(16, tree.arena),
        }
    }

    /// Of the statements of a text: where its constants begin, and how many bytes it counts for.
    ///
    /// # Safety
    /// `list` points to a `List` of `RawStmt` that `raw_parser` made and that is alive.
    pub(super) unsafe fn list(mut self, list: NonNull<u8>) -> Result<(&'t [usize], usize), Unreadable> {
        let all = self.bytes_left;
        // SAFETY: as above.
        unsafe {
            self.items(list, 1)?;
            while let Some(Open { at, shape, depth }) = self.open.pop() {
                self.fields(at, shape, depth)?;
            }
        }
        Ok((self.constants.into_bump_slice(), all - self.bytes_left))
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Unreadable> {
        self.bytes_left = self.bytes_left.checked_sub(bytes).ok_or(Unreadable::TooLong)?;
        Ok(())
    }

    /// # Safety
    /// `at` points to a live node: its first four bytes are its tag, and what the layout says of that tag holds for what follows.
    #[inline(always)]
    unsafe fn node(&mut self, at: NonNull<u8>, depth: usize) -> Result<(), Unreadable> {
        // SAFETY: every node begins with its tag.
        let tag = unsafe { at.cast::<u32>().read() };
        if tag != self.string {
            return self.tagged(at, tag, depth);
        }
        // Four of ten are words, and nothing is below one.
        // SAFETY: a live `String` node.
        unsafe { self.string(at) };
        if depth > self.depth_max {
            return Err(Unreadable::TooDeep);
        }
        self.spend(self.string_bytes)
    }

    /// A node of another type, which has that tag.
    fn tagged(&mut self, at: NonNull<u8>, tag: u32, depth: usize) -> Result<(), Unreadable> {
        let shape = self.tree.layout.shape(tag);
        if !shape.is_known {
            return Err(Unreadable::Malformed);
        }
        if depth > self.depth_max {
            return Err(Unreadable::TooDeep);
        }
        self.spend(shape.bytes)?;
        if !shape.is_leaf() {
            self.open.push(Open { at, shape, depth });
        }
        Ok(())
    }

    /// Notes the length of a word in the four bytes between the tag of its node and the pointer to it: nothing stands there, and names are
    /// asked for often. Without a note it is looked for when it is asked for.
    ///
    /// # Safety
    /// `at` points to a live `String` node.
    unsafe fn string(&mut self, at: NonNull<u8>) {
        // SAFETY: it is a tag, room up to an aligned pointer, and that pointer (a test of the layout looks), to a NUL-terminated string or
        // null. The tree is ours, and no reference into it was given out yet.
        unsafe {
            let text = at.add(self.tree.layout.string_words).cast::<*const c_char>().read();
            let note = if text.is_null() { 0 } else { ascii_length(text) };
            at.cast::<u32>().add(1).write(note);
        }
    }

    /// # Safety
    /// `list` points to a live list of a parse tree.
    #[inline]
    unsafe fn items(&mut self, list: NonNull<u8>, depth: usize) -> Result<(), Unreadable> {
        let depth = depth + 1;
        if depth > self.depth_max {
            return Err(Unreadable::TooDeep);
        }
        // SAFETY: it begins with its tag; one of nodes has cells that are null or point to live nodes, so many as it says.
        unsafe {
            if list.cast::<u32>().read() != LIST {
                return Err(Unreadable::Malformed);
            }
            let (cells, length) = self.tree.cells(list);
            self.spend(ITEM_BYTES * (length + 1))?;
            for at in 0..length {
                if let Some(node) = cells.add(at).read() {
                    self.node(node, depth + 2)?;
                }
            }
        }
        Ok(())
    }

    /// # Safety
    /// `at` points to a live struct of that shape.
    unsafe fn fields(&mut self, at: NonNull<u8>, shape: &'static Shape, depth: usize) -> Result<(), Unreadable> {
        for field in shape.inner() {
            // SAFETY: the field lies inside the struct, at the offset that its own compiler gave; pointers are null or point to what the
            // library allocated together with the node.
            unsafe {
                if field.kind == Kind::Cells {
                    self.items(at, depth)?;
                    continue;
                }
                let inner = at.add(field.offset()).cast::<*mut u8>().read();
                let Some(inner) = NonNull::new(inner) else { continue };
                match field.kind {
                    Kind::List => self.items(inner, depth)?,
                    _ => self.node(inner, depth + field.levels())?,
                }
            }
        }
        // SAFETY: as above.
        unsafe { self.constant(at, shape) }
    }

    /// # Safety
    /// `at` points to a live struct of that shape.
    unsafe fn constant(&mut self, at: NonNull<u8>, shape: &'static Shape) -> Result<(), Unreadable> {
        let Some(constant) = &shape.constant else { return Ok(()) };
        // SAFETY: all of these lie inside the struct.
        let (is_null, tag, place) = unsafe {
            (
                at.add(constant.null_offset).read() != 0,
                at.add(constant.offset).cast::<u32>().read(),
                at.add(constant.place_offset).cast::<i32>().read(),
            )
        };
        if is_null {
            return Ok(());
        }
        if !self.tree.layout.shape(tag).is_value {
            return Err(Unreadable::Malformed);
        }
        if tag == self.string {
            // SAFETY: the union is a `String` node.
            unsafe { self.string(at.add(constant.offset)) };
        }
        self.constants.extend(usize::try_from(place));
        Ok(())
    }
}
