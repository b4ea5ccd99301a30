//! Folders, owners and modes in the bpf file system.
//!
//! `<instance>/v<layout>/links`  root's alone (0700): who can open a link can detach it.
//! `<instance>/v<layout>/maps`   the service writes four of them (0660) and reads the rest (0640).

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
};

use interceptor_abi::maps;
use nix::{
    fcntl::{Flock, FlockArg},
    mount::{MsFlags, mount},
    sys::statfs::{BPF_FS_MAGIC, statfs},
};

use super::{error::Error, maps::Pins};

/// The service removes entries of flows, and keeps the local addresses and the allowed units true.
const WRITTEN_BY_SERVICE: [&str; 4] = [maps::FLOWS, maps::LOCALS, maps::LOCAL_PORTS, maps::ALLOWED];
/// Nobody but the programs needs it.
const ROOTS_ALONE: [&str; 1] = [maps::ORIGINS];
/// A folder beside the pins that says: the file system's root was closed to all but root, and `attach` let others pass.
const WAS_CLOSED: &str = "parent-was-0700";

/// Mounts the bpf file system around `instance` if nothing is mounted there. Answers a note for the operator.
pub(super) fn mount_bpffs(instance: &Path) -> Result<Option<String>, Error> {
    let point = instance.parent().unwrap_or(instance);
    fs::create_dir_all(point).map_err(|why| Error::Mount(point.into(), why))?;
    let kind = statfs(point).map_err(|why| Error::Mount(point.into(), why.into()))?.filesystem_type();
    if kind == BPF_FS_MAGIC {
        return Ok(None);
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("bpf"), point, Some("bpf"), flags, Some("mode=0711"))
        .map_err(|why| Error::Mount(point.into(), why.into()))?;
    Ok(Some(format!("mounted the bpf file system at {}", point.display())))
}

/// Makes the folders of a version and lets the service reach the maps.
pub(super) fn make_folders(instance: &Path, pins: &Pins) -> Result<(), Error> {
    for (folder, mode) in [(instance, 0o711), (pins.folder(), 0o711), (&pins.maps(), 0o711), (&pins.links(), 0o700)] {
        make_folder(folder, mode)?;
    }
    let point = instance.parent().unwrap_or(instance);
    let mode = fs::metadata(point).map_err(|why| Error::Pin(point.into(), why))?.mode();
    // systemd mounts /sys/fs/bpf with mode 0700. Others may pass, not look: each pin has a mode of its own.
    if mode & 0o001 == 0 {
        make_folder(&instance.join(WAS_CLOSED), 0o700)?;
        set_mode(point, mode & 0o7777 | 0o011)?;
    }
    Ok(())
}

fn make_folder(folder: &Path, mode: u32) -> Result<(), Error> {
    match fs::DirBuilder::new().mode(mode).create(folder) {
        Err(why) if why.kind() != io::ErrorKind::AlreadyExists => Err(Error::Pin(folder.into(), why)),
        _ => set_mode(folder, mode),
    }
}

fn set_mode(path: &Path, mode: u32) -> Result<(), Error> {
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(|why| Error::Pin(path.into(), why))
}

/// Gives the service what it needs of the maps. What it writes has root's group, so that a later `attach` opens it
/// without CAP_DAC_OVERRIDE; the mode is set before the owner, which wants no CAP_FOWNER.
pub(super) fn hand_over(pins: &Pins, uid: u32, gid: u32) -> Result<(), Error> {
    for name in maps::ALL {
        let path = pins.map(name);
        let (owner, group, mode) = if WRITTEN_BY_SERVICE.contains(&name) {
            (uid, 0, 0o660)
        } else if ROOTS_ALONE.contains(&name) {
            (0, 0, 0o600)
        } else {
            (0, gid, 0o640)
        };
        let is = fs::metadata(&path).map_err(|why| Error::Pin(path.clone(), why))?;
        if is.mode() & 0o7777 != mode {
            set_mode(&path, mode)?;
        }
        if (is.uid(), is.gid()) != (owner, group) {
            chown(&path, Some(owner), Some(group)).map_err(|why| Error::Pin(path.clone(), why))?;
        }
    }
    Ok(())
}

/// The folders of all versions that have pins.
pub(super) fn versions(instance: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(instance) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path()).filter(|path| path.join("links").is_dir()).collect()
}

/// Removes a version: its links first, so that nothing runs without its maps.
pub(super) fn remove_version(folder: &Path) -> Result<(), Error> {
    for part in [folder.join("links"), folder.join("maps")] {
        remove_all(&part)?;
    }
    remove_all(folder)
}

/// Removes an instance and all that belongs to it; true when there was one.
pub(super) fn remove_instance(instance: &Path) -> Result<bool, Error> {
    if !instance.exists() {
        return Ok(false);
    }
    for folder in versions(instance) {
        remove_version(&folder)?;
    }
    let closed = instance.join(WAS_CLOSED).exists();
    remove_all(instance)?;
    if closed && let Some(point) = instance.parent() {
        set_mode(point, 0o700)?;
    }
    Ok(true)
}

/// A folder with all that is in it.
fn remove_all(folder: &Path) -> Result<(), Error> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |why| Error::Pin(path, why)
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(why) => return Err(failed(folder)(why)),
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_all(&path)?;
        } else {
            fs::remove_file(&path).map_err(failed(&path))?;
        }
    }
    fs::remove_dir(folder).map_err(failed(folder))
}

/// Only one of attach, detach and admit at a time; let go when dropped.
pub(super) fn lock(instance: &Path) -> Result<Flock<File>, Error> {
    let point = instance.parent().unwrap_or(instance);
    let folder = File::open(point).map_err(Error::Lock)?;
    Flock::lock(folder, FlockArg::LockExclusive).map_err(|(_, why)| Error::Lock(why.into()))
}
