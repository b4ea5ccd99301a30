//! Any processor: eight bytes to a word.

use super::{Masks, WORD};
use crate::{
    balanced::prefix,
    balanced::run::{self, Run, Stop},
};

pub(super) struct Portable;

const HIGH: u64 = 0x8080_8080_8080_8080;
/// Brings the high bit of each byte into the top byte: bit 8i+7 times the i-th power lands at bit 56+i.
const GATHER: u64 = 0x0002_0408_1020_4081;

impl Masks for Portable {
    #[inline(always)]
    fn digits(bytes: &[u8; WORD]) -> u64 {
        let (words, _) = bytes.as_chunks::<8>();
        words.iter().enumerate().fold(0, |mask, (index, word)| {
            let word = u64::from_le_bytes(*word);
            let low = word & !HIGH;
            // Adding to seven bits never carries into the next byte: 0x50 sets the high bit from `0` on, 0x46 from `:` on.
            let digits = (low + 0x5050_5050_5050_5050) & !(low + 0x4646_4646_4646_4646) & !word & HIGH;
            mask | gather(digits) << (index * 8)
        })
    }

    const SIEVES: bool = false;

    type Lanes = [u8; WORD];

    #[inline(always)]
    fn lanes(bytes: &[u8; WORD]) -> [u8; WORD] {
        *bytes
    }

    #[inline(always)]
    fn plus(first: [u8; WORD], second: [u8; WORD]) -> [u8; WORD] {
        lanes(first, second, u8::wrapping_add)
    }

    #[inline(always)]
    fn minus(first: [u8; WORD], second: [u8; WORD]) -> [u8; WORD] {
        lanes(first, second, u8::wrapping_sub)
    }

    #[inline(always)]
    fn doubled(bytes: &[u8; WORD]) -> [u8; WORD] {
        doubled(bytes)
    }

    #[inline(always)]
    fn tenths(sums: [u8; WORD], singles: usize) -> u64 {
        tenths(&sums, singles)
    }
}

/// Lane by lane.
#[inline(always)]
pub(super) fn lanes(mut first: [u8; WORD], second: [u8; WORD], of: impl Fn(u8, u8) -> u8) -> [u8; WORD] {
    first.iter_mut().zip(second).for_each(|(lane, other)| *lane = of(*lane, other));
    first
}

/// [`Masks::doubled`] for any processor.
#[inline(always)]
pub(super) fn doubled(bytes: &[u8; WORD]) -> [u8; WORD] {
    bytes.map(|byte| {
        let digit = byte.wrapping_sub(b'0');
        digit.wrapping_add(digit).wrapping_sub(if digit > 4 { 9 } else { 0 })
    })
}

/// [`Masks::tenths`] for any processor.
#[inline(always)]
pub(super) fn tenths(sums: &[u8; WORD], singles: usize) -> u64 {
    let too_much = (singles as u8).wrapping_mul(b'0');
    // Sixteen bits to a lane: n * 205 >> 11 is n / 10 up to 255.
    let ends = |sum: u8| {
        let sum = sum.wrapping_sub(too_much);
        sum == ((u16::from(sum) * 205) >> 11) as u8 * 10
    };
    sums.iter().enumerate().fold(0, |mask, (at, &sum)| mask | u64::from(ends(sum)) << at)
}

/// [`Masks::hide`] for any processor.
#[inline(always)]
pub(super) fn hide(bytes: &mut [u8; WORD], mut bits: u64) {
    while bits != 0 {
        bytes[bits.trailing_zeros() as usize] = b'*';
        bits &= bits - 1;
    }
}

/// The high bits of eight bytes as eight bits.
#[inline(always)]
fn gather(high: u64) -> u64 {
    high.wrapping_mul(GATHER) >> 56
}

pub(super) fn suspects(bytes: &[u8], from: usize) -> (usize, u64) {
    prefix::go::<Portable>(bytes, from)
}

pub(super) fn go(run: &mut Run<'_, '_>) -> Stop {
    run::go::<Portable>(run)
}
