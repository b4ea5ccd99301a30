//! Plain cards of one length that nothing beside them has a say in, a block of them at a time.
//!
//! Two loops of some thirty instructions a number, each compiled on its own: within the loop over blocks they have no registers.

use crate::{
    arch::WORD,
    balanced::{
        beside,
        block::{AHEAD, WORDS},
        form::{Form, SPAN_MAX},
        places::Places,
    },
    iin::{Heads, Lengths},
};

/// A block with the byte before it and what is read behind it.
pub(crate) const AROUND: usize = (WORDS + AHEAD) * WORD;
/// Where a number starts at most: one of any form ends within.
const START_MAX: usize = AROUND - 2 * SPAN_MAX;

/// Keeps the numbers that are issued by their head, each `lead` bytes behind its place; whether all of them are cards without a doubt.
#[inline(never)]
pub(super) fn keep_issued(places: &mut Places, bytes: &[u8; AROUND], lead: usize, form: &Form, heads: &Heads) -> bool {
    let (span, lengths) = (form.span % SPAN_MAX, Lengths::of_one(form.count));
    let issued = |start: usize| {
        let head = [bytes[start], bytes[start + 1], bytes[start + 2], bytes[start + 3]];
        heads.balanced_of(&head).any_of(lengths)
    };
    let (mut matters, mut all) = (false, true);
    // Without a store: where all are kept, as cards are, nothing waits for where the last one went.
    for place in places.iter() {
        let start = (lead + place).min(START_MAX);
        let before = beside::ON_THE_LEFT[usize::from(bytes[start.saturating_sub(1)])];
        let (here, behind) = (issued(start), beside::BEHIND[usize::from(bytes[start + span])]);
        matters |= here & (before | behind);
        all &= here;
    }
    if !all {
        places.retain(|place| issued((lead + place).min(START_MAX)));
    }
    !matters
}

/// Writes the stars of each, from and to so many bytes behind its start; the last place in the block.
#[inline(never)]
pub(super) fn star(places: &Places, bytes: &mut [u8; AROUND], lead: usize, (from, to): (u32, u32)) -> Option<usize> {
    let (from, to) = (lead + from as usize, lead + to as usize);
    match to - from {
        4..=8 => star_ends::<4>(places, bytes, from, to),
        9..=16 => star_ends::<8>(places, bytes, from, to),
        _ => star_ends::<16>(places, bytes, from, to),
    }
    places.iter().max()
}

/// In two stores of `N` bytes, which overlap.
#[inline(always)]
fn star_ends<const N: usize>(places: &Places, bytes: &mut [u8; AROUND], from: usize, to: usize) {
    for place in places.iter() {
        for at in [place + from, place + to - N] {
            if let Some(slot) = bytes.get_mut(at.min(AROUND - N)..).and_then(|rest| rest.first_chunk_mut()) {
                *slot = [b'*'; N];
            }
        }
    }
}
