//! ParameterStatus: a setting that the server reports, at login and whenever it changes.

use core::ops::Range;

use super::super::malformed::Malformed;
use super::super::opaque::opaque_debug;
use super::super::read::Reader;

/// A setting's value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ParameterStatus<'a> {
    /// The setting's name.
    pub name: &'a [u8],
    /// Its value.
    pub value: &'a [u8],
}

opaque_debug!(ParameterStatus);

impl<'a> ParameterStatus<'a> {
    /// Parses a whole body.
    pub fn parse(body: &'a [u8]) -> Result<ParameterStatus<'a>, Malformed> {
        let mut reader = Reader::new(body);
        let name = reader.string()?;
        let value = reader.last_string()?;
        Ok(ParameterStatus { name, value })
    }

    /// Where the value is in the body.
    pub fn value_range(&self) -> Range<usize> {
        let start = self.name.len() + 1;
        start..start + self.value.len()
    }
}
