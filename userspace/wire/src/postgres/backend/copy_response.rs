//! CopyInResponse, CopyOutResponse and CopyBothResponse: a COPY begins. All three have the same body.

use super::super::format::{Format, Formats};
use super::super::malformed::Malformed;
use super::super::opaque::opaque_debug;
use super::super::read::Reader;

/// How the data of a COPY is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CopyResponse<'a> {
    /// Text: lines with separators (also CSV). Binary: COPY's own binary form.
    pub format: Format,
    /// The columns' formats: one for each, all text where the whole is text (`SendCopyBegin`, src/backend/commands/copyto.c).
    pub columns: Formats<'a>,
}

opaque_debug!(CopyResponse);

impl<'a> CopyResponse<'a> {
    /// Parses a whole body.
    pub fn parse(body: &'a [u8]) -> Result<CopyResponse<'a>, Malformed> {
        let mut reader = Reader::new(body);
        let format = Format::of_code(i16::from(reader.u8()?))?;
        let count = reader.u16()?;
        let columns = Formats::read(count, &mut reader)?;
        reader.end()?;
        if format == Format::Text && columns.iter().any(|column| column == Format::Binary) {
            return Err(Malformed::FormatCode);
        }
        Ok(CopyResponse { format, columns })
    }
}
