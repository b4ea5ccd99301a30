//! What the kernel says of its own clock.
#![allow(unsafe_code)] // one system call that nix does not have

use audit::Clock;

/// adjtimex(2) without a change: whether the clock follows a source of time, and how far it may be off. `None`: the kernel does not say.
pub(crate) fn state() -> Option<Clock> {
    // SAFETY: timex is plain numbers, and all zeros is a value of it.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a timex of our own that lives through the call; `modes` is 0, so nothing is set.
    let answer = unsafe { libc::adjtimex(&raw mut state) };
    let offset_us = if state.status & libc::STA_NANO == 0 { state.offset } else { state.offset / 1000 };
    (answer >= 0).then_some(Clock {
        synced: answer != libc::TIME_ERROR && state.status & libc::STA_UNSYNC == 0,
        offset_us: offset_us.unsigned_abs(),
        error_us: state.maxerror.unsigned_abs(),
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_kernel_says_how_its_clock_is() {
        assert!(super::state().is_some());
    }
}
