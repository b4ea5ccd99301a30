//! Values with how each is written: those of a Bind, and the arguments of a FunctionCall.

use super::format::{Format, Formats};
use super::opaque::opaque_debug;
use super::read::Reader;

/// Values as they were sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Values<'a> {
    /// They fit their number.
    formats: Formats<'a>,
    count: u16,
    /// From the first value's length on; more may follow.
    bytes: &'a [u8],
}

opaque_debug!(Values);

impl<'a> Values<'a> {
    pub(crate) fn new(formats: Formats<'a>, count: u16, bytes: &'a [u8]) -> Values<'a> {
        Values { formats, count, bytes }
    }

    /// How many.
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// None.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Each in order with how it is written; `None` is NULL.
    pub fn iter(&self) -> impl Iterator<Item = (Option<&'a [u8]>, Format)> + Clone + use<'a> {
        let mut reader = Reader::new(self.bytes);
        let values = (0..self.count).map_while(move |_| reader.value().ok());
        // None said is text, one said is that of all.
        values.zip(self.formats.iter().cycle().chain(core::iter::repeat(Format::Text)))
    }
}
