//! What a process costs: CPU time from the scheduler and not from ticks, memory, descriptors.

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

/// Descriptors that a process holds; 0 where they cannot be read.
pub(crate) fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// Sessions that a process under our limit of descriptors can have in between: two for each, and some to spare.
pub(crate) fn sessions_max() -> u32 {
    const SPARE: u32 = 500;
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap_or_default();
    let soft = line.split_whitespace().nth(3).and_then(|soft| soft.parse::<u32>().ok()).unwrap_or(u32::MAX);
    soft.saturating_sub(SPARE) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_process_costs_something() {
        let own = std::process::id();
        assert!(resident_kib(own, "VmRSS:") > 0 && resident_kib(own, "RssAnon:") > 0 && nanos(own) > 0);
        assert_eq!(resident_kib(own, "VmNone:"), 0);
        assert!(descriptors(own) > 2 && sessions_max() > 0);
    }
}
