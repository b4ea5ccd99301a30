//! CPU time of a process: the sum over its threads, in nanoseconds, from the scheduler and not from ticks.

/// Nanoseconds on a CPU of all threads so far (`/proc/PID/task/*/schedstat`, first field); 0 where it cannot be read.
pub(crate) fn nanos(pid: u32) -> u64 {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads
        .filter_map(|t| std::fs::read_to_string(t.path().join("schedstat")).ok())
        .filter_map(|line| line.split(' ').next().and_then(|n| n.parse::<u64>().ok()))
        .sum()
}
