#![allow(unsafe_code)] // eventfd, read, write

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::File;

/// A wake-up from another thread: `signal` there, [`crate::Op::Poll`] and `clear` here (eventfd(2)).
#[derive(Debug)]
pub struct Event(OwnedFd);

impl Event {
    /// A new event, not signalled.
    pub fn new() -> io::Result<Event> {
        // SAFETY: no memory is passed.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call above has just made this descriptor and nobody else holds it.
        Ok(Event(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Wakes whoever polls. Signals that were not yet cleared fold into one.
    pub fn signal(&self) {
        let one = 1_u64.to_ne_bytes();
        // SAFETY: `one` is 8 readable bytes. The result does not matter: EAGAIN means that it is signalled already.
        unsafe { libc::write(self.0.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    /// Makes it unsignalled. Call it before looking at what the signal is about, so that no signal is lost.
    pub fn clear(&self) {
        let mut count = [0_u8; 8];
        // SAFETY: `count` is 8 writable bytes. The result does not matter: EAGAIN means that it was not signalled.
        unsafe { libc::read(self.0.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    }

    /// What [`crate::Op::Poll`] names; valid while this event lives.
    pub fn file(&self) -> File {
        File(self.0.as_raw_fd())
    }
}
