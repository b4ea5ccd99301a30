//! However bytes come, whoever hashes them and when: the hash is that of the bytes.

use super::passing::GROUP;
use super::*;

/// Who hashes blocks, and how much of them is known before the end.
#[derive(Clone, Copy, Debug)]
enum Whoever {
    /// There is no buffer, and no memory for a group.
    Nobody,
    /// The blocks are let go.
    TheEnd,
    AtOnce,
    /// The last of those that wait comes first.
    Backwards,
    /// Each only when the third behind it is whole.
    Late,
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 % 251 + at / BLOCK) as u8).collect()
}

fn hash(bytes: &[u8], cut: usize, whoever: Whoever) -> [u8; 32] {
    let memory = ResultMemory::new(if matches!(whoever, Whoever::Nobody) { 0 } else { 1 << 20 });
    let (mut left_off, mut waiting) = (LeftOff::new(&memory), Vec::new());
    for piece in bytes.chunks(cut) {
        left_off.pass(piece, &memory, &mut waiting);
        match whoever {
            Whoever::Nobody | Whoever::TheEnd => waiting.clear(),
            Whoever::AtOnce => waiting.drain(..).for_each(|block| block.hash()),
            Whoever::Backwards if waiting.len() == Block::OF_A_SHARD - 1 => {
                waiting.drain(..).rev().for_each(|block| block.hash());
            }
            Whoever::Backwards => {}
            Whoever::Late => {
                let late = waiting.len().saturating_sub(2);
                waiting.drain(..late).for_each(|block| block.hash());
            }
        }
    }
    assert_eq!(left_off.bytes(), bytes.len() as u64);
    let hash = left_off.hash();
    assert_eq!(left_off.hash(), hash, "it can be asked for again");
    hash
}

#[test]
fn the_hash_is_that_of_the_bytes() {
    use Whoever::{AtOnce, Backwards, Late, Nobody, TheEnd};
    let all = bytes(9 * BLOCK + 77);
    let lengths = [0, 1, 1023, 1024, GROUP - 1, GROUP, GROUP + 1, BLOCK - 1, BLOCK, BLOCK + 1];
    for length in lengths.into_iter().chain((2..=9).flat_map(|blocks| [blocks * BLOCK, blocks * BLOCK + 77])) {
        let wanted: [u8; 32] = blake3::hash(&all[..length]).into();
        for cut in [8_187, GROUP, 65_391, BLOCK, 1 << 20, usize::MAX] {
            for whoever in [Nobody, TheEnd, AtOnce, Backwards, Late] {
                assert_eq!(hash(&all[..length], cut, whoever), wanted, "{length} bytes by {cut}, {whoever:?}");
            }
        }
    }
}

/// Where buffers are taken, memory for the rest of a group is too, and both come back.
#[test]
fn memory_comes_back() {
    let memory = ResultMemory::new(BLOCK);
    let taken: Vec<Buffer> = std::iter::from_fn(|| memory.buffer()).collect();
    let mut left_off = LeftOff::new(&memory);
    left_off.pass(&bytes(BLOCK + 1), &memory, &mut Vec::new());
    assert_eq!((taken.len(), memory.taken()), (Block::OF_A_SHARD, GROUP));
    drop(left_off);
    assert_eq!(memory.taken(), 0);
}

/// A block that nobody hashes holds up a bounded number of others.
#[test]
fn what_stands_behind_a_block_that_nobody_hashes_is_bounded() {
    let memory = ResultMemory::new(1 << 20);
    let (mut left_off, mut waiting, block) = (LeftOff::new(&memory), Vec::new(), bytes(BLOCK));
    let mut wanted = blake3::Hasher::new();
    for _ in 0..3 * BEHIND_MAX {
        left_off.pass(&block, &memory, &mut waiting);
        wanted.update(&block);
        assert!(left_off.before.len() <= BEHIND_MAX + 1);
    }
    assert_eq!(left_off.hash(), *wanted.finalize().as_bytes());
}
