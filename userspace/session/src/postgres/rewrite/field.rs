//! One value: a column's, of any type, in either format.

use super::arrays::{Escaped, Escapes, Hidden};
use super::binary::{self, DEPTH, Frame, Next};
use super::columns::Resolved;
use super::cursor::{Cursor, Step};
use super::leaf::Leaf;
use super::search::{Ahead, Search, Sought};
use super::types::{Kind, Text, UserTypes};
use super::{HOLD_MAX, Malformed};
use pan::{Fill, Scanner, Whole};

/// A value that is being read. Of fixed size: nesting is bounded.
#[derive(Clone)]
pub(super) struct Field {
    now: Now,
    whole: Option<Whole>,
    sought: Sought,
    ahead: Ahead,
    stack: [Frame; DEPTH],
    depth: usize,
}

#[derive(Clone)]
enum Now {
    /// A part without parts, and how many of its bytes are not final.
    Leaf(Leaf, usize),
    /// A part of unknown type: its first bytes will say.
    Sniff(usize),
    /// The innermost frame goes on, or the value has ended.
    Frames,
}

impl Field {
    /// No value: it has ended.
    pub(super) const NONE: Field = Field {
        now: Now::Frames,
        whole: None,
        sought: Sought { mode: pan::Mode::Balanced, patterns: 0 },
        ahead: Ahead::NONE,
        stack: [Frame::EMPTY; DEPTH],
        depth: 0,
    };

    /// Begins a value of `len` bytes.
    pub(super) fn open(&mut self, column: &Resolved, len: usize) -> Result<(), Malformed> {
        self.depth = 0;
        self.whole = column.whole;
        self.sought = column.sought;
        if column.clear {
            self.now = Now::Leaf(Leaf::Verbatim, len);
            return Ok(());
        }
        if column.binary {
            return self.enter(column.kind, len);
        }
        self.now = Now::Leaf(text_leaf(column), len);
        Ok(())
    }

    /// Goes on with it.
    pub(super) fn step(&mut self, cursor: &mut Cursor<'_>, types: Option<&UserTypes>) -> Result<Step, Malformed> {
        loop {
            match &mut self.now {
                Now::Leaf(leaf, left) => {
                    if leaf.step(cursor, left, &mut self.ahead)? == Step::More {
                        return Ok(Step::More);
                    }
                    self.now = Now::Frames;
                }
                Now::Sniff(left) => {
                    let len = *left;
                    if cursor.rest().len() < len.min(binary::SNIFF) {
                        return Ok(Step::More);
                    }
                    let kind = binary::sniff(cursor.chunk(len.min(binary::SNIFF)), len)?;
                    self.enter(kind, len)?;
                }
                Now::Frames => {
                    let Some(top) = self.depth.checked_sub(1).and_then(|top| self.stack.get_mut(top)) else {
                        return Ok(Step::Done);
                    };
                    match top.next(cursor, types)? {
                        Next::More => return Ok(Step::More),
                        Next::End => self.depth -= 1,
                        Next::Part(kind, len) => self.enter(kind, len)?,
                    }
                }
            }
        }
    }

    /// Begins a binary value, or a part of one.
    fn enter(&mut self, kind: Kind, len: usize) -> Result<(), Malformed> {
        if let Some(frame) = Frame::open(kind, len) {
            *self.stack.get_mut(self.depth).ok_or(Malformed::Depth)? = frame;
            self.depth += 1;
            self.now = Now::Frames;
            return Ok(());
        }
        self.now = match kind {
            Kind::Unknown if len > 0 => Now::Sniff(len),
            _ => Now::Leaf(binary_leaf(kind, self.sought, self.whole, len)?, len),
        };
        Ok(())
    }
}

fn text_leaf(column: &Resolved) -> Leaf {
    let sought = column.sought;
    match (column.text, column.whole) {
        (Text::Array | Text::Escaped, Some(_)) => Leaf::Hidden(Hidden::new(false)),
        (Text::Numbers, Some(_)) => Leaf::Hidden(Hidden::new(true)),
        (Text::Escaped | Text::Record, None) => Leaf::Escaped(Escaped::new(sought, Escapes::Elements)),
        (Text::Bytea, whole) => Leaf::Bytea(sought, whole),
        (text @ (Text::Plain | Text::Number | Text::Json | Text::Array | Text::Numbers | Text::Record), whole) => {
            Leaf::text(sought, text.fill(), whole)
        }
    }
}

fn binary_leaf(kind: Kind, sought: Sought, whole: Option<Whole>, len: usize) -> Result<Leaf, Malformed> {
    if len == 0 && !matches!(kind, Kind::Fixed(_)) {
        return Ok(Leaf::Verbatim); // nothing there: an empty text, or a null part
    }
    if whole.is_some() && !kind.has_fill() {
        return Err(Malformed::Unmaskable { column: 0 });
    }
    let size = |wanted: usize| if len == wanted { Ok(()) } else { Err(Malformed::Length) };
    Ok(match (kind, whole) {
        (Kind::Fixed(wanted), _) => {
            size(wanted.into())?;
            let bytes = || Leaf::Scan(Search::new(sought.cards(), Fill::Text));
            if len < 13 { Leaf::Verbatim } else { bytes() } // 13: the shortest card
        }
        (Kind::Int2, whole) => size(2).map(|()| whole.map_or(Leaf::Verbatim, Leaf::WholeInt2))?,
        (Kind::Int4, whole) => size(4).map(|()| whole.map_or(Leaf::Verbatim, Leaf::WholeInt4))?,
        (Kind::Int8, whole) => size(8).map(|()| whole.map_or(Leaf::Int8(sought.mode), Leaf::WholeInt8))?,
        (Kind::Float8, _) => size(8).map(|()| Leaf::Float8(sought.mode))?,
        (Kind::Numeric, whole) => whole.map_or(Leaf::Numeric(sought.mode), Leaf::WholeNumeric),
        (Kind::Json, whole) => Leaf::text(sought, Fill::Json, whole),
        (Kind::Jsonb, whole) => Leaf::Prefix(1, Fill::Json, sought, whole),
        (Kind::Prefixed(count), whole) => Leaf::Prefix(count, Fill::Text, sought, whole),
        (Kind::Text, whole) => Leaf::text(sought, Fill::Text, whole),
        // What is not text there is for no pattern to write over.
        (Kind::Bytes | Kind::Unknown, _) => Leaf::Scan(Search::new(sought.cards(), Fill::Text)),
        (Kind::Opaque, _) => return Err(Malformed::Unmaskable { column: 0 }),
        (Kind::Array | Kind::Record | Kind::Hstore | Kind::Range(_) | Kind::Multirange(_), _) => {
            return Err(Malformed::Value);
        }
    })
}

/// The bytes that any leaf may hold are bounded by what a call may hand back.
const _: () =
    assert!(Scanner::HOLD_MAX <= HOLD_MAX && pan::WholeScanner::HOLD_MAX <= HOLD_MAX && binary::SNIFF <= HOLD_MAX);

/// A session holds one of these while a row of it is under way.
const _: () = assert!(size_of::<Field>() <= 768);
