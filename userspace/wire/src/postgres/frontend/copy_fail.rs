//! CopyFail: give COPY FROM STDIN up.

use super::super::malformed::Malformed;
use super::super::opaque::opaque_debug;
use super::super::read::Reader;

/// Fails the COPY.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CopyFail<'a> {
    /// Why; the server puts it into its error.
    pub reason: &'a [u8],
}

opaque_debug!(CopyFail);

impl<'a> CopyFail<'a> {
    /// Parses a whole body.
    pub fn parse(body: &'a [u8]) -> Result<CopyFail<'a>, Malformed> {
        Ok(CopyFail { reason: Reader::new(body).last_string()? })
    }
}
