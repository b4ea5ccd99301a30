//! Where in the library's memory the fields of each node type lie.

use std::sync::LazyLock;

use super::{At, Tag};

/// Made by `data/tree-layout.sh` from the library's headers; the first lines say of which version.
const LAYOUT: &str = include_str!("../../data/tree-layout.txt");

/// What stands in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A signed number of so many bits.
    Int(u8),
    /// An unsigned one.
    Uint(u8),
    /// `char`
    Char,
    /// `bool`
    Bool,
    /// `char *`
    Text,
    /// An enumeration, by its index in [`Layout::enum_name`].
    Enum(u16),
    /// `List *` of nodes
    List,
    /// `Node *`, or a pointer to a node of one type
    Node,
    /// The node is a list of nodes itself.
    Cells,
    /// The union of a constant's value.
    Constant,
}

/// One field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) at: At,
    pub(crate) kind: Kind,
    offset: u16,
    /// Levels of nesting that a node in it counts for: one of any type is named first.
    levels: u8,
}

impl Field {
    /// In a place that no field has: no name has this digest.
    const NONE: Field = Field { at: At(0), kind: Kind::Constant, offset: 0, levels: 0 };

    /// Where in the struct it lies.
    pub(crate) fn offset(&self) -> usize {
        usize::from(self.offset)
    }

    /// How many levels deeper a node in it is.
    pub(crate) fn levels(&self) -> usize {
        usize::from(self.levels)
    }
}

/// Where a constant has its value.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Constant {
    /// Whether it is NULL.
    pub(crate) null_offset: usize,
    /// The union of nodes.
    pub(crate) offset: usize,
    /// In which byte of the text it begins.
    pub(crate) place_offset: usize,
}

/// One node type.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) tag: Tag,
    /// The layout has it.
    pub(crate) is_known: bool,
    /// It has one field, and that a number, a flag or a text: the value of a constant.
    pub(crate) is_value: bool,
    /// Its name ends as those of statements do.
    pub(crate) is_statement: bool,
    /// About what a node of it takes.
    pub(crate) bytes: usize,
    pub(crate) constant: Option<Constant>,
    /// In order.
    fields: Vec<Field>,
    /// Those in which nodes and lists stand.
    inner: Vec<Field>,
    /// By digests of their names: each at its own place, so that a look is one comparison.
    places: Vec<Field>,
    /// The bits of a digest from this one on are its place.
    shift: u32,
}

impl Shape {
    const fn unknown() -> Shape {
        Shape {
            name: "",
            tag: Tag::None,
            is_known: false,
            is_value: false,
            is_statement: false,
            bytes: 0,
            constant: None,
            fields: Vec::new(),
            inner: Vec::new(),
            places: Vec::new(),
            shift: 0,
        }
    }

    fn of(name: &'static str) -> Shape {
        let is_statement = name.ends_with("Stmt");
        Shape { name, tag: Tag::of(name), is_known: true, is_statement, ..Shape::unknown() }
    }

    /// The field of that name.
    #[inline]
    pub(crate) fn field(&self, at: At) -> Option<&Field> {
        let place = (at.0 >> self.shift) as usize & self.places.len().wrapping_sub(1);
        self.places.get(place).filter(|field| field.at == at)
    }

    /// All of them, in order.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter()
    }

    /// Those in which nodes and lists stand, in order.
    pub(crate) fn inner(&self) -> &[Field] {
        &self.inner
    }

    /// Nothing of it is to be gone through.
    pub(crate) fn is_leaf(&self) -> bool {
        self.inner.is_empty() && self.constant.is_none()
    }

    /// Once all its fields are known.
    fn close(&mut self) {
        let holds_nodes = |field: &&Field| matches!(field.kind, Kind::List | Kind::Node | Kind::Cells);
        self.inner = self.fields.iter().filter(holds_nodes).copied().collect();
        self.is_value = self.fields.len() == 1 && self.inner.is_empty();
        self.bytes = BYTES + self.name.len() + FIELD_BYTES * self.fields.len();
        let mut size = self.fields.len().next_power_of_two();
        while !(0..24).any(|shift| self.place(size, shift)) {
            size *= 2;
        }
    }

    /// Whether each has its own place among so many.
    fn place(&mut self, size: usize, shift: u32) -> bool {
        (self.places, self.shift) = (vec![Field::NONE; size], shift);
        self.fields.iter().all(|field| {
            let place = self.places.get_mut((field.at.0 >> shift) as usize & (size - 1));
            place.is_some_and(|place| std::mem::replace(place, *field).at == Field::NONE.at)
        })
    }
}

/// What a node counts for beside its fields and its name, and each field.
const BYTES: usize = 16;
const FIELD_BYTES: usize = 12;

/// All node types.
#[derive(Debug)]
pub(crate) struct Layout {
    /// By node tag.
    shapes: Vec<Shape>,
    /// Of a `String` node, and where in it the words are.
    pub(crate) string: u32,
    pub(crate) string_words: usize,
    enums: Vec<Vec<(i32, &'static str)>>,
    /// Where a list has its length and its cells.
    pub(crate) list_length: usize,
    pub(crate) list_cells: usize,
}

static UNKNOWN: Shape = Shape::unknown();

/// Room for the tags of all types: a power of two.
pub(crate) const TAGS: usize = 512;

/// All node types by tag, [`TAGS`] of them.
pub(crate) type Shapes = [Shape; TAGS];

impl Layout {
    /// The one of the library that is linked.
    pub(crate) fn get() -> &'static Layout {
        static READ: LazyLock<Layout> = LazyLock::new(|| read(LAYOUT));
        &READ
    }

    /// The type of that tag.
    #[inline]
    pub(crate) fn shape(&'static self, tag: u32) -> &'static Shape {
        self.shapes.get(tag as usize).unwrap_or(&UNKNOWN)
    }

    /// All of them, for nodes whose tags are known to be of some type: such a tag needs no comparison with how many there are.
    pub(crate) fn shapes(&'static self) -> &'static Shapes {
        static NONE: Shapes = [const { Shape::unknown() }; TAGS];
        self.shapes.first_chunk().unwrap_or(&NONE)
    }

    /// The name of an enumeration's value.
    pub(crate) fn enum_name(&self, of: u16, value: i32) -> Option<&'static str> {
        let names = self.enums.get(usize::from(of))?;
        // Most begin with 0 and leave none out.
        let at = usize::try_from(value).ok().and_then(|at| names.get(at)).filter(|(number, _)| *number == value);
        at.or_else(|| names.iter().find(|(number, _)| *number == value)).map(|(_, name)| *name)
    }
}

fn read(text: &'static str) -> Layout {
    let mut layout = Layout {
        shapes: Vec::new(),
        string: u32::MAX,
        string_words: 0,
        enums: Vec::new(),
        list_length: 0,
        list_cells: 0,
    };
    let lines = || text.lines().filter(|line| !line.starts_with('#'));
    let enums: Vec<&str> = lines().filter_map(|line| line.strip_prefix("enum ")).collect();
    let mut current: Option<(usize, Shape)> = None;
    for line in lines() {
        let mut words = line.split_whitespace();
        match (words.next(), line.starts_with(' ')) {
            (Some(name), true) => {
                let Some((_, shape)) = &mut current else { continue };
                let mut rest = words.clone().skip(1);
                match (rest.next(), rest.next()) {
                    // CREATE FOREIGN TABLE begins with a CREATE TABLE, whose fields are its own.
                    (Some("struct"), Some(base)) => shape.fields = layout.fields_of(base),
                    _ => shape.add(name, words, &enums),
                }
            }
            (Some("list"), _) => {
                let numbers: Vec<usize> = words.filter_map(|word| word.parse().ok()).collect();
                (layout.list_length, layout.list_cells) =
                    (numbers.first().copied().unwrap_or_default(), numbers.get(1).copied().unwrap_or_default());
            }
            (Some("type"), _) => {
                layout.keep(current.take());
                current = line.strip_prefix("type ").and_then(tagged).map(|(tag, name)| (tag, Shape::of(name)));
            }
            _ => {}
        }
    }
    layout.keep(current);
    let string = layout.shapes.iter().zip(0..).find(|(shape, _)| shape.tag == Tag::String);
    if let Some((field, tag)) = string.and_then(|(shape, tag)| Some((shape.fields.first()?, tag))) {
        (layout.string, layout.string_words) = (tag, field.offset());
    }
    if layout.shapes.len() < TAGS {
        layout.shapes.resize_with(TAGS, Shape::unknown);
    }
    layout.enums = enums.iter().map(|line| line.split(' ').filter_map(valued).collect()).collect();
    layout
}

impl Shape {
    /// One more line of it.
    fn add(&mut self, name: &'static str, mut words: std::str::SplitWhitespace<'static>, enums: &[&str]) {
        let offset: u16 = words.next().and_then(|word| word.parse().ok()).unwrap_or(u16::MAX);
        let word = words.next().unwrap_or_default();
        let Some(kind) = kind(word, words.next().unwrap_or_default(), enums) else {
            // A list of numbers, which no parse tree has.
            self.is_known = false;
            return;
        };
        if self.name == "A_Const" {
            let constant = self.constant.get_or_insert_default();
            match name {
                "isnull" => constant.null_offset = offset.into(),
                "val" => constant.offset = offset.into(),
                _ => constant.place_offset = offset.into(),
            }
        }
        let at = At::of(name);
        if name != "location" && !self.fields.iter().any(|known| known.at == at) {
            let levels = if word == "pointer" { 1 } else { 2 };
            self.fields.push(Field { at, kind, offset, levels });
        }
    }
}

impl Layout {
    /// Of a type that stands further up.
    fn fields_of(&self, name: &str) -> Vec<Field> {
        self.shapes.iter().find(|shape| shape.name == name).map(|shape| shape.fields.clone()).unwrap_or_default()
    }

    fn keep(&mut self, shape: Option<(usize, Shape)>) {
        let Some((tag, mut shape)) = shape else { return };
        shape.close();
        if self.shapes.len() <= tag {
            self.shapes.resize_with(tag + 1, Shape::unknown);
        }
        if let Some(place) = self.shapes.get_mut(tag) {
            *place = shape;
        }
    }
}

/// `72 A_Const`
fn tagged(line: &'static str) -> Option<(usize, &'static str)> {
    let (tag, name) = line.split_once(' ')?;
    Some((tag.parse().ok()?, name))
}

/// `0=SETOP_NONE`
fn valued(word: &'static str) -> Option<(i32, &'static str)> {
    let (value, name) = word.split_once('=')?;
    Some((value.parse().ok()?, name))
}

fn kind(kind: &str, of: &str, enums: &[&str]) -> Option<Kind> {
    Some(match kind {
        "int16" => Kind::Int(16),
        "int32" => Kind::Int(32),
        "int64" => Kind::Int(64),
        "uint32" => Kind::Uint(32),
        "uint64" => Kind::Uint(64),
        "char" => Kind::Char,
        "bool" => Kind::Bool,
        "text" => Kind::Text,
        "list" => Kind::List,
        "node" | "pointer" => Kind::Node,
        "cells" => Kind::Cells,
        "constant" => Kind::Constant,
        "enum" => Kind::Enum(enums.iter().position(|line| line.split(' ').next() == Some(of))?.try_into().ok()?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use super::*;

    #[test]
    fn every_line_is_understood() {
        let layout = Layout::get();
        let fields: usize = layout.shapes.iter().map(|shape| shape.fields.len()).sum();
        let is_read = |line: &&str| {
            let kind = line.split(' ').nth(3);
            line.starts_with(' ') && !line.starts_with(" location ") && !matches!(kind, Some("numbers" | "struct"))
        };
        // CREATE FOREIGN TABLE has all fields of CREATE TABLE, and an `options` of its own, which is none of them.
        let base = layout.fields_of("CreateStmt").len();
        assert_eq!(fields, LAYOUT.lines().filter(is_read).count() + base - 1);
        assert_eq!(layout.fields_of("CreateForeignTableStmt").len(), base + 1);
        assert!(layout.shapes.iter().flat_map(|shape| &shape.fields).all(|field| field.offset() < 4096));
        assert!(layout.shapes.iter().all(|shape| shape.places.len() <= 512));
        let constants: Vec<&Shape> = layout.shapes.iter().filter(|shape| shape.constant.is_some()).collect();
        assert_eq!(constants.iter().map(|shape| shape.name).collect::<Vec<_>>(), ["A_Const"]);
        let Constant { null_offset, offset, place_offset } = constants[0].constant.unwrap();
        assert_eq!((null_offset, offset, place_offset), (24, 8, 28));
        assert_eq!((layout.list_length, layout.list_cells), (4, 16));
        // Behind the tag and before the pointer are four bytes that nothing stands in.
        assert_eq!((layout.shape(layout.string).name, layout.string_words), ("String", 8));
        assert!(layout.shapes.iter().flat_map(|shape| &shape.fields).all(|field| field.at != Field::NONE.at));
        assert!(layout.enums.iter().all(|names| !names.is_empty()));
        // Each type has its place among those of `TAGS`.
        assert_eq!(layout.shapes.len(), TAGS);
        assert!(layout.shapes.iter().zip(layout.shapes()).all(|(shape, same)| std::ptr::eq(shape, same)));
    }

    /// Fields are asked for by digests of their names: each that the sources ask for is there, and no two fall together.
    #[test]
    fn names_of_fields_are_told_apart() {
        let lines = LAYOUT.lines().filter(|line| line.starts_with(' '));
        let names: BTreeSet<&str> = lines.filter_map(|line| line.split_whitespace().next()).collect();
        let digests: HashSet<u32> = names.iter().map(|name| At::of(name).0).collect();
        assert_eq!(digests.len(), names.len());
    }
}
