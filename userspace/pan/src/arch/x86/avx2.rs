//! 64 bytes in two registers.

use std::arch::{
    asm,
    x86_64::{
        __m128i, __m256i, _mm_add_epi8, _mm_add_epi32, _mm_cvtsi128_si32, _mm_loadu_si128, _mm_shuffle_epi8,
        _mm_srli_si128, _mm_unpackhi_epi64, _mm256_add_epi8, _mm256_alignr_epi8, _mm256_and_si256, _mm256_blendv_epi8,
        _mm256_broadcastsi128_si256, _mm256_castsi128_si256, _mm256_castsi256_si128, _mm256_cmpeq_epi8,
        _mm256_cmpgt_epi8, _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8,
        _mm256_or_si256, _mm256_permute2x128_si256, _mm256_sad_epu8, _mm256_set1_epi8, _mm256_set1_epi32,
        _mm256_set1_epi64x, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi16, _mm256_storeu_si256,
        _mm256_sub_epi8, _mm256_testz_si256,
    },
};

use super::Avx2;
use crate::{
    arch::{LOW_REST, Masks, Set, WANTED_REST, WORD},
    balanced::form::{Form, SPAN_MAX},
};

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

    const SIEVES: bool = true;

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

/// Bytes 0 to 3, eight times each.
const EIGHT_TIMES: [u8; 32] =
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3];
/// What a doubled digit adds: the digit sum of its double.
pub(super) const DOUBLED: [u8; 16] = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9, 0, 0, 0, 0, 0, 0];

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
pub(super) unsafe fn load(bytes: &[u8; 32]) -> __m256i {
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
pub(super) unsafe fn four_of(bytes: &[u8; 32]) -> __m128i {
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
pub(super) unsafe fn both(table: &[u8; 16]) -> __m256i {
    // SAFETY: AVX2 is there, as the caller promises; the load is of the table's 16 bytes.
    unsafe { _mm256_broadcastsi128_si256(_mm_loadu_si128(table.as_ptr().cast::<__m128i>())) }
}

/// [`Form::luhn_sum`] in a dozen instructions.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
pub(super) unsafe fn luhn_sum(bytes: &[u8; SPAN_MAX], form: &Form) -> u32 {
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
