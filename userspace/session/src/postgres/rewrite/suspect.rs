//! Whole messages that may pass but for a place that may be a card: only the values that hold such a place are searched, as their maskers would.

use std::ops::Range;

use super::Malformed;
use super::columns::{Columns, Resolved};
use super::cursor::{Cursor, Step};
use super::field::Field;
use super::pass::{Check, Passed};
use super::types::{Kind, UserTypes};
use pan::Fill;

/// Whole messages of one type, as they pass.
pub trait Pass {
    /// Whether the body, of which the raw bytes hold no card, may pass. Then its sensitive values are masked.
    fn passes(&mut self, body: &mut [u8]) -> bool;

    /// The same where they may hold one: what is a card is masked too. None: it may not, and nothing has changed.
    fn mask(&mut self, chunk: &mut [u8], body: Range<usize>, clean: &mut Clean) -> Option<u32>;

    /// A column has become plainly cards: that is written down before the next message.
    fn has_found(&self) -> bool;

    /// Sensitive values that were masked.
    fn sensitive(&self) -> u32;
}

/// Up to where a chunk is known to hold no card that is not masked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clean {
    end: usize,
    suspects: pan::Suspects,
}

impl Clean {
    /// Looks at what is behind `from`, unless that is known. True: there was a look.
    #[inline(always)]
    pub fn look(&mut self, chunk: &[u8], from: usize) -> bool {
        let unknown = self.end <= from;
        if unknown {
            self.end = self.suspects.next(chunk, from);
        }
        unknown
    }

    /// Whether nothing in front of `end` may be a card.
    #[inline(always)]
    pub fn reaches(&self, end: usize) -> bool {
        self.end >= end
    }

    /// How much at the end of the body may.
    fn doubtful(&self, body: &Range<usize>) -> usize {
        body.end - self.end.clamp(body.start, body.end)
    }

    /// Whether the value has to be searched. Then it will be.
    #[inline(always)]
    pub(super) fn suspects(&mut self, chunk: &[u8], value: &Range<usize>) -> bool {
        if value.is_empty() {
            return false;
        }
        if self.end < value.start {
            self.look(chunk, value.start);
        }
        let suspects = !self.reaches(value.end);
        if suspects {
            self.end = value.end;
        }
        suspects
    }
}

/// DataRows.
pub struct Rows<'a> {
    columns: &'a Columns,
    passed: &'a mut Passed,
    sensitive: u32,
}

impl<'a> Rows<'a> {
    /// Of a result with these columns.
    pub(crate) fn new(columns: &'a Columns, passed: &'a mut Passed) -> Rows<'a> {
        Rows { columns, passed, sensitive: 0 }
    }
}

impl Pass for Rows<'_> {
    #[inline(always)]
    fn passes(&mut self, body: &mut [u8]) -> bool {
        let passes = self.columns.passes_but(body, 0, self.passed).is_some();
        if passes && self.columns.has_sensitive() {
            self.sensitive += self.columns.mask_sensitive(body);
        }
        passes
    }

    fn mask(&mut self, chunk: &mut [u8], body: Range<usize>, clean: &mut Clean) -> Option<u32> {
        let columns = self.columns;
        let first = columns.passes_but(chunk.get(body.clone())?, clean.doubtful(&body), self.passed)?;
        let (mut next, mut cards) = (first, 0);
        while let Some(suspect) = next {
            let value = body.start + suspect.value.start..body.start + suspect.value.end;
            let end = value.end;
            if clean.suspects(chunk, &value) {
                let found = search(columns.get(suspect.column)?, chunk.get_mut(value)?, columns.types()).ok()?;
                cards += found;
                if found > 0 && !self.passed.hits_again(suspect.column) {
                    columns.count_hit(suspect.column, self.passed);
                }
            }
            clean.look(chunk, end);
            if clean.reaches(body.end) {
                break;
            }
            next = columns.suspect_behind(chunk.get(body.clone())?, &suspect, clean.doubtful(&body));
        }
        // Last: what is looked at may change behind the look alone. No value beside them is searched with any of their bytes.
        if columns.has_sensitive() {
            self.sensitive += columns.mask_sensitive(chunk.get_mut(body)?);
        }
        Some(cards)
    }

    fn has_found(&self) -> bool {
        self.columns.has_found()
    }

    fn sensitive(&self) -> u32 {
        self.sensitive
    }
}

/// Searches a value for which its column's check holds.
fn search(column: &Resolved, value: &mut [u8], types: Option<&UserTypes>) -> Result<u32, Malformed> {
    let fill = match (column.check, column.kind) {
        // A sensitive one is masked whatever it holds.
        _ if column.clear || column.whole.is_some() => return Ok(0),
        // None of their bytes are read as text, and the check says that the number is no card.
        (Check::Int8 | Check::Float8 | Check::Numeric, _) | (Check::Size(..13), _) => return Ok(0),
        (Check::Length, _) if !column.binary => column.text.fill(),
        (Check::Length, Kind::Text | Kind::Bytes) => Fill::Text,
        _ => return search_slowly(column, value, types),
    };
    Ok(pan::mask_text(value, fill))
}

/// The masker itself, for one value.
pub(super) fn search_slowly(column: &Resolved, value: &mut [u8], types: Option<&UserTypes>) -> Result<u32, Malformed> {
    let mut field = Field::NONE;
    field.open(column, value.len())?;
    let mut cursor = Cursor::new(value, None);
    match field.step(&mut cursor, types)? {
        Step::Done => Ok(cursor.cards),
        Step::More => Err(Malformed::End),
    }
}
