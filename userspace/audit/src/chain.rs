//! Hashes over records: RFC 6962 within a batch, and a chain over the batches' roots.
//!
//! Three kinds of input never share a prefix: a record (0x00), a tree's node (0x01), a link of the chain (0x02), a segment's
//! header (0x03), so none can pass for another.
use sha2::{Digest, Sha256};

/// A SHA-256.
pub type Hash = [u8; 32];

/// `SHA-256(0x00 || record)`; a record is its frame's header and payload without the padding.
pub fn leaf(record: &[u8]) -> Hash {
    hash(0x00, record, &[])
}

/// `SHA-256(0x01 || left || right)`.
pub fn node(left: &Hash, right: &Hash) -> Hash {
    hash(0x01, left, right)
}

/// The chain after a batch: `SHA-256(0x02 || chain before || root of the batch)`.
pub fn link(previous: &Hash, batch_root: &Hash) -> Hash {
    hash(0x02, previous, batch_root)
}

/// Where a segment's chain begins: `SHA-256(0x03 || the 4096 bytes of its header)`, which holds the chain of the segment before.
pub fn header(header: &[u8]) -> Hash {
    hash(0x03, header, &[])
}

fn hash(prefix: u8, first: &[u8], second: &[u8]) -> Hash {
    Sha256::new().chain_update([prefix]).chain_update(first).chain_update(second).finalize().into()
}

/// An RFC 6962 tree that grows leaf by leaf and keeps one hash per level: the roots of the perfect subtrees that its size is
/// the sum of, largest first.
#[derive(Clone, Debug)]
pub struct Tree {
    /// `roots[..count_ones(size)]` are in use.
    roots: [Hash; 64],
    size: u64,
}

impl Default for Tree {
    fn default() -> Tree {
        Tree { roots: [[0; 32]; 64], size: 0 }
    }
}

impl Tree {
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

    /// The root; of no leaves, the hash of nothing.
    pub fn root(&self) -> Hash {
        let used = &self.roots[..self.size.count_ones() as usize];
        match used.split_last() {
            Some((last, rest)) => rest.iter().rev().fold(*last, |right, left| node(left, &right)),
            None => Sha256::digest([]).into(),
        }
    }

    /// Begins again.
    pub fn clear(&mut self) {
        self.size = 0;
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
        tree.clear();
        tree.push(leaves[7]);
        assert_eq!(tree.root(), leaves[7]);
    }

    #[test]
    fn published_vector() {
        // RFC 6962 / certificate-transparency's test vectors: the leaf hash of the empty string.
        let hex: String = leaf(b"").iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    }
}
