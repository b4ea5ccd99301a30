//! Query: the simple protocol.

use super::super::malformed::Malformed;
use super::super::opaque::opaque_debug;
use super::super::read::Reader;

/// A text of any number of statements.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Query<'a> {
    /// The text, in the client's encoding.
    pub text: &'a [u8],
}

opaque_debug!(Query);

impl<'a> Query<'a> {
    /// Parses a whole body.
    pub fn parse(body: &'a [u8]) -> Result<Query<'a>, Malformed> {
        Ok(Query { text: Reader::new(body).last_string()? })
    }
}
