//! Where may a card begin? For whoever has many values in one buffer and wants to look at single ones only where it matters.

use crate::{
    Engine,
    arch::{Masks, WORD},
    keep::DIGITS_MIN,
};

/// How many bytes at the front of `bytes` are surely no part of a card that the balanced scan would find in any text within them, wherever one value
/// ends and the next begins. What stands between values (lengths, tags) may look like digits: that makes the answer smaller, never larger.
///
/// A card that begins behind `bytes` is not seen: ask only about values that end within them. Encodings are not read: text of bytea,
/// binary numbers and values in strict mode have to be scanned as what they are.
pub fn clean_prefix(bytes: &[u8]) -> usize {
    Engine::current().backend().clean_prefix(bytes)
}

/// The places in a buffer where a card may begin, from front to back: [`clean_prefix`] again and again, and every byte is looked at once.
#[derive(Clone, Copy, Debug)]
pub struct Suspects {
    /// Where the window begins that was looked at last.
    at: usize,
    /// Its places, a bit each.
    bits: u64,
}

impl Default for Suspects {
    fn default() -> Suspects {
        Suspects { at: usize::MAX, bits: 0 }
    }
}

impl Suspects {
    /// The first such place at `from` or behind it; the length of `bytes` where there is none. Between two questions bytes in front of
    /// the later one's `from` may change, and no others.
    #[inline]
    pub fn next(&mut self, bytes: &[u8], from: usize) -> usize {
        let mut from = from;
        if let Some(offset) = from.checked_sub(self.at).filter(|offset| *offset < DECIDED) {
            let open = self.bits & u64::MAX << offset;
            if open != 0 {
                return self.at + open.trailing_zeros() as usize;
            }
            from = self.at + DECIDED;
        }
        (self.at, self.bits) = Engine::current().backend().suspects(bytes, from);
        first(self.at, self.bits, bytes.len())
    }
}

/// The place of the lowest bit; `none` without one.
pub(crate) fn first(at: usize, bits: u64, none: usize) -> usize {
    if bits == 0 { none } else { at + bits.trailing_zeros() as usize }
}

/// Of so many places a window of bytes decides: the digits of the shortest card stand within it.
const DECIDED: usize = WORD - (DIGITS_MIN - 1);

/// The first window at `from` or behind it that has such places, and their bits. The loop is compiled for each family of instructions.
#[inline(always)]
pub(crate) fn go<M: Masks>(bytes: &[u8], from: usize) -> (usize, u64) {
    let mut rest = bytes.get(from..).unwrap_or_default();
    while let Some((word, behind)) = rest.split_first_chunk::<WORD>() {
        let digits = M::digits(word);
        if digits == 0 {
            rest = behind;
            while let Some((four, behind)) = rest.split_first_chunk::<{ 4 * WORD }>()
                && !M::any_digit(four)
            {
                rest = behind;
            }
            continue;
        }
        let starts = starts(digits) & ((1 << DECIDED) - 1);
        if starts != 0 {
            return (bytes.len() - rest.len(), starts);
        }
        rest = rest.get(DECIDED..).unwrap_or_default();
    }
    // Behind the end stands nothing.
    let mut last = [0; WORD];
    for (slot, byte) in last.iter_mut().zip(rest) {
        *slot = *byte;
    }
    (bytes.len() - rest.len(), starts(M::digits(&last)))
}

/// Bit n: thirteen digits stand from n on, or four, one to three other bytes and four more.
#[inline(always)]
fn starts(digits: u64) -> u64 {
    let two = digits & digits >> 1;
    let four = two & two >> 2;
    let eight = four & four >> 4;
    let next = four >> 5 | four >> 6 | four >> 7;
    eight & eight >> 5 | four & !(digits >> 4) & next
}

#[cfg(test)]
mod tests {
    use super::{Suspects, clean_prefix};
    use crate::{Backend, Fill, naive, times};

    #[test]
    fn by_hand() {
        for (text, clean) in [
            ("", 0),
            ("no digits", 9),
            ("2026-11-21 01:42:08.123456 and 123456789012", 43),
            ("a card: 4111111111111111", 8),
            ("4111 1111 1111 1111", 0),
            ("x0004111\u{a0}1111", 4),
            ("1234567890123", 0),
        ] {
            for backend in Backend::available() {
                assert_eq!(backend.clean_prefix(text.as_bytes()), clean, "{} bytes, {backend:?}", text.len());
            }
        }
    }

    /// Asked again behind each place, with the bytes before it overwritten: the same places as without a memory.
    #[test]
    fn a_place_behind_the_last_one() {
        let mut state = 7_u64;
        let mut next = |end: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % end
        };
        let mut found = 0;
        for round in 0..times(5_000) {
            let few = 2 + next(5);
            let mut bytes: Vec<u8> = (0..next(400)).map(|_| b"777-7 x"[next(few) as usize]).collect();
            let (mut suspects, mut from) = (Suspects::default(), 0);
            loop {
                let place = suspects.next(&bytes, from);
                assert_eq!(place, from + clean_prefix(&bytes[from..]), "round {round}");
                if place == bytes.len() {
                    break;
                }
                found += 1;
                from = place + 1 + next(30.min(bytes.len() as u64 - place as u64)) as usize;
                bytes[..from].fill(b'*');
            }
        }
        assert!(found > times(10_000));
    }

    /// Whatever the naive scan hides in whatever part of random bytes lies behind the clean prefix.
    #[test]
    fn no_card_lies_before_it() {
        let (mut state, mut cards) = (1_u64, 0);
        let mut next = |end: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % end
        };
        for round in 0..times(20_000) {
            let mut bytes: Vec<u8> = (0..next(150)).map(|_| b"-x \x31\x00."[next(6) as usize]).collect();
            let value = [&b"4111111111111111"[..], b"4111 1111 1111 1111", b"3782\xc2\xa0822463\xc2\xa010005"]
                [next(3) as usize];
            let start = bytes.len();
            bytes.extend_from_slice(value);
            bytes.extend((0..next(150)).map(|_| b"-x \x31\x00."[next(6) as usize]));
            // The value alone, as a column would be cut out.
            let mut alone = value.to_vec();
            cards += naive::mask_text(&mut alone, Fill::Text);
            for backend in Backend::available() {
                assert!(backend.clean_prefix(&bytes) <= start, "round {round}, {backend:?}");
            }
        }
        assert_eq!(cards as usize, times(20_000));
    }
}
