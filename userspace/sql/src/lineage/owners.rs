//! Which items of a FROM may have a column: a bare name in a join of many tables is one of theirs, and is looked for there alone.

use std::ops::RangeInclusive;

use crate::digest::{SLOTS, Sought};

/// By the slot of a name, a bit for each item that may have a column of it.
pub(super) struct Owners([u16; SLOTS]);

impl Owners {
    /// So many items: of fewer each is asked sooner than this is made, for more there is no bit.
    pub(super) const ARE_WORTH: RangeInclusive<usize> = 4..=16;

    /// Of items by the slots of their columns' names, in their order; `None`: any name may be one.
    pub(super) fn of<S: Iterator<Item = usize>>(items: impl Iterator<Item = Option<S>>) -> Owners {
        let (mut all, mut any) = ([0; SLOTS], 0);
        for (at, item) in items.enumerate() {
            let bit = 1 << at;
            match item {
                Some(slots) => slots.for_each(|slot| all[slot % SLOTS] |= bit),
                None => any |= bit,
            }
        }
        if any != 0 {
            all.iter_mut().for_each(|items| *items |= any);
        }
        Owners(all)
    }

    /// The places of those that may have it, in their order.
    pub(super) fn may_have(&self, sought: Sought<'_>) -> impl Iterator<Item = usize> {
        let mut left = self.0[sought.slot() % SLOTS];
        std::iter::from_fn(move || {
            let at = left.trailing_zeros() as usize;
            let is_one = left != 0;
            left &= left.wrapping_sub(1);
            is_one.then_some(at)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digests;

    #[test]
    fn whoever_has_a_column_is_among_them() {
        let tables: Vec<Vec<String>> = (0..16)
            .map(|table| (0..40).map(|column| format!("c{}", (table * 7 + column * 3) % 90)).collect())
            .collect();
        let digests: Vec<Digests> = tables.iter().map(|names| Digests::of(names.iter().map(String::as_str))).collect();
        // One of them may have any.
        let items = || digests.iter().enumerate().map(|(at, digests)| (at != 5).then(|| digests.slots()));
        let owners = Owners::of(items());
        let mut told = 0;
        for name in (0..120).map(|at| format!("c{at}")) {
            let may_have: Vec<usize> = owners.may_have(name.as_str().into()).collect();
            assert!(may_have.is_sorted() && may_have.contains(&5), "{name}");
            let has = |at: &usize| tables[*at].contains(&name);
            assert!((0..16).filter(has).all(|at| may_have.contains(&at)), "{name}");
            told += may_have.len();
        }
        assert!(told < 120 * 12, "{told}");
    }
}
