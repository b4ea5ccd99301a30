//! The same for AVX2 and AVX-512.
#![allow(unsafe_code, reason = "intrinsics")]

use std::arch::x86_64::{
    __m128i, __m256i, __m512i, __mmask64, _mm_loadu_si128, _mm256_add_epi8, _mm256_and_si256, _mm256_blendv_epi8,
    _mm256_broadcastsi128_si256, _mm256_castsi128_si256, _mm256_cmpeq_epi8, _mm256_inserti128_si256,
    _mm256_loadu_si256, _mm256_max_epu8, _mm256_min_epu8, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8,
    _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi16, _mm256_storeu_si256, _mm256_sub_epi8,
    _mm256_subs_epu8, _mm256_unpackhi_epi8, _mm256_unpacklo_epi8, _mm512_add_epi8, _mm512_and_si512,
    _mm512_broadcast_i32x4, _mm512_castsi128_si512, _mm512_cmpeq_epi8_mask, _mm512_cmple_epu8_mask, _mm512_inserti32x4,
    _mm512_loadu_si512, _mm512_mask_add_epi8, _mm512_mask_max_epu8, _mm512_mask_mov_epi8, _mm512_mask_storeu_epi8,
    _mm512_mask_test_epi8_mask, _mm512_maskz_compress_epi8, _mm512_max_epu8, _mm512_min_epu8, _mm512_movepi8_mask,
    _mm512_or_si512, _mm512_permutex2var_epi8, _mm512_set1_epi8, _mm512_setzero_si512, _mm512_shuffle_epi8,
    _mm512_srli_epi16, _mm512_storeu_si512, _mm512_sub_epi8, _mm512_subs_epu8, _mm512_test_epi8_mask,
    _mm512_unpackhi_epi8, _mm512_unpacklo_epi8, _pdep_u64, _pext_u64,
};

use super::{
    WORD,
    lanes::{Lanes, Largest, Numbers, Row, Strict, group},
    x86::{Avx2, Avx512},
};
use crate::{
    Engine,
    strict::{Columns, Found},
};

/// Two registers. Made only in code that is compiled for AVX2 and reached through a backend that has it.
#[derive(Clone, Copy)]
pub(crate) struct Halves([__m256i; 2]);

/// One register. Made only in code that is compiled for AVX-512BW, and for VBMI and VBMI2 where `of_pairs` is used, and reached where the processor has
/// them.
#[derive(Clone, Copy)]
pub(crate) struct Whole(__m512i);

impl Lanes for Halves {
    type Which = Halves;

    #[inline(always)]
    fn load(row: &Row) -> Halves {
        let at = row.0.as_ptr().cast::<__m256i>();
        // SAFETY: AVX2 is there, since lanes are used below `go_avx2`, `strict_scan_avx2` and its bound alone. The two loads are of the row's 64 bytes.
        unsafe { Halves([_mm256_loadu_si256(at), _mm256_loadu_si256(at.add(1))]) }
    }

    #[inline(always)]
    fn store(self, row: &mut Row) {
        let at = row.0.as_mut_ptr().cast::<__m256i>();
        // SAFETY: as above; the two stores are to the row's 64 bytes.
        unsafe {
            _mm256_storeu_si256(at, self.0[0]);
            _mm256_storeu_si256(at.add(1), self.0[1]);
        }
    }

    #[inline(always)]
    fn at(bytes: &[u8; WORD]) -> Halves {
        let at = bytes.as_ptr().cast::<__m256i>();
        // SAFETY: as above; neither load needs an alignment.
        unsafe { Halves([_mm256_loadu_si256(at), _mm256_loadu_si256(at.add(1))]) }
    }

    #[inline(always)]
    fn put(self, bytes: &mut [u8; WORD]) {
        let at = bytes.as_mut_ptr().cast::<__m256i>();
        // SAFETY: as above; neither store needs an alignment.
        unsafe {
            _mm256_storeu_si256(at, self.0[0]);
            _mm256_storeu_si256(at.add(1), self.0[1]);
        }
    }

    #[inline(always)]
    fn all(byte: u8) -> Halves {
        // SAFETY: as above.
        unsafe { Halves([_mm256_set1_epi8(byte.cast_signed()); 2]) }
    }

    #[inline(always)]
    fn plus(self, other: Halves) -> Halves {
        // SAFETY: as above.
        unsafe { Halves([_mm256_add_epi8(self.0[0], other.0[0]), _mm256_add_epi8(self.0[1], other.0[1])]) }
    }

    #[inline(always)]
    fn minus(self, other: Halves) -> Halves {
        // SAFETY: as above.
        unsafe { Halves([_mm256_subs_epu8(self.0[0], other.0[0]), _mm256_subs_epu8(self.0[1], other.0[1])]) }
    }

    #[inline(always)]
    fn larger(self, other: Halves) -> Halves {
        // SAFETY: as above.
        unsafe { Halves([_mm256_max_epu8(self.0[0], other.0[0]), _mm256_max_epu8(self.0[1], other.0[1])]) }
    }

    #[inline(always)]
    fn and(self, other: Halves) -> Halves {
        // SAFETY: as above.
        unsafe { Halves([_mm256_and_si256(self.0[0], other.0[0]), _mm256_and_si256(self.0[1], other.0[1])]) }
    }

    #[inline(always)]
    fn or(self, other: Halves) -> Halves {
        // SAFETY: as above.
        unsafe { Halves([_mm256_or_si256(self.0[0], other.0[0]), _mm256_or_si256(self.0[1], other.0[1])]) }
    }

    #[inline(always)]
    fn equals(self, other: Halves) -> Halves {
        // SAFETY: as above.
        unsafe { Halves([_mm256_cmpeq_epi8(self.0[0], other.0[0]), _mm256_cmpeq_epi8(self.0[1], other.0[1])]) }
    }

    #[inline(always)]
    fn rest(self) -> Halves {
        // SAFETY: as above.
        unsafe {
            let (ten, [low, high]) = (_mm256_set1_epi8(10), self.0);
            Halves([_mm256_min_epu8(low, _mm256_sub_epi8(low, ten)), _mm256_min_epu8(high, _mm256_sub_epi8(high, ten))])
        }
    }

    #[inline(always)]
    fn of(self, table: &[u8; 16]) -> Halves {
        // SAFETY: as above; the load is of the table's 16 bytes.
        unsafe {
            let table = _mm256_broadcastsi128_si256(_mm_loadu_si128(table.as_ptr().cast::<__m128i>()));
            Halves([_mm256_shuffle_epi8(table, self.0[0]), _mm256_shuffle_epi8(table, self.0[1])])
        }
    }

    #[inline(always)]
    fn of_pairs(self, table: &[u8; 128]) -> Halves {
        let mut places = Row([0; WORD]);
        self.store(&mut places);
        Halves::load(&Row(places.0.map(|place| table[usize::from(place % 128)])))
    }

    #[inline(always)]
    fn high(self) -> Halves {
        let [low, high] = self.0;
        // SAFETY: as above.
        let shifted = unsafe { Halves([_mm256_srli_epi16::<4>(low), _mm256_srli_epi16::<4>(high)]) };
        shifted.and(Halves::all(15))
    }

    #[inline(always)]
    fn at_most(self, other: Halves) -> Halves {
        // SAFETY: as above.
        let least = unsafe { Halves([_mm256_min_epu8(self.0[0], other.0[0]), _mm256_min_epu8(self.0[1], other.0[1])]) };
        least.equals(self)
    }

    #[inline(always)]
    fn meets(self, other: Halves) -> Halves {
        let none = self.and(other).equals(Halves::all(0));
        none.equals(Halves::all(0))
    }

    #[inline(always)]
    fn with(self, which: Halves, bits: u8) -> Halves {
        self.or(which.and(Halves::all(bits)))
    }

    #[inline(always)]
    fn choose(which: Halves, yes: Halves, no: Halves) -> Halves {
        let ([a, b], [c, d], [e, f]) = (which.0, yes.0, no.0);
        // SAFETY: as above.
        unsafe { Halves([_mm256_blendv_epi8(e, c, a), _mm256_blendv_epi8(f, d, b)]) }
    }

    #[inline(always)]
    fn marked_if(self, which: Halves, lengths: Halves, bit: u8) -> Halves {
        self.or(which.and(lengths).and(Halves::all(bit)))
    }

    #[inline(always)]
    fn positive(self) -> u64 {
        !self.equals(Halves::all(0)).signs()
    }

    #[inline(always)]
    fn signs(self) -> u64 {
        // SAFETY: as above.
        let [low, high] = unsafe { [_mm256_movemask_epi8(self.0[0]), _mm256_movemask_epi8(self.0[1])] };
        u64::from(low.cast_unsigned()) | u64::from(high.cast_unsigned()) << 32
    }

    #[inline(always)]
    fn bits(which: Halves) -> u64 {
        which.signs()
    }

    #[inline(always)]
    fn same(self, other: Halves) -> bool {
        self.equals(other).signs() == u64::MAX
    }

    #[inline(always)]
    fn columns(source: &[u8], apart: usize, rows: &mut [Row; 16]) {
        let Some(source) = source.get(..(WORD - 1) * apart + 16) else { return };
        for half in 0..2 {
            // SAFETY: as above; each load is of 16 bytes, of the column 63 at most, each store to half a row.
            unsafe {
                let mut registers = [_mm256_setzero_si256(); 16];
                for (index, register) in registers.iter_mut().enumerate() {
                    let at = source.as_ptr().add((half * 32 + index) * apart);
                    let first = _mm_loadu_si128(at.cast::<__m128i>());
                    let second = _mm_loadu_si128(at.add(16 * apart).cast::<__m128i>());
                    *register = _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(first), second);
                }
                // Each round takes the highest bit of a register's number to the lowest place of a byte's, and one back.
                for _ in 0..4 {
                    let from = registers;
                    for index in 0..8 {
                        registers[2 * index] = _mm256_unpacklo_epi8(from[index], from[index + 8]);
                        registers[2 * index + 1] = _mm256_unpackhi_epi8(from[index], from[index + 8]);
                    }
                }
                for (row, register) in rows.iter_mut().zip(registers) {
                    _mm256_storeu_si256(row.0.as_mut_ptr().add(half * 32).cast::<__m256i>(), register);
                }
            }
        }
    }
}

impl Lanes for Whole {
    const PAIRS: bool = true;
    type Which = __mmask64;

    #[inline(always)]
    fn load(row: &Row) -> Whole {
        // SAFETY: AVX-512BW is there, since lanes are used below `go_avx512`, `strict_scan_avx512` and its bound alone. The load is of the row's 64 bytes.
        unsafe { Whole(_mm512_loadu_si512(row.0.as_ptr().cast::<__m512i>())) }
    }

    #[inline(always)]
    fn store(self, row: &mut Row) {
        // SAFETY: as above; the store is to the row's 64 bytes.
        unsafe { _mm512_storeu_si512(row.0.as_mut_ptr().cast::<__m512i>(), self.0) }
    }

    #[inline(always)]
    fn at(bytes: &[u8; WORD]) -> Whole {
        // SAFETY: as above; the load needs no alignment.
        unsafe { Whole(_mm512_loadu_si512(bytes.as_ptr().cast::<__m512i>())) }
    }

    #[inline(always)]
    fn put(self, bytes: &mut [u8; WORD]) {
        // SAFETY: as above; the store needs no alignment.
        unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast::<__m512i>(), self.0) }
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
    fn and(self, other: Whole) -> Whole {
        // SAFETY: as above.
        unsafe { Whole(_mm512_and_si512(self.0, other.0)) }
    }

    #[inline(always)]
    fn or(self, other: Whole) -> Whole {
        // SAFETY: as above.
        unsafe { Whole(_mm512_or_si512(self.0, other.0)) }
    }

    #[inline(always)]
    fn equals(self, other: Whole) -> __mmask64 {
        // SAFETY: as above.
        unsafe { _mm512_cmpeq_epi8_mask(self.0, other.0) }
    }

    #[inline(always)]
    fn at_most(self, other: Whole) -> __mmask64 {
        // SAFETY: as above.
        unsafe { _mm512_cmple_epu8_mask(self.0, other.0) }
    }

    #[inline(always)]
    fn meets(self, other: Whole) -> __mmask64 {
        // SAFETY: as above.
        unsafe { _mm512_test_epi8_mask(self.0, other.0) }
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
        let at = table.as_ptr().cast::<__m512i>();
        // SAFETY: as above, and AVX-512VBMI with it; the two loads are of the table's 128 bytes.
        unsafe { Whole(_mm512_permutex2var_epi8(_mm512_loadu_si512(at), self.0, _mm512_loadu_si512(at.add(1)))) }
    }

    #[inline(always)]
    fn high(self) -> Whole {
        // SAFETY: as above.
        unsafe { Whole(_mm512_and_si512(_mm512_srli_epi16::<4>(self.0), _mm512_set1_epi8(15))) }
    }

    #[inline(always)]
    fn with(self, which: __mmask64, bits: u8) -> Whole {
        // SAFETY: as above.
        unsafe { Whole(_mm512_mask_add_epi8(self.0, which, self.0, _mm512_set1_epi8(bits.cast_signed()))) }
    }

    #[inline(always)]
    fn choose(which: __mmask64, yes: Whole, no: Whole) -> Whole {
        // SAFETY: as above.
        unsafe { Whole(_mm512_mask_mov_epi8(no.0, which, yes.0)) }
    }

    #[inline(always)]
    fn marked_if(self, which: __mmask64, lengths: Whole, bit: u8) -> Whole {
        // SAFETY: as above.
        unsafe {
            let bit = _mm512_set1_epi8(bit.cast_signed());
            Whole(_mm512_mask_add_epi8(self.0, _mm512_mask_test_epi8_mask(which, lengths.0, bit), self.0, bit))
        }
    }

    #[inline(always)]
    fn note<const ALIKE: bool>(
        largest: &mut Largest<Whole>,
        length: usize,
        passes: __mmask64,
        issued: Whole,
        hides: &Numbers,
        short: &Numbers,
    ) {
        let own = &mut largest.hides[if ALIKE { 0 } else { group(length) }];
        // SAFETY: as above.
        unsafe {
            let bit = _mm512_set1_epi8((2_u8 << length).cast_signed());
            let is = _mm512_mask_test_epi8_mask(passes, issued.0, bit);
            let (hides, shortness) = (Whole::load(&hides.rows[length]).0, Whole::load(&short.rows[length]).0);
            own.0 = _mm512_mask_max_epu8(own.0, is, own.0, hides);
            largest.short.0 = _mm512_mask_max_epu8(largest.short.0, is, largest.short.0, shortness);
        }
    }

    #[inline(always)]
    fn noted<const ALIKE: bool>(_: &mut Largest<Whole>, _: &Numbers, _: &Numbers) {}

    #[inline(always)]
    fn positive(self) -> u64 {
        // SAFETY: as above.
        unsafe { _mm512_test_epi8_mask(self.0, self.0) }
    }

    #[inline(always)]
    fn signs(self) -> u64 {
        // SAFETY: as above.
        unsafe { _mm512_movepi8_mask(self.0) }
    }

    #[inline(always)]
    fn bits(which: __mmask64) -> u64 {
        which
    }

    #[inline(always)]
    fn same(self, other: Whole) -> bool {
        self.equals(other) == u64::MAX
    }

    #[inline(always)]
    fn columns(source: &[u8], apart: usize, rows: &mut [Row; 16]) {
        let Some(source) = source.get(..(WORD - 1) * apart + 16) else { return };
        // SAFETY: as above; each load is of 16 bytes, of the column 63 at most.
        unsafe {
            let mut registers = [_mm512_setzero_si512(); 16];
            for (index, register) in registers.iter_mut().enumerate() {
                let at = source.as_ptr().add(index * apart);
                let first = _mm512_castsi128_si512(_mm_loadu_si128(at.cast::<__m128i>()));
                let second = _mm_loadu_si128(at.add(16 * apart).cast::<__m128i>());
                let third = _mm_loadu_si128(at.add(32 * apart).cast::<__m128i>());
                let fourth = _mm_loadu_si128(at.add(48 * apart).cast::<__m128i>());
                let two = _mm512_inserti32x4::<1>(first, second);
                *register = _mm512_inserti32x4::<3>(_mm512_inserti32x4::<2>(two, third), fourth);
            }
            // As for two registers a row.
            for _ in 0..4 {
                let from = registers;
                for index in 0..8 {
                    registers[2 * index] = _mm512_unpacklo_epi8(from[index], from[index + 8]);
                    registers[2 * index + 1] = _mm512_unpackhi_epi8(from[index], from[index + 8]);
                }
            }
            for (row, register) in rows.iter_mut().zip(registers) {
                Whole(register).store(row);
            }
        }
    }
}

/// Eight bytes at a time, by the general gathering of bits.
///
/// # Safety
/// The processor has BMI2.
#[inline(always)]
unsafe fn packed(word: &[u8; WORD], digits: u64, taken: u64, other: u8) -> [u8; WORD] {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let (mut packed, mut count) = ([0; WORD + 8], 0);
    let (eights, _) = word.as_chunks::<8>();
    for (index, eight) in eights.iter().enumerate() {
        let [digits, taken] = [digits, taken].map(|bits| bits >> (index * 8) & 0xff);
        // SAFETY: BMI2 is there, as the caller promises.
        let [own, all] = unsafe { [_pdep_u64(digits, ONES), _pdep_u64(taken, ONES)] };
        let values = (u64::from_le_bytes(*eight) & (own * 15)) | ((ONES ^ own) * u64::from(other));
        // SAFETY: as above.
        let bytes = unsafe { _pext_u64(values, all * 0xff) };
        if let Some(slot) = packed.get_mut(count..).and_then(|rest| rest.first_chunk_mut()) {
            *slot = bytes.to_le_bytes();
        }
        count += taken.count_ones() as usize;
    }
    packed.first_chunk().copied().unwrap_or([0; WORD])
}

impl Strict for Avx2 {
    type Values = Halves;

    fn search(columns: &mut Columns, engine: &Engine, digits: &[u8], count: usize, covered: usize) -> Found {
        #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
        fn inner(columns: &mut Columns, engine: &Engine, digits: &[u8], count: usize, covered: usize) -> Found {
            columns.search::<Halves>(engine, digits, count, covered)
        }
        // SAFETY: the features are there, since this is reached through `strict_scan_avx2` alone.
        unsafe { inner(columns, engine, digits, count, covered) }
    }

    fn bound(columns: &mut Columns, engine: &Engine, digits: &[u8]) -> [u64; WORD] {
        #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
        fn inner(columns: &mut Columns, engine: &Engine, digits: &[u8]) -> [u64; WORD] {
            columns.bound::<Halves>(engine, digits)
        }
        // SAFETY: the features are there, since this is reached through `strict_bound_avx2` alone.
        unsafe { inner(columns, engine, digits) }
    }

    #[inline(always)]
    fn packed(word: &[u8; WORD], digits: u64, taken: u64, other: u8) -> [u8; WORD] {
        // SAFETY: BMI2 is there wherever this backend is (`has_avx2`).
        unsafe { packed(word, digits, taken, other) }
    }

    #[inline(always)]
    fn scattered(bits: u64, mask: u64) -> u64 {
        // SAFETY: as above.
        unsafe { _pdep_u64(bits, mask) }
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

    fn search(columns: &mut Columns, engine: &Engine, digits: &[u8], count: usize, covered: usize) -> Found {
        #[target_feature(
            enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,avx2,bmi1,bmi2,lzcnt,popcnt"
        )]
        fn inner(columns: &mut Columns, engine: &Engine, digits: &[u8], count: usize, covered: usize) -> Found {
            columns.search::<Whole>(engine, digits, count, covered)
        }
        // SAFETY: the features are there, since this is reached through `strict_scan_avx512` alone.
        unsafe { inner(columns, engine, digits, count, covered) }
    }

    fn bound(columns: &mut Columns, engine: &Engine, digits: &[u8]) -> [u64; WORD] {
        #[target_feature(
            enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,avx2,bmi1,bmi2,lzcnt,popcnt"
        )]
        fn inner(columns: &mut Columns, engine: &Engine, digits: &[u8]) -> [u64; WORD] {
            columns.bound::<Whole>(engine, digits)
        }
        // SAFETY: the features are there, since this is reached through `strict_bound_avx512` alone.
        unsafe { inner(columns, engine, digits) }
    }

    #[inline(always)]
    fn packed(word: &[u8; WORD], digits: u64, taken: u64, other: u8) -> [u8; WORD] {
        let mut packed = Row([0; WORD]);
        let bytes = Whole::load(&Row(*word)).and(Whole::all(15));
        let values = Whole::choose(digits, bytes, Whole::all(other));
        // SAFETY: AVX-512VBMI2 is there, since this is reached through `strict_scan_avx512` alone.
        Whole(unsafe { _mm512_maskz_compress_epi8(taken, values.0) }).store(&mut packed);
        packed.0
    }

    #[inline(always)]
    fn scattered(bits: u64, mask: u64) -> u64 {
        // SAFETY: BMI2 is there wherever this backend is (`has_avx512`).
        unsafe { _pdep_u64(bits, mask) }
    }

    #[inline(always)]
    fn star(word: &mut [u8; WORD], mask: u64) {
        // SAFETY: AVX-512BW is there, since this is reached through `strict_scan_avx512` and its bound alone; the store is to some of the word's 64 bytes.
        unsafe { _mm512_mask_storeu_epi8(word.as_mut_ptr().cast::<i8>(), mask, Whole::all(b'*').0) }
    }
}
