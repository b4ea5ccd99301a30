//! Places of a block as a list: numbers of one form are weighed several at a time, whatever word they begin in.

use crate::{
    arch::WORD,
    balanced::block::WORDS,
    iin::{Heads, Lengths},
};

/// So many numbers of one form begin in a word at most: four digits and a separator each.
const IN_WORD: usize = WORD.div_ceil(5);
const _: () = assert!(IN_WORD % 2 == 1);
/// Places are written and read by so many.
pub(crate) const STEP: usize = 8;
/// So many and fewer are listed in another way where there is one.
pub(crate) const FEW: usize = 4;
/// Where in a place the first four digits begin.
pub(crate) const HEAD: u32 = 16;
const _: () = assert!((WORDS + 1) * WORD < 1 << HEAD);
const ROOM: usize = (WORDS * IN_WORD + 2 * STEP).next_power_of_two();

/// Offsets in a block, in no order.
pub(crate) struct Places {
    /// The offset, and above it, once the number there is weighed, its first four digits.
    at: [u32; ROOM],
    count: usize,
}

impl Places {
    pub(crate) const EMPTY: Places = Places { at: [0; ROOM], count: 0 };

    #[inline(always)]
    pub(crate) fn clear(&mut self) {
        self.count = 0;
    }

    #[inline(always)]
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Adds the places of a word's bits, two at a time: how many there are is then rarely a branch that nobody foresees.
    #[inline(always)]
    pub(crate) fn push(&mut self, word: usize, bits: u64) {
        let Some(slots) = self.at.get_mut(self.count..).and_then(|slots| slots.first_chunk_mut::<{ IN_WORD + 1 }>())
        else {
            return;
        };
        let (mut rest, first) = (bits, (word * WORD) as u32);
        for [one, two] in slots.as_chunks_mut().0 {
            *one = first + rest.trailing_zeros();
            rest &= rest.wrapping_sub(1);
            *two = first + rest.trailing_zeros();
            rest &= rest.wrapping_sub(1);
            if rest == 0 {
                break;
            }
        }
        debug_assert_eq!(rest, 0);
        self.count += bits.count_ones() as usize;
    }

    /// Goes over all of them and keeps those of which `head` says their first four digits.
    #[inline(always)]
    pub(crate) fn weigh(&mut self, mut head: impl FnMut(usize) -> Option<usize>) {
        let mut kept = 0;
        for index in 0..self.count.min(ROOM) {
            let place = self.at[index];
            let head = head(place as usize);
            self.at[kept] = place | (head.unwrap_or(0) as u32) << HEAD;
            kept += usize::from(head.is_some());
        }
        self.count = kept;
    }

    /// Of what is weighed keeps the numbers that are issued by their head in one of these lengths.
    #[inline(always)]
    pub(crate) fn keep_issued(&mut self, heads: &Heads, lengths: Lengths) {
        let mut kept = 0;
        for index in 0..self.count.min(ROOM) {
            let place = self.at[index];
            self.at[kept] = place;
            kept += usize::from(heads.balanced_at(place >> HEAD).any_of(lengths));
        }
        self.count = kept;
    }

    #[inline(always)]
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = usize> {
        self.weighed().map(|(place, _)| place)
    }

    /// The last one in the block.
    #[inline(always)]
    pub(crate) fn last(&self) -> Option<usize> {
        // In words that a vector holds four of, and that every processor compares.
        let places = self.at.get(..self.count).unwrap_or_default().iter();
        let last = places.fold(-1, |last, &place| last.max(i32::from(place as u16)));
        usize::try_from(last).ok()
    }

    /// With the first four digits.
    #[inline(always)]
    pub(crate) fn weighed(&self) -> impl DoubleEndedIterator<Item = (usize, u32)> {
        let places = self.at.get(..self.count).unwrap_or_default().iter();
        places.map(|&place| (usize::from(place as u16), place >> HEAD))
    }
}

/// What backends of their own read and write.
#[cfg(target_arch = "x86_64")]
impl Places {
    /// Adds so many, which were written behind the others.
    #[inline(always)]
    pub(crate) fn add(&mut self, count: usize) {
        self.count = (self.count + count).min(ROOM);
    }

    /// Eight from the one at `index` on; behind the last stands anything, at most a word behind the block.
    #[inline(always)]
    pub(crate) fn eight(&self, index: usize) -> &[u32; STEP] {
        self.at.get(index..).and_then(|places| places.first_chunk()).unwrap_or(&[0; STEP])
    }

    /// The same, to write.
    #[inline(always)]
    pub(crate) fn eight_mut(&mut self, index: usize) -> Option<&mut [u32; STEP]> {
        self.at.get_mut(index..).and_then(|places| places.first_chunk_mut())
    }

    /// Keeps the first so many.
    #[inline(always)]
    pub(crate) fn keep(&mut self, count: usize) {
        self.count = count.min(self.count);
    }
}
