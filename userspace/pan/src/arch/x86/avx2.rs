//! 64 bytes in two registers.

use std::arch::{
    asm,
    x86_64::{
        __m128i, __m256i, _bzhi_u32, _mm_add_epi32, _mm_cvtsi128_si32, _mm_loadu_si128, _mm_or_si128, _mm_slli_epi32,
        _mm_storeu_si128, _mm_unpackhi_epi64, _mm256_add_epi8, _mm256_add_epi32, _mm256_and_si256, _mm256_blendv_epi8,
        _mm256_broadcastsi128_si256, _mm256_castsi128_si256, _mm256_castsi256_si128, _mm256_cmpeq_epi8,
        _mm256_cmpeq_epi16, _mm256_cmpgt_epi8, _mm256_extracti128_si256, _mm256_inserti128_si256, _mm256_loadu_si256,
        _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_min_epu8, _mm256_min_epu16, _mm256_movemask_epi8,
        _mm256_mullo_epi16, _mm256_or_si256, _mm256_packus_epi32, _mm256_permute4x64_epi64, _mm256_sad_epu8,
        _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_epi64x, _mm256_setzero_si256,
        _mm256_shuffle_epi8, _mm256_shuffle_epi32, _mm256_srli_epi16, _mm256_storeu_si256, _mm256_sub_epi8,
        _mm256_testz_si256, _mm256_unpacklo_epi32, _pext_u32,
    },
};

use super::Avx2;
use crate::{
    arch::{Masks, Set, WORD},
    balanced::block::{AHEAD, Block, WORDS},
    balanced::form::{Form, SPAN_MAX},
    balanced::fours,
    balanced::places::{HEAD, Places},
    balanced::run::{Run, Stop},
    balanced::sieve::{self, Input},
    balanced::sorted::{Numbers, Sorted},
};

impl Masks for Avx2 {
    #[inline(always)]
    fn digits(bytes: &[u8; WORD]) -> u64 {
        let [low, high] = halves(bytes);
        // SAFETY: AVX2 is there, since this is reached through `go_avx2` alone (and tests that ask first).
        unsafe { u64::from(digits_of(low)) | u64::from(digits_of(high)) << 32 }
    }

    /// Four words a step: a word takes a dozen instructions, and how fast a loop of so few is depends on where the linker puts it.
    #[inline(always)]
    fn all_digits(words: &[[u8; WORD]], slots: &mut [u64]) {
        let ((fours, words), (four_slots, slots)) = (words.as_chunks::<4>(), slots.as_chunks_mut::<4>());
        for (slots, words) in four_slots.iter_mut().zip(fours) {
            for (slot, word) in slots.iter_mut().zip(words) {
                *slot = Self::digits(word);
            }
        }
        for (slot, word) in slots.iter_mut().zip(words) {
            *slot = Self::digits(word);
        }
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
    fn weigh(bytes: &[u8], places: &mut Places, form: &Form) {
        if bytes.len() < SPAN_MAX {
            return sieve::weigh_each::<Self>(bytes, places, form);
        }
        // SAFETY: as above, and BMI2 with it; a number of any form can be read whole.
        unsafe { if form.span > 16 { weigh::<true>(bytes, places, form) } else { weigh::<false>(bytes, places, form) } }
    }

    #[inline(always)]
    fn sort(sorted: &mut Sorted, numbers: Numbers<'_>) {
        // SAFETY: AVX2 and the rest are there, as above.
        unsafe { sort(sorted, numbers) }
    }

    #[inline(always)]
    fn sifted(run: &mut Run<'_, '_>, block: &Block, sorted: &Sorted) -> Option<Stop> {
        // SAFETY: AVX2 and the rest are there, as above.
        unsafe { sifted(run, block, sorted) }
    }

    const AT_ONCE: bool = true;

    #[inline(always)]
    fn fours(sorted: &mut Sorted, starts: fours::Starts<'_>, input: Input<'_>) -> usize {
        // SAFETY: AVX2 and the rest are there, as above.
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
        let [low, high] = halves(bytes);
        // SAFETY: as above.
        unsafe {
            let is = |half| mask_of(_mm256_cmpeq_epi8(load(half), _mm256_set1_epi8(byte.cast_signed())));
            u64::from(is(low)) | u64::from(is(high)) << 32
        }
    }

    #[inline(always)]
    fn put(bytes: &mut [u8; WORD], bits: u64, byte: u8) {
        let (halves, _) = bytes.as_chunks_mut::<{ WORD / 2 }>();
        for (half, bits) in halves.iter_mut().zip([bits as u32, (bits >> 32) as u32]) {
            // SAFETY: as above; the load and the store are of the half's 32 bytes.
            unsafe {
                let each = _mm256_shuffle_epi8(_mm256_set1_epi32(bits.cast_signed()), load(&EIGHT_TIMES));
                let bit = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64.cast_signed());
                let chosen = _mm256_cmpeq_epi8(_mm256_and_si256(each, bit), bit);
                let changed = _mm256_blendv_epi8(load(half), _mm256_set1_epi8(byte.cast_signed()), chosen);
                _mm256_storeu_si256(half.as_mut_ptr().cast::<__m256i>(), changed);
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

/// A table of nibbles for both lanes.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn both(table: &[u8; 16]) -> __m256i {
    // SAFETY: AVX2 is there, as the caller promises; the load is of the table's 16 bytes.
    unsafe { _mm256_broadcastsi128_si256(_mm_loadu_si128(table.as_ptr().cast::<__m128i>())) }
}

/// Four numbers at a time, two to a register, each in 16 bytes or, where they are `WIDE`, in two times 16.
///
/// # Safety
/// The processor has AVX2 and BMI2; `bytes` are at least `SPAN_MAX`.
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn weigh<const WIDE: bool>(bytes: &[u8], places: &mut Places, form: &Form) {
    let last = bytes.len() - SPAN_MAX;
    let (mut read, mut kept) = (0, 0);
    // SAFETY: the features are there, as the caller promises. Each place is at most `last`, so 32 bytes from it on are within `bytes`.
    unsafe {
        let (digits, doubled) = (halves_of(&form.digits), halves_of(&form.doubled));
        let values = digits.map(|half| _mm256_and_si256(half, _mm256_set1_epi8(15)));
        let (double, zero) = (both(&DOUBLED), _mm256_setzero_si256());
        // A sum that ends in zero is the only one whose product with a tenth of 2^16, rounded up, is so small modulo 2^16.
        let tenth = 6554;
        let [tens, hundreds] = [_mm256_set1_epi16(1 << 8 | 10), _mm256_set1_epi32(1 << 16 | 100)];
        let [tenths, limit] = [_mm256_set1_epi32(tenth), _mm256_set1_epi16(tenth as i16 - 1)];
        while read < places.count() {
            let [first, second, third, fourth, ..] = *places.eight(read);
            let at = [first, second, third, fourth].map(|place| (place as usize).min(last));
            let weighed = |first: usize| {
                let digits = |half: usize| {
                    let one =
                        |index: usize| _mm_loadu_si128(bytes.as_ptr().add(at[index] + 16 * half).cast::<__m128i>());
                    let two = _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(one(first)), one(first + 2));
                    _mm256_and_si256(two, values[half])
                };
                let added = |half: usize, digits: __m256i| {
                    _mm256_blendv_epi8(digits, _mm256_shuffle_epi8(double, digits), doubled[half])
                };
                let front = digits(0);
                let sums = if WIDE { _mm256_add_epi8(added(0, front), added(1, digits(1))) } else { added(0, front) };
                (_mm256_sad_epu8(sums, zero), _mm256_madd_epi16(_mm256_maddubs_epi16(front, tens), hundreds))
            };
            let ((even, even_heads), (odd, odd_heads)) = (weighed(0), weighed(1));
            // The first double word of each lane is a head.
            let heads = _mm256_permute4x64_epi64::<0b10_00>(_mm256_unpacklo_epi32(even_heads, odd_heads));
            let heads = _mm_slli_epi32::<{ HEAD as i32 }>(_mm256_castsi256_si128(heads));
            let mut four = [0_u32; 4];
            let place = _mm_loadu_si128(places.eight(read).as_ptr().cast::<__m128i>());
            _mm_storeu_si128(four.as_mut_ptr().cast::<__m128i>(), _mm_or_si128(place, heads));
            // Four words to a lane: two halves of an even number's sum, two of an odd one's.
            let halves = _mm256_packus_epi32(even, odd);
            let sums = _mm256_add_epi32(halves, _mm256_shuffle_epi32::<0b10_11_00_01>(halves));
            let products = _mm256_mullo_epi16(sums, tenths);
            let right = mask_of(_mm256_cmpeq_epi16(_mm256_min_epu16(products, limit), products));
            let right = _bzhi_u32(_pext_u32(right, 0x0101_0101), (places.count() - read).min(4) as u32);
            if let Some(slots) = places.eight_mut(kept) {
                let mut count = 0;
                for (index, place) in four.into_iter().enumerate() {
                    slots[count] = place;
                    count += (right >> index & 1) as usize;
                }
            }
            kept += right.count_ones() as usize;
            read += 4;
        }
    }
    places.keep(kept);
}

/// [`Sorted::add`], compiled on its own.
///
/// # Safety
/// The processor has AVX2, BMI1 and BMI2, LZCNT and POPCNT.
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
pub(super) unsafe fn sort(sorted: &mut Sorted, numbers: Numbers<'_>) {
    sorted.add(numbers);
}

/// [`Run::sifted`], compiled on its own: the loop over blocks is the faster for what is not in it.
///
/// # Safety
/// As for `sort`.
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn sifted(run: &mut Run<'_, '_>, block: &Block, sorted: &Sorted) -> Option<Stop> {
    run.sifted::<Avx2>(block, sorted)
}

/// [`fours::sort`], compiled on its own.
///
/// # Safety
/// As for `sort`.
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn all_fours(sorted: &mut Sorted, starts: fours::Starts<'_>, input: Input<'_>) -> usize {
    fours::sort::<Avx2>(sorted, starts, input)
}

/// [`fours::tell`], compiled on its own.
///
/// # Safety
/// As for `all_fours`.
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn tell_accounts(sorted: &mut Sorted, input: Input<'_>) {
    fours::tell::<Avx2>(sorted, input);
}

/// [`fours::bound`], compiled on its own.
///
/// # Safety
/// As for `sort`.
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn bound_of_fours(starts: fours::Starts<'_>, input: Input<'_>, hidden: &mut [u64; WORDS + AHEAD]) -> usize {
    fours::bound::<Avx2>(starts, input, hidden)
}

/// Both halves of a form's bytes, each in both lanes.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn halves_of(bytes: &[u8; SPAN_MAX]) -> [__m256i; 2] {
    let (halves, _) = bytes.as_chunks::<16>();
    // SAFETY: AVX2 is there, as the caller promises.
    unsafe { [both(&halves[0]), both(&halves[1])] }
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
