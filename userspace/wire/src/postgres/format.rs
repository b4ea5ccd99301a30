//! Format codes: how values are written. Used by Bind, FunctionCall, RowDescription and the answers that open a COPY.

use super::malformed::Malformed;
use super::opaque::opaque_debug;
use super::read::Reader;

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Code 0.
    Text,
    /// Code 1.
    Binary,
}

impl Format {
    /// The format of a code on the wire.
    pub fn of_code(code: i16) -> Result<Format, Malformed> {
        match code {
            0 => Ok(Format::Text),
            1 => Ok(Format::Binary),
            _ => Err(Malformed::FormatCode),
        }
    }

    /// The code on the wire.
    pub fn code(self) -> i16 {
        match self {
            Format::Text => 0,
            Format::Binary => 1,
        }
    }
}

/// A list of format codes. None: every value is text. One: it holds for every value. Else one for each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Formats<'a>(&'a [u8]);

opaque_debug!(Formats);

impl<'a> Formats<'a> {
    /// No codes: every value is text.
    pub const NONE: Formats<'static> = Formats(&[]);

    pub(crate) fn read(count: u16, reader: &mut Reader<'a>) -> Result<Formats<'a>, Malformed> {
        let codes = reader.bytes(usize::from(count) * 2)?;
        for code in codes.chunks_exact(2) {
            if !matches!(code, [0, 0 | 1]) {
                return Err(Malformed::FormatCode);
            }
        }
        Ok(Formats(codes))
    }

    /// Holds the number of codes against the number of values: none, one, or as many.
    pub(crate) fn fit(self, values: usize) -> Result<Formats<'a>, Malformed> {
        if self.len() <= 1 || self.len() == values { Ok(self) } else { Err(Malformed::FormatCount) }
    }

    /// Number of codes.
    pub fn len(&self) -> usize {
        self.0.len() / 2
    }

    /// No codes: every value is text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The codes in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Format> + Clone + use<'a> {
        self.0.chunks_exact(2).map(|code| if code == [0, 1] { Format::Binary } else { Format::Text })
    }

    /// The format of value number `index`; `None` when there is a code for each value and none for this one.
    pub fn of(&self, index: usize) -> Option<Format> {
        match self.len() {
            0 => Some(Format::Text),
            1 => self.iter().next(),
            _ => self.iter().nth(index),
        }
    }
}
