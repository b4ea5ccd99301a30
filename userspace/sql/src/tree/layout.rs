//! Where in the library's memory the fields of each node type lie.

use std::sync::LazyLock;

use super::{At, Tag};

/// Made by `data/tree-layout.sh` from the library's headers; the first lines say of which version.
const LAYOUT: &str = include_str!("../../data/tree-layout.txt");

/// What stands in a field.
#[derive(Clone, Copy, Debug)]
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
    /// An enumeration, by its index in [`Layout::names`].
    Enum(usize),
    /// `List *` of nodes
    List,
    /// `Node *`
    Node,
    /// A pointer to a struct of this type, by its index in [`Layout::shape`].
    Pointer(usize),
    /// A struct of this type.
    Struct(usize),
    /// The node is a list of nodes itself.
    Cells,
    /// The node is a list of numbers itself.
    Numbers,
    /// The union of a constant's value.
    Constant,
}

/// One field.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) at: At,
    pub(crate) offset: usize,
    pub(crate) kind: Kind,
}

/// One node type.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) tag: Tag,
    pub(crate) fields: Vec<Field>,
}

/// All node types.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    /// By node tag.
    shapes: Vec<Option<Shape>>,
    enums: Vec<Vec<(i32, &'static str)>>,
    /// Where a list has its length and its cells.
    pub(crate) list_length: usize,
    pub(crate) list_cells: usize,
    /// Where a constant says in which byte of the text it begins.
    pub(crate) constant_location: usize,
}

impl Layout {
    /// The one of the library that is linked.
    pub(crate) fn get() -> &'static Layout {
        static READ: LazyLock<Layout> = LazyLock::new(|| read(LAYOUT));
        &READ
    }

    /// The type of that tag.
    pub(crate) fn shape(&self, tag: usize) -> Option<&Shape> {
        self.shapes.get(tag)?.as_ref()
    }

    /// The name of an enumeration's value.
    pub(crate) fn enum_name(&self, of: usize, value: i32) -> Option<&'static str> {
        let names = self.enums.get(of)?;
        // Most begin with 0 and leave none out.
        let at = usize::try_from(value).ok().and_then(|at| names.get(at)).filter(|(number, _)| *number == value);
        at.or_else(|| names.iter().find(|(number, _)| *number == value)).map(|(_, name)| *name)
    }
}

fn read(text: &'static str) -> Layout {
    let mut layout = Layout::default();
    let lines = || text.lines().filter(|line| !line.starts_with('#'));
    let enums: Vec<&str> = lines().filter_map(|line| line.strip_prefix("enum ")).collect();
    let types: Vec<(usize, &str)> = lines().filter_map(|line| line.strip_prefix("type ")).filter_map(tagged).collect();
    let mut current: Option<(usize, Shape)> = None;
    for line in lines() {
        let mut words = line.split_whitespace();
        match (words.next(), line.starts_with(' ')) {
            (Some(name), true) => {
                let offset = words.next().and_then(|word| word.parse().ok()).unwrap_or(usize::MAX);
                let kind = kind(words.next().unwrap_or_default(), words.next().unwrap_or_default(), &enums, &types);
                if name == "location" && current.as_ref().is_some_and(|(_, shape)| shape.name == "A_Const") {
                    layout.constant_location = offset;
                }
                if let (Some((_, shape)), Some(kind)) = (&mut current, kind.filter(|_| name != "location")) {
                    shape.fields.push(Field { name, at: At::of(name), offset, kind });
                }
            }
            (Some("list"), _) => {
                let numbers: Vec<usize> = words.filter_map(|word| word.parse().ok()).collect();
                (layout.list_length, layout.list_cells) =
                    (numbers.first().copied().unwrap_or_default(), numbers.get(1).copied().unwrap_or_default());
            }
            (Some("type"), _) => {
                layout.keep(current.take());
                current = line
                    .strip_prefix("type ")
                    .and_then(tagged)
                    .map(|(tag, name)| (tag, Shape { name, tag: Tag::of(name), fields: Vec::new() }));
            }
            _ => {}
        }
    }
    layout.keep(current);
    layout.enums = enums.iter().map(|line| line.split(' ').filter_map(valued).collect()).collect();
    layout
}

impl Layout {
    fn keep(&mut self, shape: Option<(usize, Shape)>) {
        let Some((tag, shape)) = shape else { return };
        if self.shapes.len() <= tag {
            self.shapes.resize_with(tag + 1, || None);
        }
        if let Some(place) = self.shapes.get_mut(tag) {
            *place = Some(shape);
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

fn kind(kind: &str, of: &str, enums: &[&str], types: &[(usize, &str)]) -> Option<Kind> {
    let tag = || types.iter().find(|(_, name)| *name == of).map(|(tag, _)| *tag);
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
        "node" => Kind::Node,
        "cells" => Kind::Cells,
        "numbers" => Kind::Numbers,
        "constant" => Kind::Constant,
        "enum" => Kind::Enum(enums.iter().position(|line| line.split(' ').next() == Some(of))?),
        "pointer" => Kind::Pointer(tag()?),
        "struct" => Kind::Struct(tag()?),
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
        let fields: usize = layout.shapes.iter().flatten().map(|shape| shape.fields.len()).sum();
        let lines = LAYOUT.lines().filter(|line| line.starts_with(' ') && !line.starts_with(" location "));
        assert_eq!(fields, lines.count());
        assert!(layout.shapes.iter().flatten().all(|shape| shape.fields.iter().all(|field| field.offset < 4096)));
        assert_eq!((layout.list_length, layout.list_cells, layout.constant_location), (4, 16, 28));
        assert!(layout.enums.iter().all(|names| !names.is_empty()));
    }

    /// Fields are asked for by digests of their names: each that the sources ask for is there, and no two fall together.
    #[test]
    fn names_of_fields_are_told_apart() {
        let names: BTreeSet<&str> =
            Layout::get().shapes.iter().flatten().flat_map(|shape| &shape.fields).map(|field| field.name).collect();
        let digests: HashSet<u32> = names.iter().map(|name| At::of(name).0).collect();
        assert_eq!(digests.len(), names.len());
    }
}
