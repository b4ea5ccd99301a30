//! CommandComplete: a statement is complete.

use super::super::malformed::Malformed;
use super::super::opaque::opaque_debug;
use super::super::read::Reader;

/// What was done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CommandComplete<'a> {
    /// The command's words, with the number of rows behind them where it has one: `INSERT 0 5`, `SELECT 3`, `CREATE TABLE`.
    pub tag: &'a [u8],
}

opaque_debug!(CommandComplete);

impl<'a> CommandComplete<'a> {
    /// Parses a whole body.
    pub fn parse(body: &'a [u8]) -> Result<CommandComplete<'a>, Malformed> {
        Ok(CommandComplete { tag: Reader::new(body).last_string()? })
    }

    /// The number of rows, where the tag ends with one.
    pub fn rows(&self) -> Option<u64> {
        let space = self.tag.iter().rposition(|&byte| byte == b' ')?;
        let number = self.tag.get(space + 1..).filter(|number| number.iter().all(u8::is_ascii_digit))?;
        core::str::from_utf8(number).ok()?.parse().ok()
    }

    /// The command's words without numbers: `INSERT`, `SELECT`, `CREATE TABLE`.
    pub fn command(&self) -> &'a [u8] {
        let words = self.tag.iter().position(u8::is_ascii_digit).unwrap_or(self.tag.len());
        self.tag.get(..words).unwrap_or_default().trim_ascii_end()
    }
}
