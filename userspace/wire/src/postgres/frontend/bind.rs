//! Bind: make a portal of a prepared statement and values.

use core::ops::Range;

use super::super::format::Formats;
use super::super::malformed::Malformed;
use super::super::opaque::opaque_debug;
use super::super::read::Reader;
use super::super::values::Values;

/// Values for a prepared statement.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Bind<'a> {
    /// The portal's name; empty: the unnamed portal.
    pub portal: &'a [u8],
    /// The statement's name; empty: the unnamed statement.
    pub statement: &'a [u8],
    /// How the values are written; fits their number.
    pub formats: Formats<'a>,
    /// How results are wanted; whether it fits the number of columns, the server alone knows.
    pub result_formats: Formats<'a>,
    count: u16,
    body: &'a [u8],
    values_at: usize,
}

opaque_debug!(Bind);

impl<'a> Bind<'a> {
    /// Parses a whole body.
    pub fn parse(body: &'a [u8]) -> Result<Bind<'a>, Malformed> {
        let mut reader = Reader::new(body);
        let portal = reader.string()?;
        let statement = reader.string()?;
        let format_count = reader.u16()?;
        let formats = Formats::read(format_count, &mut reader)?;
        let count = reader.u16()?;
        let formats = formats.fit(usize::from(count))?;
        let values_at = reader.at();
        for _ in 0..count {
            reader.value()?;
        }
        let result_count = reader.u16()?;
        let result_formats = Formats::read(result_count, &mut reader)?;
        reader.end()?;
        Ok(Bind { portal, statement, formats, result_formats, count, body, values_at })
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// No values.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The values with how each is written.
    pub fn written(&self) -> Values<'a> {
        Values::new(self.formats, self.count, self.body.get(self.values_at..).unwrap_or_default())
    }

    /// The values in order; `None` is NULL.
    pub fn values(&self) -> impl Iterator<Item = Option<&'a [u8]>> + Clone + use<'a> {
        let body = self.body;
        self.ranges().map(move |range| range.and_then(|range| body.get(range)))
    }

    /// Where the values are in the body; `None` is NULL.
    pub fn ranges(&self) -> impl Iterator<Item = Option<Range<usize>>> + Clone + use<'a> {
        let mut reader = Reader::new(self.body);
        let skipped = reader.bytes(self.values_at).is_ok();
        (0..self.count).map_while(move |_| {
            let value = reader.value().ok().filter(|_| skipped)?;
            Some(value.map(|value| reader.at() - value.len()..reader.at()))
        })
    }
}
