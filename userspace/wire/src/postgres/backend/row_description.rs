//! RowDescription: the columns of the rows that follow.

use core::ops::Range;

use super::super::format::Format;
use super::super::malformed::Malformed;
use super::super::opaque::opaque_debug;
use super::super::read::Reader;

/// The columns of a result.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RowDescription<'a> {
    count: u16,
    body: &'a [u8],
}

opaque_debug!(RowDescription);

/// One column of a result.
#[derive(Clone, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its name: whatever alias the statement gave it, so any bytes of its author.
    pub name: &'a [u8],
    /// Where the name is in the message's body.
    pub name_range: Range<usize>,
    /// `pg_class.oid` of the table it comes from unchanged; zero: from none.
    pub table: u32,
    /// `pg_attribute.attnum` in that table; zero: none; below zero: a system column.
    pub attribute: i16,
    /// `pg_type.oid`.
    pub type_oid: u32,
    /// `pg_type.typlen`; below zero: of variable width.
    pub type_len: i16,
    /// The type's modifier; -1: none.
    pub type_modifier: i32,
    /// How its values are written. Text, whatever it will be, where a statement is described and not a portal.
    pub format: Format,
}

opaque_debug!(Field);

impl<'a> RowDescription<'a> {
    /// Parses a whole body.
    pub fn parse(body: &'a [u8]) -> Result<RowDescription<'a>, Malformed> {
        let mut reader = Reader::new(body);
        let count = reader.u16()?;
        for _ in 0..count {
            field(&mut reader)?;
        }
        reader.end()?;
        Ok(RowDescription { count, body })
    }

    /// Number of columns.
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// No columns: `SELECT FROM t`.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The columns in order.
    pub fn fields(&self) -> impl Iterator<Item = Field<'a>> + Clone + use<'a> {
        let mut reader = Reader::new(self.body);
        let skipped = reader.u16().is_ok();
        (0..self.count).map_while(move |_| field(&mut reader).ok().filter(|_| skipped))
    }
}

fn field<'a>(reader: &mut Reader<'a>) -> Result<Field<'a>, Malformed> {
    let start = reader.at();
    let name = reader.string()?;
    Ok(Field {
        name,
        name_range: start..start + name.len(),
        table: reader.u32()?,
        attribute: reader.i16()?,
        type_oid: reader.u32()?,
        type_len: reader.i16()?,
        type_modifier: reader.i32()?,
        format: Format::of_code(reader.i16()?)?,
    })
}
