//! Parse: prepare a statement.

use super::super::malformed::Malformed;
use super::super::opaque::opaque_debug;
use super::super::read::Reader;

/// A statement with a name and the types of some of its parameters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Parse<'a> {
    /// Its name; empty: the unnamed statement.
    pub statement: &'a [u8],
    /// The text, in the client's encoding: one statement, or none.
    pub text: &'a [u8],
    types: &'a [u8],
}

opaque_debug!(Parse);

impl<'a> Parse<'a> {
    /// Parses a whole body.
    #[expect(clippy::self_named_constructors, reason = "every message has a `parse`, and this one is called Parse")]
    pub fn parse(body: &'a [u8]) -> Result<Parse<'a>, Malformed> {
        let mut reader = Reader::new(body);
        let statement = reader.string()?;
        let text = reader.string()?;
        let count = reader.u16()?;
        let types = reader.bytes(usize::from(count) * 4)?;
        reader.end()?;
        Ok(Parse { statement, text, types })
    }

    /// OIDs of the parameters' types, from the first on; zero: the server decides. It may name fewer than there are.
    pub fn parameter_types(&self) -> impl ExactSizeIterator<Item = u32> + Clone + use<'a> {
        self.types.as_chunks::<4>().0.iter().map(|oid| u32::from_be_bytes(*oid))
    }
}
