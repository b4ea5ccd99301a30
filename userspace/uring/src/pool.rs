//! The pool of receive buffers, and the kernel's provided-buffer ring over it (io_uring_register(2),
//! IORING_REGISTER_PBUF_RING, Linux 5.19).
//!
//! A buffer is in one of three places: free (with us), offered (the kernel may write into it at any moment), or taken (a
//! completion handed it to the caller). Only a taken buffer that no operation in flight names can be reached.
#![allow(unsafe_code)] // mmap, and the ring of entries shared with the kernel

use std::sync::atomic::{AtomicU16, Ordering};
use std::{io, ptr, slice};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;

use crate::BufferId;

/// Bytes in front of each buffer, where the caller puts what it held back of the same stream.
pub const HEADROOM: usize = 512;
/// Bytes that one receive may bring: the knee of throughput against its neighbours' latency, as measured.
pub const BUFFER_BYTES: usize = 64 * 1024;

const STRIDE: usize = HEADROOM + BUFFER_BYTES;
/// The one group of provided buffers.
pub(crate) const GROUP: u16 = 0;
/// How many buffers the kernel is offered at a time. The rest wait in a last-in-first-out list, so that a shard with few busy
/// connections keeps touching the same few buffers, which stay in its cache.
const OFFERED_MAX: u16 = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    Offered,
    Taken { in_flight: u16 },
}

/// See the module's documentation.
pub(crate) struct Pool {
    buffers: Mapping,
    entries: Mapping,
    entry_count: u16,
    tail: u16,
    offered: u16,
    free: Vec<u32>,
    states: Vec<State>,
}

impl Pool {
    /// Maps `count` buffers; the kernel gives them memory when they are first touched.
    pub(crate) fn new(count: u16) -> io::Result<Pool> {
        assert!(count > 0, "a pool without a buffer can receive nothing");
        let entry_count = count.min(OFFERED_MAX).next_power_of_two();
        Ok(Pool {
            buffers: Mapping::new(usize::from(count) * STRIDE)?,
            entries: Mapping::new(usize::from(entry_count) * size_of::<BufRingEntry>())?,
            entry_count,
            tail: 0,
            offered: 0,
            free: (0..u32::from(count)).rev().collect(),
            states: vec![State::Free; usize::from(count)],
        })
    }

    /// Tells the kernel of the ring of entries and offers the first buffers.
    pub(crate) fn register(&mut self, submitter: &Submitter<'_>) -> io::Result<()> {
        // SAFETY: the mapping is page aligned, holds `entry_count` entries, and is unmapped only after the ring is gone
        // (`Ring` drops its io_uring first, and leaks the pool while operations are in flight).
        unsafe {
            submitter.register_buf_ring_with_flags(self.entries.base as u64, self.entry_count, GROUP, 0)?;
        }
        self.offer();
        Ok(())
    }

    /// Offers free buffers until the kernel has its share.
    pub(crate) fn offer(&mut self) {
        let mut changed = false;
        while self.offered < self.entry_count.min(OFFERED_MAX) {
            let Some(index) = self.free.pop() else { break };
            assert!(self.states[index as usize] == State::Free);
            self.states[index as usize] = State::Offered;
            let slot = usize::from(self.tail & (self.entry_count - 1));
            // SAFETY: `slot` < `entry_count`, so the entry lies inside the mapping; the kernel reads entries only below the
            // published tail, and this one is at or above it. The three setters leave `resv` alone, which in slot 0 is the tail.
            let entry = unsafe { &mut *self.entries.base.cast::<BufRingEntry>().add(slot) };
            entry.set_addr(self.start(index).wrapping_add(HEADROOM) as u64);
            entry.set_len(BUFFER_BYTES as u32);
            entry.set_bid(index as u16);
            self.tail = self.tail.wrapping_add(1);
            self.offered += 1;
            changed = true;
        }
        if changed {
            // SAFETY: the base is the ring's first entry, page aligned and initialised (zeros are a valid entry).
            let tail = unsafe { BufRingEntry::tail(self.entries.base.cast::<BufRingEntry>()) };
            // SAFETY: the tail is an aligned u16 inside the mapping that both sides access atomically from here on.
            unsafe { AtomicU16::from_ptr(tail.cast_mut()) }.store(self.tail, Ordering::Release);
        }
    }

    /// A completion names this buffer: it is the caller's now.
    pub(crate) fn take(&mut self, index: u16) -> BufferId {
        let state = &mut self.states[usize::from(index)];
        assert!(*state == State::Offered, "the kernel returned a buffer that it was not offered");
        *state = State::Taken { in_flight: 0 };
        self.offered -= 1;
        BufferId(u32::from(index))
    }

    /// The caller is done with the buffer.
    pub(crate) fn release(&mut self, id: BufferId) {
        let state = &mut self.states[id.0 as usize];
        assert!(
            *state == State::Taken { in_flight: 0 },
            "released a buffer that is not taken, or that an operation names"
        );
        *state = State::Free;
        self.free.push(id.0);
    }

    /// The whole buffer, headroom first.
    pub(crate) fn bytes(&mut self, id: BufferId) -> &mut [u8] {
        assert!(
            self.states[id.0 as usize] == State::Taken { in_flight: 0 },
            "reached for a buffer that is not taken, or that an operation names"
        );
        // SAFETY: the index was checked by the line above, so the range lies inside the mapping, which lives as long as
        // `self`. The buffer is taken, so the kernel was not offered it, and no operation in flight names it; `&mut self`
        // excludes every other reference.
        unsafe { slice::from_raw_parts_mut(self.start(id.0), STRIDE) }
    }

    /// An operation that names the buffer begins; returns where its byte `at` is.
    pub(crate) fn begin(&mut self, id: BufferId, at: u32, end: u32) -> *const u8 {
        assert!(at <= end && end as usize <= STRIDE, "a range outside its buffer");
        match &mut self.states[id.0 as usize] {
            State::Taken { in_flight } => *in_flight += 1,
            State::Free | State::Offered => panic!("sent from a buffer that is not taken"),
        }
        self.start(id.0).wrapping_add(at as usize)
    }

    /// An operation that names the buffer has ended.
    pub(crate) fn end(&mut self, id: BufferId) {
        match &mut self.states[id.0 as usize] {
            State::Taken { in_flight } if *in_flight > 0 => *in_flight -= 1,
            _ => panic!("an operation ended on a buffer that none named"),
        }
    }

    /// How many buffers the caller holds.
    pub(crate) fn taken(&self) -> usize {
        self.states.len() - self.free()
    }

    /// How many buffers are free or offered to the kernel.
    pub(crate) fn free(&self) -> usize {
        self.free.len() + usize::from(self.offered)
    }

    fn start(&self, index: u32) -> *mut u8 {
        self.buffers.base.wrapping_add(index as usize * STRIDE)
    }
}

/// Anonymous private memory, zero until touched.
struct Mapping {
    base: *mut u8,
    len: usize,
}

impl Mapping {
    fn new(len: usize) -> io::Result<Mapping> {
        // SAFETY: a new anonymous mapping at an address of the kernel's choice touches no memory that exists.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // Card numbers pass through these pages: they stay out of core dumps. A kernel without the flag changes nothing.
        // SAFETY: the range is the mapping made above.
        unsafe { libc::madvise(base, len, libc::MADV_DONTDUMP) };
        Ok(Mapping { base: base.cast(), len })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range is the mapping that `new` made; whoever drops it has no reference into it left, and the kernel has
        // no operation on it (see `Ring`'s drop).
        unsafe { libc::munmap(self.base.cast(), self.len) };
    }
}
