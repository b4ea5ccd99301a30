//! COPY … TO STDOUT in text and CSV. The server sends whole rows, one in each CopyData (`CopySendEndOfRow`,
//! `src/backend/commands/copyto.c`), so a frame that ends inside a row is malformed and no state but the header's goes from one frame
//! to the next.
//!
//! A field is searched as one value. What the format writes in front of a letter or a delimiter (`\n` for a line feed) ends a number and
//! is no letter beside it, so the search starts afresh behind each escape and each quote.

use super::arrays::{hex_end, octal_digits};
use super::columns::{Columns, Resolved};
use super::copy_format::{CopyFormat, Unit};
use super::cursor::{Cursor, Step};
use super::search::{Ahead, Search};
use super::types::Text;
use super::{HOLD_MAX, Malformed};
use pan::{Fill, Whole};

/// The copy as far as it has come.
#[derive(Clone)]
pub struct CopyText {
    format: CopyFormat,
    /// This row is the header line.
    header: bool,
    column: usize,
    quoted: bool,
    /// What is counted of this field: a value, and a card in it.
    value: bool,
    hit: bool,
    now: Now,
    ahead: Ahead,
}

#[derive(Clone)]
enum Now {
    RowStart,
    FieldStart,
    /// By content. The scanner of hexadecimal text stops where the digits do.
    Scan {
        search: Search,
        hex: bool,
    },
    /// A column that is never masked by content.
    Clear,
    /// A sensitive field longer than can be held: nothing is kept.
    Long {
        number: bool,
    },
    /// A sensitive field that is masked: its end comes.
    Masked,
}

impl CopyText {
    pub(super) fn new(format: CopyFormat) -> CopyText {
        CopyText {
            format,
            header: format.header,
            column: 0,
            quoted: false,
            value: false,
            hit: false,
            now: Now::RowStart,
            ahead: Ahead::NONE,
        }
    }

    /// Where a row of data begins.
    pub(super) fn is_between_rows(&self) -> bool {
        !self.header && matches!(self.now, Now::RowStart)
    }

    pub(super) fn format(&self) -> &CopyFormat {
        &self.format
    }

    /// Done: between rows, where a frame may end.
    pub(super) fn step(&mut self, cursor: &mut Cursor<'_>, columns: &Columns) -> Result<Step, Malformed> {
        while !cursor.is_empty() {
            let step = match &self.now {
                Now::RowStart => self.start_row(cursor, columns),
                Now::FieldStart => self.start_field(cursor, columns)?,
                Now::Scan { .. } => self.scan(cursor, columns)?,
                Now::Clear | Now::Long { .. } | Now::Masked => self.pass(cursor, columns)?,
            };
            if step == Step::More {
                return Ok(Step::More);
            }
        }
        Ok(if matches!(self.now, Now::RowStart) { Step::Done } else { Step::More })
    }

    /// A table without columns has empty rows.
    fn start_row(&mut self, cursor: &mut Cursor<'_>, columns: &Columns) -> Step {
        self.column = 0;
        self.quoted = false;
        if columns.is_empty() && cursor.rest().first() == Some(&b'\n') {
            self.header = false;
            cursor.advance(1);
        } else {
            self.now = Now::FieldStart;
        }
        Step::Done
    }

    fn start_field(&mut self, cursor: &mut Cursor<'_>, columns: &Columns) -> Result<Step, Malformed> {
        let column = self.resolved(columns)?;
        self.hit = false;
        self.value = !self.header && columns.is_counted(self.column);
        if self.value {
            match self.format.is_null(cursor.rest()) {
                Some(null) => self.value = !null,
                None => return Ok(Step::More),
            }
        }
        if let Some(whole) = column.whole {
            return Ok(self.mask_whole(cursor, column.text, whole));
        }
        if column.clear {
            self.now = Now::Clear;
            return Ok(Step::Done);
        }
        let mut hex = false;
        if column.text == Text::Bytea {
            let prefix = self.format.hex_prefix();
            let rest = cursor.rest();
            if rest.len() < prefix.len() && prefix.starts_with(rest) {
                return Ok(Step::More);
            }
            hex = rest.starts_with(prefix);
            if hex {
                cursor.advance(prefix.len() - 2); // the format's own backslash
            }
        }
        self.now = Now::Scan { search: Search::new(column.sought, fill_of(column.text, hex)), hex };
        Ok(Step::Done)
    }

    fn resolved(&self, columns: &Columns) -> Result<Resolved, Malformed> {
        let column = *columns.get(self.column).ok_or(Malformed::Count)?;
        Ok(if self.header { Resolved::plain(columns.sought()) } else { column })
    }

    /// A sensitive field: masked at once if it is short, byte by byte if it is not.
    fn mask_whole(&mut self, cursor: &mut Cursor<'_>, text: Text, whole: Whole) -> Step {
        let rest = cursor.rest();
        let window = rest.get(..HOLD_MAX + 1).unwrap_or(rest);
        let Some(end) = self.format.field_end(window) else {
            if rest.len() <= HOLD_MAX {
                return Step::More;
            }
            cursor.sensitive += 1;
            self.now = Now::Long { number: text == Text::Number };
            return Step::Done;
        };
        let masked = mask_field(&self.format, text, whole, cursor.chunk(end));
        cursor.sensitive += u32::from(masked);
        cursor.advance(end);
        self.now = Now::Masked;
        Step::Done
    }

    /// Searches up to the next byte that means something to the format, and takes that.
    fn scan(&mut self, cursor: &mut Cursor<'_>, columns: &Columns) -> Result<Step, Malformed> {
        let patterns = cursor.patterns;
        let Resolved { text, sought, .. } = self.resolved(columns)?;
        let Now::Scan { search, hex } = &mut self.now else { return Ok(Step::Done) };
        let rest = cursor.chunk(usize::MAX);
        let stop = if *hex { hex_end(rest) } else { self.format.find_special(rest, self.quoted) };
        let part = stop.unwrap_or(rest.len());
        if part > 0 {
            let scan = search.scan(cursor.chunk(part), stop.is_some(), patterns, &mut self.ahead);
            cursor.cards += scan.cards;
            self.hit |= scan.cards > 0;
            cursor.advance(part.saturating_sub(scan.hold));
        }
        if stop.is_none() {
            return Ok(Step::More);
        }
        if let (Text::Escaped | Text::Record, Some(skip)) = (text, self.format.hex_element(cursor.rest())) {
            cursor.advance(skip);
            self.now = Now::Scan { search: Search::new(sought, Fill::Hex), hex: true };
            return Ok(Step::Done);
        }
        let mut sought = sought;
        if let (Text::Escaped | Text::Record, [b'\\', ..]) = (text, cursor.rest()) {
            match self.octal_behind(cursor.rest()) {
                Some(octal) => sought = if octal { sought.strictly() } else { sought },
                None => return Ok(Step::More),
            }
        }
        let step = match self.format.bytea_escape(cursor.rest()) {
            Some(None) if text == Text::Bytea => Step::More,
            Some(Some(length)) if text == Text::Bytea => {
                cursor.advance(length);
                Step::Done
            }
            _ => self.unit(cursor, columns, false)?,
        };
        if matches!(self.now, Now::Scan { .. }) {
            self.now = Now::Scan { search: Search::new(sought, fill_of(text, false)), hex: false };
        }
        Ok(step)
    }

    /// Whether what stands behind the escape at the front reads like a byte of bytea's older format. None: bytes are missing to tell.
    fn octal_behind(&self, rest: &[u8]) -> Option<bool> {
        let Unit::Data(count) = self.format.unit(rest, self.quoted)? else { return Some(false) };
        let behind = rest.get(count..).unwrap_or_default();
        let partial = matches!(behind, [] | [b'0'..=b'3'] | [b'0'..=b'3', b'0'..=b'7']);
        if partial { None } else { Some(octal_digits(behind)) }
    }

    /// Takes a field unit by unit: hides it, or lets it pass.
    fn pass(&mut self, cursor: &mut Cursor<'_>, columns: &Columns) -> Result<Step, Malformed> {
        let hide = matches!(self.now, Now::Long { .. });
        self.unit(cursor, columns, hide)
    }

    fn end_field(&self, columns: &Columns) {
        if self.value {
            columns.count(self.column, self.hit);
        }
    }

    /// Takes the next unit of the format.
    fn unit(&mut self, cursor: &mut Cursor<'_>, columns: &Columns, hide: bool) -> Result<Step, Malformed> {
        let Some(unit) = self.format.unit(cursor.rest(), self.quoted) else { return Ok(Step::More) };
        let number = matches!(self.now, Now::Long { number: true });
        match unit {
            Unit::Data(count) => {
                for byte in cursor.chunk(count).iter_mut().filter(|_| hide) {
                    *byte = match (number, byte.is_ascii_digit()) {
                        (false, _) => b'*',
                        (true, true) => b'0',
                        (true, false) => *byte,
                    };
                }
                cursor.advance(count);
            }
            Unit::Quote => {
                self.quoted = !self.quoted;
                cursor.advance(1);
            }
            Unit::Field => {
                self.end_field(columns);
                self.column += 1;
                self.quoted = false;
                self.now = Now::FieldStart;
                cursor.advance(1);
                if self.column >= columns.len() {
                    return Err(Malformed::Count);
                }
            }
            Unit::Row => {
                self.end_field(columns);
                if self.column + 1 != columns.len() {
                    return Err(Malformed::Count);
                }
                self.header = false;
                self.now = Now::RowStart;
                cursor.advance(1);
            }
        }
        Ok(Step::Done)
    }
}

/// Masks a sensitive field that is not too long to be held. False: it is null, and stays.
pub(super) fn mask_field(format: &CopyFormat, text: Text, whole: Whole, field: &mut [u8]) -> bool {
    if field == format.null() {
        return false;
    }
    let value = format.unquoted(field);
    let hex = text == Text::Bytea && value.starts_with(format.hex_prefix());
    let skip = if hex { format.hex_prefix().len() - 2 } else { 0 };
    let fill = match text {
        Text::Number => Fill::Number,
        _ if hex => Fill::Hex,
        _ => Fill::Text, // also JSON and arrays: their quotes are the format's to escape
    };
    pan::mask_whole_text(value.get_mut(skip..).unwrap_or_default(), whole, fill);
    true
}

/// JSON's numbers and strings cannot be told apart behind the format's own escapes, so digits hide digits in both.
pub(super) fn fill_of(text: Text, hex: bool) -> Fill {
    match text {
        _ if hex => Fill::Hex,
        Text::Number | Text::Numbers | Text::Json => Fill::Number,
        Text::Plain | Text::Bytea | Text::Array | Text::Escaped | Text::Record => Fill::Text,
    }
}
