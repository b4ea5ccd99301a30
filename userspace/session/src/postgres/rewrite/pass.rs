//! May a whole message pass without its masker? Where the raw bytes surely hold no card ([`pan::clean_prefix`]), what is left to be seen is
//! that its parts add up, and what the raw bytes do not show: numbers in binary, and values whose escapes are read.
//!
//! "No" decides nothing: the masker says what there is to say, the fault of a malformed message too.

use std::ops::Range;

use super::HOLD_MAX;
use super::columns::{Columns, Resolved};
use super::search::Sought;
use super::strings::Message;
use super::types::{Kind, Text};
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
    /// That it is a numeric of at most `HOLD_MAX` bytes.
    AnyNumeric,
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
        if column.whole.is_some() {
            return Check::of_sensitive(column);
        }
        if !by_content {
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

    /// Of a sensitive column: what makes it sure that its value can be masked.
    fn of_sensitive(column: &Resolved) -> Check {
        match column.kind {
            _ if !column.binary => Check::Length,
            Kind::Int2 => Check::Size(2),
            Kind::Int4 => Check::Size(4),
            Kind::Int8 => Check::Size(8),
            Kind::Numeric => Check::AnyNumeric,
            Kind::Text | Kind::Json => Check::Length,
            Kind::Jsonb => Check::AtLeast(1),
            Kind::Array | Kind::Record | Kind::Range(_) | Kind::Multirange(_) | Kind::Hstore => Check::Never,
            Kind::Fixed(_) | Kind::Float8 | Kind::Prefixed(_) | Kind::Bytes | Kind::Unknown | Kind::Opaque => {
                Check::Never
            }
        }
    }

    pub(super) fn way(self) -> Way {
        match self {
            Check::Length => Way::Lengths,
            Check::Never => Way::Never,
            _ => Way::Checked,
        }
    }

    #[inline(always)]
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
            Check::Numeric => numeric_weight(value).is_some_and(|weight| weight < 3),
            Check::AnyNumeric => numeric_weight(value).is_some(),
            Check::Never => false,
        }
    }
}

/// The weight of a well-formed numeric (the layout: see `numeric`); below 3 it has at most twelve digits before its point.
fn numeric_weight(value: &[u8]) -> Option<i16> {
    let ([count, weight, sign, _scale, words @ ..], []) = value.as_chunks::<2>() else { return None };
    let known = matches!(u16::from_be_bytes(*sign), 0 | 0x4000 | 0xc000 | 0xd000 | 0xf000);
    let fits = value.len() <= HOLD_MAX
        && known
        && usize::try_from(i16::from_be_bytes(*count)) == Ok(words.len())
        && words.iter().all(|word| u16::from_be_bytes(*word) <= 9999);
    fits.then_some(i16::from_be_bytes(*weight))
}

/// A value of a row that may hold a card, and where it lies among the bytes that were walked over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Suspect {
    pub(super) column: usize,
    pub(super) value: Range<usize>,
}

impl Suspect {
    /// The same, as seen from so many columns and bytes further in front.
    fn behind(self, columns: usize, bytes: usize) -> Suspect {
        Suspect { column: self.column + columns, value: self.value.start + bytes..self.value.end + bytes }
    }
}

/// Rows that have passed and are not counted yet.
#[derive(Debug, Default)]
pub struct Passed {
    rows: u32,
    /// Of each column, those in which it is null or counted already.
    without: Vec<u32>,
    /// Of each column, those in which it had a card; only of columns that are told of already.
    hits: Vec<u32>,
    /// Bit n: the column n is one of those, for what is still to come.
    told: u64,
}

impl Passed {
    /// Values of a column that are to be counted.
    pub(super) fn values(&self, column: usize) -> u32 {
        self.rows.saturating_sub(self.without.get(column).copied().unwrap_or(0))
    }

    /// Of them those with a card.
    pub(super) fn hits(&self, column: usize) -> u32 {
        self.hits.get(column).copied().unwrap_or(0)
    }

    /// One more row has passed.
    pub(super) fn add_row(&mut self) {
        self.rows += 1;
    }

    /// So many more values of the column are not.
    pub(super) fn leave_out(&mut self, column: usize, values: u32) {
        add(&mut self.without, column, values);
    }

    /// The last row had a card there, and the column is told of.
    pub(super) fn hit(&mut self, column: usize) {
        self.told |= 1_u64.checked_shl(column as u32).unwrap_or(0);
        add(&mut self.hits, column, 1);
    }

    /// Counts the last row's card, if it is known that the column is told of.
    #[inline(always)]
    pub(super) fn hits_again(&mut self, column: usize) -> bool {
        let again = self.told.checked_shr(column as u32).unwrap_or(0) & 1 == 1;
        if again && let Some(count) = self.hits.get_mut(column) {
            *count += 1;
        }
        again
    }

    fn clear(&mut self) {
        self.rows = 0;
        self.without.clear();
        self.hits.clear();
        self.told = 0;
    }
}

fn add(counts: &mut Vec<u32>, column: usize, values: u32) {
    if counts.len() <= column {
        counts.resize(column + 1, 0);
    }
    if let Some(count) = counts.get_mut(column) {
        *count += values;
    }
}

impl Columns {
    /// Whether a row may pass at all.
    pub fn may_pass(&self) -> bool {
        self.way() != Way::Never
    }

    /// Whether a whole DataRow may pass, of which the raw bytes hold no card but perhaps in the last `doubtful` ones: with the first value that ends
    /// within those. Then it is counted in `passed`, and its sensitive values are still to be masked.
    #[inline(always)]
    pub(super) fn passes_but(&self, body: &[u8], doubtful: usize, passed: &mut Passed) -> Option<Option<Suspect>> {
        let (count, values) = body.split_first_chunk::<2>()?;
        if usize::from(u16::from_be_bytes(*count)) != self.len() {
            return None;
        }
        let walked = match self.way() {
            Way::Lengths if doubtful == 0 => lengths(values, self.len()),
            Way::Lengths => walk(values, 0..self.len(), doubtful, |_, _| true),
            Way::Checked => self.walk_checked(values, doubtful),
            Way::Never => None,
        }?;
        passed.add_row();
        if walked.nulls > 0 && self.counts() {
            self.leave_out_nulls(values, passed);
        }
        Some(walked.suspect.map(|suspect| suspect.behind(0, body.len() - values.len())))
    }

    #[inline(never)]
    fn walk_checked(&self, values: &[u8], doubtful: usize) -> Option<Walked> {
        walk(values, self.checks(), doubtful, |check, value| value.is_none_or(|value| check.holds(value)))
    }

    #[inline(never)]
    fn leave_out_nulls(&self, values: &[u8], passed: &mut Passed) {
        walk(values, 0..self.len(), 0, |column, value| {
            if value.is_none() {
                passed.leave_out(column, 1);
            }
            true
        });
    }

    /// In a row that passes, the first value behind `last` that goes on within its last `doubtful` bytes.
    pub(super) fn suspect_behind(&self, body: &[u8], last: &Suspect, doubtful: usize) -> Option<Suspect> {
        let behind = body.get(last.value.end..)?;
        let next = walk(behind, last.column + 1..self.len(), doubtful, |_, _| true)?.suspect?;
        Some(next.behind(last.column + 1, last.value.end))
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

/// What a walk over a row's values has seen.
struct Walked {
    nulls: u32,
    /// The first value that ends within the doubtful bytes.
    suspect: Option<Suspect>,
}

/// [`walk`] where nothing but the lengths is looked at: the place of the next one is all that goes from one to the next.
#[inline(always)]
fn lengths(values: &[u8], columns: usize) -> Option<Walked> {
    // A length has 32 bits and a row 65,535 columns at most: the sum has room.
    let (mut at, mut nulls) = (0_usize, 0);
    for _ in 0..columns {
        let length = u32::from_be_bytes(*values.get(at..)?.first_chunk::<4>()?);
        let next = at + 4 + length as usize;
        if next <= values.len() {
            at = next;
        } else if length == u32::MAX {
            // Null: no message is as long as this says. A branch of its own, or each length would wait for the one before.
            (at, nulls) = (at + 4, nulls + 1);
        } else {
            return None;
        }
    }
    (at == values.len()).then_some(Walked { nulls, suspect: None })
}

/// Goes over a value for each column with its length, which have to be all that there is; `holds` is told the column and its value. Of the bytes
/// the last `doubtful` may hold a card. None: they do not add up, or a value is not as it has to be.
#[inline(always)]
fn walk<C>(
    values: &[u8],
    columns: impl Iterator<Item = C>,
    doubtful: usize,
    mut holds: impl FnMut(C, Option<&[u8]>) -> bool,
) -> Option<Walked> {
    let (mut rest, mut doubtful) = (values, doubtful);
    let mut walked = Walked { nulls: 0, suspect: None };
    for (at, column) in columns.enumerate() {
        let (length, behind) = rest.split_first_chunk::<4>()?;
        let length = u32::from_be_bytes(*length);
        let value = match behind.split_at_checked(length as usize) {
            Some((value, behind)) => {
                rest = behind;
                Some(value)
            }
            // A negative length is more than any message has; -1 is null.
            None if length == u32::MAX => {
                (rest, walked.nulls) = (behind, walked.nulls + 1);
                None
            }
            None => return None,
        };
        if !holds(column, value) {
            return None;
        }
        if rest.len() < doubtful
            && let Some(value) = value.filter(|value| !value.is_empty())
        {
            let end = values.len() - rest.len();
            walked.suspect = Some(Suspect { column: at, value: end - value.len()..end });
            doubtful = 0;
        }
    }
    rest.is_empty().then_some(walked)
}
