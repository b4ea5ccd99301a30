//! Binary values with parts: arrays, records, hstores, ranges and multiranges, walked with a small fixed stack.

use super::Malformed;
use super::cursor::Cursor;
use super::types::{self, Kind, UserTypes};

/// How deep values may nest. An array of records with an array in each is three; deeper than this is refused.
pub(super) const DEPTH: usize = 6;

/// A value with parts that is being read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    /// Bytes of it that are still to come.
    left: usize,
    /// Parts (or dimensions) still to come.
    count: u32,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Dimensions, flags, element type.
    ArrayHead,
    /// Size and lower bound of each dimension; elements so far.
    ArrayBounds {
        element: Kind,
        total: u32,
    },
    Elements {
        element: Kind,
    },
    RecordHead,
    HstoreHead,
    Fields,
    RangeHead {
        of: u32,
    },
    Bounds {
        of: u32,
    },
    MultirangeHead {
        of: u32,
    },
    Ranges {
        of: u32,
    },
}

/// What comes next in a frame.
pub(super) enum Next {
    /// A part of this layout and this many bytes begins.
    Part(Kind, usize),
    /// The value ended.
    End,
    /// Bytes are missing.
    More,
}

impl Frame {
    pub(super) const EMPTY: Frame = Frame { left: 0, count: 0, state: State::RecordHead };

    /// Opens a value of `kind`; None: it has no parts.
    pub(super) fn open(kind: Kind, left: usize) -> Option<Frame> {
        let state = match kind {
            Kind::Array => State::ArrayHead,
            Kind::Record => State::RecordHead,
            Kind::Range(of) => State::RangeHead { of },
            Kind::Multirange(of) => State::MultirangeHead { of },
            Kind::Hstore => State::HstoreHead,
            _ => return None,
        };
        Some(Frame { left, count: 0, state })
    }

    /// Reads up to the next part.
    pub(super) fn next(&mut self, cursor: &mut Cursor<'_>, types: Option<&UserTypes>) -> Result<Next, Malformed> {
        loop {
            let more = match self.state {
                State::ArrayHead => self.array_head(cursor, types)?,
                State::ArrayBounds { element, total } => self.array_bounds(cursor, element, total)?,
                State::RecordHead => self.count_head(cursor, State::Fields, 8)?,
                State::MultirangeHead { of } => self.count_head(cursor, State::Ranges { of }, 5)?,
                State::HstoreHead => self.hstore_head(cursor)?,
                State::RangeHead { of } => self.range_head(cursor, of)?,
                _ if self.count == 0 => {
                    return if self.left == 0 { Ok(Next::End) } else { Err(Malformed::Length) };
                }
                State::Elements { element } => return self.part(cursor, |_| element, true),
                State::Fields => return self.field(cursor, types),
                State::Bounds { of } => return self.part(cursor, |_| types::kind_of(of, types), false),
                State::Ranges { of } => return self.part(cursor, |_| Kind::Range(of), false),
            };
            if more {
                return Ok(Next::More);
            }
        }
    }

    /// ndim, flags (has nulls), element type: `array_send`.
    fn array_head(&mut self, cursor: &mut Cursor<'_>, types: Option<&UserTypes>) -> Result<bool, Malformed> {
        let Some([d0, d1, d2, d3, f0, f1, f2, f3, e0, e1, e2, e3]) = self.take::<12>(cursor)? else { return Ok(true) };
        let (dimensions, flags) = (u32::from_be_bytes([d0, d1, d2, d3]), u32::from_be_bytes([f0, f1, f2, f3]));
        if dimensions > 6 || flags > 1 {
            return Err(Malformed::Value); // MAXDIM is 6
        }
        let element = types::kind_of(u32::from_be_bytes([e0, e1, e2, e3]), types);
        self.count = dimensions;
        self.state = match dimensions {
            0 => State::Elements { element },
            _ => State::ArrayBounds { element, total: 1 },
        };
        Ok(false)
    }

    fn array_bounds(&mut self, cursor: &mut Cursor<'_>, element: Kind, total: u32) -> Result<bool, Malformed> {
        let Some([s0, s1, s2, s3, ..]) = self.take::<8>(cursor)? else { return Ok(true) };
        let total = total.checked_mul(u32::from_be_bytes([s0, s1, s2, s3])).ok_or(Malformed::Count)?;
        self.count -= 1;
        self.state = State::ArrayBounds { element, total };
        if self.count == 0 {
            self.elements(total, 4)?;
            self.state = State::Elements { element };
        }
        Ok(false)
    }

    /// The count in front of a record's fields or a multirange's ranges, of at least `least` bytes each.
    fn count_head(&mut self, cursor: &mut Cursor<'_>, state: State, least: usize) -> Result<bool, Malformed> {
        let Some(count) = self.take::<4>(cursor)? else { return Ok(true) };
        self.elements(u32::from_be_bytes(count), least)?;
        self.state = state;
        Ok(false)
    }

    /// The count of an hstore's pairs: a key and a value each, which may be null (contrib/hstore/hstore_io.c).
    fn hstore_head(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, Malformed> {
        let Some(pairs) = self.take::<4>(cursor)? else { return Ok(true) };
        let parts = u32::from_be_bytes(pairs).checked_mul(2).ok_or(Malformed::Count)?;
        self.elements(parts, 4)?;
        self.state = State::Elements { element: Kind::Text };
        Ok(false)
    }

    /// Bounds that a flags byte announces: `range_send`, and RANGE_HAS_LBOUND and RANGE_HAS_UBOUND of utils/rangetypes.h.
    fn range_head(&mut self, cursor: &mut Cursor<'_>, of: u32) -> Result<bool, Malformed> {
        let Some([flags]) = self.take::<1>(cursor)? else { return Ok(true) };
        const EMPTY: u8 = 0x01;
        const LOWER_ABSENT: u8 = 0x08 | 0x20; // infinite, null
        const UPPER_ABSENT: u8 = 0x10 | 0x40;
        let lower = flags & (EMPTY | LOWER_ABSENT) == 0;
        let upper = flags & (EMPTY | UPPER_ABSENT) == 0;
        self.elements(u32::from(lower) + u32::from(upper), 4)?;
        self.state = State::Bounds { of };
        Ok(false)
    }

    /// A field: its type, its length.
    fn field(&mut self, cursor: &mut Cursor<'_>, types: Option<&UserTypes>) -> Result<Next, Malformed> {
        let Some([oid @ .., _, _, _, _]) = cursor.peek::<8>() else {
            return if self.left < 8 { Err(Malformed::Length) } else { Ok(Next::More) };
        };
        let Some(_) = self.take::<4>(cursor)? else { return Ok(Next::More) };
        self.part(cursor, |_| types::kind_of(u32::from_be_bytes(oid), types), true)
    }

    /// A part of the layout `kind`: its length. A null part passes as one of no bytes.
    fn part(
        &mut self,
        cursor: &mut Cursor<'_>,
        kind: impl FnOnce(()) -> Kind,
        nullable: bool,
    ) -> Result<Next, Malformed> {
        let Some(length) = self.take::<4>(cursor)? else { return Ok(Next::More) };
        self.count -= 1;
        let length = i32::from_be_bytes(length);
        if length == -1 && nullable {
            return Ok(Next::Part(Kind::Bytes, 0));
        }
        let length = usize::try_from(length).map_err(|_| Malformed::Length)?;
        self.left = self.left.checked_sub(length).ok_or(Malformed::Length)?;
        Ok(Next::Part(kind(()), length))
    }

    fn elements(&mut self, count: u32, least: usize) -> Result<(), Malformed> {
        let room = self.left / least;
        if usize::try_from(count).map_err(|_| Malformed::Count)? > room {
            return Err(Malformed::Count);
        }
        self.count = count;
        Ok(())
    }

    /// N bytes of this value. None: not here yet.
    fn take<const N: usize>(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<[u8; N]>, Malformed> {
        let left = self.left.checked_sub(N).ok_or(Malformed::Length)?;
        let word = cursor.take::<N>();
        if word.is_some() {
            self.left = left;
        }
        Ok(word)
    }
}

/// Bytes of a value that `sniff` wants to see (or all, if it is shorter).
pub(super) const SNIFF: usize = 8;

/// The layout of a binary value whose type is in no table, from its length and its first bytes. Text of the server's encodings has
/// no NUL and next to never starts with a control character, and the structured layouts all start with a small count: so what starts
/// like text is searched as text, what looks like a known structure is walked as one (and must sum exactly), and the rest is refused.
pub(super) fn sniff(start: &[u8], len: usize) -> Result<Kind, Malformed> {
    let Some([a, b, c, d, e, f, g, h]) = start.first_chunk::<8>().copied() else {
        return Ok(Kind::Text); // shorter than any number that could be a card
    };
    let words = usize::from(u16::from_be_bytes([a, b]));
    if words > 0 && len == 8 + 2 * words && matches!([e, f], [0x00 | 0x40, 0]) {
        return Ok(Kind::Numeric);
    }
    if a >= b' ' || matches!(a, b'\t' | b'\n' | b'\r') {
        return Ok(Kind::Text);
    }
    if len == 8 {
        return Ok(Kind::Int8);
    }
    match (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])) {
        (0..=6, 0 | 1) => Ok(Kind::Array),
        (1..=1664, 16..) => Ok(Kind::Record), // a row has at most 1664 columns, and no type's OID is below 16
        _ => Err(Malformed::Opaque { column: 0 }),
    }
}
