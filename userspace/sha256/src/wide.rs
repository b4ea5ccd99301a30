//! Sixteen inputs side by side, a word of each in one vector of AVX-512.
#![allow(unsafe_code)] // one call, behind the question whether the CPU has it, and loads and stores of whole arrays

use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_loadu_si512, _mm512_mask_set1_epi8, _mm512_mask_set1_epi64,
    _mm512_maskz_loadu_epi8, _mm512_ror_epi32, _mm512_set1_epi32, _mm512_set4_epi32, _mm512_setzero_si512,
    _mm512_shuffle_epi8, _mm512_shuffle_i32x4, _mm512_srli_epi32, _mm512_storeu_si512, _mm512_ternarylogic_epi32,
    _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
};
use std::array::from_fn;

use super::{BEGIN, Hash, ROUNDS, SHORT, blocks, words};

/// Inputs side by side.
const LANES: usize = 16;

/// As [`super::prefixed`], of inputs of up to [`SHORT`] blocks; `false`: nothing was done, since the CPU has no such vectors.
pub(crate) fn short_side_by_side(prefix: u8, bodies: &[&[u8]], hashes: &mut [Hash]) -> bool {
    if is_there() {
        // SAFETY: the CPU has what the function was compiled for.
        unsafe { side_by_side(prefix, bodies, hashes) };
    }
    is_there()
}

/// Whether the CPU has such vectors (asked once, then remembered by the standard library).
pub(crate) fn is_there() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")
}

/// One word of each input.
type Vector = __m512i;
/// The states of all lanes, word by word.
type States = [[u32; LANES]; 8];

/// What one lane is at.
struct Lane<'a> {
    /// The place of its input; a lane that has none hashes blocks of nothing until the others are done.
    place: Option<usize>,
    body: &'a [u8],
    /// The next block, and how many there are.
    block: usize,
    blocks: usize,
}

#[target_feature(enable = "avx512f,avx512bw")]
fn side_by_side(prefix: u8, bodies: &[&[u8]], hashes: &mut [Hash]) {
    let bodies = bodies.iter().copied().take(hashes.len()).enumerate();
    let mut waiting = bodies.filter(|(_, body)| blocks(body) <= SHORT);
    let mut next = || match waiting.next() {
        Some((place, body)) => Lane { place: Some(place), body, block: 0, blocks: blocks(body) },
        None => Lane { place: None, body: &[], block: 0, blocks: usize::MAX >> 6 },
    };
    let mut lanes: [Lane<'_>; LANES] = from_fn(|_| next());
    let mut states: States = BEGIN.map(|word| [word; LANES]);
    while lanes.iter().any(|lane| lane.place.is_some()) {
        let mut vectors = [_mm512_setzero_si512(); LANES];
        for (vector, lane) in vectors.iter_mut().zip(&lanes) {
            *vector = lane.load(prefix);
        }
        compress(&mut states, &vectors);
        for (at, lane) in lanes.iter_mut().enumerate() {
            lane.block += 1;
            if lane.block < lane.blocks {
                continue;
            }
            if let Some(hash) = lane.place.and_then(|place| hashes.get_mut(place)) {
                *hash = words(states.map(|word| word[at]));
            }
            states.iter_mut().zip(BEGIN).for_each(|(word, begin)| word[at] = begin);
            *lane = next();
        }
    }
}

impl Lane<'_> {
    /// The block that comes next: of prefix and body, and behind them the bit, zeros and the length.
    #[target_feature(enable = "avx512f,avx512bw")]
    fn load(&self, prefix: u8) -> Vector {
        let (at, len) = (64 * self.block, 1 + self.body.len());
        let here = len.saturating_sub(at).min(64);
        // The input's byte `n` is the body's byte `n - 1`; the first one is the prefix.
        let from = self.body.as_ptr().wrapping_add(at).wrapping_sub(1).cast();
        let first = u64::from(self.block == 0);
        let read = u64::MAX.checked_shl(here as u32).map_or(u64::MAX, |behind| !behind) & !first;
        // SAFETY: where `read` has a bit, `from` has a byte of the body.
        let mut block = unsafe { _mm512_maskz_loadu_epi8(read, from) };
        block = _mm512_mask_set1_epi8(block, first, prefix.cast_signed());
        if here < 64 && at <= len {
            block = _mm512_mask_set1_epi8(block, 1 << here, 0x80_u8.cast_signed());
        }
        if self.block + 1 == self.blocks {
            block = _mm512_mask_set1_epi64(block, 1 << 7, (len as u64 * 8).swap_bytes().cast_signed());
        }
        block
    }
}

// What follows is written out, without the library's functions over arrays: they are not compiled for these vectors, and would pass each
// through memory.

/// One block of each lane.
#[target_feature(enable = "avx512f,avx512bw")]
fn compress(states: &mut States, lanes: &[Vector; LANES]) {
    let mut words = transposed(lanes);
    let mut before = [_mm512_setzero_si512(); 8];
    for (vector, word) in before.iter_mut().zip(&*states) {
        // SAFETY: sixteen words that may be read, at any address.
        *vector = unsafe { _mm512_loadu_si512(word.as_ptr().cast()) };
    }
    let mut state = before;
    let (groups, _) = ROUNDS.as_chunks::<16>();
    for (nth, constants) in groups.iter().enumerate() {
        if nth > 0 {
            words = scheduled(words);
        }
        let ((words, _), (constants, _)) = (words.as_chunks(), constants.as_chunks());
        state = eight_rounds(state, &words[0], &constants[0]);
        state = eight_rounds(state, &words[1], &constants[1]);
    }
    for ((stored, word), before) in states.iter_mut().zip(state).zip(before) {
        // SAFETY: sixteen words that may be written, at any address.
        unsafe { _mm512_storeu_si512(stored.as_mut_ptr().cast(), _mm512_add_epi32(word, before)) };
    }
}

/// The blocks of the lanes to the words of a block: the bytes of a word in the CPU's order, and a word of all lanes in one vector.
#[target_feature(enable = "avx512f,avx512bw")]
fn transposed(lanes: &[Vector; LANES]) -> [Vector; 16] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *lanes;
    let [a0, a1, a2, a3] = words_of_four(a, b, c, d);
    let [b0, b1, b2, b3] = words_of_four(e, f, g, h);
    let [c0, c1, c2, c3] = words_of_four(i, j, k, l);
    let [d0, d1, d2, d3] = words_of_four(m, n, o, p);
    let [w0, w4, w8, w12] = quarters_of_four(a0, b0, c0, d0);
    let [w1, w5, w9, w13] = quarters_of_four(a1, b1, c1, d1);
    let [w2, w6, w10, w14] = quarters_of_four(a2, b2, c2, d2);
    let [w3, w7, w11, w15] = quarters_of_four(a3, b3, c3, d3);
    [w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15]
}

/// Of four lanes' blocks: the words `n`, `n + 4`, `n + 8` and `n + 12` of each, in the quarters of the vector `n`.
#[target_feature(enable = "avx512f,avx512bw")]
fn words_of_four(a: Vector, b: Vector, c: Vector, d: Vector) -> [Vector; 4] {
    let (ab, ab_high) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    let (cd, cd_high) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    let order = _mm512_set4_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203);
    [
        _mm512_shuffle_epi8(_mm512_unpacklo_epi64(ab, cd), order),
        _mm512_shuffle_epi8(_mm512_unpackhi_epi64(ab, cd), order),
        _mm512_shuffle_epi8(_mm512_unpacklo_epi64(ab_high, cd_high), order),
        _mm512_shuffle_epi8(_mm512_unpackhi_epi64(ab_high, cd_high), order),
    ]
}

/// The first quarters of four vectors, then the second ones, and so on.
#[target_feature(enable = "avx512f,avx512bw")]
fn quarters_of_four(a: Vector, b: Vector, c: Vector, d: Vector) -> [Vector; 4] {
    let (ab, ab_odd) = (_mm512_shuffle_i32x4::<0b10_00_10_00>(a, b), _mm512_shuffle_i32x4::<0b11_01_11_01>(a, b));
    let (cd, cd_odd) = (_mm512_shuffle_i32x4::<0b10_00_10_00>(c, d), _mm512_shuffle_i32x4::<0b11_01_11_01>(c, d));
    [
        _mm512_shuffle_i32x4::<0b10_00_10_00>(ab, cd),
        _mm512_shuffle_i32x4::<0b10_00_10_00>(ab_odd, cd_odd),
        _mm512_shuffle_i32x4::<0b11_01_11_01>(ab, cd),
        _mm512_shuffle_i32x4::<0b11_01_11_01>(ab_odd, cd_odd),
    ]
}

/// The next sixteen words of the message's schedule (FIPS 180-4, 6.2.2, step 1), each in the place of the one sixteen before it.
#[target_feature(enable = "avx512f,avx512bw")]
fn scheduled(words: [Vector; 16]) -> [Vector; 16] {
    let [w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15] = words;
    let w0 = next(w0, w1, w9, w14);
    let w1 = next(w1, w2, w10, w15);
    let w2 = next(w2, w3, w11, w0);
    let w3 = next(w3, w4, w12, w1);
    let w4 = next(w4, w5, w13, w2);
    let w5 = next(w5, w6, w14, w3);
    let w6 = next(w6, w7, w15, w4);
    let w7 = next(w7, w8, w0, w5);
    let w8 = next(w8, w9, w1, w6);
    let w9 = next(w9, w10, w2, w7);
    let w10 = next(w10, w11, w3, w8);
    let w11 = next(w11, w12, w4, w9);
    let w12 = next(w12, w13, w5, w10);
    let w13 = next(w13, w14, w6, w11);
    let w14 = next(w14, w15, w7, w12);
    let w15 = next(w15, w0, w8, w13);
    [w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15]
}

/// A word of the schedule, by those 16, 15, 7 and 2 before it.
#[target_feature(enable = "avx512f,avx512bw")]
fn next(w16: Vector, w15: Vector, w7: Vector, w2: Vector) -> Vector {
    let sigma_0 = xor(_mm512_ror_epi32::<7>(w15), _mm512_ror_epi32::<18>(w15), _mm512_srli_epi32::<3>(w15));
    let sigma_1 = xor(_mm512_ror_epi32::<17>(w2), _mm512_ror_epi32::<19>(w2), _mm512_srli_epi32::<10>(w2));
    _mm512_add_epi32(_mm512_add_epi32(w16, sigma_0), _mm512_add_epi32(w7, sigma_1))
}

#[target_feature(enable = "avx512f,avx512bw")]
fn eight_rounds([a, b, c, d, e, f, g, h]: [Vector; 8], words: &[Vector; 8], constants: &[u32; 8]) -> [Vector; 8] {
    let (d, h) = round([a, b, c, d, e, f, g, h], words[0], constants[0]);
    let (c, g) = round([h, a, b, c, d, e, f, g], words[1], constants[1]);
    let (b, f) = round([g, h, a, b, c, d, e, f], words[2], constants[2]);
    let (a, e) = round([f, g, h, a, b, c, d, e], words[3], constants[3]);
    let (h, d) = round([e, f, g, h, a, b, c, d], words[4], constants[4]);
    let (g, c) = round([d, e, f, g, h, a, b, c], words[5], constants[5]);
    let (f, b) = round([c, d, e, f, g, h, a, b], words[6], constants[6]);
    let (e, a) = round([b, c, d, e, f, g, h, a], words[7], constants[7]);
    [a, b, c, d, e, f, g, h]
}

/// One round (FIPS 180-4, 6.2.2, step 3): what becomes of d, which is the next e, and of h, which is the next a.
#[target_feature(enable = "avx512f,avx512bw")]
fn round([a, b, c, d, e, f, g, h]: [Vector; 8], word: Vector, constant: u32) -> (Vector, Vector) {
    let added = _mm512_add_epi32(word, _mm512_set1_epi32(constant.cast_signed()));
    let sum_1 = xor(_mm512_ror_epi32::<6>(e), _mm512_ror_epi32::<11>(e), _mm512_ror_epi32::<25>(e));
    let choice = _mm512_ternarylogic_epi32::<0b1100_1010>(e, f, g);
    let t1 = _mm512_add_epi32(_mm512_add_epi32(h, added), _mm512_add_epi32(sum_1, choice));
    let sum_0 = xor(_mm512_ror_epi32::<2>(a), _mm512_ror_epi32::<13>(a), _mm512_ror_epi32::<22>(a));
    let majority = _mm512_ternarylogic_epi32::<0b1110_1000>(a, b, c);
    (_mm512_add_epi32(d, t1), _mm512_add_epi32(t1, _mm512_add_epi32(sum_0, majority)))
}

#[target_feature(enable = "avx512f,avx512bw")]
fn xor(a: Vector, b: Vector, c: Vector) -> Vector {
    _mm512_ternarylogic_epi32::<0b1001_0110>(a, b, c)
}
