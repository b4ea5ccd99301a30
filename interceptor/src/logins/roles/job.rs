//! When a job is over: its cgroup has no process any more, or is gone. Ids of cgroups are never given twice in one boot, so another cgroup
//! at the same path is another job.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Where the cgroup of this id is, if something lives in it. The root has no end, and so no job.
pub(super) fn place(root: &Path, id: u64) -> Option<PathBuf> {
    let mut open = vec![root.to_path_buf()];
    while let Some(folder) = open.pop() {
        // A cgroup may go while we look.
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let path = entry.path();
            if fs::metadata(&path).is_ok_and(|held| held.ino() == id) {
                return (!is_over(&path, id)).then_some(path);
            }
            open.push(path);
        }
    }
    None
}

/// What cannot be looked at counts as over: a job that hides its cgroup has no role.
pub(super) fn is_over(place: &Path, id: u64) -> bool {
    let same = fs::metadata(place).is_ok_and(|held| held.ino() == id);
    let lives = fs::read_to_string(place.join("cgroup.events"))
        .is_ok_and(|events| events.lines().any(|line| line == "populated 1"));
    !same || !lives
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_over_when_nothing_lives_in_its_cgroup() {
        let root = std::env::temp_dir().join(format!("interceptor-jobs-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        let job = root.join("a.slice/job");
        fs::create_dir_all(&job).unwrap();
        fs::create_dir_all(root.join("b.slice")).unwrap();
        let events = |text: &str| fs::write(job.join("cgroup.events"), text).unwrap();
        let id = fs::metadata(&job).unwrap().ino();
        assert_eq!(place(&root, id), None, "nobody can tell");
        events("populated 1\nfrozen 0\n");
        assert_eq!(place(&root, id).as_ref(), Some(&job));
        assert_eq!(place(&root, id + 1_000_000), None);
        assert_eq!(place(&root, fs::metadata(&root).unwrap().ino()), None, "the root has no end");
        assert!(!is_over(&job, id) && is_over(&job, id + 1), "another one at its place is another job");
        events("populated 0\nfrozen 0\n");
        assert!(is_over(&job, id) && place(&root, id).is_none());
        fs::remove_dir_all(&job).unwrap();
        assert!(is_over(&job, id));
        fs::remove_dir_all(&root).unwrap();
    }
}
