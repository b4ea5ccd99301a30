//! 64 bytes in one register.

use std::arch::x86_64::{
    __m128i, __m512i, _mm_add_epi8, _mm_loadu_si128, _mm_srli_si128, _mm512_add_epi8, _mm512_alignr_epi8,
    _mm512_alignr_epi64, _mm512_and_si512, _mm512_broadcast_i32x4, _mm512_castsi128_si512, _mm512_cmpeq_epi8_mask,
    _mm512_cmplt_epu8_mask, _mm512_loadu_si512, _mm512_mask_storeu_epi8, _mm512_min_epu8, _mm512_or_si512,
    _mm512_set1_epi8, _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_srli_epi16, _mm512_sub_epi8,
    _mm512_test_epi8_mask,
};

use super::{
    Avx512,
    avx2::{DOUBLED, four_of, luhn_sum},
};
use crate::{
    arch::{LOW_REST, Masks, Set, WANTED_REST, WORD},
    balanced::form::{Form, SPAN_MAX},
};

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

    const SIEVES: bool = true;

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

/// A table of nibbles for all four lanes.
///
/// # Safety
/// The processor has AVX-512F.
#[inline(always)]
unsafe fn all_four(table: &[u8; 16]) -> __m512i {
    // SAFETY: AVX-512F is there, as the caller promises; the load is of the table's 16 bytes.
    unsafe { _mm512_broadcast_i32x4(_mm_loadu_si128(table.as_ptr().cast::<__m128i>())) }
}
