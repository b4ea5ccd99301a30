//! A value that is one number and nothing else, as a column of card numbers has them. No neighbour has a say there: its length, its
//! head and its check digit decide, which two words of bytes tell without a loop.

use crate::{
    Engine,
    iin::Heads,
    keep::{DIGITS_MAX, DIGITS_MIN},
};

const ONES: u128 = u128::MAX / 0xff;
/// Every second byte, from the first: of a number's last sixteen digits those that the check sum doubles.
const DOUBLED: u128 = u128::MAX / 0xffff * 0xff;
/// A digit's upper half.
const ZEROS: u128 = ONES * 0x30;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alone {
    /// Something else than one number of 13 to 19 digits.
    Other,
    /// Such a number, and no card.
    Number,
    /// A card. It is masked with stars.
    Card,
}

/// Masks a whole value, if it is one number that is a card.
pub(crate) fn mask(engine: &Engine, value: &mut [u8]) -> Alone {
    let Some((last, front)) = number(value) else { return Alone::Other };
    if !is_card(&engine.heads, value, last ^ ZEROS, front) {
        return Alone::Number;
    }
    star_hidden(engine, value);
    Alone::Card
}

/// Whether a whole value is one number of 13 to 19 digits, card or not.
pub(crate) fn is_number(value: &[u8]) -> bool {
    number(value).is_some()
}

/// Writes stars over what does not stay of such a number.
#[inline(always)]
pub(crate) fn star_hidden(engine: &Engine, value: &mut [u8]) {
    let hidden = engine.keep.first(value.len())..value.len().saturating_sub(engine.keep.last());
    star(value.get_mut(hidden).unwrap_or_default());
}

/// The digits of such a number: see [`last_sixteen`].
#[inline(always)]
fn number(value: &[u8]) -> Option<(u128, &[u8])> {
    if !(DIGITS_MIN..=DIGITS_MAX).contains(&value.len()) {
        return None;
    }
    let (last, front) = last_sixteen(value)?;
    (are_digits(last) && front.iter().all(u8::is_ascii_digit)).then_some((last, front))
}

/// The last sixteen bytes, the first of them lowest, zeros as digits in front of fewer; and what stands before them.
#[inline(always)]
fn last_sixteen(value: &[u8]) -> Option<(u128, &[u8])> {
    if let Some((front, last)) = value.split_last_chunk::<16>() {
        return Some((u128::from_le_bytes(*last), front));
    }
    let missing = 8 * (16 - value.len() as u32);
    let (first, last) = (value.first_chunk::<8>()?, value.last_chunk::<8>()?);
    let first = (u64::from_le_bytes(*first) << missing) | ((ZEROS as u64) & ((1 << missing) - 1));
    Some((u128::from(u64::from_le_bytes(*last)) << 64 | u128::from(first), &[]))
}

#[inline(always)]
fn are_digits(bytes: u128) -> bool {
    let high = ONES * 0x80;
    // Seven bits and 0x46 or 0x50 never carry into the next byte: the high bit is set from `:` on, and from `0` on.
    let low = bytes & !high;
    (low + ONES * 0x50) & !(low + ONES * 0x46) & !bytes & high == high
}

/// `last`: the values of the last sixteen digits.
#[inline(always)]
fn is_card(heads: &Heads, value: &[u8], last: u128, front: &[u8]) -> bool {
    let Some(head) = value.first_chunk() else { return false };
    if !heads.balanced_of(head).contains(value.len()) {
        return false;
    }
    let twice = last & DOUBLED;
    // 1 from five on: such a double has two digits, whose sum is nine less.
    let large = (twice + (DOUBLED & (ONES * 0x7b))) >> 7 & ONES;
    let sums = twice * 2 - large * 9 + (last & !DOUBLED);
    // At most 9 times 16: each half's sum, and both, fit the top byte.
    let sum = ((sums as u64).wrapping_add((sums >> 64) as u64)).wrapping_mul(ONES as u64) >> 56;
    let mut sum = sum as u32;
    for (place, byte) in front.iter().rev().enumerate() {
        let digit = u32::from(byte & 15);
        sum += if place % 2 == 0 { digit } else { digit * 2 - if digit > 4 { 9 } else { 0 } };
    }
    sum.is_multiple_of(10)
}

/// Five to fifteen stars, or more.
#[inline(always)]
fn star(bytes: &mut [u8]) {
    match bytes.len() {
        4..=8 => ends::<4>(bytes),
        9..=16 => ends::<8>(bytes),
        _ => bytes.fill(b'*'),
    }
}

/// Both ends meet.
#[inline(always)]
fn ends<const N: usize>(bytes: &mut [u8]) {
    if let Some(first) = bytes.first_chunk_mut() {
        *first = [b'*'; N];
    }
    if let Some(last) = bytes.last_chunk_mut() {
        *last = [b'*'; N];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fill, Keep, Settings, luhn, naive};

    /// Numbers of every length with every head, right and wrong check digits, in every format: as the exact way.
    #[test]
    fn as_the_exact_way() {
        let (mut state, mut cards, mut numbers) = (3_u64, 0, 0);
        let mut next = |end: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % end
        };
        for keep in [Keep::FirstSixLastFour, Keep::FirstEightLastFour, Keep::LastFour, Keep::Nothing] {
            let engine: &'static Engine =
                Box::leak(Box::new(Engine::new(&Settings { keep, ..Settings::default() }).unwrap()));
            for round in (0..40_000).step_by(if cfg!(miri) { 7_993 } else { 1 }) {
                let count = 12 + round % 9;
                let mut digits: Vec<u8> = (0..count).map(|_| next(10) as u8).collect();
                let head = round / 9 % 1000 * 10 + round % 10;
                (0..4).for_each(|at| digits[at] = (head / 10_usize.pow(3 - at as u32) % 10) as u8);
                if next(4) > 0 {
                    let right = (0..10).find(|last| {
                        digits[count - 1] = *last;
                        luhn::holds(&digits)
                    });
                    digits[count - 1] = right.unwrap();
                }
                let mut value: Vec<u8> = digits.iter().map(|digit| digit + b'0').collect();
                if next(8) == 0 {
                    value[next(count as u64) as usize] = b"/:*x\xb1"[next(5) as usize];
                }
                let mut exact = value.clone();
                let found = naive::mask_text_with(engine, &mut exact, Fill::Text);
                let whole = (DIGITS_MIN..=DIGITS_MAX).contains(&count);
                let number = whole && value.iter().all(u8::is_ascii_digit);
                let alone = mask(engine, &mut value);
                match alone {
                    Alone::Card => cards += 1,
                    Alone::Number => numbers += 1,
                    Alone::Other => assert!(!number, "round {round}"),
                }
                if alone != Alone::Other {
                    assert!(number && value == exact, "round {round}, {count} digits, {keep:?}");
                    assert_eq!(u32::from(alone == Alone::Card), found, "round {round}");
                }
            }
        }
        assert!(cfg!(miri) || cards > 5_000 && numbers > 50_000, "{cards} cards of {numbers} numbers");
    }
}
