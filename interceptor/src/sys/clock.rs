//! What the kernel says of its own clock.
#![allow(unsafe_code)] // one system call that nix does not have

use audit::Clock;

/// adjtimex(2) without a change: whether the clock follows a source of time, and how far it may be off. `None`: the kernel does not say.
pub(crate) fn state() -> Option<Clock> {
    // SAFETY: timex is plain numbers, and all zeros is a value of it.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // By its number: the unit lets this one call through, and a C library may take clock_adjtime in its place, which would end the service.
    // SAFETY: the pointer is to a timex of our own that lives through the call; `modes` is 0, so nothing is set.
    let answer = unsafe { libc::syscall(libc::SYS_adjtimex, &raw mut state) };
    let offset_us = if state.status & libc::STA_NANO == 0 { state.offset } else { state.offset / 1000 };
    (answer >= 0).then_some(Clock {
        synced: answer != libc::c_long::from(libc::TIME_ERROR) && state.status & libc::STA_UNSYNC == 0,
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

    #[test]
    fn the_units_filter_lets_the_clock_be_read_and_its_capabilities_let_nobody_set_it() {
        let unit = include_str!("../../../systemd/interceptor.service");
        let lines = || unit.lines().filter(|line| !line.starts_with('#'));
        let allowed = lines()
            .filter_map(|line| line.strip_prefix("SystemCallFilter="))
            .skip_while(|calls| !calls.starts_with('~'));
        assert!(allowed.flat_map(str::split_whitespace).any(|call| call == "adjtimex"), "behind what is taken away");
        // ProtectClock= would take it away again, whatever the filter says.
        assert!(!lines().any(|line| line.starts_with("ProtectClock=")));
        assert!(lines().any(|line| line == "CapabilityBoundingSet="), "without CAP_SYS_TIME no clock is set");
    }
}
