//! 64 bytes in one register.

use std::arch::x86_64::{
    __m128i, __m256i, __m512i, _bzhi_u32, _mm_loadu_si128, _mm256_castsi128_si256, _mm256_inserti128_si256,
    _mm256_loadu_si256, _mm256_maskz_compress_epi32, _mm256_min_epu32, _mm256_or_si256, _mm256_set1_epi32,
    _mm256_slli_epi32, _mm256_storeu_si256, _mm512_add_epi8, _mm512_add_epi32, _mm512_add_epi64, _mm512_and_si512,
    _mm512_broadcast_i32x4, _mm512_castsi256_si512, _mm512_castsi512_si256, _mm512_cmpeq_epi8_mask,
    _mm512_cmplt_epu8_mask, _mm512_cvtepi64_epi32, _mm512_inserti64x4, _mm512_loadu_si512, _mm512_lzcnt_epi64,
    _mm512_madd_epi16, _mm512_maddubs_epi16, _mm512_mask_cmplt_epu16_mask, _mm512_mask_shuffle_epi8,
    _mm512_mask_storeu_epi8, _mm512_maskz_compress_epi64, _mm512_min_epu8, _mm512_movepi8_mask, _mm512_mullo_epi16,
    _mm512_or_si512, _mm512_packus_epi32, _mm512_permutexvar_epi64, _mm512_sad_epu8, _mm512_set_epi64,
    _mm512_set1_epi8, _mm512_set1_epi16, _mm512_set1_epi32, _mm512_set1_epi64, _mm512_setzero_si512,
    _mm512_shuffle_epi8, _mm512_shuffle_epi32, _mm512_srli_epi16, _mm512_sub_epi8, _mm512_sub_epi64,
    _mm512_test_epi8_mask, _mm512_test_epi64_mask, _mm512_unpacklo_epi32, _mm512_xor_si512, _pext_u32,
};

use super::{
    Avx512,
    avx2::{DOUBLED, luhn_sum, sort},
};
use crate::{
    arch::{Masks, Set, WORD},
    balanced::block::{AHEAD, Block, WORDS},
    balanced::form::{Form, SPAN_MAX},
    balanced::fours,
    balanced::places::{FEW, HEAD, Places},
    balanced::run::{Run, Stop},
    balanced::sieve::{self, Input},
    balanced::sorted::{Numbers, Sorted},
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
    fn list(starts: &[u64; WORDS], places: &mut Places) {
        // SAFETY: as above, and AVX-512CD.
        unsafe { list(starts, places) }
    }

    #[inline(always)]
    fn list_few(starts: &[u64; WORDS], places: &mut Places) -> bool {
        // SAFETY: as above.
        unsafe { list_few(starts, places) }
    }

    #[inline(always)]
    fn weigh(bytes: &[u8], places: &mut Places, form: &Form) {
        if bytes.len() < SPAN_MAX {
            return sieve::weigh_each::<Self>(bytes, places, form);
        }
        // SAFETY: as above, AVX2 and BMI2 too; a number of any form can be read whole.
        unsafe { if form.span > 16 { weigh::<true>(bytes, places, form) } else { weigh::<false>(bytes, places, form) } }
    }

    #[inline(always)]
    fn sort(sorted: &mut Sorted, numbers: Numbers<'_>) {
        // SAFETY: AVX2 and the rest are there, as above.
        unsafe { sort(sorted, numbers) }
    }

    #[inline(always)]
    fn sifted(run: &mut Run<'_, '_>, block: &Block, sorted: &Sorted) -> Option<Stop> {
        // SAFETY: AVX-512BW and the rest are there, as above.
        unsafe { sifted(run, block, sorted) }
    }

    const AT_ONCE: bool = true;

    #[inline(always)]
    fn fours(sorted: &mut Sorted, starts: fours::Starts<'_>, input: Input<'_>) -> usize {
        // SAFETY: AVX-512BW and the rest are there, as above.
        unsafe { all_fours(sorted, starts, input) }
    }

    #[inline(always)]
    fn tell_accounts(sorted: &mut Sorted, input: Input<'_>) {
        // SAFETY: as above.
        unsafe { tell_accounts(sorted, input) }
    }

    #[inline(always)]
    fn fours_bound(starts: fours::Starts<'_>, input: Input<'_>, hidden: &mut [u64; WORDS + AHEAD]) -> usize {
        // SAFETY: as above.
        unsafe { bound_of_fours(starts, input, hidden) }
    }

    #[inline(always)]
    fn equal(bytes: &[u8; WORD], byte: u8) -> u64 {
        // SAFETY: as above.
        unsafe {
            let bytes = _mm512_loadu_si512(bytes.as_ptr().cast::<__m512i>());
            _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(byte.cast_signed()))
        }
    }

    #[inline(always)]
    fn put(bytes: &mut [u8; WORD], bits: u64, byte: u8) {
        // SAFETY: as above; the store is to some of the word's 64 bytes.
        unsafe { _mm512_mask_storeu_epi8(bytes.as_mut_ptr().cast::<i8>(), bits, _mm512_set1_epi8(byte.cast_signed())) }
    }

    #[inline(always)]
    fn luhn_sum(bytes: &[u8; SPAN_MAX], form: &Form) -> u32 {
        // SAFETY: AVX2 is there wherever AVX-512 is (`has_avx512`).
        unsafe { luhn_sum(bytes, form) }
    }
}

/// The lowest bits of eight words at a time, as long as there are any.
///
/// # Safety
/// The processor has AVX-512CD, AVX-512DQ and AVX-512VL.
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn list(starts: &[u64; WORDS], places: &mut Places) {
    // The place of bit 63 of each of eight words, then of the next eight.
    const LAST: [u64; 8] = [63, 127, 191, 255, 319, 383, 447, 511];
    let (eights, _) = starts.as_chunks::<8>();
    for (index, eight) in eights.iter().enumerate() {
        // SAFETY: the features are there, as the caller promises; loads and the store are of arrays.
        unsafe {
            let first = _mm512_set1_epi64((index * 8 * WORD) as i64);
            let last = _mm512_add_epi64(_mm512_loadu_si512(LAST.as_ptr().cast::<__m512i>()), first);
            let mut rest = _mm512_loadu_si512(eight.as_ptr().cast::<__m512i>());
            let mut any = _mm512_test_epi64_mask(rest, rest);
            while any != 0 {
                let fewer = _mm512_and_si512(rest, _mm512_add_epi64(rest, _mm512_set1_epi64(-1)));
                let place = _mm512_sub_epi64(last, _mm512_lzcnt_epi64(_mm512_xor_si512(rest, fewer)));
                if let Some(slots) = places.eight_mut(places.count()) {
                    let packed = _mm512_cvtepi64_epi32(_mm512_maskz_compress_epi64(any, place));
                    _mm256_storeu_si256(slots.as_mut_ptr().cast::<__m256i>(), packed);
                }
                places.add(any.count_ones() as usize);
                rest = fewer;
                any = _mm512_test_epi64_mask(rest, rest);
            }
        }
    }
}

/// The bits of at most [`FEW`] words where each has one alone, without a branch for any; else false.
///
/// # Safety
/// As for `list`.
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn list_few(starts: &[u64; WORDS], places: &mut Places) -> bool {
    let (eights, _) = starts.as_chunks::<8>();
    // SAFETY: the features are there, as the caller promises; each load is of eight words.
    let busy = eights.iter().enumerate().fold(0, |busy, (index, eight)| unsafe {
        let words = _mm512_loadu_si512(eight.as_ptr().cast::<__m512i>());
        busy | u64::from(_mm512_test_epi64_mask(words, words)) << (8 * index)
    });
    let (mut rest, mut more) = (busy, 0);
    let Some(slots) = places.eight_mut(places.count()) else { return false };
    for slot in slots.iter_mut().take(FEW) {
        let word = rest.trailing_zeros() as usize % WORDS;
        let bits = starts[word];
        *slot = (word * WORD) as u32 + bits.trailing_zeros();
        more |= bits & bits.wrapping_sub(1);
        rest &= rest.wrapping_sub(1);
    }
    if rest | more != 0 {
        return false;
    }
    places.add(busy.count_ones() as usize);
    true
}

/// Eight numbers at a time, four to a register, each in 16 bytes or, where they are `WIDE`, in two times 16.
///
/// # Safety
/// The processor has AVX-512BW, AVX-512VL and BMI2; `bytes` are at least `SPAN_MAX`.
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn weigh<const WIDE: bool>(bytes: &[u8], places: &mut Places, form: &Form) {
    let last = bytes.len() - SPAN_MAX;
    let (mut read, mut kept) = (0, 0);
    // SAFETY: the features are there, as the caller promises. Each place is at most `last`, so 32 bytes from it on are within `bytes`; the other
    // loads and the store are of arrays.
    unsafe {
        let (digits, doubled) = (halves_of(&form.digits), halves_of(&form.doubled));
        let doubled = doubled.map(|half| _mm512_movepi8_mask(half));
        let values = digits.map(|half| _mm512_and_si512(half, _mm512_set1_epi8(15)));
        let (double, zero) = (all_four(&DOUBLED), _mm512_setzero_si512());
        // A sum that ends in zero is the only one whose product with a tenth of 2^16, rounded up, is so small modulo 2^16.
        let tenth = 6554;
        let [tens, hundreds] = [_mm512_set1_epi16(1 << 8 | 10), _mm512_set1_epi32(1 << 16 | 100)];
        let firsts = _mm512_set_epi64(0, 0, 0, 0, 6, 4, 2, 0);
        let [tenths, limit] = [_mm512_set1_epi32(tenth), _mm512_set1_epi16(tenth as i16)];
        while read < places.count() {
            let eight = _mm256_loadu_si256(places.eight(read).as_ptr().cast::<__m256i>());
            let mut at = [0_u32; 8];
            let within = _mm256_min_epu32(eight, _mm256_set1_epi32(last.min(i32::MAX as usize) as i32));
            _mm256_storeu_si256(at.as_mut_ptr().cast::<__m256i>(), within);
            let weighed = |first: usize| {
                let four = |offset: usize| {
                    let one = |index: usize| {
                        _mm_loadu_si128(bytes.as_ptr().add(at[first + 2 * index] as usize + offset).cast::<__m128i>())
                    };
                    let low = _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(one(0)), one(1));
                    let high = _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(one(2)), one(3));
                    _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high)
                };
                let digits = |half: usize| _mm512_and_si512(four(16 * half), values[half]);
                let added =
                    |half: usize, digits: __m512i| _mm512_mask_shuffle_epi8(digits, doubled[half], double, digits);
                let front = digits(0);
                let sums = if WIDE { _mm512_add_epi8(added(0, front), added(1, digits(1))) } else { added(0, front) };
                (_mm512_sad_epu8(sums, zero), _mm512_madd_epi16(_mm512_maddubs_epi16(front, tens), hundreds))
            };
            let ((even, even_heads), (odd, odd_heads)) = (weighed(0), weighed(1));
            // The first double word of each lane is a head.
            let heads = _mm512_permutexvar_epi64(firsts, _mm512_unpacklo_epi32(even_heads, odd_heads));
            let eight = _mm256_or_si256(eight, _mm256_slli_epi32::<{ HEAD as i32 }>(_mm512_castsi512_si256(heads)));
            // Four words to a lane: two halves of an even number's sum, two of an odd one's.
            let halves = _mm512_packus_epi32(even, odd);
            let sums = _mm512_add_epi32(halves, _mm512_shuffle_epi32::<0b10_11_00_01>(halves));
            let right = _mm512_mask_cmplt_epu16_mask(0x1111_1111, _mm512_mullo_epi16(sums, tenths), limit);
            let right = _bzhi_u32(_pext_u32(right, 0x1111_1111), (places.count() - read).min(8) as u32);
            if let Some(slots) = places.eight_mut(kept) {
                let packed = _mm256_maskz_compress_epi32(right as u8, eight);
                _mm256_storeu_si256(slots.as_mut_ptr().cast::<__m256i>(), packed);
            }
            kept += right.count_ones() as usize;
            read += 8;
        }
    }
    places.keep(kept);
}

/// [`Run::sifted`], compiled on its own: the loop over blocks is the faster for what is not in it.
///
/// # Safety
/// As for `list`.
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn sifted(run: &mut Run<'_, '_>, block: &Block, sorted: &Sorted) -> Option<Stop> {
    run.sifted::<Avx512>(block, sorted)
}

/// [`fours::sort`], compiled on its own.
///
/// # Safety
/// The processor has AVX-512BW and all that `list` is compiled for.
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn all_fours(sorted: &mut Sorted, starts: fours::Starts<'_>, input: Input<'_>) -> usize {
    fours::sort::<Avx512>(sorted, starts, input)
}

/// [`fours::tell`], compiled on its own.
///
/// # Safety
/// As for `all_fours`.
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn tell_accounts(sorted: &mut Sorted, input: Input<'_>) {
    fours::tell::<Avx512>(sorted, input);
}

/// [`fours::bound`], compiled on its own.
///
/// # Safety
/// As for `list`.
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn bound_of_fours(starts: fours::Starts<'_>, input: Input<'_>, hidden: &mut [u64; WORDS + AHEAD]) -> usize {
    fours::bound::<Avx512>(starts, input, hidden)
}

/// Both halves of a form's bytes, each in all four lanes.
///
/// # Safety
/// The processor has AVX-512F.
#[inline(always)]
unsafe fn halves_of(bytes: &[u8; SPAN_MAX]) -> [__m512i; 2] {
    let (halves, _) = bytes.as_chunks::<16>();
    // SAFETY: AVX-512F is there, as the caller promises.
    unsafe { [all_four(&halves[0]), all_four(&halves[1])] }
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
