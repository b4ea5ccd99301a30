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
    Engine, Scan,
    balanced::block::{AHEAD, Block, WORDS},
    balanced::form::{Form, SPAN_MAX},
    balanced::{
        Pass, Text, bound, fours,
        places::Places,
        prefix,
        run::{self, Run, Stop},
        sieve::{self, Input},
        sorted::{Numbers, Sorted},
    },
    strict,
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
        portable::of(bytes, set)
    }

    /// Whether any of 256 bytes is in the set.
    #[inline(always)]
    fn any_of(bytes: &[u8; 4 * WORD], set: &Set) -> bool {
        bytes.iter().fold(0, |any, &byte| any | set.row(byte)) != 0
    }

    /// The sum of the check digit over a number written in this form.
    #[inline(always)]
    fn luhn_sum(bytes: &[u8; SPAN_MAX], form: &Form) -> u32 {
        form.luhn_sum(bytes)
    }

    /// Adds the places of all bits.
    #[inline(always)]
    fn list(starts: &[u64; WORDS], places: &mut Places) {
        for index in sieve::Busy::of(starts) {
            places.push(index, starts[index]);
        }
    }

    /// The same where they are few and apart; false, and nothing is added: they are not, or there is no such way.
    #[inline(always)]
    fn list_few(_: &[u64; WORDS], _: &mut Places) -> bool {
        false
    }

    /// Of the numbers of this form that begin at the places of `bytes` keeps those whose check digit is right.
    #[inline(always)]
    fn weigh(bytes: &[u8], places: &mut Places, form: &Form)
    where
        Self: Sized,
    {
        sieve::weigh_each::<Self>(bytes, places, form);
    }

    /// Sorts the numbers of a form by what stands beside them.
    #[inline(always)]
    fn sort(sorted: &mut Sorted, numbers: Numbers<'_>) {
        sorted.add(numbers);
    }

    /// Looks at what was sorted, see [`Run::sifted`].
    #[inline(always)]
    fn sifted(run: &mut Run<'_, '_>, block: &Block, sorted: &Sorted) -> Option<Stop>
    where
        Self: Sized,
    {
        run.sifted::<Self>(block, sorted)
    }

    /// Whether all bytes of a block are asked rather than those of many numbers; else `fours` and `tell_accounts` are not called.
    const AT_ONCE: bool = false;

    /// Sorts the numbers that start there at all places at once, see [`fours::sort`].
    #[inline(always)]
    fn fours(_: &mut Sorted, _: fours::Starts<'_>, _: Input<'_>) -> usize {
        0
    }

    /// Tells which places are an account number's, see [`fours::tell`].
    #[inline(always)]
    fn tell_accounts(_: &mut Sorted, _: Input<'_>) {}

    /// What that cannot leave out, see [`fours::bound`].
    #[inline(always)]
    fn fours_bound(_: fours::Starts<'_>, _: Input<'_>, _: &mut [u64; WORDS + AHEAD]) -> usize {
        0
    }

    /// Bit n: the byte n is this one.
    #[inline(always)]
    fn equal(bytes: &[u8; WORD], byte: u8) -> u64 {
        bytes.iter().enumerate().fold(0, |bits, (at, &other)| bits | u64::from(other == byte) << at)
    }

    /// Writes a byte over each one whose bit is set.
    #[inline(always)]
    fn put(bytes: &mut [u8; WORD], bits: u64, byte: u8) {
        portable::put(bytes, bits, byte);
    }

    /// The same with a star.
    #[inline(always)]
    fn hide(bytes: &mut [u8; WORD], bits: u64) {
        Self::put(bytes, bits, b'*');
    }
}

/// Bit n: the byte n is an ASCII digit. For a single word, where no other instructions would pay for the call.
pub(crate) fn digits(bytes: &[u8; WORD]) -> u64 {
    portable::Portable::digits(bytes)
}

/// A set of bytes, by their nibbles: a byte is in it where the entries of its low and of its high nibble have a bit in common. So each bit stands
/// for high nibbles that go with the same low ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Set {
    pub(crate) low: [u8; 16],
    pub(crate) high: [u8; 16],
}

impl Set {
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

    #[cfg(test)]
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

    /// Masks what is left of a pass with these instructions, see [`run::rest`].
    pub(crate) fn rest(self, text: &mut Text, pass: &mut Pass<'_>) -> Option<u32> {
        match self.0 {
            Family::Portable => run::rest::<portable::Portable>(text, pass),
            #[cfg(target_arch = "x86_64")]
            Family::Avx2 => x86::rest_avx2(text, pass),
            #[cfg(target_arch = "x86_64")]
            Family::Avx512 => x86::rest_avx512(text, pass),
            #[cfg(target_arch = "aarch64")]
            Family::Neon => run::rest::<neon::Neon>(text, pass),
        }
    }

    /// What no scan can leave out, with these instructions: see [`bound::go`].
    pub(crate) fn bound(self, engine: &Engine, bytes: &mut [u8]) -> usize {
        match self.0 {
            Family::Portable => bound::go::<portable::Portable>(engine, bytes),
            #[cfg(target_arch = "x86_64")]
            Family::Avx2 => x86::bound_avx2(engine, bytes),
            #[cfg(target_arch = "x86_64")]
            Family::Avx512 => x86::bound_avx512(engine, bytes),
            #[cfg(target_arch = "aarch64")]
            Family::Neon => bound::go::<neon::Neon>(engine, bytes),
        }
    }

    /// The same of the strict scan: see [`strict::bound::go`].
    pub(crate) fn strict_bound(self, engine: &Engine, bytes: &mut [u8]) -> usize {
        match self.0 {
            Family::Portable => strict::bound::go::<portable::Portable>(engine, bytes),
            #[cfg(target_arch = "x86_64")]
            Family::Avx2 => x86::strict_bound_avx2(engine, bytes),
            #[cfg(target_arch = "x86_64")]
            Family::Avx512 => x86::strict_bound_avx512(engine, bytes),
            #[cfg(target_arch = "aarch64")]
            Family::Neon => strict::bound::go::<neon::Neon>(engine, bytes),
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

    /// The strict scan of text.
    pub(crate) fn strict_scan(self, text: &mut strict::Text, bytes: &mut [u8], last: bool) -> Scan {
        match self.0 {
            Family::Portable => text.scan_windows::<portable::Portable>(bytes, last),
            #[cfg(target_arch = "x86_64")]
            Family::Avx2 => x86::strict_scan_avx2(text, bytes, last),
            #[cfg(target_arch = "x86_64")]
            Family::Avx512 => x86::strict_scan_avx512(text, bytes, last),
            #[cfg(target_arch = "aarch64")]
            Family::Neon => text.scan_windows::<neon::Neon>(bytes, last),
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
    use crate::{Keep, balanced::form::Forms, separator, times};

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
            for seed in 0..times(500) {
                let bytes = std::array::from_fn(|at| {
                    if form.digits[at] > 0 { b'0' + ((seed * 7 + at * (seed / 10 + 3)) % 10) as u8 } else { seed as u8 }
                });
                assert_eq!(M::luhn_sum(&bytes, form), form.luhn_sum(&bytes), "form {index}, seed {seed}");
            }
        }
    }

    /// Numbers of every form, wherever they begin, and right behind the end of what the last may read.
    fn every_weight<M: Masks>() {
        let (forms, mut state) = (Forms::new(Keep::default()), 1_u64);
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize
        };
        for (index, form) in forms.iter().enumerate() {
            for round in 0..times(50) {
                let length = SPAN_MAX + next() % 500;
                let bytes: Vec<u8> = (0..length).map(|_| b'0' + (next() % 10) as u8).collect();
                let (mut places, mut wanted) = (Places::EMPTY, Vec::new());
                for word in 0..=(length - SPAN_MAX) / WORD {
                    let inside = u64::MAX >> (WORD - 1 - (length - SPAN_MAX - word * WORD).min(WORD - 1));
                    let bits = (0..next() % 13).fold(0, |bits, _| bits | 1 << (next() % WORD)) & inside;
                    places.push(word, bits);
                    wanted.extend((0..WORD).filter(|bit| bits >> bit & 1 == 1).map(|bit| word * WORD + bit));
                }
                assert_eq!(places.iter().collect::<Vec<_>>(), wanted, "form {index}, round {round}");
                let mut starts = [0; WORDS];
                wanted.iter().for_each(|at| starts[at / WORD] |= 1 << (at % WORD));
                places.clear();
                M::list(&starts, &mut places);
                let mut listed = places.iter().collect::<Vec<_>>();
                listed.sort_unstable();
                assert_eq!(listed, wanted, "form {index}, round {round}");
                wanted.retain(|&at| form.luhn_sum(bytes[at..].first_chunk().unwrap()) % 10 == 0);
                M::weigh(&bytes, &mut places, form);
                let mut weighed = places.iter().collect::<Vec<_>>();
                weighed.sort_unstable();
                assert_eq!(weighed, wanted, "form {index}, round {round}");
            }
        }
    }

    fn every_star<M: Masks>() {
        for bits in (0..times(2_000) as u64).map(|seed| seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ seed << 40) {
            let mut hidden = std::array::from_fn(|at| b'0' + (at % 10) as u8);
            M::hide(&mut hidden, bits);
            let wanted: [u8; WORD] =
                std::array::from_fn(|at| if bits >> at & 1 == 1 { b'*' } else { b'0' + (at % 10) as u8 });
            assert!(hidden == wanted, "bits {bits:#x}");
        }
    }

    fn every_byte_at_every_place<M: Masks>() {
        every_sum::<M>();
        every_weight::<M>();
        every_star::<M>();
        for byte in (0..=255_u8).step_by(if cfg!(miri) { 0x39 } else { 1 }) {
            for place in (0..4 * WORD).step_by(if cfg!(miri) { 83 } else { 1 }) {
                let mut bytes = [b'/'; 4 * WORD];
                bytes[place] = byte;
                assert_eq!(M::any_digit(&bytes), byte.is_ascii_digit(), "byte {byte:#x} at {place}");
                bytes[(place + 77) % (4 * WORD)] = b'x';
                assert_eq!(M::any_of(&bytes, &SOME), SOME.has(byte), "byte {byte:#x} at {place}");
            }
            for place in (0..WORD).step_by(if cfg!(miri) { 7 } else { 1 }) {
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
