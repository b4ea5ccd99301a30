//! May a whole message pass without its masker? Where the raw bytes surely hold no card ([`pan::clean_prefix`]), what is left to be seen is
//! that its parts add up, and what the raw bytes do not show: numbers in binary, and values whose escapes are read.
//!
//! "No" decides nothing: the masker says what there is to say, the fault of a malformed message too.

use std::iter::repeat_n;
use std::ops::Range;

use super::columns::{Columns, Resolved};
use super::copy_text::CopyText;
use super::search::Sought;
use super::strings::Message;
use super::types::{Kind, Text};
use super::{BodyMask, HOLD_MAX};
use wire::postgres::backend::RowDescription;

/// A card has thirteen digits or more; below this a number has twelve at most.
const THIRTEEN_DIGITS: u64 = 1_000_000_000_000;

/// What must be seen of a column's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// Its length alone.
    Length,
    /// That it has so many bytes, none of which is masked by content.
    Size(u8),
    /// That it has so many bytes or more.
    AtLeast(u8),
    /// That it has no backslash: its escapes are read.
    Unescaped,
    /// That it is too small for a card.
    Int8,
    Float8,
    Numeric,
    /// Only its masker can tell.
    Never,
}

/// How whole rows of a result may pass: the strictest of its columns' checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// Lengths tell all.
    #[default]
    Lengths,
    /// Each value has its check.
    Checked,
    /// They never do.
    Never,
}

impl Check {
    pub(super) fn of(column: &Resolved) -> Check {
        let by_content = column.sought.mode == pan::Mode::Balanced && column.sought.patterns == 0;
        if column.clear {
            return Check::Length;
        }
        if column.whole.is_some() || !by_content {
            return Check::Never;
        }
        if !column.binary {
            return match column.text {
                Text::Plain | Text::Number | Text::Json | Text::Array | Text::Numbers => Check::Length,
                Text::Bytea | Text::Escaped | Text::Record => Check::Unescaped,
            };
        }
        match column.kind {
            Kind::Fixed(size) => Check::Size(size),
            Kind::Int2 => Check::Size(2),
            Kind::Int4 => Check::Size(4),
            Kind::Int8 => Check::Int8,
            Kind::Float8 => Check::Float8,
            Kind::Numeric => Check::Numeric,
            Kind::Text | Kind::Json | Kind::Bytes => Check::Length,
            Kind::Jsonb => Check::AtLeast(1),
            Kind::Prefixed(count) => Check::AtLeast(count),
            // Their parts have lengths and types of their own.
            Kind::Array | Kind::Record | Kind::Range(_) | Kind::Multirange(_) | Kind::Hstore => Check::Never,
            Kind::Unknown | Kind::Opaque => Check::Never,
        }
    }

    pub(super) fn way(self) -> Way {
        match self {
            Check::Length => Way::Lengths,
            Check::Never => Way::Never,
            _ => Way::Checked,
        }
    }

    fn holds(self, value: &[u8]) -> bool {
        match self {
            Check::Length => true,
            Check::Size(size) => value.len() == usize::from(size),
            Check::AtLeast(size) => value.len() >= usize::from(size),
            Check::Unescaped => !value.contains(&b'\\'),
            Check::Int8 => {
                value.try_into().is_ok_and(|bytes| i64::from_be_bytes(bytes).unsigned_abs() < THIRTEEN_DIGITS)
            }
            Check::Float8 => {
                // What is no number is no card.
                value.try_into().is_ok_and(|bytes| {
                    let size = f64::from_be_bytes(bytes).abs();
                    size < THIRTEEN_DIGITS as f64 || size.is_nan()
                })
            }
            Check::Numeric => is_short_numeric(value),
            Check::Never => false,
        }
    }
}

/// A well-formed numeric with at most twelve digits before its point (the layout: see `numeric`).
fn is_short_numeric(value: &[u8]) -> bool {
    let ([count, weight, sign, _scale, words @ ..], []) = value.as_chunks::<2>() else { return false };
    let known = matches!(u16::from_be_bytes(*sign), 0 | 0x4000 | 0xc000 | 0xd000 | 0xf000);
    value.len() <= HOLD_MAX
        && known
        && i16::from_be_bytes(*weight) < 3
        && usize::try_from(i16::from_be_bytes(*count)) == Ok(words.len())
        && words.iter().all(|word| u16::from_be_bytes(*word) <= 9999)
}

/// A value of a row that may hold a card, and where it lies in the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Suspect {
    pub(super) column: usize,
    pub(super) value: Range<usize>,
}

/// Rows that have passed and are not counted yet.
#[derive(Debug, Default)]
pub struct Passed {
    rows: u32,
    /// Of each column, those in which it is null or counted already.
    without: Vec<u32>,
}

impl Passed {
    /// Values of a column that are to be counted.
    pub(super) fn values(&self, column: usize) -> u32 {
        self.rows.saturating_sub(self.without.get(column).copied().unwrap_or(0))
    }

    /// So many more values of the column are not.
    pub(super) fn leave_out(&mut self, column: usize, values: u32) {
        if self.without.len() <= column {
            self.without.resize(column + 1, 0);
        }
        if let Some(count) = self.without.get_mut(column) {
            *count += values;
        }
    }

    fn clear(&mut self) {
        self.rows = 0;
        self.without.clear();
    }
}

impl Columns {
    /// Whether a row may pass at all.
    pub fn may_pass(&self) -> bool {
        self.way() != Way::Never
    }

    /// Whether a whole DataRow, of which the raw bytes hold no card, may pass. Then it is counted in `passed`.
    pub fn passes(&self, body: &[u8], passed: &mut Passed) -> bool {
        self.adds_up(body, passed, |_, _, _| ())
    }

    /// The same where only the first `clean` bytes of the body surely hold none: with the first value that goes on behind them.
    pub(super) fn passes_but(&self, body: &[u8], clean: usize, passed: &mut Passed) -> Option<Option<Suspect>> {
        let mut suspect = None;
        let adds_up = self.adds_up(body, passed, |column, value, behind| {
            let end = body.len() - behind;
            if suspect.is_none() && end > clean && !value.is_empty() {
                suspect = Some(Suspect { column, value: end - value.len()..end });
            }
        });
        adds_up.then_some(suspect)
    }

    /// Whether the row may pass; `each` is told the column, the value, and how much is behind it.
    #[inline(always)]
    fn adds_up(&self, body: &[u8], passed: &mut Passed, mut each: impl FnMut(usize, &[u8], usize)) -> bool {
        let Some((count, values)) = body.split_first_chunk::<2>() else { return false };
        if usize::from(u16::from_be_bytes(*count)) != self.len() {
            return false;
        }
        let mut nulls = 0_u32;
        let fits = match self.way() {
            Way::Lengths => walk(
                values,
                repeat_n(Check::Length, self.len()),
                |column, _, value, behind| {
                    each(column, value, behind);
                    true
                },
                |_| nulls += 1,
            ),
            Way::Checked => walk(
                values,
                self.checks(),
                |column, check, value, behind| {
                    each(column, value, behind);
                    check.holds(value)
                },
                |_| nulls += 1,
            ),
            Way::Never => false,
        };
        if !fits {
            return false;
        }
        passed.rows += 1;
        if nulls > 0 && self.counts() {
            walk(values, self.checks(), |_, _, _, _| true, |column| passed.leave_out(column, 1));
        }
        true
    }

    /// In a row that passes, the first value behind `last` that goes on behind the first `clean` bytes.
    pub(super) fn suspect_behind(&self, body: &[u8], last: &Suspect, clean: usize) -> Option<Suspect> {
        let mut at = last.value.end;
        for column in last.column + 1..self.len() {
            let length = i32::from_be_bytes(*body.get(at..)?.first_chunk()?);
            at += 4;
            let Ok(length) = usize::try_from(length) else { continue };
            at += length;
            if at > clean && length > 0 {
                return Some(Suspect { column, value: at - length..at });
            }
        }
        None
    }

    /// Whether the strings of a whole message may stay as they are. Only of the messages that answer every statement.
    pub fn strings_pass(&self, message: Message, body: &[u8]) -> bool {
        let sought = self.sought();
        let adds_up = match message {
            Message::CommandComplete => body.split_last().is_some_and(|(last, text)| *last == 0 && !text.contains(&0)),
            Message::RowDescription => RowDescription::parse(body).is_ok(),
            Message::Error | Message::Notification | Message::ParameterStatus => false,
        };
        adds_up && sought == Sought { mode: pan::Mode::Balanced, patterns: 0 } && pan::clean_prefix(body) == body.len()
    }

    /// Counts what has passed, and forgets it.
    pub(crate) fn count_passed(&self, passed: &mut Passed) {
        if self.counts() {
            self.count_rows(passed);
        }
        passed.clear();
    }
}

/// Over the lengths of as many values as there are checks; whether they sum to the bytes. `fits` is told the column, its check, the
/// value, and how much is behind it.
#[inline(always)]
fn walk(
    mut rest: &[u8],
    checks: impl Iterator<Item = Check>,
    mut fits: impl FnMut(usize, Check, &[u8], usize) -> bool,
    mut null: impl FnMut(usize),
) -> bool {
    for (at, check) in checks.enumerate() {
        let Some((length, behind)) = rest.split_first_chunk::<4>() else { return false };
        let length = u32::from_be_bytes(*length);
        rest = match behind.split_at_checked(length as usize) {
            Some((value, behind)) if fits(at, check, value, behind.len()) => behind,
            Some(_) => return false,
            // A negative length is more than any message has; -1 is null.
            None if length == u32::MAX => {
                null(at);
                behind
            }
            None => return false,
        };
    }
    rest.is_empty()
}

impl BodyMask {
    /// Whether the body of a CopyData, of which the raw bytes hold no card, may pass: one row of a text or CSV format whose columns are not
    /// counted. In binary never: its stream has a state over all of its frames.
    pub fn passes(&self, body: &[u8], columns: &Columns) -> bool {
        match self {
            BodyMask::CopyText(copy) => copy.passes(body, columns),
            BodyMask::Row(_) | BodyMask::CopyBinary(_) | BodyMask::Strings(_) | BodyMask::Function(_) => false,
        }
    }
}

impl CopyText {
    /// One row with the right count of fields. Behind an escape a field is searched afresh, and what follows `\x` or octal digits may be bytes
    /// of a bytea: here pass only escapes of a letter that no digit follows, as `\N`.
    fn passes(&self, row: &[u8], columns: &Columns) -> bool {
        if !self.is_between_rows() || columns.is_empty() || !columns.may_pass() || columns.counts() {
            return false;
        }
        self.format().fields_of_plain_row(row) == Some(columns.len())
    }
}
