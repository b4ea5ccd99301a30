//! Proofs over a series' tree: that a record is in it, and that a later tree only added to an earlier one (RFC 6962 sections 2.1.1
//! and 2.1.2; checked as RFC 9162 sections 2.1.3.2 and 2.1.4.2 say).
//!
//! A prover needs the roots of a few ranges of leaves: [`Ranges`] takes all leaves once, in order, and keeps nothing else.

use std::ops::Range;

use crate::chain::{Hash, Tree, node};

/// The ranges of leaves whose roots prove leaf `index` in the tree of `size` leaves, nearest first. Empty: no such leaf, or the
/// only one.
pub fn inclusion(index: u64, size: u64) -> Vec<Range<u64>> {
    let (mut part, mut path) = (0..size, Vec::new());
    while index < part.end && part.end - part.start > 1 {
        let middle = part.start + split(part.end - part.start);
        if index < middle {
            path.push(middle..part.end);
            part.end = middle;
        } else {
            path.push(part.start..middle);
            part.start = middle;
        }
    }
    path.reverse();
    path
}

/// The ranges of leaves whose roots prove that the tree of `new` leaves begins with the tree of `old`. Empty: both are the same, or
/// `old` is no beginning (0, or more than `new`).
pub fn consistency(old: u64, new: u64) -> Vec<Range<u64>> {
    let (mut part, mut path, mut whole) = (0..new, Vec::new(), true);
    if old == 0 || old > new {
        return path;
    }
    while old < part.end {
        let middle = part.start + split(part.end - part.start);
        if old <= middle {
            path.push(middle..part.end);
            part.end = middle;
        } else {
            path.push(part.start..middle);
            part.start = middle;
            whole = false;
        }
    }
    if !whole {
        path.push(part);
    }
    path.reverse();
    path
}

/// The largest power of two below `size`, which is more than 1.
fn split(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

/// The roots of ranges of leaves, found in one pass over all leaves.
#[derive(Debug)]
pub struct Ranges {
    ranges: Vec<(Range<u64>, Tree)>,
    /// How many leaves came.
    taken: u64,
}

impl Ranges {
    /// Ranges that do not overlap, in the order in which their roots are wanted.
    pub fn of(ranges: Vec<Range<u64>>) -> Ranges {
        Ranges { ranges: ranges.into_iter().map(|range| (range, Tree::default())).collect(), taken: 0 }
    }

    /// The same where the leaves before this one do not come: no range begins before it.
    pub fn since(first: u64, ranges: Vec<Range<u64>>) -> Ranges {
        Ranges { taken: first, ..Ranges::of(ranges) }
    }

    /// Takes the next leaf.
    pub fn leaf(&mut self, leaf: Hash) {
        let index = self.taken;
        if let Some((_, tree)) = self.ranges.iter_mut().find(|(range, _)| range.contains(&index)) {
            tree.push(leaf);
        }
        self.taken += 1;
    }

    /// The roots; `None`: leaves are missing.
    pub fn roots(self) -> Option<Vec<Hash>> {
        let whole = |(range, tree): (Range<u64>, Tree)| (tree.size() == range.end - range.start).then(|| tree.root());
        self.ranges.into_iter().map(whole).collect()
    }
}

/// Whether `path` proves that `leaf` is leaf `index` of the tree of `size` leaves with this root.
pub fn includes(leaf: &Hash, index: u64, size: u64, path: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut at, mut last, mut found) = (index, size - 1, *leaf);
    for other in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            found = node(other, &found);
            // Levels where this subtree is the last one and has no neighbour.
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            found = node(&found, other);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && found == *root
}

/// Whether `path` proves that the tree (`new`, `new_root`) begins with the tree (`old`, `old_root`).
pub fn extends((old, old_root): (u64, &Hash), (new, new_root): (u64, &Hash), path: &[Hash]) -> bool {
    if old == 0 || old >= new {
        return old == new && path.is_empty() && old_root == new_root;
    }
    let (mut at, mut last) = (old - 1, new - 1);
    while at & 1 == 1 {
        (at, last) = (at >> 1, last >> 1);
    }
    // An old tree that is perfect is a node of the new one: its own root begins the path.
    let (mut rest, first) = match path.split_first() {
        _ if old.is_power_of_two() => (path, *old_root),
        Some((first, rest)) => (rest, *first),
        None => return false,
    };
    let (mut before, mut after) = (first, first);
    while let Some((other, behind)) = rest.split_first() {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            before = node(other, &before);
            after = node(other, &after);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            after = node(&after, other);
        }
        (at, last) = (at >> 1, last >> 1);
        rest = behind;
    }
    last == 0 && before == *old_root && after == *new_root
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::leaf;

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|n| leaf(&n.to_le_bytes())).collect()
    }

    fn root(leaves: &[Hash]) -> Hash {
        let mut tree = Tree::default();
        leaves.iter().for_each(|leaf| tree.push(*leaf));
        tree.root()
    }

    fn roots(ranges: Vec<Range<u64>>, leaves: &[Hash]) -> Vec<Hash> {
        let mut found = Ranges::of(ranges);
        leaves.iter().for_each(|leaf| found.leaf(*leaf));
        found.roots().unwrap()
    }

    #[test]
    fn each_leaf_of_each_size_is_proven_and_no_other_passes_for_it() {
        let all = leaves(70);
        for size in 1..=70 {
            let own = &all[..size as usize];
            for index in 0..size {
                let path = roots(inclusion(index, size), own);
                let proves = |leaf: &Hash, index, path: &[Hash]| includes(leaf, index, size, path, &root(own));
                assert!(proves(&own[index as usize], index, &path), "{index} of {size}");
                assert!(!proves(&leaf(b"another"), index, &path));
                assert!(!proves(&own[index as usize], index + 1, &path));
                if let Some((_, shorter)) = path.split_last() {
                    assert!(!proves(&own[index as usize], index, shorter));
                }
                assert!(!proves(&own[index as usize], index, &[path.as_slice(), &[[0; 32]]].concat()));
            }
        }
    }

    #[test]
    fn each_tree_extends_each_before_it_and_no_other() {
        let all = leaves(70);
        for new in 1..=70 {
            for old in 1..=new {
                let path = roots(consistency(old, new), &all[..new as usize]);
                let (old_root, new_root) = (root(&all[..old as usize]), root(&all[..new as usize]));
                assert!(extends((old, &old_root), (new, &new_root), &path), "{old} of {new}");
                assert!(!extends((old, &leaf(b"another")), (new, &new_root), &path), "{old} of {new}");
                assert!(!extends((old, &old_root), (new, &leaf(b"another")), &path), "{old} of {new}");
                if let Some((_, shorter)) = path.split_last() {
                    assert!(!extends((old, &old_root), (new, &new_root), shorter), "{old} of {new}");
                }
            }
        }
    }

    #[test]
    fn no_leaf_and_no_beginning() {
        assert!(inclusion(0, 0).is_empty() && inclusion(5, 5).is_empty() && inclusion(0, 1).is_empty());
        assert!(consistency(0, 5).is_empty() && consistency(6, 5).is_empty() && consistency(5, 5).is_empty());
        assert!(!includes(&[0; 32], 0, 0, &[], &[0; 32]));
        assert!(!extends((0, &[0; 32]), (3, &[0; 32]), &[]));
        let mut short = Ranges::of(vec![0..2, 2..3]);
        short.leaf([1; 32]);
        assert_eq!(short.roots(), None);
    }

    #[test]
    fn the_example_of_rfc_6962() {
        // Section 2.1.3: seven leaves; the paths of d0, d3, d4, d6 and the proofs from 3, 4 and 6.
        let spans = |ranges: Vec<Range<u64>>| ranges.iter().map(|r| (r.start, r.end)).collect::<Vec<_>>();
        assert_eq!(spans(inclusion(0, 7)), [(1, 2), (2, 4), (4, 7)]);
        assert_eq!(spans(inclusion(3, 7)), [(2, 3), (0, 2), (4, 7)]);
        assert_eq!(spans(inclusion(4, 7)), [(5, 6), (6, 7), (0, 4)]);
        assert_eq!(spans(inclusion(6, 7)), [(4, 6), (0, 4)]);
        assert_eq!(spans(consistency(3, 7)), [(2, 3), (3, 4), (0, 2), (4, 7)]);
        assert_eq!(spans(consistency(4, 7)), [(4, 7)]);
        assert_eq!(spans(consistency(6, 7)), [(4, 6), (6, 7), (0, 4)]);
    }
}
