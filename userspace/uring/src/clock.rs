#![allow(unsafe_code)] // clock_gettime

/// Nanoseconds since boot of the clock that never jumps (CLOCK_MONOTONIC).
pub fn mono_ns() -> u64 {
    read(libc::CLOCK_MONOTONIC)
}

/// Nanoseconds since 1970 of the clock that people read (CLOCK_REALTIME); it may jump.
pub fn wall_ns() -> u64 {
    read(libc::CLOCK_REALTIME)
}

fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for one timespec, and the call writes nothing else.
    let status = unsafe { libc::clock_gettime(clock, &mut time) };
    assert!(status == 0, "both clocks exist on every Linux");
    // A clock set before 1970 reads as 0: wrong, but ordered, and never a panic in the data path.
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}
