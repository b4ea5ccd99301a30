//! FunctionCallResponse: what a function call returned.

use core::ops::Range;

use super::super::malformed::Malformed;
use super::super::opaque::opaque_debug;
use super::super::read::Reader;

/// The result of a function.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FunctionCallResponse<'a> {
    /// In the format that was asked for; `None` is NULL.
    pub value: Option<&'a [u8]>,
}

opaque_debug!(FunctionCallResponse);

impl<'a> FunctionCallResponse<'a> {
    /// Parses a whole body.
    pub fn parse(body: &'a [u8]) -> Result<FunctionCallResponse<'a>, Malformed> {
        let mut reader = Reader::new(body);
        let value = reader.value()?;
        reader.end()?;
        Ok(FunctionCallResponse { value })
    }

    /// Where the value is in the body; `None` is NULL.
    pub fn range(&self) -> Option<Range<usize>> {
        self.value.map(|value| 4..4 + value.len())
    }
}
