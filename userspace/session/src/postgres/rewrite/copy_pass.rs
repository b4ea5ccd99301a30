//! Whole rows of COPY's text and CSV that pass: one in each CopyData. In binary none does: its stream has a state over all of its frames.

use std::ops::Range;

use super::columns::Columns;
use super::copy_format::CopyFormat;
use super::copy_text::{CopyText, fill_of, mask_field};
use super::pass::Passed;
use super::suspect::{Clean, Pass};
use super::{BodyMask, HOLD_MAX};
use pan::Fill;

/// CopyData.
pub struct Copies<'a> {
    copy: &'a BodyMask,
    columns: &'a Columns,
    passed: &'a mut Passed,
    sensitive: u32,
}

impl<'a> Copies<'a> {
    /// Of a COPY with these columns.
    pub(crate) fn new(copy: &'a BodyMask, columns: &'a Columns, passed: &'a mut Passed) -> Copies<'a> {
        Copies { copy, columns, passed, sensitive: 0 }
    }

    /// The format of a row that may pass; then it is counted.
    fn counted(&mut self, row: &[u8]) -> Option<&'a CopyFormat> {
        let BodyMask::CopyText(copy) = self.copy else { return None };
        let format = copy.passes(row, self.columns)?;
        if self.columns.counts() {
            self.passed.add_row();
            if format.may_hold_null(row) {
                let nulls =
                    format.fields(row).enumerate().filter(|(_, field)| row.get(field.clone()) == Some(format.null()));
                nulls.for_each(|(column, _)| self.passed.leave_out(column, 1));
            }
        }
        Some(format)
    }

    fn mask_sensitive(&mut self, format: &CopyFormat, row: &mut [u8]) {
        let (mut at, columns) = (0, self.columns);
        for column in columns.up_to_sensitive() {
            let Some(length) = format.field_len(row.get(at..).unwrap_or_default()) else { return };
            if let (Some(whole), Some(field)) = (column.whole, row.get_mut(at..at + length)) {
                self.sensitive += u32::from(mask_field(format, column.text, whole, field));
            }
            at += length + 1;
        }
    }
}

impl Pass for Copies<'_> {
    fn passes(&mut self, body: &mut [u8]) -> bool {
        let Some(format) = self.counted(body) else { return false };
        if self.columns.has_sensitive() {
            self.mask_sensitive(format, body);
        }
        true
    }

    fn mask(&mut self, chunk: &mut [u8], body: Range<usize>, clean: &mut Clean) -> Option<u32> {
        let format = self.counted(chunk.get(body.clone())?)?;
        let (columns, mut at, mut cards) = (self.columns, body.start, 0);
        for (index, column) in columns.each().enumerate() {
            let value = at..at + format.field_len(chunk.get(at..body.end)?)?;
            at = value.end + 1;
            if !clean.suspects(chunk, &value) || column.clear || column.whole.is_some() {
                continue;
            }
            let found = search_pieces(chunk.get_mut(value)?, fill_of(column.text, false));
            cards += found;
            if found > 0 && !self.passed.hits_again(index) {
                columns.count_hit(index, self.passed);
            }
        }
        if columns.has_sensitive() {
            self.mask_sensitive(format, chunk.get_mut(body)?);
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

impl CopyText {
    /// The format, where this is one row with the right count of fields. Behind an escape a field is searched afresh, and what follows `\x` or octal
    /// digits may be bytes of a bytea: here pass only escapes of a letter that no digit follows, as `\N`. A sensitive field that is too
    /// long to be held is masked otherwise.
    fn passes(&self, row: &[u8], columns: &Columns) -> Option<&CopyFormat> {
        if !self.is_between_rows() || columns.is_empty() || !columns.may_pass() {
            return None;
        }
        let format = self.format();
        let mut sensitive =
            columns.up_to_sensitive().zip(format.fields(row)).filter(|(column, _)| column.whole.is_some());
        let plain = format.fields_of_plain_row(row) == Some(columns.len());
        (plain && sensitive.all(|(_, field)| field.len() <= HOLD_MAX)).then_some(format)
    }
}

impl CopyFormat {
    /// Whether a null may stand in a row that passes.
    fn may_hold_null(&self, row: &[u8]) -> bool {
        !self.null().contains(&b'\\') || row.contains(&b'\\')
    }

    /// Where the fields of such a row stand.
    fn fields(&self, row: &[u8]) -> impl Iterator<Item = Range<usize>> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let length = self.field_len(row.get(at..)?)?;
            let field = at..at + length;
            at += length + 1;
            Some(field)
        })
    }

    /// How long the field is that the rest of such a row begins with. None: the row is over.
    fn field_len(&self, rest: &[u8]) -> Option<usize> {
        let (_, rest) = rest.split_last()?; // the line feed
        Some(find(rest, self.delimiter()).unwrap_or(rest.len()))
    }
}

/// Where the byte stands first; eight bytes at a time.
fn find(bytes: &[u8], wanted: u8) -> Option<usize> {
    const ONES: u64 = u64::MAX / 0xff;
    let (words, rest) = bytes.as_chunks::<8>();
    let wanted_everywhere = ONES * u64::from(wanted);
    for (at, word) in words.iter().enumerate() {
        let same = u64::from_le_bytes(*word) ^ wanted_everywhere;
        // The lowest byte that is zero is the first to borrow.
        let zeros = same.wrapping_sub(ONES) & !same & ONES << 7;
        if zeros != 0 {
            return Some(8 * at + zeros.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().position(|byte| *byte == wanted).map(|at| bytes.len() - rest.len() + at)
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
