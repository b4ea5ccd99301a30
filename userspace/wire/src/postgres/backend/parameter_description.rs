//! ParameterDescription: the types of a prepared statement's parameters.

use super::super::malformed::Malformed;
use super::super::opaque::opaque_debug;
use super::super::read::Reader;

/// Types of parameters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ParameterDescription<'a> {
    types: &'a [u8],
}

opaque_debug!(ParameterDescription);

impl<'a> ParameterDescription<'a> {
    /// Parses a whole body.
    pub fn parse(body: &'a [u8]) -> Result<ParameterDescription<'a>, Malformed> {
        let mut reader = Reader::new(body);
        let count = reader.u16()?;
        let types = reader.bytes(usize::from(count) * 4)?;
        reader.end()?;
        Ok(ParameterDescription { types })
    }

    /// OIDs of the types, in the parameters' order.
    pub fn types(&self) -> impl ExactSizeIterator<Item = u32> + Clone + use<'a> {
        self.types.as_chunks::<4>().0.iter().map(|oid| u32::from_be_bytes(*oid))
    }
}
