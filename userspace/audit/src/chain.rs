//! Hashes over records: one RFC 6962 tree per series, that grows over all its segments.
//!
//! Three kinds of input never share a prefix: a record (0x00), a tree's node (0x01), a segment's header (0x03), so none can pass
//! for another.
use sha2::{Digest, Sha256};

pub use sha256::Hash;

/// `SHA-256(0x00 || record)`; a record is its frame's header and payload without the padding.
pub fn leaf(record: &[u8]) -> Hash {
    sha256::alone(0x00, record)
}

/// `SHA-256(0x01 || left || right)`.
pub fn node(left: &Hash, right: &Hash) -> Hash {
    sha256::alone(0x01, [*left, *right].as_flattened())
}

/// A segment's header, `SHA-256(0x03 || its 4096 bytes)`: the records that close batches name it.
pub fn header(header: &[u8]) -> Hash {
    sha256::alone(0x03, header)
}

/// How many records a tree takes at once.
pub const BATCH: usize = 64;

/// An RFC 6962 tree that grows leaf by leaf and keeps one hash per level: the roots of the perfect subtrees that its size is
/// the sum of, largest first.
#[derive(Clone)]
pub struct Tree {
    /// `roots[..count_ones(size)]` are in use.
    roots: [Hash; 64],
    size: u64,
}

impl Default for Tree {
    fn default() -> Tree {
        Tree::EMPTY
    }
}

impl PartialEq for Tree {
    fn eq(&self, other: &Tree) -> bool {
        self.size == other.size && self.frontier() == other.frontier()
    }
}

impl Eq for Tree {}

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a tree of {} leaves", self.size)
    }
}

impl Tree {
    /// No leaf.
    pub const EMPTY: Tree = Tree { roots: [[0; 32]; 64], size: 0 };

    /// Goes on with a tree whose [`Tree::frontier`] was kept. `None`: not as many hashes as such a size has.
    pub fn resume(size: u64, frontier: &[Hash]) -> Option<Tree> {
        let mut tree = Tree { size, ..Tree::EMPTY };
        let used = size.count_ones() as usize;
        if frontier.len() != used {
            return None;
        }
        tree.roots.get_mut(..used)?.copy_from_slice(frontier);
        Some(tree)
    }

    /// The roots of the perfect subtrees, largest first: all that is needed to go on.
    pub fn frontier(&self) -> &[Hash] {
        self.roots.get(..self.size.count_ones() as usize).unwrap_or_default()
    }

    /// How many leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds the next leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut root = leaf;
        let mut used = self.size.count_ones() as usize;
        // As many subtrees merge as the size has ones at its low end, like carries of an addition.
        for _ in 0..self.size.trailing_ones() {
            used -= 1;
            root = node(&self.roots[used], &root);
        }
        self.roots[used] = root;
        self.size += 1;
    }

    /// Adds records, as [`Tree::push`] does their leaves one after the other: [`BATCH`] at once, and level by level, since what stands at
    /// one level does not wait for each other.
    pub fn append(&mut self, records: &[&[u8]]) {
        for records in records.chunks(BATCH) {
            // In front of the leaves there is room for what the tree has beside them.
            let mut row = [[0; 32]; 1 + BATCH];
            sha256::prefixed(0x00, records, &mut row[1..]);
            self.merge(row, records.len());
        }
    }

    /// Adds the leaves `row[1..=count]`.
    fn merge(&mut self, mut row: [Hash; 1 + BATCH], mut count: usize) {
        let mut used = self.size.count_ones() as usize;
        let mut before = self.size;
        self.size += count as u64;
        // At each level the last may have no right neighbour: it is a root. The lowest first.
        let mut roots = [[0; 32]; BATCH.ilog2() as usize + 2];
        let mut levels = 0;
        while count > 0 {
            let first = usize::from(before & 1 == 0);
            if first == 0 {
                used -= 1;
                row[0] = self.roots[used];
                count += 1;
            }
            before >>= 1;
            if count % 2 == 1 {
                roots[levels] = row[first + count - 1];
                levels += 1;
            }
            count /= 2;
            let mut pairs = [[].as_slice(); BATCH.div_ceil(2)];
            let (children, _) = row[first..].as_chunks::<2>();
            pairs.iter_mut().zip(children).for_each(|(pair, children)| *pair = children.as_flattened());
            let mut parents = [[0; 32]; BATCH.div_ceil(2)];
            sha256::prefixed(0x01, &pairs[..count], &mut parents);
            row[1..=count].copy_from_slice(&parents[..count]);
        }
        for root in roots[..levels].iter().rev() {
            self.roots[used] = *root;
            used += 1;
        }
    }

    /// The root; of no leaves, the hash of nothing.
    pub fn root(&self) -> Hash {
        match self.frontier().split_last() {
            Some((last, rest)) => rest.iter().rev().fold(*last, |right, left| node(left, &right)),
            None => Sha256::digest([]).into(),
        }
    }
}

/// A tree whose next records wait for others, with which they are hashed side by side. It borrows them until then.
pub(crate) struct Growing<'a> {
    tree: Tree,
    waiting: [&'a [u8]; BATCH],
    count: usize,
}

impl<'a> Growing<'a> {
    /// Goes on with a tree.
    pub(crate) fn from(tree: Tree) -> Growing<'a> {
        Growing { tree, waiting: [&[]; BATCH], count: 0 }
    }

    /// Adds a record.
    pub(crate) fn push(&mut self, record: &'a [u8]) {
        if self.count == BATCH {
            self.tree();
        }
        self.waiting[self.count] = record;
        self.count += 1;
    }

    /// How many records, with those that wait.
    pub(crate) fn size(&self) -> u64 {
        self.tree.size() + self.count as u64
    }

    /// The tree of them all: none waits any more.
    pub(crate) fn tree(&mut self) -> &Tree {
        self.tree.append(&self.waiting[..self.count]);
        self.count = 0;
        &self.tree
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962 section 2.1, word by word.
    fn naive(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Sha256::digest([]).into(),
            [one] => *one,
            _ => {
                let k = leaves.len().next_power_of_two() / 2;
                node(&naive(&leaves[..k]), &naive(&leaves[k..]))
            }
        }
    }

    #[test]
    fn the_growing_tree_equals_the_definition() {
        let leaves: Vec<Hash> = (0..300u32).map(|n| leaf(&n.to_le_bytes())).collect();
        let mut tree = Tree::default();
        for size in 0..=leaves.len() {
            assert_eq!(tree.root(), naive(&leaves[..size]), "{size} leaves");
            assert_eq!(tree.size(), size as u64);
            if let Some(next) = leaves.get(size) {
                tree.push(*next);
            }
        }
        let again = Tree::resume(300, tree.frontier()).unwrap();
        assert_eq!((again.root(), &again), (tree.root(), &tree));
        assert_eq!(Tree::resume(301, tree.frontier()), None);
    }

    #[test]
    fn many_records_at_once_are_as_one_by_one() {
        let records: Vec<[u8; 5]> = (0..2 * BATCH as u8 + 3).map(|n| [n; 5]).collect();
        let records: Vec<&[u8]> = records.iter().map(|record| &record[usize::from(record[0]) % 4..]).collect();
        let mut before = Tree::default();
        for size in 0..70u32 {
            let mut one_by_one = before.clone();
            for count in 0..=records.len() {
                let mut at_once = before.clone();
                at_once.append(&records[..count]);
                assert_eq!((at_once.root(), &at_once), (one_by_one.root(), &one_by_one), "{count} behind {size}");
                records.get(count).inspect(|next| one_by_one.push(leaf(next)));
            }
            before.push(leaf(&size.to_le_bytes()));
        }
    }

    #[test]
    fn published_vector() {
        // RFC 6962 / certificate-transparency's test vectors: the leaf hash of the empty string.
        let hex: String = leaf(b"").iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    }
}
