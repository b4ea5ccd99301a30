//! NEON, which every aarch64 processor has.
#![allow(unsafe_code, reason = "intrinsics")]

use std::arch::aarch64::{
    uint8x16_t, vandq_u8, vcltq_u8, vdupq_n_u8, vgetq_lane_u64, vld1q_u8, vpaddq_u8, vreinterpretq_u64_u8, vsubq_u8,
};

use super::{Masks, WORD};
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

impl Masks for Neon {
    #[inline(always)]
    fn digits(bytes: &[u8; WORD]) -> u64 {
        // SAFETY: NEON is part of aarch64. The four loads are of 16 bytes each of the array's 64, and of the 16 of `BITS`.
        unsafe {
            let bits = vld1q_u8(BITS.as_ptr());
            let lane = |index: usize| -> uint8x16_t {
                let values = vsubq_u8(vld1q_u8(bytes.as_ptr().add(index * 16)), vdupq_n_u8(b'0'));
                vandq_u8(vcltq_u8(values, vdupq_n_u8(10)), bits)
            };
            // Three pairwise additions bring 64 lanes into 64 bits, in order.
            let (low, high) = (vpaddq_u8(lane(0), lane(1)), vpaddq_u8(lane(2), lane(3)));
            let sums = vpaddq_u8(low, high);
            vgetq_lane_u64::<0>(vreinterpretq_u64_u8(vpaddq_u8(sums, sums)))
        }
    }
}
