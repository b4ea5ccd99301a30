//! What of a result is beyond the part that is kept: counted, and hashed as it passes.
//!
//! BLAKE3 is a tree over pieces of 1 KiB. What passes is cut into blocks that are whole subtrees of it ([`crate::block`]): one for which a
//! buffer is free is copied, for whoever has the time to hash it; else it is hashed here and now ([`passing`]). The values are merged in the
//! blocks' order, whenever they come.

mod passing;

use std::collections::VecDeque;

use blake3::hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

use self::passing::Passing;
use crate::block::{BLOCK, Block, Buffer};
use crate::result_memory::ResultMemory;

/// So many blocks may stand behind one that nobody has hashed; then it is hashed here.
const BEHIND_MAX: usize = 64;

/// See the module's documentation.
pub(super) struct LeftOff {
    bytes: u64,
    /// The block at hand, and how much of it has passed. It may be whole: whether it is the last shows when more comes.
    at_hand: AtHand,
    filled: usize,
    /// Blocks before it that are not merged yet.
    before: VecDeque<Done>,
    tree: Tree,
}

enum AtHand {
    Here(Box<Passing>),
    Aside(Buffer),
}

/// A block that has passed.
enum Done {
    Here(ChainingValue),
    Aside(Block),
}

/// Values of blocks, merged as far as they can be: a subtree that is whole waits for something behind it, since the last merge is the root's.
#[derive(Clone, Default)]
struct Tree {
    subtrees: Vec<ChainingValue>,
    blocks: u64,
}

impl LeftOff {
    /// Of nothing yet.
    pub(super) fn new(memory: &ResultMemory) -> LeftOff {
        let tree = Tree::default();
        LeftOff { bytes: 0, at_hand: AtHand::new(0, memory), filled: 0, before: VecDeque::new(), tree }
    }

    /// So many bytes have passed.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// These pass. A block that becomes whole is added to `blocks`, for whoever hashes it first.
    pub(super) fn pass(&mut self, mut bytes: &[u8], memory: &ResultMemory, blocks: &mut Vec<Block>) {
        while !bytes.is_empty() {
            if self.filled == BLOCK {
                self.next_block(memory, blocks);
            }
            let (fills, behind) = bytes.split_at(bytes.len().min(BLOCK - self.filled));
            match &mut self.at_hand {
                AtHand::Here(passing) => passing.pass(fills),
                AtHand::Aside(buffer) => buffer.extend(fills),
            }
            self.filled += fills.len();
            self.bytes += fills.len() as u64;
            bytes = behind;
        }
    }

    /// The block at hand is whole, and not the last.
    fn next_block(&mut self, memory: &ResultMemory, blocks: &mut Vec<Block>) {
        self.merge();
        let next = AtHand::new(self.bytes, memory);
        self.filled = 0;
        self.before.push_back(match std::mem::replace(&mut self.at_hand, next) {
            AtHand::Here(passing) => Done::Here(passing.hasher().finalize_non_root()),
            AtHand::Aside(buffer) => {
                let block = Block::new(buffer, self.bytes - BLOCK as u64);
                blocks.push(block.clone());
                Done::Aside(block)
            }
        });
    }

    /// Merges what is hashed, which gives buffers back.
    fn merge(&mut self) {
        while let Some(first) = self.before.front() {
            let value = match first {
                Done::Here(value) => Some(*value),
                Done::Aside(block) if self.before.len() > BEHIND_MAX => Some(block.value()),
                Done::Aside(block) => block.hashed(),
            };
            let Some(value) = value else { return };
            self.tree.push(value);
            self.before.pop_front();
        }
    }

    /// Their hash. What nobody has hashed until now is hashed here.
    pub(super) fn hash(&self) -> [u8; 32] {
        let mut tree = self.tree.clone();
        for done in &self.before {
            tree.push(match done {
                Done::Here(value) => *value,
                Done::Aside(block) => block.value(),
            });
        }
        let last = match &self.at_hand {
            AtHand::Here(passing) => passing.hasher(),
            AtHand::Aside(buffer) => {
                let mut last = crate::block::at(self.bytes - self.filled as u64);
                last.update(buffer);
                last
            }
        };
        tree.root(&last)
    }
}

impl AtHand {
    /// A block that begins so far in.
    fn new(offset: u64, memory: &ResultMemory) -> AtHand {
        match memory.buffer() {
            Some(buffer) => AtHand::Aside(buffer),
            None => AtHand::Here(Box::new(Passing::new(offset, memory))),
        }
    }
}

impl Tree {
    /// The next block's value.
    fn push(&mut self, value: ChainingValue) {
        // Of so many blocks before it, each bit is a subtree.
        while self.subtrees.len() > self.blocks.count_ones() as usize
            && let (Some(right), Some(left)) = (self.subtrees.pop(), self.subtrees.pop())
        {
            self.subtrees.push(merge_subtrees_non_root(&left, &right, Mode::Hash));
        }
        self.subtrees.push(value);
        self.blocks += 1;
    }

    /// The hash of all of it, with what the last block's hasher has.
    fn root(mut self, last: &blake3::Hasher) -> [u8; 32] {
        if self.blocks == 0 {
            return last.finalize().into();
        }
        self.push(last.finalize_non_root());
        let mut right = self.subtrees.pop().unwrap_or_default();
        while self.subtrees.len() > 1
            && let Some(left) = self.subtrees.pop()
        {
            right = merge_subtrees_non_root(&left, &right, Mode::Hash);
        }
        let left = self.subtrees.pop().unwrap_or_default();
        merge_subtrees_root(&left, &right, Mode::Hash).into()
    }
}

#[cfg(test)]
mod tests;
