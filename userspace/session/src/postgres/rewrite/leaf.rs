//! A value, or a part of one, that has no parts of its own.

use super::arrays::{Escaped, Escapes, Hidden};
use super::cursor::{Cursor, Step};
use super::numeric;
use super::search::{Ahead, Search, Sought};
use super::strict;
use super::{HOLD_MAX, Malformed};
use pan::{Fill, Mode, Whole, WholeScanner};

/// What is done to the bytes of one value. Those that need the whole value hold it, and it is at most `HOLD_MAX` long.
#[derive(Clone)]
pub(super) enum Leaf {
    /// Passes as it is: too short or too strict a form for a card, or policy says `clear`.
    Verbatim,
    /// Text, searched by content.
    Scan(Search),
    /// Text with escapes, searched by content.
    Escaped(Escaped),
    /// So many bytes as they are, then text.
    Prefix(u8, Fill, Sought, Option<Whole>),
    /// bytea as text: its first two bytes say which of the two forms it is.
    Bytea(Sought, Option<Whole>),
    Int8(Mode),
    Float8(Mode),
    Numeric(Mode),
    WholeInt2(Whole),
    WholeInt4(Whole),
    WholeInt8(Whole),
    WholeNumeric(Whole),
    /// The words of a sensitive numeric that is too long to be held.
    NumericWords,
    /// A sensitive text.
    Whole(WholeScanner),
    /// A sensitive array literal: nothing is kept but its shape.
    Hidden(Hidden),
}

impl Leaf {
    /// Text, by content or as a whole.
    pub(super) fn text(sought: Sought, fill: Fill, whole: Option<Whole>) -> Leaf {
        match whole {
            None => Leaf::Scan(Search::new(sought, fill)),
            Some(whole) => Leaf::Whole(WholeScanner::new(whole, fill)),
        }
    }

    /// Goes on with the value, of which `left` bytes are not final.
    pub(super) fn step(
        &mut self,
        cursor: &mut Cursor<'_>,
        left: &mut usize,
        ahead: &mut Ahead,
    ) -> Result<Step, Malformed> {
        let patterns = cursor.patterns;
        loop {
            let chunk = cursor.chunk(*left);
            let here = chunk.len();
            let ends = here == *left;
            if here == 0 && !ends {
                return Ok(Step::More);
            }
            let done = match self {
                Leaf::Verbatim => here,
                Leaf::Scan(search) => {
                    let scan = search.scan(chunk, ends, patterns, ahead);
                    cursor.cards += scan.cards;
                    here.saturating_sub(scan.hold)
                }
                Leaf::Escaped(escaped) => {
                    let (done, cards) = escaped.scan(chunk, ends, patterns, ahead);
                    cursor.cards += cards;
                    done
                }
                Leaf::Hidden(hidden) => hidden.hide(chunk),
                Leaf::Whole(scanner) => here.saturating_sub(scanner.mask(chunk, ends)),
                Leaf::NumericWords => numeric::hide_words(chunk),
                Leaf::Prefix(..) | Leaf::Bytea(..) => match self.resolve(cursor, left)? {
                    Step::Done => continue,
                    Step::More => return Ok(Step::More),
                },
                Leaf::Numeric(_) | Leaf::WholeNumeric(_) if *left > HOLD_MAX => {
                    match self.open_long_numeric(cursor, left)? {
                        Step::Done => continue,
                        Step::More => return Ok(Step::More),
                    }
                }
                _ if !ends => return Ok(Step::More),
                whole_value => {
                    cursor.cards += whole_value.finish(chunk)?;
                    here
                }
            };
            cursor.advance(done);
            *left -= done.min(*left);
            return Ok(if *left == 0 { Step::Done } else { Step::More });
        }
    }

    /// Becomes what the first bytes say. Done: go on with the new leaf.
    fn resolve(&mut self, cursor: &mut Cursor<'_>, left: &mut usize) -> Result<Step, Malformed> {
        let start = cursor.chunk(2.min(*left));
        *self = match *self {
            Leaf::Bytea(..) if start.len() < 2.min(*left) => return Ok(Step::More),
            Leaf::Bytea(sought, whole) if *start == *b"\\x" => Leaf::text(sought, Fill::Hex, whole),
            Leaf::Bytea(sought, None) => Leaf::Escaped(Escaped::new(sought, Escapes::Octal)),
            Leaf::Bytea(sought, whole) => Leaf::text(sought, Fill::Text, whole),
            Leaf::Prefix(0, fill, sought, whole) => Leaf::text(sought, fill, whole),
            Leaf::Prefix(count, fill, sought, whole) => {
                let here = cursor.chunk((*left).min(count.into())).len();
                cursor.advance(here);
                *left -= here;
                let missing = count - here as u8; // at most `count`
                if missing > 0 && *left == 0 {
                    return Err(Malformed::Value);
                }
                *self = Leaf::Prefix(missing, fill, sought, whole);
                return Ok(if missing == 0 { Step::Done } else { Step::More });
            }
            _ => return Err(Malformed::Value),
        };
        Ok(Step::Done)
    }

    fn open_long_numeric(&mut self, cursor: &mut Cursor<'_>, left: &mut usize) -> Result<Step, Malformed> {
        let whole = matches!(self, Leaf::WholeNumeric(_));
        let Some(opened) = numeric::open_long(cursor.chunk(numeric::HEAD_MAX), *left, whole)? else {
            return Ok(Step::More);
        };
        cursor.cards += opened.cards;
        cursor.advance(opened.done);
        *left -= opened.done;
        *self = if whole { Leaf::NumericWords } else { Leaf::Verbatim };
        Ok(Step::Done)
    }

    /// The whole value is here.
    fn finish(&self, value: &mut [u8]) -> Result<u32, Malformed> {
        match self {
            Leaf::Int8(mode) => {
                replace(value, |v: [u8; 8]| mask_int8(i64::from_be_bytes(v), *mode).map(i64::to_be_bytes))
            }
            Leaf::Float8(mode) => {
                replace(value, |v: [u8; 8]| mask_float8(f64::from_be_bytes(v), *mode).map(f64::to_be_bytes))
            }
            Leaf::Numeric(mode) => {
                let cards = pan::mask_numeric(value).map_err(|_| Malformed::Value)?;
                Ok(cards + if *mode == Mode::Strict { strict::numeric(value) } else { 0 })
            }
            Leaf::WholeInt2(whole) => quietly(replace(value, |v: [u8; 2]| {
                let filled = pan::whole_int4(i16::from_be_bytes(v).into(), *whole);
                Some(i16::try_from(filled).unwrap_or(0).to_be_bytes()) // five digits may not fit
            })),
            Leaf::WholeInt4(whole) => {
                quietly(replace(value, |v: [u8; 4]| Some(pan::whole_int4(i32::from_be_bytes(v), *whole).to_be_bytes())))
            }
            Leaf::WholeInt8(whole) => {
                quietly(replace(value, |v: [u8; 8]| Some(pan::whole_int8(i64::from_be_bytes(v), *whole).to_be_bytes())))
            }
            Leaf::WholeNumeric(whole) => pan::whole_numeric(value, *whole).map(|()| 0).map_err(|_| Malformed::Value),
            Leaf::Verbatim | Leaf::Scan(_) | Leaf::Escaped(_) | Leaf::Prefix(..) | Leaf::Bytea(..) => Ok(0),
            Leaf::NumericWords | Leaf::Whole(_) | Leaf::Hidden(_) => Ok(0),
        }
    }
}

/// A whole number that is a card, or in strict mode has one in it.
fn mask_int8(value: i64, mode: Mode) -> Option<i64> {
    match mode {
        Mode::Balanced => pan::mask_int8(value),
        Mode::Strict => pan::mask_int8(value).or_else(|| strict::int8(value)),
    }
}

/// A float that is exactly a card's number. Beyond 2^53 a float holds only some whole numbers, so it cannot hold a card as such.
fn mask_float8(value: f64, mode: Mode) -> Option<f64> {
    const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53
    if value.fract() != 0.0 || value.abs() >= EXACT {
        return None;
    }
    mask_int8(value as i64, mode).map(|masked| masked as f64)
}

/// Replaces a value of exactly N bytes; 1 if there was something to replace.
fn replace<const N: usize>(
    value: &mut [u8],
    masked: impl FnOnce([u8; N]) -> Option<[u8; N]>,
) -> Result<u32, Malformed> {
    let value: &mut [u8; N] = value.try_into().map_err(|_| Malformed::Value)?;
    Ok(match masked(*value) {
        Some(filled) => {
            *value = filled;
            1
        }
        None => 0,
    })
}

/// A sensitive value is counted as such and not as a card.
fn quietly(replaced: Result<u32, Malformed>) -> Result<u32, Malformed> {
    replaced.map(|_| 0)
}
