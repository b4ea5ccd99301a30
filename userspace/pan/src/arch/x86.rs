//! AVX2 and AVX-512BW.
#![allow(unsafe_code, reason = "intrinsics, and calls into code compiled for them")]

use std::arch::{
    asm,
    x86_64::{
        __m128i, __m256i, __m512i, _mm_add_epi8, _mm_add_epi32, _mm_cvtsi128_si32, _mm_loadu_si128, _mm_shuffle_epi8,
        _mm_srli_si128, _mm_unpackhi_epi64, _mm256_add_epi8, _mm256_alignr_epi8, _mm256_and_si256, _mm256_blendv_epi8,
        _mm256_broadcastsi128_si256, _mm256_castsi128_si256, _mm256_castsi256_si128, _mm256_cmpeq_epi8,
        _mm256_cmpgt_epi8, _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8,
        _mm256_or_si256, _mm256_permute2x128_si256, _mm256_sad_epu8, _mm256_set1_epi8, _mm256_set1_epi32,
        _mm256_set1_epi64x, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi16, _mm256_storeu_si256,
        _mm256_sub_epi8, _mm256_testz_si256, _mm512_add_epi8, _mm512_alignr_epi8, _mm512_alignr_epi64,
        _mm512_and_si512, _mm512_broadcast_i32x4, _mm512_castsi128_si512, _mm512_cmpeq_epi8_mask,
        _mm512_cmplt_epu8_mask, _mm512_loadu_si512, _mm512_mask_storeu_epi8, _mm512_min_epu8, _mm512_or_si512,
        _mm512_set1_epi8, _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_srli_epi16, _mm512_sub_epi8,
        _mm512_test_epi8_mask,
    },
};

use super::{LOW_REST, Masks, Set, WANTED_REST, WORD};
use crate::{
    Engine,
    balanced::form::{Form, SPAN_MAX},
    balanced::prefix,
    balanced::run::{self, Run, Stop},
    strict::{self, calm},
};

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

pub(super) fn go_avx2(run: &mut Run<'_, '_>) -> Stop {
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn inner(run: &mut Run<'_, '_>) -> Stop {
        run::go::<Avx2>(run)
    }
    // SAFETY: the processor has these features: `Backend` is made for AVX2 only where `has_avx2` says so.
    unsafe { inner(run) }
}

pub(super) fn clean_prefix_avx2(bytes: &[u8]) -> usize {
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn inner(bytes: &[u8]) -> usize {
        prefix::go::<Avx2>(bytes)
    }
    // SAFETY: as in `go_avx2`.
    unsafe { inner(bytes) }
}

pub(super) fn clean_prefix_avx512(bytes: &[u8]) -> usize {
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn inner(bytes: &[u8]) -> usize {
        prefix::go::<Avx512>(bytes)
    }
    // SAFETY: as in `go_avx512`.
    unsafe { inner(bytes) }
}

pub(super) fn go_avx512(run: &mut Run<'_, '_>) -> Stop {
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn inner(run: &mut Run<'_, '_>) -> Stop {
        run::go::<Avx512>(run)
    }
    // SAFETY: the processor has these features: `Backend` is made for AVX-512 only where `has_avx512` says so.
    unsafe { inner(run) }
}

pub(super) fn short_avx2(engine: &'static Engine, value: &mut [u8]) -> Option<u32> {
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn inner(engine: &'static Engine, value: &mut [u8]) -> Option<u32> {
        run::short::<Avx2>(engine, value)
    }
    // SAFETY: as in `go_avx2`.
    unsafe { inner(engine, value) }
}

pub(super) fn short_avx512(engine: &'static Engine, value: &mut [u8]) -> Option<u32> {
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn inner(engine: &'static Engine, value: &mut [u8]) -> Option<u32> {
        run::short::<Avx512>(engine, value)
    }
    // SAFETY: as in `go_avx512`.
    unsafe { inner(engine, value) }
}

pub(super) fn calm_words_avx2(bytes: &[u8]) -> usize {
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn inner(bytes: &[u8]) -> usize {
        calm::words::<Avx2>(bytes)
    }
    // SAFETY: as in `go_avx2`.
    unsafe { inner(bytes) }
}

pub(super) fn calm_words_avx512(bytes: &[u8]) -> usize {
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn inner(bytes: &[u8]) -> usize {
        calm::words::<Avx512>(bytes)
    }
    // SAFETY: as in `go_avx512`.
    unsafe { inner(bytes) }
}

pub(super) fn strict_step_avx2(text: &mut strict::Text, bytes: &mut [u8], last: bool) -> (u32, usize) {
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn inner(text: &mut strict::Text, bytes: &mut [u8], last: bool) -> (u32, usize) {
        text.step(bytes, last)
    }
    // SAFETY: as in `go_avx2`.
    unsafe { inner(text, bytes, last) }
}

pub(super) fn strict_step_avx512(text: &mut strict::Text, bytes: &mut [u8], last: bool) -> (u32, usize) {
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn inner(text: &mut strict::Text, bytes: &mut [u8], last: bool) -> (u32, usize) {
        text.step(bytes, last)
    }
    // SAFETY: as in `go_avx512`.
    unsafe { inner(text, bytes, last) }
}

impl Masks for Avx2 {
    #[inline(always)]
    fn digits(bytes: &[u8; WORD]) -> u64 {
        let [low, high] = halves(bytes);
        // SAFETY: AVX2 is there, since this is reached through `go_avx2` alone (and tests that ask first).
        unsafe { u64::from(digits_of(low)) | u64::from(digits_of(high)) << 32 }
    }

    #[inline(always)]
    fn any_digit(bytes: &[u8; 4 * WORD]) -> bool {
        let (halves, _) = bytes.as_chunks::<32>();
        // SAFETY: as above.
        unsafe {
            let mut least = _mm256_set1_epi8(-1);
            for half in halves {
                least = _mm256_min_epu8(least, _mm256_sub_epi8(load(half), _mm256_set1_epi8(b'0' as i8)));
            }
            let digits = _mm256_cmpeq_epi8(least, _mm256_min_epu8(least, _mm256_set1_epi8(9)));
            _mm256_testz_si256(digits, digits) == 0
        }
    }

    #[inline(always)]
    fn of(bytes: &[u8; WORD], set: &Set) -> u64 {
        let [low, high] = halves(bytes);
        // SAFETY: as above.
        unsafe { u64::from(members(rows_of(low, set))) | u64::from(members(rows_of(high, set))) << 32 }
    }

    #[inline(always)]
    fn any_of(bytes: &[u8; 4 * WORD], set: &Set) -> bool {
        let (halves, _) = bytes.as_chunks::<32>();
        // SAFETY: as above.
        unsafe {
            let mut any = _mm256_setzero_si256();
            for half in halves {
                any = _mm256_or_si256(any, rows_of(half, set));
            }
            _mm256_testz_si256(any, any) == 0
        }
    }

    #[inline(always)]
    fn pairs(first: &[u8; WORD], second: &[u8; WORD], set: &Set) -> u64 {
        let (first, second) = (halves(first), halves(second));
        // SAFETY: as above.
        unsafe {
            let low = members(pairs_of(first[0], second[0], set));
            u64::from(low) | u64::from(members(pairs_of(first[1], second[1], set))) << 32
        }
    }

    #[inline(always)]
    fn fours(bytes: [&[u8; WORD]; 4], sets: &[Set; 2]) -> u64 {
        let [first, second, third, fourth] = bytes.map(halves);
        // SAFETY: as above.
        unsafe {
            let low =
                _mm256_and_si256(pairs_of(first[0], second[0], &sets[0]), pairs_of(third[0], fourth[0], &sets[1]));
            let high =
                _mm256_and_si256(pairs_of(first[1], second[1], &sets[0]), pairs_of(third[1], fourth[1], &sets[1]));
            u64::from(members(low)) | u64::from(members(high)) << 32
        }
    }

    #[inline(always)]
    fn same(first: &[u8; WORD], second: &[u8; WORD]) -> u64 {
        let ([low, high], [low_again, high_again]) = (Self::lanes(first), Self::lanes(second));
        // SAFETY: as above.
        unsafe {
            let low = mask_of(_mm256_cmpeq_epi8(low, low_again));
            let high = mask_of(_mm256_cmpeq_epi8(high, high_again));
            u64::from(low) | u64::from(high) << 32
        }
    }

    type Lanes = [__m256i; 2];

    #[inline(always)]
    fn lanes(bytes: &[u8; WORD]) -> [__m256i; 2] {
        let [low, high] = halves(bytes);
        // SAFETY: as above.
        unsafe { [load(low), load(high)] }
    }

    #[inline(always)]
    fn plus(first: [__m256i; 2], second: [__m256i; 2]) -> [__m256i; 2] {
        // SAFETY: as above.
        unsafe { [_mm256_add_epi8(first[0], second[0]), _mm256_add_epi8(first[1], second[1])] }
    }

    #[inline(always)]
    fn minus(first: [__m256i; 2], second: [__m256i; 2]) -> [__m256i; 2] {
        // SAFETY: as above.
        unsafe { [_mm256_sub_epi8(first[0], second[0]), _mm256_sub_epi8(first[1], second[1])] }
    }

    #[inline(always)]
    fn doubled(bytes: &[u8; WORD]) -> [__m256i; 2] {
        let [low, high] = halves(bytes);
        // SAFETY: as above. A shuffle takes the low nibble of a byte below 0x80 and makes a zero of any other.
        unsafe {
            let doubled = both(&DOUBLED);
            [_mm256_shuffle_epi8(doubled, load(low)), _mm256_shuffle_epi8(doubled, load(high))]
        }
    }

    #[inline(always)]
    fn sixteen(bytes: &[u8; 2 * WORD]) -> [__m256i; 2] {
        let at = |offset: usize| bytes.get(offset..).and_then(|rest| rest.first_chunk()).unwrap_or(&[0; WORD]);
        let last = bytes.get(WORD..).and_then(|rest| rest.first_chunk::<{ WORD / 2 }>()).unwrap_or(&[0; WORD / 2]);
        // SAFETY: as above.
        unsafe {
            let [low, high] = Self::plus(
                Self::plus(Self::doubled(at(0)), Self::lanes(at(1))),
                Self::plus(Self::doubled(at(2)), Self::lanes(at(3))),
            );
            let tail = four_of(last);
            // Four bytes further on, then eight.
            let middle = _mm256_permute2x128_si256::<0x21>(low, high);
            let end = _mm256_permute2x128_si256::<0x21>(high, _mm256_castsi128_si256(tail));
            let low = _mm256_add_epi8(low, _mm256_alignr_epi8::<4>(middle, low));
            let high = _mm256_add_epi8(high, _mm256_alignr_epi8::<4>(end, high));
            let tail = _mm_add_epi8(tail, _mm_srli_si128::<4>(tail));
            let middle = _mm256_permute2x128_si256::<0x21>(low, high);
            let end = _mm256_permute2x128_si256::<0x21>(high, _mm256_castsi128_si256(tail));
            [
                _mm256_add_epi8(low, _mm256_alignr_epi8::<8>(middle, low)),
                _mm256_add_epi8(high, _mm256_alignr_epi8::<8>(end, high)),
            ]
        }
    }

    #[inline(always)]
    fn tenths(sums: [__m256i; 2], singles: usize) -> u64 {
        // SAFETY: as above.
        unsafe { u64::from(tenths_of(sums[0], singles)) | u64::from(tenths_of(sums[1], singles)) << 32 }
    }

    #[inline(always)]
    fn hide(bytes: &mut [u8; WORD], bits: u64) {
        let (halves, _) = bytes.as_chunks_mut::<{ WORD / 2 }>();
        for (half, bits) in halves.iter_mut().zip([bits as u32, (bits >> 32) as u32]) {
            // SAFETY: as above; the load and the store are of the half's 32 bytes.
            unsafe {
                let each = _mm256_shuffle_epi8(_mm256_set1_epi32(bits.cast_signed()), load(&EIGHT_TIMES));
                let bit = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64.cast_signed());
                let chosen = _mm256_cmpeq_epi8(_mm256_and_si256(each, bit), bit);
                let hidden = _mm256_blendv_epi8(load(half), _mm256_set1_epi8(b'*' as i8), chosen);
                _mm256_storeu_si256(half.as_mut_ptr().cast::<__m256i>(), hidden);
            }
        }
    }

    #[inline(always)]
    fn luhn_sum(bytes: &[u8; SPAN_MAX], form: &Form) -> u32 {
        // SAFETY: as above.
        unsafe { luhn_sum(bytes, form) }
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

    #[inline(always)]
    fn any_digit(bytes: &[u8; 4 * WORD]) -> bool {
        let (words, _) = bytes.as_chunks::<WORD>();
        // SAFETY: as above; each load is of a word's 64 bytes.
        unsafe {
            let mut least = _mm512_set1_epi8(-1);
            for word in words {
                let bytes = _mm512_loadu_si512(word.as_ptr().cast::<__m512i>());
                least = _mm512_min_epu8(least, _mm512_sub_epi8(bytes, _mm512_set1_epi8(b'0' as i8)));
            }
            _mm512_cmplt_epu8_mask(least, _mm512_set1_epi8(10)) != 0
        }
    }

    #[inline(always)]
    fn of(bytes: &[u8; WORD], set: &Set) -> u64 {
        // SAFETY: as above.
        unsafe {
            let bytes = _mm512_loadu_si512(bytes.as_ptr().cast::<__m512i>());
            let nibble = _mm512_set1_epi8(15);
            let low = _mm512_shuffle_epi8(all_four(&set.low), _mm512_and_si512(bytes, nibble));
            let high = _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), nibble);
            _mm512_test_epi8_mask(low, _mm512_shuffle_epi8(all_four(&set.high), high))
        }
    }

    #[inline(always)]
    fn any_of(bytes: &[u8; 4 * WORD], set: &Set) -> bool {
        let (words, _) = bytes.as_chunks::<WORD>();
        // SAFETY: as above; each load is of a word's 64 bytes.
        unsafe {
            let (mut any, nibble) = (_mm512_setzero_si512(), _mm512_set1_epi8(15));
            for word in words {
                let bytes = _mm512_loadu_si512(word.as_ptr().cast::<__m512i>());
                let low = _mm512_shuffle_epi8(all_four(&set.low), _mm512_and_si512(bytes, nibble));
                let high = _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), nibble);
                let rows = _mm512_and_si512(low, _mm512_shuffle_epi8(all_four(&set.high), high));
                any = _mm512_or_si512(any, rows);
            }
            _mm512_test_epi8_mask(any, any) != 0
        }
    }

    #[inline(always)]
    fn pairs(first: &[u8; WORD], second: &[u8; WORD], set: &Set) -> u64 {
        // SAFETY: as above.
        unsafe {
            let high = _mm512_shuffle_epi8(all_four(&set.high), Self::lanes(first));
            _mm512_test_epi8_mask(high, _mm512_shuffle_epi8(all_four(&set.low), Self::lanes(second)))
        }
    }

    #[inline(always)]
    fn fours(bytes: [&[u8; WORD]; 4], sets: &[Set; 2]) -> u64 {
        let [first, second, third, fourth] = bytes;
        // SAFETY: as above.
        unsafe {
            let high = _mm512_shuffle_epi8(all_four(&sets[0].high), Self::lanes(first));
            let low = _mm512_shuffle_epi8(all_four(&sets[0].low), Self::lanes(second));
            let high_again = _mm512_shuffle_epi8(all_four(&sets[1].high), Self::lanes(third));
            let low_again = _mm512_shuffle_epi8(all_four(&sets[1].low), Self::lanes(fourth));
            _mm512_test_epi8_mask(_mm512_and_si512(high, low), _mm512_and_si512(high_again, low_again))
        }
    }

    #[inline(always)]
    fn same(first: &[u8; WORD], second: &[u8; WORD]) -> u64 {
        // SAFETY: as above.
        unsafe { _mm512_cmpeq_epi8_mask(Self::lanes(first), Self::lanes(second)) }
    }

    type Lanes = __m512i;

    #[inline(always)]
    fn lanes(bytes: &[u8; WORD]) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_loadu_si512(bytes.as_ptr().cast::<__m512i>()) }
    }

    #[inline(always)]
    fn plus(first: __m512i, second: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_add_epi8(first, second) }
    }

    #[inline(always)]
    fn minus(first: __m512i, second: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_sub_epi8(first, second) }
    }

    #[inline(always)]
    fn doubled(bytes: &[u8; WORD]) -> __m512i {
        // SAFETY: as above. A shuffle takes the low nibble of a byte below 0x80 and makes a zero of any other.
        unsafe { _mm512_shuffle_epi8(all_four(&DOUBLED), Self::lanes(bytes)) }
    }

    #[inline(always)]
    fn sixteen(bytes: &[u8; 2 * WORD]) -> __m512i {
        let at = |offset: usize| bytes.get(offset..).and_then(|rest| rest.first_chunk()).unwrap_or(&[0; WORD]);
        let last = bytes.get(WORD..).and_then(|rest| rest.first_chunk::<{ WORD / 2 }>()).unwrap_or(&[0; WORD / 2]);
        // SAFETY: as above.
        unsafe {
            let here = Self::plus(
                Self::plus(Self::doubled(at(0)), Self::lanes(at(1))),
                Self::plus(Self::doubled(at(2)), Self::lanes(at(3))),
            );
            let tail = four_of(last);
            // Four bytes further on, then eight.
            let lanes = _mm512_alignr_epi64::<2>(_mm512_castsi128_si512(tail), here);
            let here = _mm512_add_epi8(here, _mm512_alignr_epi8::<4>(lanes, here));
            let tail = _mm_add_epi8(tail, _mm_srli_si128::<4>(tail));
            _mm512_add_epi8(here, _mm512_alignr_epi64::<1>(_mm512_castsi128_si512(tail), here))
        }
    }

    #[inline(always)]
    fn tenths(sums: __m512i, singles: usize) -> u64 {
        // SAFETY: as above.
        unsafe {
            let nibble = _mm512_set1_epi8(15);
            let low = _mm512_shuffle_epi8(all_four(&LOW_REST), _mm512_and_si512(sums, nibble));
            let high = _mm512_and_si512(_mm512_srli_epi16::<4>(sums), nibble);
            _mm512_cmpeq_epi8_mask(low, _mm512_shuffle_epi8(all_four(&WANTED_REST[singles]), high))
        }
    }

    #[inline(always)]
    fn hide(bytes: &mut [u8; WORD], bits: u64) {
        // SAFETY: as above; the store is to some of the word's 64 bytes.
        unsafe { _mm512_mask_storeu_epi8(bytes.as_mut_ptr().cast::<i8>(), bits, _mm512_set1_epi8(b'*' as i8)) }
    }

    #[inline(always)]
    fn luhn_sum(bytes: &[u8; SPAN_MAX], form: &Form) -> u32 {
        // SAFETY: AVX2 is there wherever AVX-512 is (`has_avx512`).
        unsafe { luhn_sum(bytes, form) }
    }
}

/// Bytes 0 to 3, eight times each.
const EIGHT_TIMES: [u8; 32] =
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3];
/// What a doubled digit adds: the digit sum of its double.
const DOUBLED: [u8; 16] = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9, 0, 0, 0, 0, 0, 0];

/// The high bit of each byte. The compiler must not see where it comes from: it would join masks as vectors of bits, and take these apart bit
/// by bit where there is no instruction for them.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn mask_of(bytes: __m256i) -> u32 {
    // SAFETY: AVX2 is there, as the caller promises; the assembly is empty.
    unsafe {
        let mut mask = _mm256_movemask_epi8(bytes).cast_unsigned();
        asm!("/* {mask:e} */", mask = inlateout(reg) mask, options(pure, nomem, nostack, preserves_flags));
        mask
    }
}

/// Either half of a word.
#[inline(always)]
fn halves(bytes: &[u8; WORD]) -> [&[u8; WORD / 2]; 2] {
    let (halves, _) = bytes.as_chunks();
    [&halves[0], &halves[1]]
}

/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn load(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: AVX2 is there, as the caller promises; the load is of the array's 32 bytes and needs no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast::<__m256i>()) }
}

/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn digits_of(bytes: &[u8; 32]) -> u32 {
    // SAFETY: AVX2 is there, as the caller promises.
    unsafe {
        // Digits become the ten largest signed bytes.
        let values = _mm256_add_epi8(load(bytes), _mm256_set1_epi8((0x7f - b'9') as i8));
        mask_of(_mm256_cmpgt_epi8(values, _mm256_set1_epi8(0x7f - 10)))
    }
}

/// Of each byte the rows of the set that it is in.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn rows_of(bytes: &[u8; 32], set: &Set) -> __m256i {
    // SAFETY: AVX2 is there, as the caller promises.
    unsafe {
        let (bytes, nibble) = (load(bytes), _mm256_set1_epi8(15));
        let low = _mm256_shuffle_epi8(both(&set.low), _mm256_and_si256(bytes, nibble));
        let high = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), nibble);
        _mm256_and_si256(low, _mm256_shuffle_epi8(both(&set.high), high))
    }
}

/// The bytes that are not zero.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn members(rows: __m256i) -> u32 {
    // SAFETY: AVX2 is there, as the caller promises.
    unsafe { !mask_of(_mm256_cmpeq_epi8(rows, _mm256_setzero_si256())) }
}

/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn tenths_of(sums: __m256i, singles: usize) -> u32 {
    // SAFETY: AVX2 is there, as the caller promises.
    unsafe {
        let nibble = _mm256_set1_epi8(15);
        let low = _mm256_shuffle_epi8(both(&LOW_REST), _mm256_and_si256(sums, nibble));
        let high = _mm256_and_si256(_mm256_srli_epi16::<4>(sums), nibble);
        let wanted = _mm256_shuffle_epi8(both(&WANTED_REST[singles]), high);
        mask_of(_mm256_cmpeq_epi8(low, wanted))
    }
}

/// The rows of the pairs.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn pairs_of(first: &[u8; 32], second: &[u8; 32], set: &Set) -> __m256i {
    // SAFETY: AVX2 is there, as the caller promises.
    unsafe {
        let high = _mm256_shuffle_epi8(both(&set.high), load(first));
        _mm256_and_si256(high, _mm256_shuffle_epi8(both(&set.low), load(second)))
    }
}

/// Of each of 16 positions the sum over four bytes, the first and the third doubled.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn four_of(bytes: &[u8; 32]) -> __m128i {
    // SAFETY: AVX2 is there, as the caller promises; the loads are of 16 of the 32 bytes each, the last from the fourth on.
    unsafe {
        let doubled = _mm256_castsi256_si128(both(&DOUBLED));
        let at = bytes.as_ptr();
        let (first, second) = (_mm_loadu_si128(at.cast::<__m128i>()), _mm_loadu_si128(at.add(1).cast::<__m128i>()));
        let (third, fourth) =
            (_mm_loadu_si128(at.add(2).cast::<__m128i>()), _mm_loadu_si128(at.add(3).cast::<__m128i>()));
        let low = _mm_add_epi8(_mm_shuffle_epi8(doubled, first), second);
        _mm_add_epi8(low, _mm_add_epi8(_mm_shuffle_epi8(doubled, third), fourth))
    }
}

/// A table of nibbles for both lanes.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn both(table: &[u8; 16]) -> __m256i {
    // SAFETY: AVX2 is there, as the caller promises; the load is of the table's 16 bytes.
    unsafe { _mm256_broadcastsi128_si256(_mm_loadu_si128(table.as_ptr().cast::<__m128i>())) }
}

/// The same for four lanes.
///
/// # Safety
/// The processor has AVX-512F.
#[inline(always)]
unsafe fn all_four(table: &[u8; 16]) -> __m512i {
    // SAFETY: AVX-512F is there, as the caller promises; the load is of the table's 16 bytes.
    unsafe { _mm512_broadcast_i32x4(_mm_loadu_si128(table.as_ptr().cast::<__m128i>())) }
}

/// [`Form::luhn_sum`] in a dozen instructions.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn luhn_sum(bytes: &[u8; SPAN_MAX], form: &Form) -> u32 {
    // SAFETY: AVX2 is there, as the caller promises.
    unsafe {
        let values = _mm256_sub_epi8(load(bytes), _mm256_set1_epi8(b'0' as i8));
        let digits = _mm256_and_si256(values, load(&form.digits));
        let added = _mm256_blendv_epi8(digits, _mm256_shuffle_epi8(both(&DOUBLED), digits), load(&form.doubled));
        let sums = _mm256_sad_epu8(added, _mm256_setzero_si256());
        let halves = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
        let sum = _mm_add_epi32(halves, _mm_unpackhi_epi64(halves, halves));
        _mm_cvtsi128_si32(sum).cast_unsigned()
    }
}
