//! NEON, which every aarch64 processor has.
#![allow(unsafe_code, reason = "intrinsics")]

use std::arch::aarch64::{
    uint8x16_t, vandq_u8, vcltq_u8, vdupq_n_u8, vgetq_lane_u64, vld1q_u8, vpaddq_u8, vqtbl1q_u8, vreinterpretq_u64_u8,
    vshrq_n_u8, vsubq_u8, vtstq_u8,
};

use super::{Masks, Set, WORD};
use crate::{
    balanced::prefix,
    balanced::run::{self, Run, Stop},
};

pub(super) struct Neon;

pub(super) fn suspects(bytes: &[u8], from: usize) -> (usize, u64) {
    prefix::go::<Neon>(bytes, from)
}

pub(super) fn go(run: &mut Run<'_, '_>) -> Stop {
    run::go::<Neon>(run)
}

/// The bit of each lane within its group of eight.
const BITS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];

/// 64 lanes of ones and zeros as bits, in order, by three pairwise additions.
///
/// # Safety
/// The processor has NEON.
#[inline(always)]
unsafe fn bits_of(lanes: [uint8x16_t; 4]) -> u64 {
    // SAFETY: NEON is there, as the caller promises; the load is of the 16 bytes of `BITS`.
    unsafe {
        let bits = vld1q_u8(BITS.as_ptr());
        let [first, second, third, fourth] = lanes.map(|lane| vandq_u8(lane, bits));
        let sums = vpaddq_u8(vpaddq_u8(first, second), vpaddq_u8(third, fourth));
        vgetq_lane_u64::<0>(vreinterpretq_u64_u8(vpaddq_u8(sums, sums)))
    }
}

impl Masks for Neon {
    #[inline(always)]
    fn digits(bytes: &[u8; WORD]) -> u64 {
        // SAFETY: NEON is part of aarch64. The four loads are of 16 bytes each of the array's 64.
        unsafe {
            bits_of(std::array::from_fn(|index| {
                vcltq_u8(vsubq_u8(vld1q_u8(bytes.as_ptr().add(index * 16)), vdupq_n_u8(b'0')), vdupq_n_u8(10))
            }))
        }
    }

    #[inline(always)]
    fn of(bytes: &[u8; WORD], set: &Set) -> u64 {
        // SAFETY: as above; the other loads are of the set's tables.
        unsafe {
            let (low, high) = (vld1q_u8(set.low.as_ptr()), vld1q_u8(set.high.as_ptr()));
            bits_of(std::array::from_fn(|index| {
                let bytes = vld1q_u8(bytes.as_ptr().add(index * 16));
                let low = vqtbl1q_u8(low, vandq_u8(bytes, vdupq_n_u8(15)));
                vtstq_u8(low, vqtbl1q_u8(high, vshrq_n_u8::<4>(bytes)))
            }))
        }
    }
}
