//! A cgroup for each worker, as deep as that of an agent.
//!
//! `interceptor exec` puts an agent into a cgroup two levels below the root. The kernel keeps books of waiting (PSI) for every cgroup that a
//! task is in, at each switch of tasks: a worker at the root is cheaper to wake, by what the process in between did nothing for.

use std::path::PathBuf;

/// The folder that all cages are in.
const PARENT: &str = "interceptor-bench";

/// A worker's cgroup; it goes when this is dropped, after the worker.
pub(crate) struct Cage(PathBuf);

impl Cage {
    /// A new one with this number; `None` where this account may make none, or the host has no cgroup2.
    pub(crate) fn new(number: usize) -> Option<Cage> {
        let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
        let root = mounts.lines().find_map(|line| {
            let mut words = line.split(' ').skip(1);
            let place = words.next()?;
            (words.next()? == "cgroup2").then_some(place)
        })?;
        let path = PathBuf::from(root).join(PARENT).join(format!("{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).ok()?;
        Some(Cage(path))
    }

    /// What is put before a command so that it runs in here.
    pub(crate) fn prefix(&self) -> Vec<String> {
        const ENTER: &str = "echo $$ > \"$0\" && exec \"$@\"";
        let procs = self.0.join("cgroup.procs").to_string_lossy().into_owned();
        ["sh".to_owned(), "-c".to_owned(), ENTER.to_owned(), procs].into()
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        // What is not empty, or another's too, stays.
        let _ = std::fs::remove_dir(&self.0);
        if let Some(parent) = self.0.parent() {
            let _ = std::fs::remove_dir(parent);
        }
    }
}
