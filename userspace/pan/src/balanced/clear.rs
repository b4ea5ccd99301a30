//! Plain cards of one length that nothing beside them has a say in, a block of them at a time.
//!
//! Two loops of a dozen instructions a number, each compiled on its own: within the loop over blocks they have no registers. A place within a block
//! and a form's span need no check of their bounds.

use crate::{
    arch::{Masks, Set, WORD},
    balanced::{
        beside,
        block::{AHEAD, WORDS},
        form::{Form, SPAN_MAX},
        places::Places,
    },
    iin::{Heads, Lengths},
};

/// The byte before a block, the block, and what is read behind it.
pub(super) type Around = [u8; AROUND];
pub(super) const AROUND: usize = (WORDS + AHEAD) * WORD;
const BLOCK: usize = WORDS * WORD;
const _: () = assert!(BLOCK + 2 * SPAN_MAX <= AROUND);

/// From so many numbers on it is cheaper to ask all bytes of a block than those beside each.
const MANY: usize = 64;
/// Every byte that has a say in a number beside it, but for digits.
static SAYS: Set = Set::of(&[
    (0x2, &[0x0, 0xb, 0xd, 0xe]),
    (0x3, &[0xd]),
    (0x4, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
    (0x5, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 14]),
    (0x6, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
    (0x7, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
    (0xa, &[0x0]),
    (0xc, &[0x2]),
    (0xe, &[0x2, 0x3]),
]);

/// Whether nothing that stands there has a say in any of the numbers, which are many.
#[inline(always)]
pub(super) fn is_quiet<M: Masks>(places: &Places, bytes: &Around) -> bool {
    if !M::AT_ONCE || places.count() < MANY {
        return false;
    }
    let (fours, rest) = bytes.as_chunks();
    // Loops and no closures, which would be compiled without the processor's instructions.
    for four in fours {
        if M::any_of(four, &SAYS) {
            return false;
        }
    }
    let mut any = 0;
    for word in rest.as_chunks().0 {
        any |= M::of(word, &SAYS);
    }
    any == 0
}

/// Keeps the numbers that are issued by their head; whether all of them are cards without a doubt. `quiet`: nothing beside them has a say.
#[inline(never)]
pub(super) fn keep_issued(places: &mut Places, bytes: &Around, form: &Form, heads: &Heads, quiet: bool) -> bool {
    if quiet {
        let lengths = Lengths::of_one(form.count);
        let issued = places.weighed().fold(Lengths::ALL, |issued, (_, head)| issued.and(heads.balanced_at(head)));
        if !issued.any_of(lengths) {
            places.keep_issued(heads, lengths);
        }
        return true;
    }
    let (behind, lengths) = ((1 + form.span) % (2 * SPAN_MAX), Lengths::of_one(form.count));
    let beside = |place: usize| {
        let (before, behind) = (bytes[place % BLOCK], bytes[place % BLOCK + behind]);
        beside::LEFT[usize::from(before)] | beside::PLAIN[usize::from(behind)]
    };
    // As if all were cards that stand alone: as often as not they are.
    let (mut issued, mut any) = (Lengths::ALL, 0);
    for (place, head) in places.weighed() {
        issued = issued.and(heads.balanced_at(head));
        any |= beside(place);
    }
    if issued.any_of(lengths) && any == 0 {
        return true;
    }
    places.keep_issued(heads, lengths);
    places.iter().fold(0, |any, place| any | beside(place)) == 0
}

/// Writes the stars of each, from and to so many bytes behind its start; the last place in the block.
#[inline(never)]
pub(super) fn star(places: &Places, bytes: &mut Around, (from, to): (u32, u32)) -> Option<usize> {
    let (from, to) = (1 + from as usize, 1 + to as usize);
    match to - from {
        4..=8 => star_ends::<4>(places, bytes, from, to),
        9..=16 => star_ends::<8>(places, bytes, from, to),
        _ => star_ends::<16>(places, bytes, from, to),
    }
    places.last()
}

/// In two stores of `N` bytes, which overlap.
#[inline(always)]
fn star_ends<const N: usize>(places: &Places, bytes: &mut Around, from: usize, to: usize) {
    let [first, second] = [from, to - N].map(|at| at % SPAN_MAX);
    for place in places.iter() {
        let place = place % BLOCK;
        bytes[place + first..place + first + N].copy_from_slice(&[b'*'; N]);
        bytes[place + second..place + second + N].copy_from_slice(&[b'*'; N]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_that_has_a_say() {
        for byte in 0..=255 {
            let says = beside::LEFT[usize::from(byte)] | beside::PLAIN[usize::from(byte)] != 0;
            assert_eq!(SAYS.has(byte), says && !byte.is_ascii_digit(), "{byte:#x}");
        }
    }
}
