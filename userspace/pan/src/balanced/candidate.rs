//! Does a card start here? A pure look to both sides that says when the answer depends on bytes that have not come yet.

use crate::{
    balanced::find,
    balanced::iban,
    engine::Engine,
    iin::Lengths,
    keep::{DIGITS_MAX, DIGITS_MIN},
    luhn, separator,
};

/// Printed groupings, the longer ones first: where two fit, the longer hides more.
pub(crate) const SHAPES: [&[usize]; 5] = [&[4, 4, 4, 4, 3], &[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 5]];
/// The longest name between the two carets of track 1 that we look across: 26 by ISO/IEC 7813, and some writers' padding.
pub(crate) const NAME_MAX: usize = 32;

/// The answer depends on bytes that have not come yet.
pub(crate) struct More;

/// What surrounds a candidate: bytes before it as they leave, bytes from it on as they came.
#[derive(Clone, Copy)]
pub(crate) struct Around<'a> {
    pub(crate) engine: &'a Engine,
    /// What left before `bytes` began; only its end matters.
    pub(crate) context: &'a [u8],
    pub(crate) bytes: &'a [u8],
    /// The value ends with `bytes`.
    pub(crate) last: bool,
    /// Hidden digits get a star, so what is kept of a number stands alone in the output.
    pub(crate) starred: bool,
}

/// A card, and all that masking it needs to know. Positions are within `Around::bytes`.
pub(crate) struct Card {
    /// One past its last digit.
    pub(crate) end: usize,
    /// Its digits, as values.
    digits: [u8; DIGITS_MAX],
    count: usize,
    /// Bit n: the byte n after its first is a hidden digit. A card spans at most 19 digits and four separators of three bytes.
    pub(crate) hidden: u64,
    pub(crate) tail: Option<(usize, Tail)>,
}

impl Card {
    pub(crate) fn digits(&self) -> &[u8] {
        self.digits.get(..self.count).unwrap_or_default()
    }

    /// Digits alone, no separators.
    pub(crate) fn is_plain(&self, start: usize) -> bool {
        self.end - start == self.count
    }
}

/// What follows the number on a magnetic stripe: sensitive authentication data, hidden to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Track 2: expiry, service code and discretionary data, all digits.
    Track2,
    /// Track 1 behind the name: letters and digits up to `?` or anything that a track cannot hold.
    Track1,
}

impl Tail {
    pub(crate) fn ends_at(self, byte: u8) -> bool {
        match self {
            Tail::Track2 => !byte.is_ascii_digit(),
            Tail::Track1 => ends_track1(byte),
        }
    }
}

/// `"` and `\` are no stripe characters that survive in practice, and stopping there keeps JSON and CSV whole.
pub(crate) fn ends_track1(byte: u8) -> bool {
    matches!(byte, b'?' | b'"' | b'\\' | 0..=0x1f | 0x7f..)
}

/// A letter beside the run, a plus or a decimal point says that it is no card; `%B` and an escape's letter do not.
pub(crate) fn left_allows(second: Option<u8>, first: Option<u8>) -> bool {
    match first {
        None => true,
        Some(b'0'..=b'9' | b'+') => false,
        Some(b'.') => !matches!(second, Some(b'0'..=b'9' | b'*')),
        Some(b'B' | b'b') if second == Some(b'%') => true,
        Some(b'n' | b'r' | b't' | b'b' | b'f' | b'v') if second == Some(b'\\') => true,
        Some(byte) => !byte.is_ascii_alphabetic(),
    }
}

impl<'a> Around<'a> {
    /// The card that starts at `start`, where a digit stands.
    pub(crate) fn card_at(&self, start: usize) -> Result<Option<Card>, More> {
        if !left_allows(self.before(start, 2), self.before(start, 1)) {
            return Ok(None);
        }
        let Some(lengths) = self.head_at(start)? else { return Ok(None) };
        if let Some(card) = self.plain_at(start, lengths)? {
            return Ok(Some(card));
        }
        let Some(first) = self.separator_at(start + 4)? else { return Ok(None) };
        for shape in SHAPES {
            if lengths.contains(shape.iter().sum())
                && let Some(card) = self.grouping_at(start, shape, first)?
            {
                return Ok(Some(card));
            }
        }
        Ok(None)
    }

    fn peek(&self, at: usize) -> Result<Option<u8>, More> {
        match self.bytes.get(at) {
            Some(&byte) => Ok(Some(byte)),
            None if self.last => Ok(None),
            None => Err(More),
        }
    }

    fn digit(&self, at: usize) -> Result<Option<u8>, More> {
        Ok(self.peek(at)?.filter(u8::is_ascii_digit).map(|byte| byte - b'0'))
    }

    /// The byte `distance` before `at`, as it left.
    fn before(&self, at: usize, distance: usize) -> Option<u8> {
        match at.checked_sub(distance) {
            Some(index) => self.bytes.get(index).copied(),
            None => self.context.len().checked_sub(distance - at).and_then(|index| self.context.get(index)).copied(),
        }
    }

    /// The lengths issued under the first four digits; None where there is no card.
    fn head_at(&self, start: usize) -> Result<Option<Lengths>, More> {
        let mut head = [0; 4];
        if let Some(four) = self.bytes.get(start..).and_then(|rest| rest.first_chunk::<4>()) {
            let head = four.map(|byte| byte.wrapping_sub(b'0'));
            let issued = head.iter().all(|&digit| digit < 10).then(|| self.engine.heads.balanced(&head));
            return Ok(issued.filter(|lengths| !lengths.is_empty()));
        }
        for (offset, slot) in head.iter_mut().enumerate() {
            let Some(digit) = self.digit(start + offset)? else { return Ok(None) };
            *slot = digit;
        }
        Ok(Some(self.engine.heads.balanced(&head)).filter(|lengths| !lengths.is_empty()))
    }

    /// A whole run of digits that is a card.
    fn plain_at(&self, start: usize, lengths: Lengths) -> Result<Option<Card>, More> {
        let mut digits = [0; DIGITS_MAX];
        let end = find::end_of_run(self.bytes, start);
        let count = end - start;
        let (Some(run), Some(slots)) = (self.bytes.get(start..end), digits.get_mut(..count)) else { return Ok(None) };
        self.peek(end)?;
        for (slot, byte) in slots.iter_mut().zip(run) {
            *slot = byte - b'0';
        }
        let mut card = Card { end, digits, count, hidden: 0, tail: None };
        if count < DIGITS_MIN
            || !lengths.contains(count)
            || !luhn::holds(card.digits())
            || !self.right_allows_run(end)?
        {
            return Ok(None);
        }
        let keep = self.engine.keep;
        card.hidden = (1 << (count - keep.last())) - (1 << keep.first(count));
        card.tail = match self.peek(end)? {
            Some(b'D' | b'd') => Some((end + 1, Tail::Track2)),
            _ => self.tail_behind(start, end)?,
        };
        Ok(Some(card))
    }

    /// A card printed in groups, with the same separator throughout.
    fn grouping_at(&self, start: usize, shape: &[usize], first: separator::Separator) -> Result<Option<Card>, More> {
        let (mut digits, mut count, mut hidden) = ([0; DIGITS_MAX], 0, 0);
        let total = shape.iter().sum();
        let (mut at, mut group) = (start, start);
        for (index, &wanted) in shape.iter().enumerate() {
            if index > 0 {
                let here = self.bytes.get(at..at + first.len());
                if here != Some(first.bytes()) && (here.is_some() || self.separator_at(at)? != Some(first)) {
                    return Ok(None);
                }
                at += first.len();
            }
            group = at;
            for _ in 0..wanted {
                let (Some(digit), Some(slot)) = (self.digit(at)?, digits.get_mut(count)) else { return Ok(None) };
                *slot = digit;
                hidden |= u64::from(self.engine.keep.hides(count, total)) << (at - start);
                count += 1;
                at += 1;
            }
        }
        let mut card = Card { end: at, digits, count, hidden, tail: None };
        if !luhn::holds(card.digits()) || !self.right_allows_group(group, at, first)? {
            return Ok(None);
        }
        if shape.len() >= 4 && self.in_iban(start, first) {
            return Ok(None);
        }
        card.tail = self.tail_behind(start, at)?;
        Ok(Some(card))
    }

    fn separator_at(&self, at: usize) -> Result<Option<separator::Separator>, More> {
        let mut seen = [0; separator::BYTES_MAX];
        let mut count = 0;
        loop {
            match separator::read(seen.get(..count).unwrap_or_default()) {
                separator::Read::Is(separator) => return Ok(Some(separator)),
                separator::Read::Not => return Ok(None),
                separator::Read::Open => {
                    let (Some(byte), Some(slot)) = (self.peek(at + count)?, seen.get_mut(count)) else {
                        return Ok(None);
                    };
                    *slot = byte;
                    count += 1;
                }
            }
        }
    }

    /// Behind a run: no letter, but for the `D` that ISO 8583 and EMV write for the separator of track 2. A small `d` must be followed by a
    /// year and a month, or hex digests would match.
    fn right_allows_run(&self, end: usize) -> Result<bool, More> {
        match self.peek(end)? {
            Some(b'D') => Ok(self.digit(end + 1)?.is_some()),
            Some(b'd') => {
                if self.digit(end + 1)?.is_none() || self.digit(end + 2)?.is_none() {
                    return Ok(false);
                }
                Ok(match self.digit(end + 3)? {
                    Some(0) => self.digit(end + 4)?.is_some_and(|digit| digit > 0),
                    Some(1) => self.digit(end + 4)?.is_some_and(|digit| digit < 3),
                    _ => false,
                })
            }
            next => Ok(!next.is_some_and(|byte| byte.is_ascii_alphanumeric())),
        }
    }

    /// Behind a grouping: neither a letter nor a digit. One case more: a plain card whose kept first digits would complete the grouping
    /// in the output, where they stand alone.
    fn right_allows_group(&self, group: usize, end: usize, separator: separator::Separator) -> Result<bool, More> {
        match self.peek(end)? {
            Some(byte) if byte.is_ascii_digit() => {}
            next => return Ok(!next.is_some_and(|byte| byte.is_ascii_alphabetic())),
        }
        if !self.starred || separator == separator::DOT {
            return Ok(false);
        }
        let Some(lengths) = self.head_at(group)? else { return Ok(false) };
        Ok(self.plain_at(group, lengths)?.is_some_and(|next| self.engine.keep.first(next.count) == end - group))
    }

    /// Whether the groups on the left lead back to the head of an account number.
    pub(crate) fn in_iban(&self, start: usize, separator: separator::Separator) -> bool {
        let mut distance = 0;
        for _ in 0..4 {
            for &byte in separator.bytes().iter().rev() {
                distance += 1;
                if self.before(start, distance) != Some(byte) {
                    return false;
                }
            }
            let mut group = [0; 4];
            for slot in group.iter_mut().rev() {
                distance += 1;
                let Some(byte) = self.before(start, distance) else { return false };
                *slot = byte;
            }
            if iban::is_head(group) {
                return !self.before(start, distance + 1).is_some_and(|byte| byte.is_ascii_alphanumeric());
            }
            if !group.iter().all(|&byte| iban::is_body(byte)) {
                return false;
            }
        }
        false
    }

    /// The rest of a stripe behind the number that ends at `end`.
    fn tail_behind(&self, start: usize, end: usize) -> Result<Option<(usize, Tail)>, More> {
        match self.peek(end)? {
            Some(b'=') => Ok(self.digit(end + 1)?.map(|_| (end + 1, Tail::Track2))),
            Some(b'^') if self.before(start, 2) == Some(b'%') && matches!(self.before(start, 1), Some(b'B' | b'b')) => {
                for at in end + 1..=end + 1 + NAME_MAX {
                    match self.peek(at)? {
                        Some(b'^') => return Ok(Some((at + 1, Tail::Track1))),
                        Some(byte) if !ends_track1(byte) => {}
                        _ => return Ok(None),
                    }
                }
                Ok(None)
            }
            _ => Ok(None),
        }
    }
}
