//! Where the record lies: whether what an fsync brought there stays.

use std::path::{Path, PathBuf};

use nix::sys::statfs::{
    BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, FUSE_SUPER_MAGIC, FsType, NFS_SUPER_MAGIC, OVERLAYFS_SUPER_MAGIC, TMPFS_MAGIC,
    XFS_SUPER_MAGIC, statfs,
};

use super::Ability;

const NAME: &str = "the record's disk";
const CURE: &str = "set [service] state_dir to a folder on ext4 or XFS, on a disk of this host";

pub(super) fn record(state_dir: &Path) -> Ability {
    let there = there(state_dir);
    match statfs(&there).map(|found| found.filesystem_type()) {
        Ok(kind) => judged(&there, kind),
        Err(why) => Ability::warning(NAME, format!("{}: {why}", there.display()), CURE),
    }
}

/// What is wrong with it, as a line of `check`; nothing where all is well.
pub(crate) fn describe(state_dir: &Path) -> String {
    let found = record(state_dir);
    found.cure.map_or_else(String::new, |cure| format!("WARNING    the record: {}; {cure}\n", found.found))
}

/// The folder itself, or where it will be made.
fn there(folder: &Path) -> PathBuf {
    folder.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/")).to_owned()
}

/// By the numbers of statfs(2) and linux/magic.h.
fn judged(folder: &Path, kind: FsType) -> Ability {
    let folder = folder.display();
    let number = kind.0;
    match kind {
        EXT4_SUPER_MAGIC => Ability::ok(NAME, format!("{folder} is on ext4")),
        XFS_SUPER_MAGIC => Ability::ok(NAME, format!("{folder} is on XFS")),
        TMPFS_MAGIC | FsType(RAMFS) => Ability::warning(
            NAME,
            format!("{folder} is in memory: a reboot or a power cut takes all of the record"),
            CURE,
        ),
        OVERLAYFS_SUPER_MAGIC => {
            Ability::warning(NAME, format!("{folder} is a container's layer, and may be gone with it"), CURE)
        }
        BTRFS_SUPER_MAGIC | FsType(ZFS) | FsType(BCACHEFS) => Ability::warning(
            NAME,
            format!(
                "{folder} is on a file system that writes in new places: a full disk stops a shard in the middle of a segment, though the segment was made whole before"
            ),
            CURE,
        ),
        NFS_SUPER_MAGIC | FUSE_SUPER_MAGIC | FsType(CIFS | SMB2 | V9FS | CEPH) => Ability::warning(
            NAME,
            format!(
                "{folder} is not known to be on a disk of this host: where a server is behind it, an fsync waits for that, and what waits for an fsync does too"
            ),
            CURE,
        ),
        _ => Ability::warning(
            NAME,
            format!(
                "{folder} is on a file system that is not known here (type {number:#x}): whether what an fsync brought there stays was not looked at"
            ),
            CURE,
        ),
    }
}

// What nix has no names for.
const RAMFS: libc::__fsword_t = 0x8584_58f6;
const ZFS: libc::__fsword_t = 0x2fc1_2fc1;
const BCACHEFS: libc::__fsword_t = 0xca45_1a4e;
const CIFS: libc::__fsword_t = 0xff53_4d42;
const SMB2: libc::__fsword_t = 0xfe53_4d42;
const V9FS: libc::__fsword_t = 0x0102_1997;
const CEPH: libc::__fsword_t = 0x00c3_6400;

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn only_a_local_disk_that_is_written_in_place_is_silent() {
        let cases = [
            (EXT4_SUPER_MAGIC, State::Ok, "ext4"),
            (XFS_SUPER_MAGIC, State::Ok, "XFS"),
            (TMPFS_MAGIC, State::Warning, "in memory"),
            (OVERLAYFS_SUPER_MAGIC, State::Warning, "container"),
            (BTRFS_SUPER_MAGIC, State::Warning, "new places"),
            (FsType(ZFS), State::Warning, "new places"),
            (NFS_SUPER_MAGIC, State::Warning, "a server"),
            (FsType(CIFS), State::Warning, "a server"),
            (FsType(0x1234), State::Warning, "0x1234"),
        ];
        for (kind, state, word) in cases {
            let found = judged(Path::new("/state"), kind);
            assert!(found.state == state && found.found.contains(word), "{found:?}");
            assert_eq!(found.cure.is_some(), state == State::Warning);
        }
    }

    #[test]
    fn a_folder_that_is_not_made_yet_is_judged_by_where_it_will_be() {
        let found = record(Path::new("/dev/shm/no-such-folder/state"));
        assert!(found.found.starts_with("/dev/shm is in memory"), "{found:?}");
    }

    #[test]
    fn check_says_where_a_record_would_not_outlive_a_reboot() {
        let said = describe(Path::new("/dev/shm/state"));
        assert!(said.contains("WARNING    the record: /dev/shm is in memory"), "{said}");
    }
}
