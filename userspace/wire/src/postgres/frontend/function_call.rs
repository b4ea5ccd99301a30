//! FunctionCall: the old fast path, a call without a statement.

use super::super::format::{Format, Formats};
use super::super::malformed::Malformed;
use super::super::opaque::opaque_debug;
use super::super::read::Reader;
use super::super::values::Values;

/// Calls a function by its OID (`HandleFunctionRequest`, src/backend/tcop/fastpath.c).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FunctionCall<'a> {
    /// `pg_proc.oid`.
    pub function: u32,
    /// How the arguments are written; fits their number.
    pub formats: Formats<'a>,
    /// How the result is wanted.
    pub result_format: Format,
    count: u16,
    arguments: &'a [u8],
}

opaque_debug!(FunctionCall);

impl<'a> FunctionCall<'a> {
    /// Parses a whole body.
    pub fn parse(body: &'a [u8]) -> Result<FunctionCall<'a>, Malformed> {
        let mut reader = Reader::new(body);
        let function = reader.u32()?;
        let format_count = reader.u16()?;
        let formats = Formats::read(format_count, &mut reader)?;
        let count = reader.u16()?;
        let formats = formats.fit(usize::from(count))?;
        let arguments_at = reader.at();
        for _ in 0..count {
            reader.value()?;
        }
        let arguments = body.get(arguments_at..reader.at()).unwrap_or_default();
        let result_format = Format::of_code(reader.i16()?)?;
        reader.end()?;
        Ok(FunctionCall { function, formats, result_format, count, arguments })
    }

    /// Number of arguments.
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// No arguments.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The arguments with how each is written.
    pub fn written(&self) -> Values<'a> {
        Values::new(self.formats, self.count, self.arguments)
    }

    /// The arguments in order; `None` is NULL.
    pub fn arguments(&self) -> impl Iterator<Item = Option<&'a [u8]>> + Clone + use<'a> {
        let mut reader = Reader::new(self.arguments);
        (0..self.count).map_while(move |_| reader.value().ok())
    }
}
