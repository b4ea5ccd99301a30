//! COPY … TO STDOUT in binary: a header, tuples, a trailer (`src/backend/commands/copyto.c`; the format is in the manual's page
//! on COPY). The server sends whole tuples in each CopyData, the header in front of the first.

use super::Malformed;
use super::columns::Columns;
use super::cursor::{Cursor, Step};
use super::row::Fields;

const SIGNATURE: [u8; 11] = *b"PGCOPY\n\xff\r\n\0";

/// The copy as far as it has come; it goes on over the frames.
#[derive(Clone)]
pub struct CopyBinary {
    state: State,
    fields: Fields,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Signature, flags, length of the extension.
    Header,
    /// Bytes of the extension to come.
    Extension(usize),
    /// A tuple's count of fields, or the trailer.
    Count,
    Tuple,
    /// The trailer has passed: nothing may follow.
    Trailer,
}

impl CopyBinary {
    pub(super) const fn new() -> CopyBinary {
        CopyBinary { state: State::Header, fields: Fields::new() }
    }

    /// Between tuples: where a frame may end.
    pub(super) fn step(&mut self, cursor: &mut Cursor<'_>, columns: &Columns) -> Result<Step, Malformed> {
        loop {
            match self.state {
                State::Header => {
                    let Some(header) = cursor.take::<19>() else { return Ok(between(cursor)) };
                    self.state = State::Extension(extension(&header)?);
                }
                State::Extension(0) => self.state = State::Count,
                State::Extension(left) => {
                    let here = cursor.chunk(left).len();
                    if here == 0 {
                        return Ok(Step::More);
                    }
                    cursor.advance(here);
                    self.state = State::Extension(left - here);
                }
                State::Count => {
                    let Some(count) = cursor.take::<2>() else { return Ok(between(cursor)) };
                    self.state = match i16::from_be_bytes(count) {
                        -1 => State::Trailer,
                        count if usize::try_from(count) == Ok(columns.len()) => State::Tuple,
                        _ => return Err(Malformed::Count),
                    };
                    self.fields.restart();
                }
                State::Tuple => match self.fields.step(cursor, columns)? {
                    Step::Done => self.state = State::Count,
                    Step::More => return Ok(Step::More),
                },
                State::Trailer if cursor.is_empty() => return Ok(Step::Done),
                State::Trailer => return Err(Malformed::End),
            }
        }
    }
}

/// At a place where a frame may end, if the bytes do.
fn between(cursor: &Cursor<'_>) -> Step {
    if cursor.is_empty() { Step::Done } else { Step::More }
}

/// The length of the header's extension. Of the flags' critical half only bit 16 (OIDs are sent) ever was, before PostgreSQL 12.
fn extension(header: &[u8; 19]) -> Result<usize, Malformed> {
    let [signature @ .., f0, f1, f2, f3, e0, e1, e2, e3] = header;
    if *signature != SIGNATURE || u32::from_be_bytes([*f0, *f1, *f2, *f3]) != 0 {
        return Err(Malformed::Value);
    }
    usize::try_from(i32::from_be_bytes([*e0, *e1, *e2, *e3])).map_err(|_| Malformed::Length)
}
