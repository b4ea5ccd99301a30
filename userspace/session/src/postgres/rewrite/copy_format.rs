//! How COPY's text and CSV write fields: the options, and the units that a row is made of.

use super::arrays::octal_escape;

/// Options of a COPY, as the statement gives them; None: the format's default.
#[derive(Clone, Copy, Debug, Default)]
pub struct CopyOptions<'a> {
    /// FORMAT csv.
    pub csv: bool,
    /// DELIMITER.
    pub delimiter: Option<u8>,
    /// QUOTE (CSV).
    pub quote: Option<u8>,
    /// ESCAPE (CSV).
    pub escape: Option<u8>,
    /// NULL.
    pub null: Option<&'a [u8]>,
    /// HEADER: the first row is the columns' names.
    pub header: bool,
}

/// Options under which a card number could not be found: such a COPY is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnfitCopy {
    /// A delimiter, quote or escape that is a letter, a digit, or stands between the groups of printed card numbers: the server
    /// would write it, escaped or doubled, into the number.
    Character(u8),
    /// Delimiter, quote, escape and line feed must differ (quote and escape may be the same).
    Ambiguous,
    /// A NULL string longer than `NULL_MAX`.
    NullTooLong,
}

const NULL_MAX: usize = 32;

/// A text or CSV format whose options are fit.
#[derive(Clone, Copy, Debug)]
pub struct CopyFormat {
    csv: bool,
    delimiter: u8,
    quote: u8,
    escape: u8,
    null: [u8; NULL_MAX],
    null_len: usize,
    pub(super) header: bool,
}

/// The smallest thing that the format tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// So many bytes of the field, no part of which means anything else.
    Data(usize),
    /// CSV: a quote, opening, closing or half of a doubled one; always kept.
    Quote,
    /// The delimiter: the field ends.
    Field,
    /// The line feed: the row ends.
    Row,
}

impl CopyFormat {
    /// The format of these options.
    pub fn new(options: &CopyOptions<'_>) -> Result<CopyFormat, UnfitCopy> {
        let delimiter = options.delimiter.unwrap_or(if options.csv { b',' } else { b'\t' });
        let quote = options.quote.unwrap_or(b'"');
        let escape = options.escape.unwrap_or(quote);
        let used = if options.csv { [delimiter, quote, escape] } else { [delimiter; 3] };
        for byte in used {
            if byte.is_ascii_alphanumeric() || !byte.is_ascii() || matches!(byte, b' ' | b'-' | b'.' | b'/' | b'_' | 0)
            {
                return Err(UnfitCopy::Character(byte));
            }
        }
        let clash = delimiter == b'\n' || (options.csv && (delimiter == quote || delimiter == escape));
        if clash || used.contains(&b'\r') || used.contains(&b'\n') || delimiter == b'\\' {
            return Err(UnfitCopy::Ambiguous);
        }
        let given = options.null.unwrap_or(if options.csv { b"" } else { b"\\N" });
        let mut null = [0; NULL_MAX];
        null.get_mut(..given.len()).ok_or(UnfitCopy::NullTooLong)?.copy_from_slice(given);
        Ok(CopyFormat {
            csv: options.csv,
            delimiter,
            quote,
            escape,
            null,
            null_len: given.len(),
            header: options.header,
        })
    }

    /// What stands for a null.
    pub(super) fn null(&self) -> &[u8] {
        self.null.get(..self.null_len).unwrap_or_default()
    }

    /// Whether the field that begins here is a null. None: bytes are missing to tell.
    pub(super) fn is_null(&self, rest: &[u8]) -> Option<bool> {
        let null = self.null();
        match rest.strip_prefix(null) {
            Some([next, ..]) => Some(*next == self.delimiter || *next == b'\n'),
            Some([]) => None,
            None if null.starts_with(rest) => None,
            None => Some(false),
        }
    }

    /// What a bytea in hexadecimal form starts with.
    pub(super) fn hex_prefix(&self) -> &'static [u8] {
        if self.csv { b"\\x" } else { b"\\\\x" }
    }

    /// A bytea inside an array begins here; its own backslash is so many bytes further on.
    pub(super) fn hex_element(&self, rest: &[u8]) -> Option<usize> {
        let prefix = self.hex_prefix();
        rest.starts_with(prefix).then_some(prefix.len() - 2)
    }

    /// What stands in front if it is an escape of bytea's older format (each of its backslashes is two in the text format): its
    /// length, or None where bytes are missing to tell.
    pub(super) fn bytea_escape(&self, rest: &[u8]) -> Option<Option<usize>> {
        if self.csv {
            let starts = rest.first() == Some(&b'\\') && self.quote != b'\\' && self.escape != b'\\';
            return starts.then(|| octal_escape(rest, false));
        }
        match rest {
            [b'\\', b'\\', b'\\', b'\\', ..] => Some(Some(4)),
            [b'\\', b'\\'] | [b'\\', b'\\', b'\\'] => Some(None),
            [b'\\', octal @ ..] if octal.starts_with(b"\\") => {
                Some(octal_escape(octal, false).map(|length| 1 + length))
            }
            _ => None,
        }
    }

    /// The field without the quotes around it.
    pub(super) fn unquoted<'a>(&self, field: &'a mut [u8]) -> &'a mut [u8] {
        let quoted = self.csv && matches!(field, [first, .., last] if *first == self.quote && *last == self.quote);
        let len = field.len();
        if quoted { field.get_mut(1..len - 1).unwrap_or_default() } else { field }
    }

    /// The next byte that is more than data.
    pub(super) fn find_special(&self, rest: &[u8], quoted: bool) -> Option<usize> {
        if !self.csv {
            return rest.iter().position(|byte| *byte == self.delimiter || matches!(byte, b'\n' | b'\\'));
        }
        rest.iter().position(|byte| {
            *byte == self.quote
                || *byte == b'\\'
                || (quoted && *byte == self.escape)
                || (!quoted && (*byte == self.delimiter || *byte == b'\n'))
        })
    }

    pub(super) fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// How many fields one whole row has, if nothing in it stands for something else but escapes of a letter that no digit follows.
    pub(super) fn fields_of_plain_row(&self, row: &[u8]) -> Option<usize> {
        let (b'\n', row) = row.split_last()? else { return None };
        let blocks = Blocks::of(row);
        let escapes = blocks.count(b'\\');
        let quoted = self.csv && (escapes > 0 || blocks.count(self.quote) + blocks.count(self.escape) > 0);
        let fits = blocks.count(b'\n') == 0 && !quoted && (escapes == 0 || are_plain(row));
        fits.then(|| blocks.count(self.delimiter) + 1)
    }

    /// The unit at the front. None: bytes are missing to tell.
    pub(super) fn unit(&self, rest: &[u8], quoted: bool) -> Option<Unit> {
        let first = *rest.first()?;
        if self.csv {
            return self.csv_unit(first, rest, quoted);
        }
        match first {
            b'\n' => Some(Unit::Row),
            byte if byte == self.delimiter => Some(Unit::Field),
            b'\\' => match *rest.get(1)? {
                b'\\' => Some(Unit::Data(if rest.get(2)?.is_ascii_alphabetic() { 3 } else { 2 })), // the value's own escape
                digit if digit.is_ascii_digit() => Some(Unit::Data(1)),
                _ => Some(Unit::Data(2)),
            },
            _ => Some(Unit::Data(1)),
        }
    }

    fn csv_unit(&self, first: u8, rest: &[u8], quoted: bool) -> Option<Unit> {
        if quoted && first == self.escape && self.escape != self.quote {
            let next = *rest.get(1)?;
            if next == self.quote || next == self.escape {
                return Some(Unit::Data(2));
            }
        }
        if first == self.quote {
            return Some(Unit::Quote);
        }
        if !quoted && first == b'\n' {
            return Some(Unit::Row);
        }
        if !quoted && first == self.delimiter {
            return Some(Unit::Field);
        }
        if first == b'\\' && rest.get(1)?.is_ascii_alphabetic() {
            return Some(Unit::Data(2)); // the value's own escape
        }
        Some(Unit::Data(1))
    }

    /// Where the field at the front ends. None: not within `window`.
    pub(super) fn field_end(&self, window: &[u8]) -> Option<usize> {
        let (mut at, mut quoted) = (0, false);
        loop {
            match self.unit(window.get(at..)?, quoted)? {
                Unit::Data(count) => at += count,
                Unit::Quote => {
                    quoted = !quoted;
                    at += 1;
                }
                Unit::Field | Unit::Row => return Some(at),
            }
        }
    }
}

/// Bytes to count in, cut so that many are looked at at once.
struct Blocks<'a> {
    parts: &'a [[u8; 128]],
    blocks: &'a [[u8; 16]],
    /// The rest, and zeros.
    last: [u8; 16],
}

impl<'a> Blocks<'a> {
    fn of(bytes: &'a [u8]) -> Blocks<'a> {
        let (parts, rest) = bytes.as_chunks();
        let (blocks, rest) = rest.as_chunks();
        let mut last = [0; 16];
        last.split_at_mut(rest.len()).0.copy_from_slice(rest); // fewer than sixteen
        Blocks { parts, blocks, last }
    }

    /// How often the byte, which is no zero, occurs.
    fn count(&self, wanted: u8) -> usize {
        let sum = |part: &[u8]| usize::from(part.iter().fold(0_u8, |sum, byte| sum + u8::from(*byte == wanted)));
        let parts: usize = self.parts.iter().map(|part| sum(part)).sum();
        parts + sum(self.blocks.as_flattened()) + sum(&self.last)
    }
}

/// Whether every backslash stands in front of a letter, other than `x`, that no digit follows.
fn are_plain(mut rest: &[u8]) -> bool {
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        match rest.get(at + 1..).unwrap_or_default() {
            [letter, behind @ ..] if letter.is_ascii_alphabetic() && *letter != b'x' => rest = behind,
            _ => return false,
        }
        if rest.first().is_some_and(u8::is_ascii_digit) {
            return false;
        }
    }
    true
}
