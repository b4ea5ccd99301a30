//! When a wait must end though nothing happened: one timer of the ring, left armed over many waits.
//!
//! A wait with a time limit of its own programs the clock's hardware each time it sleeps, and again when it wakes. Here the
//! kernel keeps one timer; a later wish does not touch it (it fires early, and is set anew then), an earlier one moves it.
#![allow(unsafe_code)] // submission entries that point to memory

use io_uring::types::{TimeoutFlags, Timespec};
use io_uring::{opcode, squeue};

/// `user_data` of the timer; flights have small numbers.
const FIRED: u64 = u64::MAX;
/// `user_data` of a move that failed: the timer had fired. Its own completion is there or on its way.
const NOT_MOVED: u64 = u64::MAX - 1;

/// Completions of the timer are told from those of flights by this.
pub(crate) fn is_alarm(user_data: u64) -> bool {
    user_data >= NOT_MOVED
}

/// The timer, and the memory that the kernel reads when its entry is handed over.
pub(crate) struct Alarm {
    /// When it fires; `None`: it is not armed.
    at_ns: Option<u64>,
    time: Box<Timespec>,
}

impl Alarm {
    pub(crate) fn new() -> Alarm {
        Alarm { at_ns: None, time: Box::new(Timespec::new()) }
    }

    /// The entry by which the ring wakes at `until_ns` at the latest; `None` where it will anyway.
    ///
    /// The entry points into this alarm, and the kernel reads it when it takes the entry. An alarm that is asked again before
    /// that makes both entries read the earlier time.
    pub(crate) fn wish(&mut self, until_ns: u64) -> Option<squeue::Entry> {
        if self.at_ns.is_some_and(|at_ns| at_ns <= until_ns) {
            return None;
        }
        *self.time = Timespec::new().sec(until_ns / 1_000_000_000).nsec((until_ns % 1_000_000_000) as u32);
        let armed = self.at_ns.replace(until_ns).is_some();
        Some(match armed {
            // Only a failed move is told.
            true => opcode::TimeoutUpdate::new(FIRED, &raw const *self.time)
                .flags(TimeoutFlags::ABS)
                .build()
                .flags(squeue::Flags::SKIP_SUCCESS)
                .user_data(NOT_MOVED),
            false => opcode::Timeout::new(&raw const *self.time).flags(TimeoutFlags::ABS).build().user_data(FIRED),
        })
    }

    /// A completion of it came.
    pub(crate) fn ended(&mut self, user_data: u64) {
        if user_data == FIRED {
            self.at_ns = None;
        }
    }
}
