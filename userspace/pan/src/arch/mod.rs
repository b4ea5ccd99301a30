//! The instructions that the scan uses: all that a processor family contributes is which of 64 bytes are digits, and the letters of its
//! name. What is built on those masks is one piece of code, compiled once per family.
//!
//! `unsafe` lives below here and nowhere else in this crate: a call into code that is compiled for a feature is sound because a
//! [`Backend`] exists only where the processor has that feature.

pub(crate) mod lanes;
#[cfg(target_arch = "x86_64")]
mod lanes_x86;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::fmt;

use crate::{
    Engine,
    balanced::form::{Form, SPAN_MAX},
    balanced::{
        prefix,
        run::{self, Run, Stop},
    },
    strict::{self, calm},
};

/// One word of the scan: so many bytes become the bits of one mask.
pub(crate) const WORD: usize = 64;

/// What a processor family has to say about 64 bytes.
pub(crate) trait Masks {
    /// Bit n: the byte n is an ASCII digit.
    fn digits(bytes: &[u8; WORD]) -> u64;

    /// The same of many words, each in its slot.
    #[inline(always)]
    fn all_digits(words: &[[u8; WORD]], slots: &mut [u64]) {
        for (slot, word) in slots.iter_mut().zip(words) {
            *slot = Self::digits(word);
        }
    }

    /// Whether any of 256 bytes is an ASCII digit.
    #[inline(always)]
    fn any_digit(bytes: &[u8; 4 * WORD]) -> bool {
        let (words, _) = bytes.as_chunks::<WORD>();
        words.iter().any(|word| Self::digits(word) != 0)
    }

    /// Bit n: the byte n is in the set.
    #[inline(always)]
    fn of(bytes: &[u8; WORD], set: &Set) -> u64 {
        bytes.iter().enumerate().fold(0, |mask, (at, &byte)| mask | u64::from(set.has(byte)) << at)
    }

    /// Whether any of 256 bytes is in the set.
    #[inline(always)]
    fn any_of(bytes: &[u8; 4 * WORD], set: &Set) -> bool {
        bytes.iter().fold(0, |any, &byte| any | set.row(byte)) != 0
    }

    /// Bit n: the digits n of both are a pair of the set, by `high` the first and by `low` the second. What is no digit may say anything.
    #[inline(always)]
    fn pairs(first: &[u8; WORD], second: &[u8; WORD], set: &Set) -> u64 {
        let row = |(first, second): (&u8, &u8)| set.high[usize::from(first & 15)] & set.low[usize::from(second & 15)];
        first.iter().zip(second).map(row).enumerate().fold(0, |mask, (at, row)| mask | u64::from(row != 0) << at)
    }

    /// The same of four digits: two pairs, each in its set by the same row.
    #[inline(always)]
    fn fours(bytes: [&[u8; WORD]; 4], sets: &[Set; 2]) -> u64 {
        (0..WORD).fold(0, |mask, at| {
            let nibble = |place: usize| usize::from(bytes[place][at] & 15);
            let first = sets[0].high[nibble(0)] & sets[0].low[nibble(1)];
            let row = first & sets[1].high[nibble(2)] & sets[1].low[nibble(3)];
            mask | u64::from(row != 0) << at
        })
    }

    /// Bit n: the bytes n of both are the same.
    #[inline(always)]
    fn same(first: &[u8; WORD], second: &[u8; WORD]) -> u64 {
        first
            .iter()
            .zip(second)
            .enumerate()
            .fold(0, |mask, (at, (first, second))| mask | u64::from(first == second) << at)
    }

    /// Whether it pays to sum at all 64 positions for the few where a number starts.
    const SIEVES: bool;

    /// 64 sums side by side, modulo 256.
    type Lanes: Copy;

    /// Of each position its byte.
    fn lanes(bytes: &[u8; WORD]) -> Self::Lanes;

    fn plus(first: Self::Lanes, second: Self::Lanes) -> Self::Lanes;

    fn minus(first: Self::Lanes, second: Self::Lanes) -> Self::Lanes;

    /// Of each ASCII digit the digit sum of its double; of any other byte always the same, whatever it is.
    fn doubled(bytes: &[u8; WORD]) -> Self::Lanes;

    /// Of each position the sum over sixteen bytes from there on, every second one as it is, the others [doubled](Masks::doubled), the first too.
    #[inline(always)]
    fn sixteen(bytes: &[u8; 2 * WORD]) -> Self::Lanes {
        let at = |offset: usize| bytes.get(offset..).and_then(|rest| rest.first_chunk()).unwrap_or(&[0; WORD]);
        let mut sums = Self::plus(Self::doubled(at(0)), Self::lanes(at(1)));
        for pair in 1..8 {
            sums = Self::plus(sums, Self::plus(Self::doubled(at(2 * pair)), Self::lanes(at(2 * pair + 1))));
        }
        sums
    }

    /// Bit n: the sum n ends in zero. Of at most 19 digits that it is over so many are in it as they are, as bytes; the others doubled.
    fn tenths(sums: Self::Lanes, singles: usize) -> u64;

    /// The sum of the check digit over a number written in this form.
    #[inline(always)]
    fn luhn_sum(bytes: &[u8; SPAN_MAX], form: &Form) -> u32 {
        form.luhn_sum(bytes)
    }

    /// Writes a star over each byte whose bit is set.
    #[inline(always)]
    fn hide(bytes: &mut [u8; WORD], bits: u64) {
        portable::hide(bytes, bits);
    }
}

/// What the low nibble of a sum leaves when it is divided by ten.
const LOW_REST: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5];
/// By the number of digits that are in a sum as bytes, and by its high nibble: what the low nibble has to leave for the sum of the digits to end in
/// zero. Each byte brings 0x30 too much.
static WANTED_REST: [[u8; 16]; 11] = wanted_rest();

const fn wanted_rest() -> [[u8; 16]; 11] {
    let mut table = [[0; 16]; 11];
    let mut at = 0;
    while at < 11 * 16 {
        let (singles, high) = (at / 16, at % 16);
        let sum = (high + 16 * 3 - 3 * singles) % 16 * 16;
        table[singles][high] = ((10 - sum % 10) % 10) as u8;
        at += 1;
    }
    table
}

/// A set of bytes, by their nibbles: a byte is in it where the entries of its low and of its high nibble have a bit in common. So each bit stands
/// for high nibbles that go with the same low ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Set {
    pub(crate) low: [u8; 16],
    pub(crate) high: [u8; 16],
}

impl Set {
    pub(crate) const EMPTY: Set = Set { low: [0; 16], high: [0; 16] };

    /// Pairs of digits, for [`Masks::pairs`]. Eight different rows fit; of more, `or_more` says whether there may be too many pairs, else there are
    /// too few.
    pub(crate) fn of_pairs(has: impl Fn(usize, usize) -> bool, or_more: bool) -> Set {
        let row = |first: usize| (0..10).fold(0_u16, |row, second| row | u16::from(has(first, second)) << second);
        let (mut set, mut rows, mut count) = (Set::EMPTY, [0_u16; 8], 0);
        for first in 0..10 {
            let wanted = row(first);
            let at = match rows.iter().take(count).position(|&row| row == wanted) {
                _ if wanted == 0 => continue,
                Some(at) => at,
                None if count < rows.len() => {
                    count += 1;
                    count - 1
                }
                None if or_more => rows.len() - 1,
                None => continue,
            };
            rows[at] |= wanted;
            set.high[first] |= 1 << at;
        }
        for (at, row) in rows.into_iter().enumerate() {
            (0..10).filter(|second| row >> second & 1 == 1).for_each(|second| set.low[second] |= 1 << at);
        }
        set
    }

    /// For each high nibble the low ones; at most eight different rows.
    pub(crate) const fn of(rows: &[(u8, &[u8])]) -> Set {
        let (mut set, mut masks, mut count) = (Set { low: [0; 16], high: [0; 16] }, [0_u16; 8], 0);
        let mut row = 0;
        while row < rows.len() {
            let (high, lows) = rows[row];
            let (mut mask, mut at) = (0, 0);
            while at < lows.len() {
                mask |= 1 << lows[at];
                at += 1;
            }
            let mut bit = 0;
            while bit < count && masks[bit] != mask {
                bit += 1;
            }
            if bit == count {
                masks[bit] = mask;
                count += 1;
            }
            set.high[high as usize] |= 1 << bit;
            let mut low = 0;
            while low < 16 {
                set.low[low] |= ((mask >> low & 1) as u8) << bit;
                low += 1;
            }
            row += 1;
        }
        set
    }

    /// Not zero where the byte is in the set.
    #[inline(always)]
    fn row(&self, byte: u8) -> u8 {
        self.low[usize::from(byte & 15)] & self.high[usize::from(byte >> 4)]
    }

    #[inline(always)]
    pub(crate) fn has(&self, byte: u8) -> bool {
        self.row(byte) != 0
    }
}

/// A set of instructions that this processor has; made only where it does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Backend(Family);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "aarch64")]
    Neon,
}

/// Names the backend for the whole process (`portable`, `avx2`, `avx512`, `neon`); one that the processor lacks ends it.
pub const BACKEND_VARIABLE: &str = "INTERCEPTOR_PAN_BACKEND";

impl Backend {
    /// Everything that this processor can do, the fastest last.
    pub fn available() -> Vec<Backend> {
        let mut all = vec![Backend(Family::Portable)];
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(x86::has_avx2().then_some(Backend(Family::Avx2)));
            all.extend(x86::has_avx512().then_some(Backend(Family::Avx512)));
        }
        #[cfg(target_arch = "aarch64")]
        all.push(Backend(Family::Neon)); // part of the architecture
        all
    }

    /// The one of this name, where the processor has it.
    pub fn named(name: &str) -> Option<Backend> {
        Backend::available().into_iter().find(|backend| backend.name() == name)
    }

    /// The fastest, or the one that the environment names.
    pub(crate) fn preferred() -> Backend {
        let Some(name) = std::env::var_os(BACKEND_VARIABLE) else {
            return Backend::available().pop().unwrap_or(Backend(Family::Portable));
        };
        let names = || Backend::available().iter().map(|backend| backend.name()).collect::<Vec<_>>().join(", ");
        match name.to_str().and_then(Backend::named) {
            Some(backend) => backend,
            None => panic!("{BACKEND_VARIABLE} names no backend of this processor; there are: {}", names()),
        }
    }

    /// What the environment variable calls it.
    pub fn name(self) -> &'static str {
        match self.0 {
            Family::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Family::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Family::Avx512 => "avx512",
            #[cfg(target_arch = "aarch64")]
            Family::Neon => "neon",
        }
    }

    /// [`crate::clean_prefix`] with these instructions.
    pub(crate) fn clean_prefix(self, bytes: &[u8]) -> usize {
        let (at, bits) = self.suspects(bytes, 0);
        prefix::first(at, bits, bytes.len())
    }

    /// The next window with places where a card may begin, with these instructions: see [`prefix::go`].
    pub(crate) fn suspects(self, bytes: &[u8], from: usize) -> (usize, u64) {
        match self.0 {
            Family::Portable => portable::suspects(bytes, from),
            #[cfg(target_arch = "x86_64")]
            Family::Avx2 => x86::suspects_avx2(bytes, from),
            #[cfg(target_arch = "x86_64")]
            Family::Avx512 => x86::suspects_avx512(bytes, from),
            #[cfg(target_arch = "aarch64")]
            Family::Neon => neon::suspects(bytes, from),
        }
    }

    /// Masks a short value with these instructions, see [`run::short`].
    pub(crate) fn short(self, engine: &'static Engine, value: &mut [u8]) -> Option<u32> {
        match self.0 {
            Family::Portable => run::short::<portable::Portable>(engine, value),
            #[cfg(target_arch = "x86_64")]
            Family::Avx2 => x86::short_avx2(engine, value),
            #[cfg(target_arch = "x86_64")]
            Family::Avx512 => x86::short_avx512(engine, value),
            #[cfg(target_arch = "aarch64")]
            Family::Neon => run::short::<neon::Neon>(engine, value),
        }
    }

    /// Goes over the bytes of `run` with these instructions.
    pub(crate) fn go(self, run: &mut Run<'_, '_>) -> Stop {
        match self.0 {
            Family::Portable => portable::go(run),
            #[cfg(target_arch = "x86_64")]
            Family::Avx2 => x86::go_avx2(run),
            #[cfg(target_arch = "x86_64")]
            Family::Avx512 => x86::go_avx512(run),
            #[cfg(target_arch = "aarch64")]
            Family::Neon => neon::go(run),
        }
    }

    /// How many words of `bytes` the strict scan need not look at.
    pub(crate) fn calm_words(self, bytes: &[u8]) -> usize {
        match self.0 {
            Family::Portable => calm::words::<portable::Portable>(bytes),
            #[cfg(target_arch = "x86_64")]
            Family::Avx2 => x86::calm_words_avx2(bytes),
            #[cfg(target_arch = "x86_64")]
            Family::Avx512 => x86::calm_words_avx512(bytes),
            #[cfg(target_arch = "aarch64")]
            Family::Neon => calm::words::<neon::Neon>(bytes),
        }
    }

    /// One window of the strict scan.
    pub(crate) fn strict_step(self, text: &mut strict::Text, bytes: &mut [u8], last: bool) -> (u32, usize) {
        match self.0 {
            Family::Portable => text.step::<portable::Portable>(bytes, last),
            #[cfg(target_arch = "x86_64")]
            Family::Avx2 => x86::strict_step_avx2(text, bytes, last),
            #[cfg(target_arch = "x86_64")]
            Family::Avx512 => x86::strict_step_avx512(text, bytes, last),
            #[cfg(target_arch = "aarch64")]
            Family::Neon => text.step::<neon::Neon>(bytes, last),
        }
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Keep, balanced::form::Forms, separator};

    #[test]
    fn by_name() {
        for backend in Backend::available() {
            assert_eq!(Backend::named(backend.name()), Some(backend));
            assert_eq!(format!("{backend:?}"), backend.name());
        }
        assert_eq!(Backend::named("abacus"), None);
        assert!(Backend::named("portable").is_some());
    }

    fn is_lead(byte: u8) -> bool {
        matches!(byte, b' ' | b'-' | b'.' | 0xa0 | 0xc2 | 0xe2 | 0xe3)
    }

    const SOME: Set = Set::of(&[(0x0, b"\x01\x02"), (0x3, b"\x09"), (0x7, b"\x0f"), (0xf, b"\x00\x0e")]);

    fn every_sum<M: Masks>() {
        let forms = Forms::new(Keep::default());
        for (index, form) in forms.iter().enumerate() {
            for seed in 0..500_usize {
                let bytes = std::array::from_fn(|at| {
                    if form.digits[at] > 0 { b'0' + ((seed * 7 + at * (seed / 10 + 3)) % 10) as u8 } else { seed as u8 }
                });
                assert_eq!(M::luhn_sum(&bytes, form), form.luhn_sum(&bytes), "form {index}, seed {seed}");
            }
        }
    }

    /// Sixteen bytes, pairs and stars over bytes that are digits above all.
    fn every_lane<M: Masks>() {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize
        };
        for round in 0..2_000 {
            let bytes: [u8; 2 * WORD] = std::array::from_fn(|_| {
                if round < 1_000 || next() % 8 > 0 { b'0' + (next() % 10) as u8 } else { next() as u8 }
            });
            let word = |offset: usize| -> &[u8; WORD] { bytes[offset..].first_chunk().unwrap() };
            let check = |at: usize| {
                let doubled = |digit: u32| digit * 2 / 10 + digit * 2 % 10;
                let digit = |at: usize| u32::from(bytes[at].wrapping_sub(b'0'));
                (0..16).map(|n| if n % 2 == 0 { doubled(digit(at + n)) } else { digit(at + n) }).sum::<u32>() % 10 == 0
            };
            let whole = |at: usize, count: usize| bytes[at..at + count].iter().all(u8::is_ascii_digit);
            let sixteen = M::tenths(M::sixteen(&bytes), 8);
            // What is no digit falls out again where it is taken away.
            let again = M::plus(M::minus(M::sixteen(&bytes), M::doubled(word(0))), M::doubled(word(0)));
            assert_eq!(M::tenths(again, 8), sixteen);
            let fours = M::fours([word(0), word(1), word(2), word(3)], &[PAIRS, ENDS]);
            let (pairs, same) = (M::pairs(word(0), word(1), &PAIRS), M::same(word(0), word(5)));
            for at in 0..WORD {
                assert!(!whole(at, 16) || (sixteen >> at & 1 == 1) == check(at), "round {round} at {at}");
                let pair = matches!(&bytes[at..at + 2], b"41" | b"49" | b"90");
                let four = matches!(&bytes[at..at + 4], [b'4', b'1' | b'9', b'0' | b'2', b'0' | b'2']);
                assert!(!whole(at, 4) || (fours >> at & 1 == 1) == four, "round {round} at {at}");
                assert_eq!(same >> at & 1 == 1, bytes[at] == bytes[at + 5], "round {round} at {at}");
                assert!(!whole(at, 2) || (pairs >> at & 1 == 1) == pair, "round {round} at {at}");
            }
            let mut hidden = *word(0);
            let bits = next() as u64 | (next() as u64) << 31;
            M::hide(&mut hidden, bits);
            let wanted: [u8; WORD] = std::array::from_fn(|at| if bits >> at & 1 == 1 { b'*' } else { bytes[at] });
            assert!(hidden == wanted, "round {round}");
        }
    }

    /// 41, 49 and 90.
    const PAIRS: Set = Set {
        low: [2, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0],
        high: [0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0],
    };

    /// Behind 41 and 49: 00, 02, 20 and 22. Behind 90: nothing.
    const ENDS: Set = Set {
        low: [1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        high: [1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    };

    fn every_byte_at_every_place<M: Masks>() {
        every_sum::<M>();
        every_lane::<M>();
        for byte in 0..=255_u8 {
            for place in 0..4 * WORD {
                let mut bytes = [b'/'; 4 * WORD];
                bytes[place] = byte;
                assert_eq!(M::any_digit(&bytes), byte.is_ascii_digit(), "byte {byte:#x} at {place}");
                bytes[(place + 77) % (4 * WORD)] = b'x';
                assert_eq!(M::any_of(&bytes, &SOME), SOME.has(byte), "byte {byte:#x} at {place}");
            }
            for singles in 0..=10_u8 {
                let sums = std::array::from_fn(|at| byte.wrapping_add(at as u8).wrapping_add(singles.wrapping_mul(48)));
                let ends = |at: &usize| byte.wrapping_add(*at as u8) % 10 == 0 && byte.wrapping_add(*at as u8) <= 175;
                let small =
                    (0..WORD).filter(|&at| byte.wrapping_add(at as u8) <= 175).fold(0, |bits, at| bits | 1 << at);
                let wanted = (0..WORD).filter(ends).fold(0, |bits, at| bits | 1 << at);
                assert_eq!(M::tenths(M::lanes(&sums), usize::from(singles)) & small, wanted, "from {byte}, {singles}");
            }
            for place in 0..WORD {
                for (other, rest) in [(b'x', 0), (b'7', u64::MAX)] {
                    let mut bytes = [other; WORD];
                    bytes[place] = byte;
                    let wanted = rest & !(1 << place) | u64::from(byte.is_ascii_digit()) << place;
                    assert_eq!(M::digits(&bytes), wanted, "byte {byte:#x} at {place}");
                    let leads = M::of(&bytes, &separator::LEADS);
                    assert_eq!(leads, u64::from(is_lead(byte)) << place, "byte {byte:#x} at {place}");
                    let wanted = (0..WORD).filter(|&at| SOME.has(bytes[at])).fold(0, |bits, at| bits | 1 << at);
                    assert_eq!(M::of(&bytes, &SOME), wanted, "byte {byte:#x} at {place}");
                }
            }
        }
    }

    #[test]
    fn digits() {
        every_byte_at_every_place::<portable::Portable>();
        #[cfg(target_arch = "x86_64")]
        {
            if x86::has_avx2() {
                every_byte_at_every_place::<x86::Avx2>();
            }
            if x86::has_avx512() {
                every_byte_at_every_place::<x86::Avx512>();
            }
        }
        #[cfg(target_arch = "aarch64")]
        every_byte_at_every_place::<neon::Neon>();
    }
}
