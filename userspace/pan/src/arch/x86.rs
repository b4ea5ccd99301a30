//! AVX2 and AVX-512BW.
#![allow(unsafe_code, reason = "intrinsics, and calls into code compiled for them")]

use std::arch::x86_64::{
    __m256i, __m512i, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8, _mm256_set1_epi8,
    _mm256_sub_epi8, _mm512_cmplt_epu8_mask, _mm512_loadu_si512, _mm512_set1_epi8, _mm512_sub_epi8,
};

use super::{Masks, WORD};
use crate::run::{self, Run, Stop};

pub(super) struct Avx2;
pub(super) struct Avx512;

/// What `go_avx2` is compiled for: every processor with AVX2 has them all.
pub(super) fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("popcnt")
}

/// What `go_avx512` is compiled for.
pub(super) fn has_avx512() -> bool {
    has_avx2()
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
}

pub(super) fn go_avx2(run: &mut Run<'_>) -> Stop {
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn inner(run: &mut Run<'_>) -> Stop {
        run::go::<Avx2>(run)
    }
    // SAFETY: the processor has these features: `Backend` is made for AVX2 only where `has_avx2` says so.
    unsafe { inner(run) }
}

pub(super) fn go_avx512(run: &mut Run<'_>) -> Stop {
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn inner(run: &mut Run<'_>) -> Stop {
        run::go::<Avx512>(run)
    }
    // SAFETY: the processor has these features: `Backend` is made for AVX-512 only where `has_avx512` says so.
    unsafe { inner(run) }
}

impl Masks for Avx2 {
    #[inline(always)]
    fn digits(bytes: &[u8; WORD]) -> u64 {
        // SAFETY: AVX2 is there, since this is reached through `go_avx2` alone (and tests that ask first). Both loads are of 32 of the
        // array's 64 bytes and need no alignment.
        unsafe {
            let half = |at: *const __m256i| {
                let values = _mm256_sub_epi8(_mm256_loadu_si256(at), _mm256_set1_epi8(b'0' as i8));
                let least = _mm256_min_epu8(values, _mm256_set1_epi8(9));
                _mm256_movemask_epi8(_mm256_cmpeq_epi8(values, least)).cast_unsigned()
            };
            let at = bytes.as_ptr().cast::<__m256i>();
            u64::from(half(at)) | u64::from(half(at.add(1))) << 32
        }
    }
}

impl Masks for Avx512 {
    #[inline(always)]
    fn digits(bytes: &[u8; WORD]) -> u64 {
        // SAFETY: AVX-512BW is there, since this is reached through `go_avx512` alone (and tests that ask first). The load is of the array's
        // 64 bytes and needs no alignment.
        unsafe {
            let values =
                _mm512_sub_epi8(_mm512_loadu_si512(bytes.as_ptr().cast::<__m512i>()), _mm512_set1_epi8(b'0' as i8));
            _mm512_cmplt_epu8_mask(values, _mm512_set1_epi8(10))
        }
    }
}
