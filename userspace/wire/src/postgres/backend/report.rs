//! ErrorResponse and NoticeResponse: the same list of fields (manual, section "Error and Notice Message Fields").

use core::ops::Range;

use super::super::malformed::Malformed;
use super::super::opaque::opaque_debug;
use super::super::read::Reader;
use super::super::sqlstate::SqlState;

/// Type of the field with the severity, in the server's language.
pub const SEVERITY: u8 = b'S';
/// Type of the field with the severity, never translated.
pub const SEVERITY_UNTRANSLATED: u8 = b'V';
/// Type of the field with the SQLSTATE.
pub const CODE: u8 = b'C';
/// Type of the field with the message.
pub const MESSAGE: u8 = b'M';
/// Type of the field with the detail.
pub const DETAIL: u8 = b'D';
/// Type of the field with the hint.
pub const HINT: u8 = b'H';
/// Type of the field with the place in the statement, counted in characters from one.
pub const POSITION: u8 = b'P';
/// Type of the field with the place in a statement that the server made.
pub const INTERNAL_POSITION: u8 = b'p';
/// Type of the field with the text of a statement that the server made.
pub const INTERNAL_QUERY: u8 = b'q';
/// Type of the field with the call stack.
pub const WHERE: u8 = b'W';
/// Type of the field with the schema.
pub const SCHEMA: u8 = b's';
/// Type of the field with the table.
pub const TABLE: u8 = b't';
/// Type of the field with the column.
pub const COLUMN: u8 = b'c';
/// Type of the field with the data type.
pub const DATA_TYPE: u8 = b'd';
/// Type of the field with the constraint.
pub const CONSTRAINT: u8 = b'n';
/// Type of the field with the file of the server's source.
pub const FILE: u8 = b'F';
/// Type of the field with the line of that file.
pub const LINE: u8 = b'L';
/// Type of the field with the function of that file.
pub const ROUTINE: u8 = b'R';

/// An error or a notice.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Report<'a> {
    body: &'a [u8],
}

opaque_debug!(Report);

/// One field of an error or a notice.
#[derive(Clone, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its type: one of this module's constants, or one that is newer than we are.
    pub code: u8,
    /// Its text.
    pub text: &'a [u8],
    /// Where the text is in the message's body.
    pub range: Range<usize>,
}

opaque_debug!(Field);

impl<'a> Report<'a> {
    /// Parses a whole body.
    pub fn parse(body: &'a [u8]) -> Result<Report<'a>, Malformed> {
        let mut reader = Reader::new(body);
        while field(&mut reader)?.is_some() {}
        reader.end()?;
        Ok(Report { body })
    }

    /// The fields in order.
    pub fn fields(&self) -> impl Iterator<Item = Field<'a>> + Clone + use<'a> {
        let mut reader = Reader::new(self.body);
        core::iter::from_fn(move || field(&mut reader).ok().flatten())
    }

    /// The text of the first field of this type.
    pub fn text(&self, code: u8) -> Option<&'a [u8]> {
        self.fields().find(|field| field.code == code).map(|field| field.text)
    }

    /// The SQLSTATE, if there is a proper one.
    pub fn sqlstate(&self) -> Option<SqlState> {
        self.text(CODE).and_then(SqlState::of_bytes)
    }

    /// After an error of this severity the server closes the connection. Read from the untranslated field, which 9.6 and newer send.
    pub fn ends_the_connection(&self) -> bool {
        matches!(self.text(SEVERITY_UNTRANSLATED).or(self.text(SEVERITY)), Some(b"FATAL" | b"PANIC"))
    }
}

/// `None`: the zero byte that closes the list.
fn field<'a>(reader: &mut Reader<'a>) -> Result<Option<Field<'a>>, Malformed> {
    let code = reader.u8()?;
    if code == 0 {
        return Ok(None);
    }
    let start = reader.at();
    let text = reader.string()?;
    Ok(Some(Field { code, text, range: start..start + text.len() }))
}
