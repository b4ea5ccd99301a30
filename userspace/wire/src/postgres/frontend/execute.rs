//! Execute: run a portal.

use super::super::malformed::Malformed;
use super::super::opaque::opaque_debug;
use super::super::read::Reader;

/// Runs a portal for some rows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Execute<'a> {
    /// The portal's name; empty: the unnamed portal.
    pub portal: &'a [u8],
    /// Most rows to return; zero and below: all (`exec_execute_message`, src/backend/tcop/postgres.c).
    pub rows_max: i32,
}

opaque_debug!(Execute);

impl<'a> Execute<'a> {
    /// Parses a whole body.
    pub fn parse(body: &'a [u8]) -> Result<Execute<'a>, Malformed> {
        let mut reader = Reader::new(body);
        let portal = reader.string()?;
        let rows_max = reader.i32()?;
        reader.end()?;
        Ok(Execute { portal, rows_max })
    }
}
