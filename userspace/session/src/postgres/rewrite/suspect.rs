//! Whole messages that may pass but for a place that may be a card: only the values that hold such a place are searched, as their maskers would.

use std::ops::Range;

use super::columns::{Columns, Resolved};
use super::copy_text::fill_of;
use super::cursor::{Cursor, Step};
use super::field::Field;
use super::pass::{Check, Passed};
use super::types::{Kind, UserTypes};
use super::{BodyMask, Malformed};
use pan::Fill;

/// Whole messages of one type, as they pass.
pub trait Pass {
    /// Whether the body, of which the raw bytes hold no card, may pass.
    fn passes(&mut self, body: &[u8]) -> bool;

    /// The same where they may hold one: what is a card is masked. None: it may not, and nothing has changed.
    fn mask(&mut self, chunk: &mut [u8], body: Range<usize>, clean: &mut Clean) -> Option<u32>;

    /// A column has become plainly cards: that is written down before the next message.
    fn has_found(&self) -> bool;
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
    fn suspects(&mut self, chunk: &[u8], value: &Range<usize>) -> bool {
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
    pub(crate) columns: &'a Columns,
    pub(crate) passed: &'a mut Passed,
}

impl Pass for Rows<'_> {
    #[inline(always)]
    fn passes(&mut self, body: &[u8]) -> bool {
        self.columns.passes(body, self.passed)
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
        Some(cards)
    }

    fn has_found(&self) -> bool {
        self.columns.has_found()
    }
}

/// Searches a value for which its column's check holds.
fn search(column: &Resolved, value: &mut [u8], types: Option<&UserTypes>) -> Result<u32, Malformed> {
    let fill = match (column.check, column.kind) {
        _ if column.clear => return Ok(0),
        // None of their bytes are read as text, and the check says that the number is no card.
        (Check::Int8 | Check::Float8 | Check::Numeric, _) | (Check::Size(..13), _) => return Ok(0),
        (Check::Length, _) if !column.binary => column.text.fill(),
        (Check::Length, Kind::Text | Kind::Bytes) => Fill::Text,
        _ => return search_slowly(column, value, types),
    };
    Ok(pan::mask_text(value, fill))
}

/// The masker itself, for one value.
fn search_slowly(column: &Resolved, value: &mut [u8], types: Option<&UserTypes>) -> Result<u32, Malformed> {
    let mut field = Field::NONE;
    field.open(column, value.len())?;
    let mut cursor = Cursor::new(value, None);
    match field.step(&mut cursor, types)? {
        Step::Done => Ok(cursor.cards),
        Step::More => Err(Malformed::End),
    }
}

/// CopyData.
pub struct Copies<'a> {
    pub(crate) copy: &'a BodyMask,
    pub(crate) columns: &'a Columns,
}

impl Pass for Copies<'_> {
    fn passes(&mut self, body: &[u8]) -> bool {
        self.copy.passes(body, self.columns)
    }

    fn mask(&mut self, chunk: &mut [u8], body: Range<usize>, clean: &mut Clean) -> Option<u32> {
        let BodyMask::CopyText(copy) = self.copy else { return None };
        if !self.passes(chunk.get(body.clone())?) {
            return None;
        }
        let (mut at, mut cards) = (body.start, 0);
        let delimiter = copy.format().delimiter();
        for column in self.columns.each() {
            let rest = chunk.get(at..body.end)?;
            let length = rest.iter().position(|byte| *byte == delimiter || *byte == b'\n')?;
            let value = at..at + length;
            at = value.end + 1;
            if clean.suspects(chunk, &value) && !column.clear {
                cards += search_pieces(chunk.get_mut(value)?, fill_of(column.text, false));
            }
        }
        Some(cards)
    }

    /// Nothing is counted.
    fn has_found(&self) -> bool {
        false
    }
}

/// Behind each escape, a backslash and a letter, the search starts afresh.
fn search_pieces(mut rest: &mut [u8], fill: Fill) -> u32 {
    let mut cards = 0;
    loop {
        let end = rest.iter().position(|byte| *byte == b'\\').unwrap_or(rest.len());
        let (piece, behind) = rest.split_at_mut(end);
        if !piece.is_empty() {
            cards += pan::mask_text(piece, fill);
        }
        match behind.split_at_mut_checked(2) {
            Some((_, behind)) => rest = behind,
            None => return cards,
        }
    }
}
