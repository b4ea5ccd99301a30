//! Any processor: eight bytes to a word.

use super::{Masks, Set, WORD};
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
}

/// [`Masks::put`] for any processor.
#[inline(always)]
pub(super) fn put(bytes: &mut [u8; WORD], mut bits: u64, byte: u8) {
    while bits != 0 {
        bytes[bits.trailing_zeros() as usize] = byte;
        bits &= bits - 1;
    }
}

/// [`Masks::of`] for any processor: bytes become rows, eight at a time, and rows that are not zero become bits.
#[inline(always)]
pub(super) fn of(bytes: &[u8; WORD], set: &Set) -> u64 {
    let (eights, _) = bytes.as_chunks::<8>();
    eights.iter().enumerate().fold(0, |mask, (index, eight)| {
        mask | nonzero_of(u64::from_le_bytes(eight.map(|byte| set.row(byte)))) << (index * 8)
    })
}

/// Bit n: the byte n is not zero.
#[inline(always)]
pub(super) fn nonzero(bytes: &[u8; WORD]) -> u64 {
    let (eights, _) = bytes.as_chunks::<8>();
    eights
        .iter()
        .enumerate()
        .fold(0, |mask, (index, eight)| mask | nonzero_of(u64::from_le_bytes(*eight)) << (index * 8))
}

/// Bit n: the highest bit of the byte n.
#[inline(always)]
pub(super) fn signs(bytes: &[u8; WORD]) -> u64 {
    let (eights, _) = bytes.as_chunks::<8>();
    eights
        .iter()
        .enumerate()
        .fold(0, |mask, (index, eight)| mask | gather(u64::from_le_bytes(*eight) & HIGH) << (index * 8))
}

#[inline(always)]
fn nonzero_of(bytes: u64) -> u64 {
    // A byte that is not zero carries into its high bit, or has it.
    gather((((bytes & !HIGH) + !HIGH) | bytes) & HIGH)
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
