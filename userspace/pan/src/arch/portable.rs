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

    #[inline(always)]
    fn separators(bytes: &[u8; WORD]) -> u64 {
        let (words, _) = bytes.as_chunks::<8>();
        words.iter().enumerate().fold(0, |mask, (index, word)| {
            let word = u64::from_le_bytes(*word);
            let leads =
                [b' ', b'-', b'.', 0xa0, 0xc2, 0xe2, 0xe3].iter().fold(0, |leads, &lead| leads | equal(word, lead));
            mask | gather(leads) << (index * 8)
        })
    }
}

/// [`Masks::tenths`] for any processor.
#[inline(always)]
pub(super) fn tenths(rows: &[&[u8; WORD]]) -> u64 {
    let mut mask = 0;
    for index in 0..WORD / 8 {
        let sum = rows.iter().fold(0, |sum, row| add(sum, eight(row, index)));
        mask |= gather(multiple_of_ten(sum)) << (index * 8);
    }
    mask
}

/// The eight bytes of a row at 8 `index`.
#[inline(always)]
fn eight(row: &[u8; WORD], index: usize) -> u64 {
    let (words, _) = row.as_chunks::<8>();
    u64::from_le_bytes(words[index])
}

/// Adds eight bytes to eight bytes; none carries into the next.
#[inline(always)]
fn add(first: u64, second: u64) -> u64 {
    ((first & !HIGH) + (second & !HIGH)) ^ ((first ^ second) & HIGH)
}

/// The high bit of each byte that is a multiple of ten.
#[inline(always)]
fn multiple_of_ten(bytes: u64) -> u64 {
    const EVEN: u64 = 0x00ff_00ff_00ff_00ff;
    // Sixteen bits to a byte: n * 205 >> 11 is n / 10 up to 255, and n less ten times that is the rest.
    let rests = [bytes & EVEN, bytes >> 8 & EVEN].map(|lanes| {
        let tenths = [0, 16, 32, 48].into_iter().fold(0, |tenths, at| {
            let byte = (lanes >> at) & 0xff;
            tenths | ((byte * 205) >> 11) << at
        });
        lanes - tenths * 10
    });
    equal(rests[0] | rests[1] << 8, 0)
}

/// The high bits of eight bytes as eight bits.
#[inline(always)]
fn gather(high: u64) -> u64 {
    high.wrapping_mul(GATHER) >> 56
}

/// The high bit of each byte that is `byte`.
#[inline(always)]
fn equal(word: u64, byte: u8) -> u64 {
    let other = word ^ u64::from_ne_bytes([byte; 8]);
    // Zero is the only seven bits that do not carry into the eighth when 0x7f is added.
    !(((other & !HIGH) + !HIGH) | other) & HIGH
}

pub(super) fn clean_prefix(bytes: &[u8]) -> usize {
    prefix::go::<Portable>(bytes)
}

pub(super) fn go(run: &mut Run<'_, '_>) -> Stop {
    run::go::<Portable>(run)
}
