//! Blocks of what is not kept of results: the bytes, copied while they pass, so that another thread can hash them.
//!
//! A block is a whole subtree of BLAKE3, so its chaining value needs nothing of the blocks before it, and whoever comes first makes it. A
//! shard has few buffers. Where none is free nobody has the time, and what passes is hashed by the shard (note 0194).

use std::cell::Cell;
use std::fmt;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};

use blake3::Hasher;
use blake3::hazmat::{ChainingValue, HasherExt};

/// Bytes of a block: a power of two of BLAKE3's pieces of 1 KiB.
pub(crate) const BLOCK: usize = 256 << 10;

/// The buffers of one shard, which alone takes them. They stay once they were needed.
#[derive(Clone)]
pub(crate) struct Buffers(Rc<Spare>);

struct Spare {
    made: Cell<usize>,
    /// Whoever drops one gives it back here: a queue, so that nobody waits for a lock.
    free: Receiver<Vec<u8>>,
    back: SyncSender<Vec<u8>>,
}

/// One of them, which takes a block's bytes; it goes back when it is dropped, on whatever thread.
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    back: SyncSender<Vec<u8>>,
}

/// A whole block that waits to be hashed. Cheap to clone: the session keeps one and asks it for the value at last.
#[derive(Clone)]
pub struct Block(Arc<Filled>);

struct Filled {
    buffer: Buffer,
    /// Where in what is not kept it begins.
    offset: u64,
    value: OnceLock<ChainingValue>,
}

impl Buffers {
    /// An empty buffer of [`BLOCK`] bytes; `None`: all are taken.
    pub(crate) fn take(&self) -> Option<Buffer> {
        let Spare { made, free, back } = &*self.0;
        let bytes = match free.try_recv() {
            Ok(bytes) => bytes,
            Err(_) if made.get() < Block::OF_A_SHARD => {
                made.set(made.get() + 1);
                Vec::with_capacity(BLOCK)
            }
            Err(_) => return None,
        };
        Some(Buffer { bytes, back: back.clone() })
    }
}

impl Buffer {
    /// The caller gives no more than what is left of [`BLOCK`].
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.bytes.clear();
        // There is room for all of them. Where the shard is no more the memory is freed.
        let _ = self.back.try_send(std::mem::take(&mut self.bytes));
    }
}

impl Block {
    /// How many of them a shard has at most, with those that are being filled.
    pub const OF_A_SHARD: usize = 4;

    pub(crate) fn new(buffer: Buffer, offset: u64) -> Block {
        Block(Arc::new(Filled { buffer, offset, value: OnceLock::new() }))
    }

    /// Hashes it, unless that is done. Nobody waits: two threads that come at once both do it.
    pub fn hash(&self) {
        self.value();
    }

    /// Its value, if somebody has hashed it.
    pub(crate) fn hashed(&self) -> Option<ChainingValue> {
        self.0.value.get().copied()
    }

    /// Its value, made now if nobody has.
    pub(crate) fn value(&self) -> ChainingValue {
        self.hashed().unwrap_or_else(|| {
            let Filled { buffer, offset, value } = &*self.0;
            let made = at(*offset).update(buffer).finalize_non_root();
            // Another's is the same.
            let _ = value.set(made);
            made
        })
    }
}

/// A hasher for bytes that begin so far in. Multiples of [`BLOCK`] only.
pub(crate) fn at(offset: u64) -> Hasher {
    let mut hasher = Hasher::new();
    hasher.set_input_offset(offset);
    hasher
}

impl Default for Buffers {
    fn default() -> Buffers {
        let (back, free) = sync_channel(Block::OF_A_SHARD);
        Buffers(Rc::new(Spare { made: Cell::new(0), free, back }))
    }
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffers({})", self.0.made.get())
    }
}

/// It holds what an agent received.
impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Block({} bytes at {})", self.0.buffer.len(), self.0.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_few_and_come_back_empty_from_any_thread() {
        let buffers = Buffers::default();
        let mut taken: Vec<Buffer> = (0..Block::OF_A_SHARD).map(|_| buffers.take().unwrap()).collect();
        assert!(buffers.take().is_none());
        taken[0].extend(&[7; BLOCK]);
        let block = Block::new(taken.remove(0), 0);
        let other = block.clone();
        std::thread::spawn(move || other.hash()).join().unwrap();
        assert!(buffers.take().is_none(), "the session still asks for its value");
        assert!(block.hashed().is_some());
        drop(block);
        let back = buffers.take().expect("it came back");
        assert_eq!((back.len(), back.bytes.capacity()), (0, BLOCK));
    }

    #[test]
    fn no_bytes_are_told() {
        let mut buffer = Buffers::default().take().unwrap();
        buffer.extend(b"4111111111111111");
        assert_eq!(format!("{:?}", Block::new(buffer, 0)), "Block(16 bytes at 0)");
    }
}
