//! Which places stand behind the head of an account number, within four groups of its separator: [`crate::balanced::candidate::Around::in_iban`] for
//! 64 places at once.

use super::{AROUND, Beside, MASKS, any_of, has, left, load, window};
use crate::{
    arch::{
        WORD,
        lanes::{Lanes, Strict},
    },
    balanced::block::{WORDS, shift},
    balanced::iban,
    balanced::sorted::Sorted,
};

/// Tells which places of a block are an account number's, where that is asked for.
#[inline(always)]
pub(super) fn tell<M: Strict>(sorted: &mut Sorted, beside: &Beside, bytes: &[u8; AROUND]) {
    let (accounts, heads) = Accounts::read::<M>(beside, bytes);
    let asked = sorted.asked;
    for word in 0..WORDS {
        let mut places = [0; _];
        if let Some(accounts) = &accounts {
            // No closures: see the file above.
            if asked[0] {
                places[0] = accounts.of::<M, 1>(bytes, word);
            }
            if asked[1] {
                places[1] = accounts.of::<M, 2>(bytes, word);
            }
            if asked[2] {
                places[2] = accounts.of::<M, 3>(bytes, word);
            }
        }
        sorted.tell(word, places);
    }
    sorted.all_told(heads);
}

/// What may be an account number's, as bits, from the word before the block on.
struct Accounts {
    /// A head begins there, and no letter and no digit stands before it.
    heads: [u64; MASKS],
    /// A head begins there, whatever stands before it: no group in front of it is asked for.
    ends: [u64; MASKS],
    /// Four bytes stand there that may be a later group.
    groups: [u64; MASKS],
}

impl Accounts {
    /// None where no head begins. How many pairs of large letters there are, of which one may.
    #[inline(always)]
    fn read<M: Strict>(beside: &Beside, bytes: &[u8; AROUND]) -> (Option<Accounts>, u32) {
        let (mut accounts, mut any, mut pairs) = (Accounts { heads: [0; _], ends: [0; _], groups: [0; _] }, 0, 0);
        // Behind the last word nothing is asked for.
        for word in 0..MASKS - 1 {
            let [large, digits] = [&beside.large, &beside.digits].map(|bits| [bits[word], bits[word + 1]]);
            let letters = large[0] & shift(large[0], large[1], 1);
            accounts.ends[word] = letters & shift(digits[0], digits[1], 2) & shift(digits[0], digits[1], 3);
            any |= accounts.ends[word];
            pairs += letters.count_ones();
        }
        if any == 0 {
            return (None, pairs);
        }
        for word in 0..MASKS - 1 {
            let ends = accounts.ends[word];
            if ends != 0 {
                let few = ends.count_ones() as usize <= FEW;
                accounts.ends[word] = if few { known_of(bytes, word, ends) } else { ends & known::<M>(bytes, word) };
            }
        }
        accounts.read_groups(beside);
        (Some(accounts), pairs)
    }

    #[inline(always)]
    fn read_groups(&mut self, beside: &Beside) {
        let mut before = 0;
        for word in 0..MASKS - 1 {
            let alphanumeric = beside.letters[word] | beside.digits[word];
            let body = [word, word + 1].map(|at| beside.digits[at] | beside.large[at] | beside.stars[at]);
            let two = body[0] & shift(body[0], body[1], 1);
            self.groups[word] = two & shift(two, body[1] & body[1] >> 1, 2) & !self.ends[word];
            self.heads[word] = self.ends[word] & !left(before, alphanumeric, 1);
            before = alphanumeric;
        }
    }

    /// Of the places of a word of the block those that are an account number's, where the separator behind them has `GAP` bytes.
    #[inline(always)]
    fn of<M: Strict, const GAP: usize>(&self, bytes: &[u8; AROUND], word: usize) -> u64 {
        // 28 bytes and one more: those that the word before shares with this one.
        let both = |bits: &[u64; MASKS]| u128::from(bits[word]) | u128::from(bits[word + 1]) << WORD;
        let heads = both(&self.heads);
        if heads == 0 {
            return 0;
        }
        let step = 4 + GAP;
        // Where a separator stands before four bytes as it does behind them.
        let (early, late) = (goes_on::<M, GAP>(bytes, word * WORD), goes_on::<M, GAP>(bytes, (word + 1) * WORD));
        let same = (u128::from(early) | u128::from(late) << WORD) << step;
        let groups = both(&self.groups) & same;
        let mut found = heads;
        for _ in 0..3 {
            found = heads | groups & found << step;
        }
        ((same & found << step) >> WORD) as u64
    }
}

/// So many are asked one by one in less time than all places.
const FEW: usize = 4;

/// Of at most [`FEW`] pairs of large letters those that a head begins with. As if they were so many, always: so there is no branch for each.
#[inline(always)]
fn known_of(bytes: &[u8; AROUND], word: usize, pairs: u64) -> u64 {
    let (mut rest, mut known) = (pairs, 0);
    for _ in 0..FEW {
        // Of none anything is asked, and it has no bit.
        let [first, second, ..] = *window(bytes, word * WORD + rest.trailing_zeros() as usize % WORD);
        let lowest = rest & rest.wrapping_neg();
        known |= lowest & u64::from(iban::begins_head(first, second)).wrapping_neg();
        rest ^= lowest;
    }
    known
}

/// Where two letters stand that a head begins with.
#[inline(always)]
fn known<M: Strict>(bytes: &[u8; AROUND], word: usize) -> u64 {
    let (at, nibble) = (word * WORD, M::Values::all(15));
    let (first, second) = (load::<M::Values>(bytes, at), load::<M::Values>(bytes, at + 1));
    has(any_of([first.high(), first.and(nibble), second.high(), second.and(nibble)], &iban::PAIRS), u8::MAX)
}

/// Where behind four bytes the same separator stands as behind the next four.
#[inline(always)]
fn goes_on<M: Strict, const GAP: usize>(bytes: &[u8; AROUND], at: usize) -> u64 {
    let (step, mut same) = (4 + GAP, u64::MAX);
    for byte in at + 4..at + step {
        let (here, next) = (load::<M::Values>(bytes, byte), load::<M::Values>(bytes, byte + step));
        same &= M::Values::bits(here.equals(next));
    }
    same
}
