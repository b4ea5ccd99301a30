//! Masks the bodies of the database's messages as they stream, in place and without changing a length.
//!
//! Every byte that the database says passes one of these maskers, by message type: rows, COPY data in its three formats, function
//! results, and all strings outside results. They are push parsers of constant size: no allocation, and values of any length.
//! Counts and lengths must sum exactly to the body; else the session ends ([`Malformed`]).

mod arrays;
mod binary;
mod builtin;
mod columns;
mod copy_binary;
mod copy_format;
mod copy_pass;
mod copy_text;
mod cursor;
mod field;
mod fill;
mod leaf;
mod numeric;
mod pass;
mod quotes;
mod row;
mod search;
mod sensitive;
mod spare;
mod strict;
mod strings;
mod suspect;
#[cfg(test)]
mod tests;
mod types;

pub use columns::{Column, Columns};
pub use copy_binary::CopyBinary;
pub use copy_format::{CopyFormat, CopyOptions, UnfitCopy};
pub use copy_pass::Copies;
pub use copy_text::CopyText;
pub use pass::Passed;
pub use row::{Function, Row};
pub use search::{Patterns, Sought};
pub use spare::Spare;
pub use strings::{Message, Strings, Strip};
pub use suspect::{Clean, Pass, Rows};
pub use types::{Kind, UserTypes};

use crate::HOLD_MAX;
use cursor::{Cursor, Step};
use std::fmt;

/// Why a body is not what its type says. The session ends: what has not left yet never leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// A count of fields, elements or dimensions that the columns or the bytes contradict.
    Count,
    /// A length below -1, or beyond what holds it, or not its type's.
    Length,
    /// The body ends inside something, or goes on after its end.
    End,
    /// A value that its type cannot have.
    Value,
    /// Values nested deeper than `binary::DEPTH`.
    Depth,
    /// A sensitive column whose binary type has no fill.
    Unmaskable {
        /// Its index.
        column: usize,
    },
    /// A structured binary value of a type that nobody declared (`UserTypes`).
    Opaque {
        /// The column's index.
        column: usize,
    },
}

impl Malformed {
    fn in_column(self, column: usize) -> Malformed {
        match self {
            Malformed::Unmaskable { .. } => Malformed::Unmaskable { column },
            Malformed::Opaque { .. } => Malformed::Opaque { column },
            other => other,
        }
    }
}

/// What a call came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes from the start that are final. The rest (at most `HOLD_MAX`, none if `last`) comes back in front of the next.
    pub done: usize,
    /// Card numbers masked by content.
    pub cards: u32,
    /// Values of sensitive columns masked as a whole.
    pub sensitive: u32,
}

/// Masks one message body after another of one kind.
#[derive(Clone)]
pub enum BodyMask {
    /// DataRow.
    Row(Row),
    /// CopyData of a copy out in text or CSV: whole rows in each frame.
    CopyText(CopyText),
    /// CopyData of a copy out in binary: one stream over all its frames.
    CopyBinary(CopyBinary),
    /// Strings outside results.
    Strings(Strings),
    /// FunctionCallResponse; the columns are one: the function's result.
    Function(Function),
}

impl BodyMask {
    /// For DataRow. Ready for the next row after each.
    pub fn row() -> BodyMask {
        BodyMask::Row(Row::new())
    }

    /// For the CopyData of a copy out in text or CSV.
    pub fn copy_text(format: CopyFormat) -> BodyMask {
        BodyMask::CopyText(CopyText::new(format))
    }

    /// For the CopyData of a copy out in binary.
    pub fn copy_binary() -> BodyMask {
        BodyMask::CopyBinary(CopyBinary::new())
    }

    /// For a message of strings.
    pub fn strings(message: Message, strip: Strip) -> BodyMask {
        BodyMask::Strings(Strings::new(message, strip))
    }

    /// For FunctionCallResponse.
    pub fn function() -> BodyMask {
        BodyMask::Function(Function::new())
    }

    /// Masks what is here of one body: the bytes held by the former call, then new ones. `last`: the body ends with them.
    pub fn feed(&mut self, bytes: &mut [u8], last: bool, columns: &Columns) -> Result<Progress, Malformed> {
        let len = bytes.len();
        let mut cursor = Cursor::new(bytes, columns.patterns());
        let step = match self {
            BodyMask::Row(row) => row.step(&mut cursor, columns)?,
            BodyMask::CopyText(copy) => copy.step(&mut cursor, columns)?,
            BodyMask::CopyBinary(copy) => copy.step(&mut cursor, columns)?,
            BodyMask::Strings(strings) => strings.step(&mut cursor, columns.sought())?,
            BodyMask::Function(function) => function.step(&mut cursor, columns)?,
        };
        let held = len - cursor.done();
        let ended = step == Step::Done && held == 0;
        if last && !ended || held > 0 && step == Step::Done {
            return Err(Malformed::End);
        }
        if last {
            self.end_body();
        }
        assert!(held <= HOLD_MAX, "{self:?} holds {held} bytes, more than it may");
        Ok(Progress { done: cursor.done(), cards: cursor.cards, sensitive: cursor.sensitive })
    }

    /// The next bytes are another body's.
    fn end_body(&mut self) {
        match self {
            BodyMask::Row(row) => row.restart(),
            BodyMask::Strings(strings) => strings.restart(),
            BodyMask::Function(function) => function.restart(),
            BodyMask::CopyText(_) | BodyMask::CopyBinary(_) => {} // one stream over all frames
        }
    }
}

/// Its kind alone: what a masker holds of a value is for nobody's eyes.
impl fmt::Debug for BodyMask {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            BodyMask::Row(_) => "Row",
            BodyMask::CopyText(_) => "CopyText",
            BodyMask::CopyBinary(_) => "CopyBinary",
            BodyMask::Strings(_) => "Strings",
            BodyMask::Function(_) => "Function",
        })
    }
}
