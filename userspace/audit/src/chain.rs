//! Hashes over records: one RFC 6962 tree per series, that grows over all its segments.
//!
//! Three kinds of input never share a prefix: a record (0x00), a tree's node (0x01), a segment's header (0x03), so none can pass
//! for another.
use sha2::block_api::compress256;
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

/// A segment's header, `SHA-256(0x03 || its 4096 bytes)`: the records that close batches name it.
pub fn header(header: &[u8]) -> Hash {
    hash(0x03, header, &[])
}

/// SHA-256's first state (FIPS 180-4, 5.3.3).
const BEGIN: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];
/// Inputs of up to so many blocks are laid out at once: a node has two, a statement's record about five.
const BLOCKS: usize = 8;

/// A short input is laid out with its padding and goes through the compression in one run: a hasher that is fed piece by piece copies
/// each into a block of its own, and begins anew for every block.
fn hash(prefix: u8, first: &[u8], second: &[u8]) -> Hash {
    let len = 1 + first.len() + second.len();
    // Behind it a bit, and its length in bits in eight bytes (FIPS 180-4, 5.1.1).
    let used = (len + 9).div_ceil(64);
    let mut blocks = [[0; 64]; BLOCKS];
    let Some(blocks) = blocks.get_mut(..used) else {
        return Sha256::new().chain_update([prefix]).chain_update(first).chain_update(second).finalize().into();
    };
    let bytes = blocks.as_flattened_mut();
    bytes[0] = prefix;
    bytes[1..=first.len()].copy_from_slice(first);
    bytes[1 + first.len()..len].copy_from_slice(second);
    bytes[len] = 0x80;
    if let Some(bits) = bytes.last_chunk_mut() {
        *bits = (len as u64 * 8).to_be_bytes();
    }
    let mut state = BEGIN;
    compress256(&mut state, blocks);
    let mut hash = [0; 32];
    hash.as_chunks_mut().0.iter_mut().zip(state).for_each(|(bytes, word)| *bytes = word.to_be_bytes());
    hash
}

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

    /// The root; of no leaves, the hash of nothing.
    pub fn root(&self) -> Hash {
        match self.frontier().split_last() {
            Some((last, rest)) => rest.iter().rev().fold(*last, |right, left| node(left, &right)),
            None => Sha256::digest([]).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_inputs_are_hashed_as_any_other() {
        let bytes: Vec<u8> = (0..700).map(|n| (n * 7 % 251) as u8).collect();
        for len in 0..bytes.len() {
            for cut in [0, len / 3, len] {
                let (first, second) = bytes[..len].split_at(cut);
                let whole: Hash = Sha256::new().chain_update([0x42]).chain_update(&bytes[..len]).finalize().into();
                assert_eq!(hash(0x42, first, second), whole, "{len} bytes, cut at {cut}");
            }
        }
    }

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
    fn published_vector() {
        // RFC 6962 / certificate-transparency's test vectors: the leaf hash of the empty string.
        let hex: String = leaf(b"").iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    }
}
