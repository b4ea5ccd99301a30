//! AVX2 and AVX-512BW.
#![allow(unsafe_code, reason = "intrinsics, and calls into code compiled for them")]

use std::arch::x86_64::{
    __m128i, __m256i, __m512i, _mm_add_epi32, _mm_cvtsi128_si32, _mm_loadu_si128, _mm_unpackhi_epi64, _mm256_add_epi8,
    _mm256_and_si256, _mm256_blendv_epi8, _mm256_broadcastsi128_si256, _mm256_castsi256_si128, _mm256_cmpeq_epi8,
    _mm256_cmpgt_epi8, _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8,
    _mm256_or_si256, _mm256_sad_epu8, _mm256_set1_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi16,
    _mm256_sub_epi8, _mm256_testz_si256, _mm512_add_epi8, _mm512_and_si512, _mm512_broadcast_i32x4,
    _mm512_cmpeq_epi8_mask, _mm512_cmplt_epu8_mask, _mm512_loadu_si512, _mm512_min_epu8, _mm512_or_si512,
    _mm512_set1_epi8, _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_srli_epi16, _mm512_sub_epi8,
    _mm512_test_epi8_mask,
};

use super::{Masks, Set, WORD};
use crate::{
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
        text.step::<Avx2>(bytes, last)
    }
    // SAFETY: as in `go_avx2`.
    unsafe { inner(text, bytes, last) }
}

pub(super) fn strict_step_avx512(text: &mut strict::Text, bytes: &mut [u8], last: bool) -> (u32, usize) {
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn inner(text: &mut strict::Text, bytes: &mut [u8], last: bool) -> (u32, usize) {
        text.step::<Avx512>(bytes, last)
    }
    if !(is_x86_feature_detected!("avx512vbmi") && is_x86_feature_detected!("avx512vbmi2")) {
        return strict_step_avx2(text, bytes, last); // the first processors with AVX-512 lack them
    }
    // SAFETY: as in `go_avx512`, and the two that were just asked for.
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
    fn separators(bytes: &[u8; WORD]) -> u64 {
        let [low, high] = halves(bytes);
        // SAFETY: as above.
        unsafe { u64::from(leads_of(low)) | u64::from(leads_of(high)) << 32 }
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
    fn tenths(rows: &[&[u8; WORD]]) -> u64 {
        // SAFETY: as above.
        unsafe {
            let (mut low, mut high) = (_mm256_setzero_si256(), _mm256_setzero_si256());
            for row in rows {
                let halves = halves(row);
                low = _mm256_add_epi8(low, load(halves[0]));
                high = _mm256_add_epi8(high, load(halves[1]));
            }
            u64::from(tenths_of(low)) | u64::from(tenths_of(high)) << 32
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
    fn separators(bytes: &[u8; WORD]) -> u64 {
        // SAFETY: as above.
        unsafe {
            let bytes = _mm512_loadu_si512(bytes.as_ptr().cast::<__m512i>());
            let nibble = _mm512_set1_epi8(15);
            let low = _mm512_shuffle_epi8(all_four(&LEAD_LOW), _mm512_and_si512(bytes, nibble));
            let high = _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), nibble);
            _mm512_test_epi8_mask(low, _mm512_shuffle_epi8(all_four(&LEAD_HIGH), high))
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
    fn tenths(rows: &[&[u8; WORD]]) -> u64 {
        // SAFETY: as above; each load is of a row's 64 bytes.
        unsafe {
            let mut sums = _mm512_setzero_si512();
            for row in rows {
                sums = _mm512_add_epi8(sums, _mm512_loadu_si512(row.as_ptr().cast::<__m512i>()));
            }
            let nibble = _mm512_set1_epi8(15);
            let low = _mm512_shuffle_epi8(all_four(&LOW_REST), _mm512_and_si512(sums, nibble));
            let high = _mm512_and_si512(_mm512_srli_epi16::<4>(sums), nibble);
            let rest = _mm512_add_epi8(low, _mm512_shuffle_epi8(all_four(&HIGH_REST), high));
            _mm512_cmpeq_epi8_mask(rest, _mm512_setzero_si512()) | _mm512_cmpeq_epi8_mask(rest, _mm512_set1_epi8(10))
        }
    }

    #[inline(always)]
    fn luhn_sum(bytes: &[u8; SPAN_MAX], form: &Form) -> u32 {
        // SAFETY: AVX2 is there wherever AVX-512 is (`has_avx512`).
        unsafe { luhn_sum(bytes, form) }
    }
}

/// The bytes that may begin a separator by their nibbles: one bit for each high nibble (2, a, c, e).
const LEAD_LOW: [u8; 16] = [1 | 2, 0, 4 | 8, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0];
const LEAD_HIGH: [u8; 16] = [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 4, 0, 8, 0];
/// What a byte leaves when it is divided by ten, by its nibbles: n and 16 n.
const LOW_REST: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5];
const HIGH_REST: [u8; 16] = [0, 6, 2, 8, 4, 0, 6, 2, 8, 4, 0, 6, 2, 8, 4, 0];
/// What a doubled digit adds: the digit sum of its double.
const DOUBLED: [u8; 16] = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9, 0, 0, 0, 0, 0, 0];

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
        let values = _mm256_sub_epi8(load(bytes), _mm256_set1_epi8(b'0' as i8));
        let least = _mm256_min_epu8(values, _mm256_set1_epi8(9));
        _mm256_movemask_epi8(_mm256_cmpeq_epi8(values, least)).cast_unsigned()
    }
}

/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn leads_of(bytes: &[u8; 32]) -> u32 {
    // SAFETY: AVX2 is there, as the caller promises.
    unsafe {
        let (bytes, nibble) = (load(bytes), _mm256_set1_epi8(15));
        let low = _mm256_shuffle_epi8(both(&LEAD_LOW), _mm256_and_si256(bytes, nibble));
        let high = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), nibble);
        let leads = _mm256_and_si256(low, _mm256_shuffle_epi8(both(&LEAD_HIGH), high));
        _mm256_movemask_epi8(_mm256_cmpgt_epi8(leads, _mm256_setzero_si256())).cast_unsigned()
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
    unsafe { !_mm256_movemask_epi8(_mm256_cmpeq_epi8(rows, _mm256_setzero_si256())).cast_unsigned() }
}

/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn tenths_of(sums: __m256i) -> u32 {
    // SAFETY: AVX2 is there, as the caller promises.
    unsafe {
        let nibble = _mm256_set1_epi8(15);
        let low = _mm256_shuffle_epi8(both(&LOW_REST), _mm256_and_si256(sums, nibble));
        let high = _mm256_and_si256(_mm256_srli_epi16::<4>(sums), nibble);
        let rest = _mm256_add_epi8(low, _mm256_shuffle_epi8(both(&HIGH_REST), high));
        let zero = _mm256_cmpeq_epi8(rest, _mm256_setzero_si256());
        _mm256_movemask_epi8(_mm256_or_si256(zero, _mm256_cmpeq_epi8(rest, _mm256_set1_epi8(10)))).cast_unsigned()
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
