//! What a process costs: CPU time from the scheduler and not from ticks, and memory.

/// Nanoseconds on a CPU of all threads so far (`/proc/PID/task/*/schedstat`, first field); 0 where it cannot be read.
pub(crate) fn nanos(pid: u32) -> u64 {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads
        .filter_map(|t| std::fs::read_to_string(t.path().join("schedstat")).ok())
        .filter_map(|line| line.split(' ').next().and_then(|n| n.parse::<u64>().ok()))
        .sum()
}

/// The same of the thread that asks.
pub(crate) fn own_nanos() -> u64 {
    let line = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    line.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
}

/// A line of `/proc/PID/status` in KiB, such as `VmRSS:`; 0 where it cannot be read.
pub(crate) fn resident_kib(pid: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_process_costs_something() {
        let own = std::process::id();
        assert!(resident_kib(own, "VmRSS:") > 0 && resident_kib(own, "RssAnon:") > 0 && nanos(own) > 0);
        assert_eq!(resident_kib(own, "VmNone:"), 0);
    }
}
