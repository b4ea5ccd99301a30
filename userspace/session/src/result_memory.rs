//! Memory of results that are being recorded, on one shard: what sessions keep of them, what waits to be packed, and what was packed and
//! waits to be written. All of it counts against one bound; what finds no room is counted and hashed as it passes, and not kept.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::block::{BLOCK, Buffer, Buffers};

/// The bound of one shard, and what of it is taken. Beside it are the few buffers of [`crate::Block`]s.
#[derive(Clone, Debug)]
pub struct ResultMemory {
    taken: Arc<AtomicUsize>,
    max: usize,
    buffers: Buffers,
}

/// A part of a [`ResultMemory`], given back when it is dropped, on whatever thread.
#[derive(Default)]
pub(crate) struct Share {
    of: Option<Arc<AtomicUsize>>,
    bytes: usize,
}

impl ResultMemory {
    /// At most so many bytes.
    pub fn new(max: usize) -> ResultMemory {
        ResultMemory { taken: Arc::default(), max, buffers: Buffers::default() }
    }

    /// One that a block's bytes go to; `None`: all are taken, or the bound is less than one.
    pub(crate) fn buffer(&self) -> Option<Buffer> {
        if self.max < BLOCK { None } else { self.buffers.take() }
    }

    /// Bytes that are taken now.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Share {
    /// How many bytes it is.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes what it lacks of so many bytes. False: there is not so much left, and it stays as it is.
    pub(crate) fn grow_to(&mut self, bytes: usize, memory: &ResultMemory) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        // Only the shard takes, so between the two nothing is taken; what is given back meanwhile only makes room.
        let has_room = more <= memory.max.saturating_sub(memory.taken());
        if has_room && more > 0 {
            memory.taken.fetch_add(more, Ordering::Relaxed);
            self.of.get_or_insert_with(|| Arc::clone(&memory.taken));
            self.bytes = bytes;
        }
        has_room
    }

    /// Gives back what is beyond so many bytes.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        let less = self.bytes.saturating_sub(bytes);
        if let Some(of) = self.of.as_ref().filter(|_| less > 0) {
            of.fetch_sub(less, Ordering::Relaxed);
            self.bytes -= less;
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Share({} bytes)", self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_comes_back_and_never_is_more_than_the_bound() {
        let memory = ResultMemory::new(100);
        let (mut one, mut other) = (Share::default(), Share::default());
        assert!(one.grow_to(60, &memory) && !other.grow_to(41, &memory) && other.grow_to(40, &memory));
        assert_eq!((memory.taken(), one.bytes(), other.bytes()), (100, 60, 40));
        // A share that is large enough takes nothing.
        assert!(one.grow_to(10, &memory) && !one.grow_to(61, &memory));
        one.shrink_to(5);
        assert!(other.grow_to(95, &memory));
        assert_eq!((memory.taken(), one.bytes()), (100, 5));
        drop(other);
        assert_eq!(memory.taken(), 5);
        std::thread::spawn(move || drop(one)).join().unwrap();
        assert_eq!(memory.taken(), 0);
    }
}
