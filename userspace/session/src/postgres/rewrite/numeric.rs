//! Binary numerics that are too long to be held: four 16-bit words (count of digits, weight, sign, scale), then base 10000 digits
//! (`numeric_send`, src/backend/utils/adt/numeric.c). A numeric has at most 16,383 digits after the point and 131,072 before it.

use super::Malformed;

/// The four words.
const HEAD: usize = 8;
/// Words of a whole part of at most 19 digits, however they align.
const WHOLE_PART: usize = 6;
/// What must be at hand to open a long numeric.
pub(super) const HEAD_MAX: usize = HEAD + 2 * WHOLE_PART;

/// A long numeric whose start is final.
pub(super) struct Opened {
    pub(super) done: usize,
    pub(super) cards: u32,
}

/// Opens a numeric of `len` bytes, longer than can be held, of which `start` is at hand. Only its whole part can be a card; what
/// follows is a fraction. None: more bytes are needed. For a sensitive one only the head is final.
pub(super) fn open_long(start: &mut [u8], len: usize, whole: bool) -> Result<Option<Opened>, Malformed> {
    let Some((head, words)) = start.split_at_mut_checked(HEAD) else { return Ok(None) };
    let digits = word(head, 0);
    if len != HEAD + 2 * usize::from(digits) {
        return Err(Malformed::Value);
    }
    if whole {
        head[4..6].fill(0); // the sign
        return Ok(Some(Opened { done: HEAD, cards: 0 }));
    }
    let weight = word(head, 2) as i16; // the field is signed
    let count = match usize::try_from(i32::from(weight) + 1) {
        Ok(count) if (1..=WHOLE_PART).contains(&count) => count,
        _ => return Ok(Some(Opened { done: HEAD, cards: 0 })), // below one, or more digits than a card has
    };
    let Some(words) = words.get_mut(..2 * count) else { return Ok(None) };
    let mut short = [0_u8; HEAD_MAX];
    let (short_head, short_words) = short.split_at_mut(HEAD);
    short_head.copy_from_slice(head);
    short_head[..2].copy_from_slice(&(count as u16).to_be_bytes()); // at most six
    short_head[6..].copy_from_slice(&[0, 0]);
    short_words[..2 * count].copy_from_slice(words);
    let cards = pan::mask_numeric(&mut short[..HEAD + 2 * count]).map_err(|_| Malformed::Value)?;
    words.copy_from_slice(&short[HEAD..HEAD + 2 * count]);
    Ok(Some(Opened { done: HEAD + 2 * count, cards }))
}

/// Overwrites whole words; what is final of `chunk`.
pub(super) fn hide_words(chunk: &mut [u8]) -> usize {
    let (words, _) = chunk.as_chunks_mut::<2>();
    let count = words.len();
    words.fill([0, 0]);
    2 * count
}

fn word(head: &[u8], at: usize) -> u16 {
    match head.get(at..) {
        Some([high, low, ..]) => u16::from_be_bytes([*high, *low]),
        _ => 0,
    }
}
