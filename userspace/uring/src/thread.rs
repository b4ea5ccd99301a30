#![allow(unsafe_code)] // sched_getaffinity, sched_setaffinity, setpriority

use std::io;
use std::mem;

/// The CPUs that this process may run on, in ascending order.
pub fn allowed_cpus() -> io::Result<Vec<u32>> {
    // SAFETY: cpu_set_t is a plain bit array, for which zeros are valid.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: `set` is writable and its true size is passed; 0 is the calling thread.
    let status = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) };
    if status != 0 {
        return Err(io::Error::last_os_error());
    }
    let count = u32::try_from(libc::CPU_SETSIZE).unwrap_or(0);
    // SAFETY: every index asked for is below CPU_SETSIZE, the size of the set.
    Ok((0..count).filter(|cpu| unsafe { libc::CPU_ISSET(*cpu as usize, &set) }).collect())
}

/// Keeps the calling thread on one CPU, so that a connection is served where its agent runs.
pub fn pin_to(cpu: u32) -> io::Result<()> {
    let size = usize::try_from(libc::CPU_SETSIZE).unwrap_or(0);
    if cpu as usize >= size {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: cpu_set_t is a plain bit array, for which zeros are valid.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: the index was checked to be inside the set.
    unsafe { libc::CPU_SET(cpu as usize, &mut set) };
    // SAFETY: `set` is readable and its true size is passed; 0 is the calling thread.
    let status = unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) };
    if status != 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The calling thread takes a smaller part of a busy CPU than others: of two threads, one with `nice` 5 has a quarter. Linux has a nice value per
/// thread (setpriority(2), "C library/kernel differences"); making it larger needs no privilege, and where it is larger already the call fails, or takes it back to this for root.
pub fn give_way(nice: u8) -> io::Result<()> {
    // SAFETY: plain numbers; 0 is the calling thread.
    let status = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice.into()) };
    if status != 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The field behind priority in proc_pid_stat(5).
    fn nice() -> i32 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        stat.rsplit(')').next().unwrap().split_whitespace().nth(16).unwrap().parse().unwrap()
    }

    #[test]
    fn one_thread_gives_way_and_no_other() {
        let before = nice();
        let other = std::thread::spawn(|| give_way(7).map(|()| nice())).join().unwrap().unwrap();
        assert_eq!((other, nice()), (7, before));
    }
}
