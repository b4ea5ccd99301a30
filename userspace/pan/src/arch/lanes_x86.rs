//! The same for AVX2 and AVX-512.
#![allow(unsafe_code, reason = "intrinsics")]

use std::arch::x86_64::{
    __m128i, __m256i, __m512i, __mmask64, _mm_loadu_si128, _mm256_add_epi8, _mm256_and_si256,
    _mm256_broadcastsi128_si256, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_max_epu8, _mm256_min_epu8,
    _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8,
    _mm256_srli_epi16, _mm256_storeu_si256, _mm256_sub_epi8, _mm256_subs_epu8, _mm512_add_epi8, _mm512_and_si512,
    _mm512_broadcast_i32x4, _mm512_cmpeq_epi8_mask, _mm512_cmple_epu8_mask, _mm512_loadu_si512, _mm512_mask_add_epi8,
    _mm512_mask_mov_epi8, _mm512_mask_test_epi8_mask, _mm512_maskz_compress_epi8, _mm512_maskz_mov_epi8,
    _mm512_max_epu8, _mm512_min_epu8, _mm512_or_si512, _mm512_permutex2var_epi8, _mm512_set1_epi8, _mm512_shuffle_epi8,
    _mm512_srli_epi16, _mm512_storeu_si512, _mm512_sub_epi8, _mm512_subs_epu8, _mm512_test_epi8_mask, _pdep_u64,
    _pext_u64,
};

use super::{
    WORD,
    lanes::{Lanes, Strict},
    x86::{Avx2, Avx512},
};

/// 32 bytes. Made only in code that is compiled for AVX2 and reached through a backend that has it.
#[derive(Clone, Copy)]
pub(crate) struct Half(__m256i);

/// 64 bytes. Made only in code that is compiled for AVX-512BW, VBMI and VBMI2 and reached where the processor has them.
#[derive(Clone, Copy)]
pub(crate) struct Whole(__m512i);

impl Lanes for Half {
    const COUNT: usize = 32;
    type Which = __m256i;

    #[inline(always)]
    fn load(row: &[u8], at: usize) -> Half {
        let bytes: Option<&[u8; 32]> = row.get(at..).and_then(|rest| rest.first_chunk());
        let Some(bytes) = bytes else { return Half::all(0) };
        // SAFETY: AVX2 is there, since lanes are used below `strict_step_avx2` alone. The load is of an array's 32 bytes.
        unsafe { Half(_mm256_loadu_si256(bytes.as_ptr().cast::<__m256i>())) }
    }

    #[inline(always)]
    fn store(self, row: &mut [u8], at: usize) {
        let bytes: Option<&mut [u8; 32]> = row.get_mut(at..).and_then(|rest| rest.first_chunk_mut());
        if let Some(bytes) = bytes {
            // SAFETY: as above; the store is of an array's 32 bytes.
            unsafe { _mm256_storeu_si256(bytes.as_mut_ptr().cast::<__m256i>(), self.0) }
        }
    }

    #[inline(always)]
    fn all(byte: u8) -> Half {
        // SAFETY: as above.
        unsafe { Half(_mm256_set1_epi8(byte.cast_signed())) }
    }

    #[inline(always)]
    fn plus(self, other: Half) -> Half {
        // SAFETY: as above.
        unsafe { Half(_mm256_add_epi8(self.0, other.0)) }
    }

    #[inline(always)]
    fn minus(self, other: Half) -> Half {
        // SAFETY: as above.
        unsafe { Half(_mm256_subs_epu8(self.0, other.0)) }
    }

    #[inline(always)]
    fn larger(self, other: Half) -> Half {
        // SAFETY: as above.
        unsafe { Half(_mm256_max_epu8(self.0, other.0)) }
    }

    #[inline(always)]
    fn smaller(self, other: Half) -> Half {
        // SAFETY: as above.
        unsafe { Half(_mm256_min_epu8(self.0, other.0)) }
    }

    #[inline(always)]
    fn and(self, other: Half) -> Half {
        // SAFETY: as above.
        unsafe { Half(_mm256_and_si256(self.0, other.0)) }
    }

    #[inline(always)]
    fn rest(self) -> Half {
        // SAFETY: as above.
        unsafe { Half(_mm256_min_epu8(self.0, _mm256_sub_epi8(self.0, _mm256_set1_epi8(10)))) }
    }

    #[inline(always)]
    fn of(self, table: &[u8; 16]) -> Half {
        // SAFETY: as above; the load is of the table's 16 bytes.
        unsafe {
            let table = _mm256_broadcastsi128_si256(_mm_loadu_si128(table.as_ptr().cast::<__m128i>()));
            Half(_mm256_shuffle_epi8(table, self.0))
        }
    }

    #[inline(always)]
    fn of_pairs(self, table: &[u8; 128]) -> Half {
        let mut places = [0; 32];
        self.store(&mut places, 0);
        Half::load(&places.map(|place| table[usize::from(place % 128)]), 0)
    }

    #[inline(always)]
    fn or(self, other: Half) -> Half {
        // SAFETY: as above.
        unsafe { Half(_mm256_or_si256(self.0, other.0)) }
    }

    #[inline(always)]
    fn high(self) -> Half {
        // SAFETY: as above.
        unsafe { Half(_mm256_and_si256(_mm256_srli_epi16::<4>(self.0), _mm256_set1_epi8(15))) }
    }

    #[inline(always)]
    fn equals(self, other: Half) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_cmpeq_epi8(self.0, other.0) }
    }

    #[inline(always)]
    fn meets(self, other: Half) -> __m256i {
        // SAFETY: as above.
        unsafe {
            let none = _mm256_cmpeq_epi8(_mm256_and_si256(self.0, other.0), _mm256_setzero_si256());
            _mm256_cmpeq_epi8(none, _mm256_setzero_si256())
        }
    }

    #[inline(always)]
    fn only(self, which: __m256i) -> Half {
        // SAFETY: as above.
        unsafe { Half(_mm256_and_si256(self.0, which)) }
    }

    #[inline(always)]
    fn marked(self, which: __m256i, bit: u8) -> Half {
        // SAFETY: as above.
        unsafe { Half(_mm256_or_si256(self.0, _mm256_and_si256(which, _mm256_set1_epi8(bit.cast_signed())))) }
    }

    #[inline(always)]
    fn marked_if(self, which: __m256i, lengths: Half, bit: u8) -> Half {
        // SAFETY: as above.
        self.marked(unsafe { _mm256_and_si256(which, lengths.0) }, bit)
    }

    #[inline(always)]
    fn positive(self) -> u64 {
        // SAFETY: as above.
        let zero = unsafe { _mm256_movemask_epi8(_mm256_cmpeq_epi8(self.0, _mm256_setzero_si256())) };
        u64::from(!zero.cast_unsigned())
    }
}

impl Half {
    #[inline(always)]
    fn at_most(self, limits: Half) -> u64 {
        // SAFETY: as above.
        let within = unsafe { _mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_min_epu8(self.0, limits.0), self.0)) };
        u64::from(within.cast_unsigned())
    }
}

impl Lanes for Whole {
    const COUNT: usize = 64;
    const PAIRS: bool = true;
    type Which = __mmask64;

    #[inline(always)]
    fn load(row: &[u8], at: usize) -> Whole {
        let bytes: Option<&[u8; 64]> = row.get(at..).and_then(|rest| rest.first_chunk());
        let Some(bytes) = bytes else { return Whole::all(0) };
        // SAFETY: AVX-512BW is there, since lanes are used below `strict_step_avx512` alone. The load is of an array's 64 bytes.
        unsafe { Whole(_mm512_loadu_si512(bytes.as_ptr().cast::<__m512i>())) }
    }

    #[inline(always)]
    fn store(self, row: &mut [u8], at: usize) {
        let bytes: Option<&mut [u8; 64]> = row.get_mut(at..).and_then(|rest| rest.first_chunk_mut());
        if let Some(bytes) = bytes {
            // SAFETY: as above; the store is of an array's 64 bytes.
            unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast::<__m512i>(), self.0) }
        }
    }

    #[inline(always)]
    fn all(byte: u8) -> Whole {
        // SAFETY: as above.
        unsafe { Whole(_mm512_set1_epi8(byte.cast_signed())) }
    }

    #[inline(always)]
    fn plus(self, other: Whole) -> Whole {
        // SAFETY: as above.
        unsafe { Whole(_mm512_add_epi8(self.0, other.0)) }
    }

    #[inline(always)]
    fn minus(self, other: Whole) -> Whole {
        // SAFETY: as above.
        unsafe { Whole(_mm512_subs_epu8(self.0, other.0)) }
    }

    #[inline(always)]
    fn larger(self, other: Whole) -> Whole {
        // SAFETY: as above.
        unsafe { Whole(_mm512_max_epu8(self.0, other.0)) }
    }

    #[inline(always)]
    fn smaller(self, other: Whole) -> Whole {
        // SAFETY: as above.
        unsafe { Whole(_mm512_min_epu8(self.0, other.0)) }
    }

    #[inline(always)]
    fn and(self, other: Whole) -> Whole {
        // SAFETY: as above.
        unsafe { Whole(_mm512_and_si512(self.0, other.0)) }
    }

    #[inline(always)]
    fn rest(self) -> Whole {
        // SAFETY: as above.
        unsafe { Whole(_mm512_min_epu8(self.0, _mm512_sub_epi8(self.0, _mm512_set1_epi8(10)))) }
    }

    #[inline(always)]
    fn of(self, table: &[u8; 16]) -> Whole {
        // SAFETY: as above; the load is of the table's 16 bytes.
        unsafe {
            let table = _mm512_broadcast_i32x4(_mm_loadu_si128(table.as_ptr().cast::<__m128i>()));
            Whole(_mm512_shuffle_epi8(table, self.0))
        }
    }

    #[inline(always)]
    fn of_pairs(self, table: &[u8; 128]) -> Whole {
        let (low, high) = (Whole::load(table, 0), Whole::load(table, 64));
        // SAFETY: as above, and AVX-512VBMI with it.
        unsafe { Whole(_mm512_permutex2var_epi8(low.0, self.0, high.0)) }
    }

    #[inline(always)]
    fn or(self, other: Whole) -> Whole {
        // SAFETY: as above.
        unsafe { Whole(_mm512_or_si512(self.0, other.0)) }
    }

    #[inline(always)]
    fn high(self) -> Whole {
        // SAFETY: as above.
        unsafe { Whole(_mm512_and_si512(_mm512_srli_epi16::<4>(self.0), _mm512_set1_epi8(15))) }
    }

    #[inline(always)]
    fn equals(self, other: Whole) -> __mmask64 {
        // SAFETY: as above.
        unsafe { _mm512_cmpeq_epi8_mask(self.0, other.0) }
    }

    #[inline(always)]
    fn meets(self, other: Whole) -> __mmask64 {
        // SAFETY: as above.
        unsafe { _mm512_test_epi8_mask(self.0, other.0) }
    }

    #[inline(always)]
    fn only(self, which: __mmask64) -> Whole {
        // SAFETY: as above.
        unsafe { Whole(_mm512_maskz_mov_epi8(which, self.0)) }
    }

    #[inline(always)]
    fn marked(self, which: __mmask64, bit: u8) -> Whole {
        // SAFETY: as above.
        unsafe { Whole(_mm512_mask_add_epi8(self.0, which, self.0, _mm512_set1_epi8(bit.cast_signed()))) }
    }

    #[inline(always)]
    fn marked_if(self, which: __mmask64, lengths: Whole, bit: u8) -> Whole {
        // SAFETY: as above.
        self.marked(unsafe { _mm512_mask_test_epi8_mask(which, lengths.0, _mm512_set1_epi8(bit.cast_signed())) }, bit)
    }

    #[inline(always)]
    fn positive(self) -> u64 {
        // SAFETY: as above.
        unsafe { _mm512_test_epi8_mask(self.0, self.0) }
    }
}

/// Eight bytes at a time, by the general gathering of bits.
///
/// # Safety
/// The processor has BMI2.
#[inline(always)]
unsafe fn packed(word: &[u8; WORD], mask: u64) -> [u8; WORD] {
    let (mut packed, mut count) = ([0; WORD + 8], 0);
    let (eights, _) = word.as_chunks::<8>();
    for (index, eight) in eights.iter().enumerate() {
        let bits = mask >> (index * 8) & 0xff;
        // SAFETY: BMI2 is there, as the caller promises.
        let bytes = unsafe { _pext_u64(u64::from_le_bytes(*eight), _pdep_u64(bits, 0x0101_0101_0101_0101) * 0xff) };
        if let Some(slot) = packed.get_mut(count..).and_then(|rest| rest.first_chunk_mut()) {
            *slot = bytes.to_le_bytes();
        }
        count += bits.count_ones() as usize;
    }
    packed.first_chunk().copied().unwrap_or([0; WORD])
}

impl Strict for Avx2 {
    type Values = Half;

    #[inline(always)]
    fn packed(word: &[u8; WORD], mask: u64) -> [u8; WORD] {
        // SAFETY: BMI2 is there wherever this backend is (`has_avx2`).
        unsafe { packed(word, mask) }
    }

    #[inline(always)]
    fn gathered(bits: u64, mask: u64) -> u64 {
        // SAFETY: as above.
        unsafe { _pext_u64(bits, mask) }
    }

    #[inline(always)]
    fn scattered(bits: u64, mask: u64) -> u64 {
        // SAFETY: as above.
        unsafe { _pdep_u64(bits, mask) }
    }

    #[inline(always)]
    fn at_most(bytes: &[u8; WORD], limits: &[u8; WORD]) -> u64 {
        let (low, high) = (Half::load(bytes, 0), Half::load(bytes, WORD / 2));
        low.at_most(Half::load(limits, 0)) | high.at_most(Half::load(limits, WORD / 2)) << 32
    }

    #[inline(always)]
    fn star(word: &mut [u8; WORD], mask: u64) {
        const BITS: [u8; 8] = [1, 2, 4, 8, 16, 32, 64, 128];
        for (index, eight) in word.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let bits = (mask >> (index * 8)) as u8;
            eight.iter_mut().zip(BITS).for_each(|(byte, bit)| *byte = if bits & bit == 0 { *byte } else { b'*' });
        }
    }
}

impl Strict for Avx512 {
    type Values = Whole;

    #[inline(always)]
    fn packed(word: &[u8; WORD], mask: u64) -> [u8; WORD] {
        let mut packed = [0; WORD];
        // SAFETY: AVX-512VBMI2 is there, since this is reached through `strict_step_avx512` alone.
        Whole(unsafe { _mm512_maskz_compress_epi8(mask, Whole::load(word, 0).0) }).store(&mut packed, 0);
        packed
    }

    #[inline(always)]
    fn gathered(bits: u64, mask: u64) -> u64 {
        // SAFETY: BMI2 is there wherever this backend is (`has_avx512`).
        unsafe { _pext_u64(bits, mask) }
    }

    #[inline(always)]
    fn scattered(bits: u64, mask: u64) -> u64 {
        // SAFETY: as above.
        unsafe { _pdep_u64(bits, mask) }
    }

    #[inline(always)]
    fn at_most(bytes: &[u8; WORD], limits: &[u8; WORD]) -> u64 {
        // SAFETY: AVX-512BW is there, since this is reached through `strict_step_avx512` alone.
        unsafe { _mm512_cmple_epu8_mask(Whole::load(bytes, 0).0, Whole::load(limits, 0).0) }
    }

    #[inline(always)]
    fn star(word: &mut [u8; WORD], mask: u64) {
        // SAFETY: as above.
        Whole(unsafe { _mm512_mask_mov_epi8(Whole::load(word, 0).0, mask, Whole::all(b'*').0) }).store(word, 0);
    }
}
