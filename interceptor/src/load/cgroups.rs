//! The cgroup v2 hierarchy: where it is, and the ids of its cgroups.

use std::{
    collections::HashSet,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// The mount point of the cgroup v2 hierarchy: /sys/fs/cgroup, or /sys/fs/cgroup/unified on a hybrid host.
pub fn root() -> io::Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    find_root(&mounts).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no cgroup v2 hierarchy is mounted"))
}

/// proc(5), mountinfo: `36 35 98:0 /root /mount/point options … - fstype source options`
fn find_root(mounts: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut fields = before.split(' ');
        let (part, point) = (fields.nth(3)?, fields.next()?);
        // Only the whole hierarchy will do: of a part (a bind mount, a container) the host's processes are no members.
        (after.starts_with("cgroup2 ") && part == "/").then(|| PathBuf::from(point))
    })
}

/// A cgroup's id: its inode number (kernfs, 64-bit kernels), which is never used again.
pub fn id(cgroup: &Path) -> io::Result<u64> {
    Ok(fs::metadata(cgroup)?.ino())
}

/// A cgroup and all below it, with their ids.
pub fn all(root: &Path) -> Vec<(u64, PathBuf)> {
    let mut found = Vec::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(folder) = open.pop() {
        // A cgroup may go while we look.
        let (Ok(number), Ok(entries)) = (id(&folder), fs::read_dir(&folder)) else { continue };
        open.extend(
            entries
                .flatten()
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                .map(|entry| entry.path()),
        );
        found.push((number, folder));
    }
    found
}

/// The ids of a cgroup and all below it.
pub fn all_ids(root: &Path) -> HashSet<u64> {
    all(root).into_iter().map(|(id, _)| id).collect()
}

/// Every cgroup called `unit`, anywhere below the root: systemd names a unit's cgroup after it.
pub fn of_unit(root: &Path, unit: &str) -> Vec<PathBuf> {
    let named = |path: &PathBuf| path.file_name().is_some_and(|name| name == unit);
    all(root).into_iter().map(|(_, path)| path).filter(named).collect()
}

/// How many levels below the root a cgroup lies.
pub fn level(root: &Path, cgroup: &Path) -> Option<u32> {
    cgroup.strip_prefix(root).ok().and_then(|below| u32::try_from(below.components().count()).ok())
}

/// The processes in a cgroup and all below it.
pub fn processes(cgroup: &Path) -> io::Result<Vec<u32>> {
    let mut pids = Vec::new();
    for (_, folder) in all(cgroup) {
        match fs::read_to_string(folder.join("cgroup.procs")) {
            Ok(text) => pids.extend(text.lines().filter_map(|line| line.parse::<u32>().ok())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(pids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_hierarchy_is_found_on_unified_and_hybrid_hosts() {
        let hybrid = "30 25 0:27 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n\
                      31 30 0:28 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
        assert_eq!(find_root(hybrid), Some("/sys/fs/cgroup/unified".into()));
        let unified = "30 25 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(find_root(unified), Some("/sys/fs/cgroup".into()));
    }

    #[test]
    fn a_part_of_the_hierarchy_is_not_enough() {
        let container = "30 25 0:27 /docker/1 /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
        assert_eq!(find_root(container), None);
        assert_eq!(level(Path::new("/c"), Path::new("/c/a/b")), Some(2));
    }
}
