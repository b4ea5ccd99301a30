//! What happens when a store into a mapped file cannot be done: the file was cut short, or the medium failed on a page
//! that is not in memory. The kernel sends SIGBUS to the thread.
//!
//! The handler finds the segment by the faulting address, marks it broken, and puts a page of anonymous memory in the place, so
//! that the store ends and the thread goes on to the next line, where the owner sees [`crate::MappedSegment::broken`] and stops
//! its shard before anything leaves on the strength of that record. A SIGBUS anywhere else gets the default action: the process
//! dies, and with it every connection (fail closed).
#![allow(unsafe_code)] // a signal handler

use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::{mem, ptr};

/// How many segments may be mapped at a time in one process: two per shard and some in preparation.
const SEGMENTS_MAX: usize = 1024;

static WATCHED: [Watched; SEGMENTS_MAX] = [const { Watched::new() }; SEGMENTS_MAX];
static INSTALL: Once = Once::new();
static PAGE: AtomicUsize = AtomicUsize::new(4096);

struct Watched {
    taken: AtomicBool,
    base: AtomicUsize,
    len: AtomicUsize,
    broken: AtomicBool,
}

impl Watched {
    const fn new() -> Watched {
        Watched {
            taken: AtomicBool::new(false),
            base: AtomicUsize::new(0),
            len: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
        }
    }
}

/// A mapped range under watch, until dropped.
#[derive(Debug)]
pub(crate) struct Watch(usize);

impl Watch {
    /// Watches a range; `None` when too many are watched.
    pub(crate) fn new(base: *const u8, len: usize) -> Option<Watch> {
        INSTALL.call_once(install);
        let index = WATCHED.iter().position(|watched| !watched.taken.swap(true, Ordering::AcqRel))?;
        let watched = &WATCHED[index];
        watched.broken.store(false, Ordering::Relaxed);
        watched.base.store(base as usize, Ordering::Relaxed);
        watched.len.store(len, Ordering::Release);
        Some(Watch(index))
    }

    /// Whether a store into the range could not be done.
    pub(crate) fn broken(&self) -> bool {
        WATCHED[self.0].broken.load(Ordering::Acquire)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let watched = &WATCHED[self.0];
        watched.len.store(0, Ordering::Release);
        watched.base.store(0, Ordering::Relaxed);
        watched.taken.store(false, Ordering::Release);
    }
}

fn install() {
    // SAFETY: sysconf passes no memory.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    PAGE.store(usize::try_from(page).unwrap_or(4096), Ordering::Relaxed);
    // SAFETY: zeros are a valid sigaction, a plain C struct.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handle as extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) as libc::sighandler_t;
    action.sa_flags = libc::SA_SIGINFO;
    // SAFETY: `action` is a full sigaction whose handler has the signature that SA_SIGINFO asks for and calls only what is safe
    // in a handler: atomics, mmap and sigaction (both plain system calls).
    let status = unsafe { libc::sigaction(libc::SIGBUS, &action, ptr::null_mut()) };
    assert!(status == 0, "SIGBUS can be handled on every Linux");
}

extern "C" fn handle(_signal: i32, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid siginfo_t to an SA_SIGINFO handler, and for SIGBUS it carries the address.
    let address = unsafe { (*info).si_addr() } as usize;
    let found = WATCHED.iter().find(|watched| {
        let len = watched.len.load(Ordering::Acquire);
        let base = watched.base.load(Ordering::Relaxed);
        address >= base && address - base < len
    });
    let page = PAGE.load(Ordering::Relaxed);
    if let Some(watched) = found {
        watched.broken.store(true, Ordering::Release);
        // SAFETY: the page lies inside a mapping that its owner keeps until the watch is dropped; replacing it keeps the range
        // readable and writable. What was stored in it before is lost to us: the segment is never written again.
        let placed = unsafe {
            libc::mmap(
                (address & !(page - 1)) as *mut libc::c_void,
                page,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
                -1,
                0,
            )
        };
        if placed != libc::MAP_FAILED {
            return;
        }
    }
    // Not ours, or no page to be had: the default action, when the store is tried again, ends the process.
    // SAFETY: zeros are SIG_DFL with an empty mask; the struct is valid for the call.
    unsafe {
        let action: libc::sigaction = mem::zeroed();
        libc::sigaction(libc::SIGBUS, &action, ptr::null_mut());
    }
}
