//! What root does to the host by hand or at boot is a record too: attach, detach, admission (PCI DSS v4.0.1 10.2.1.6, 10.2.2).
//!
//! The verbs are processes of their own, and the service may be dead: so they keep the service's own series
//! ([`audit::segment::SERVICE_SHARD`]) beside those of the shards, under a lock, and each leaves it ended by an orderly stop.
//!
//! # Before or after
//! - `attach` and `admit` write that they begin, act, and write the outcome. Where the first cannot be written nothing is done;
//!   where the second cannot, the verb fails (a unit whose admission fails does not start) and what holds stays: to undo a
//!   protection because the disk is full would be the worse end. One that begins and has no outcome was killed in between.
//! - `exec` makes the cgroup and its entry, writes the admission with the cgroup's id, and only then starts the command: there
//!   is nothing to do between the record and the first instruction, so one record is enough. Where it cannot be written the
//!   cgroup goes and nothing starts. What fails, before or at the start, is one more record, of a failure.
//! - What reads the record writes that it does before it shows anything, and shows nothing where it cannot; `audit verify` writes
//!   what it found, and says loudly where it cannot: a damaged record must not hide what damaged it.
//! - `detach` tries the same two records as `attach`, and goes on without them, loudly: what is attached must be removable
//!   from a host whose disk is full or whose record is damaged.
//!
//! A record is on disk before its verb goes on.
//!
//! # Where
//! The service is less trusted than root: root that opens files by name in a folder of the service's could be led to any file of
//! the host by a link. So the series has a folder of its own beside the service's, root's and 0700, which the service can neither
//! write nor read: root needs no other account and no capability for it, and a service that was taken over cannot touch what root
//! did. The folder must be the caller's own, no link, and nobody else may be able to put another in its place: all folders
//! above it are root's or the caller's, and not writable for others unless sticky.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, Metadata};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::{fmt, io};

use audit::keys::KeyTold;
use audit::removal::Removed;
use audit::segment::{Corrupt, Refused, SERVICE_SHARD};
use audit::{Event, Operator, RecordId, Text};
use nix::unistd::{Uid, User};
use pan::Masked;

pub(crate) mod series;

/// What is done to the host.
#[derive(Clone, Copy, Debug)]
pub enum Deed<'a> {
    /// The kernel half is attached.
    Attach {
        /// Where it is pinned.
        object: &'a str,
    },
    /// The kernel half is removed.
    Detach {
        /// Where it was pinned.
        object: &'a str,
    },
    /// The record is read, or was checked.
    Reading {
        /// The verb, and what it was asked for.
        object: &'a str,
    },
    /// Somebody must look at this.
    Alert {
        /// What it is about.
        object: &'a str,
        /// The record that it begins with, if it is one.
        about: Option<RecordId>,
    },
    /// A segment is removed for good.
    Tombstone {
        /// What.
        removed: &'a Removed,
        /// By the record's key.
        signature: Option<&'a [u8; 64]>,
    },
    /// A run of the service gets a key, or the root key is another from now on.
    Key {
        /// Which.
        told: &'a KeyTold,
    },
    /// Segments were moved, or kept though their time is over.
    Retention {
        /// To where, or why.
        object: &'a str,
    },
    /// An agent, or a unit that may dial a closed database, is let in.
    Admission {
        /// The agent's configured name; empty for a unit that is none.
        agent: &'a str,
        /// The unit, or the cgroup.
        unit: &'a str,
    },
}

impl Deed<'_> {
    /// What a person reads.
    pub fn as_str(&self) -> &'static str {
        match self {
            Deed::Attach { .. } => "this attach",
            Deed::Detach { .. } => "this detach",
            Deed::Reading { .. } => "this reading",
            Deed::Alert { .. } => "this alert",
            Deed::Tombstone { .. } => "this removal",
            Deed::Retention { .. } => "this move",
            Deed::Key { .. } => "this key",
            Deed::Admission { .. } => "this admission",
        }
    }
}

/// How far it has come.
#[derive(Clone, Copy, Debug)]
pub enum Stage<'a> {
    /// It begins; a later record says how it ended.
    Begins,
    /// It holds; what was done.
    Done(&'a str),
    /// It does not hold; why.
    Failed(&'a str),
}

/// Why a record was not written.
#[derive(Debug)]
pub enum Error {
    /// The folder is root's: only root can write there.
    NotRoot,
    /// Somebody else owns this folder or may write in it, or it is no folder: it could lead us anywhere.
    Led(PathBuf),
    /// The folder, or a file in it.
    File(PathBuf, io::Error),
    /// Another process holds the lock and does not let go.
    Busy(PathBuf),
    /// The series is damaged before its end.
    Corrupt(PathBuf, Corrupt),
    /// The segment does not take the record.
    Segment(PathBuf, Refused),
    /// A store was lost: the medium failed, or somebody cut the file.
    Broken(PathBuf),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the record: ")?;
        match self {
            Error::NotRoot => write!(f, "this needs root: only root can write it beside the service"),
            Error::Led(path) => write!(
                f,
                "{} must be a folder of root's, no link, and not writable for others: move it away, or name a state_dir whose parents are",
                path.display()
            ),
            Error::File(path, why) => write!(f, "{}: {why}", path.display()),
            Error::Busy(path) => write!(f, "{} is held by another process that does not end", path.display()),
            Error::Corrupt(path, why) => write!(
                f,
                "{}: {why}; run `interceptor audit verify`, then move the damaged series away",
                path.display()
            ),
            Error::Segment(path, why) => write!(f, "{}: {why}", path.display()),
            Error::Broken(path) => write!(f, "{}: a store into it was lost", path.display()),
        }
    }
}

impl std::error::Error for Error {}

/// The folder of the service's own series, beside that of its shards: `state_dir` and `-host`.
pub fn folder(state_dir: &Path) -> PathBuf {
    let mut name = state_dir.file_name().map_or_else(|| OsString::from("interceptor"), OsString::from);
    name.push("-host");
    state_dir.with_file_name(name)
}

/// The service's own series in its folder.
#[derive(Clone, Debug)]
pub struct HostRecord {
    folder: PathBuf,
}

impl HostRecord {
    /// Beside the service's `state_dir`. Nothing is opened yet.
    pub fn new(state_dir: &Path) -> HostRecord {
        HostRecord { folder: folder(state_dir) }
    }

    /// Writes one record; it is on disk when this returns.
    pub fn write(&self, deed: &Deed<'_>, stage: Stage<'_>) -> Result<RecordId, Error> {
        let mut payload = Vec::new();
        let kind = encode(deed, stage, &mut payload);
        let place = series::Place { folder: &own_folder(&self.folder)?, shard: SERVICE_SHARD };
        series::append(&place, kind, &payload).map(|appended| appended.record)
    }
}

/// Encodes the event and answers the type of its frame.
pub(crate) fn encode(deed: &Deed<'_>, stage: Stage<'_>, payload: &mut Vec<u8>) -> u8 {
    let (stage, message) = match stage {
        Stage::Begins => (audit::Stage::Begins, Masked::literal("")),
        Stage::Done(words) => (audit::Stage::Done, Masked::of(words)),
        Stage::Failed(words) => (audit::Stage::Failed, Masked::of(words)),
    };
    let message = (!message.as_str().is_empty()).then_some(Text::Masked(&message));
    let name = Masked::of(&who());
    let operator = Operator { name: Text::Masked(&name), uid: Uid::current().as_raw(), pid: std::process::id() };
    let (first, second) = match deed {
        Deed::Attach { object }
        | Deed::Detach { object }
        | Deed::Reading { object }
        | Deed::Retention { object }
        | Deed::Alert { object, .. } => (Masked::of(object), Masked::literal("")),
        Deed::Tombstone { .. } | Deed::Key { .. } => (Masked::literal(""), Masked::literal("")),
        Deed::Admission { agent, unit } => (Masked::of(agent), Masked::of(unit)),
    };
    let (object, unit) = (Text::Masked(&first), Text::Masked(&second));
    let event = match deed {
        Deed::Attach { .. } => Event::Attach { operator, object, stage, message },
        Deed::Detach { .. } => Event::Detach { operator, object, stage, message },
        Deed::Reading { .. } => Event::Reading { operator, object, success: stage.success() == Some(true), message },
        Deed::Alert { about, .. } => {
            Event::Alert { operator, object, about: *about, message: message.unwrap_or(Text::Literal("")) }
        }
        Deed::Tombstone { removed, signature } => {
            Event::Tombstone { operator, removed, cause: message.unwrap_or(Text::Literal("")), signature: *signature }
        }
        Deed::Retention { .. } => Event::Retention {
            operator,
            object,
            success: stage.success() == Some(true),
            message: message.unwrap_or(Text::Literal("")),
        },
        Deed::Key { told } => Event::Key { operator, told },
        Deed::Admission { .. } => Event::Admission { operator, agent: object, unit, stage, message },
    };
    audit::encode(&event, payload);
    event.kind()
}

/// The person behind root, as far as the host knows: who logged in (proc_pid_loginuid(5), which the kernel keeps over su and
/// sudo), else who called sudo, else the account itself.
fn who() -> String {
    let login = fs::read_to_string("/proc/self/loginuid").ok().and_then(|text| text.trim().parse::<u32>().ok());
    let named = |uid: Uid| User::from_uid(uid).ok().flatten().map_or_else(|| format!("uid {uid}"), |user| user.name);
    match (login.filter(|uid| *uid != u32::MAX), std::env::var("SUDO_USER")) {
        (Some(uid), _) => named(Uid::from_raw(uid)),
        (None, Ok(caller)) => caller,
        (None, Err(_)) => named(Uid::current()),
    }
}

/// The folder by its true name, made if it is missing, and only if nobody else can have a hand in it.
pub(crate) fn own_folder(folder: &Path) -> Result<PathBuf, Error> {
    own_folder_by(folder, series::sync_names)
}

fn own_folder_by(folder: &Path, sync_names: impl Fn(&Path) -> io::Result<()>) -> Result<PathBuf, Error> {
    let failed = |why| Error::File(folder.to_path_buf(), why);
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // What is missing is made only below what nobody else can change.
    if let Some(there) = parent.ancestors().find(|above| above.exists()) {
        trusted(there)?;
    }
    DirBuilder::new().recursive(true).mode(0o755).create(parent).map_err(failed)?;
    let parent = trusted(parent)?;
    let folder = parent.join(folder.file_name().unwrap_or_default());
    match DirBuilder::new().mode(0o700).create(&folder) {
        Ok(()) => {}
        Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {}
        Err(why) if why.kind() == io::ErrorKind::PermissionDenied && !Uid::effective().is_root() => {
            return Err(Error::NotRoot);
        }
        Err(why) => return Err(failed(why)),
    }
    let is = fs::symlink_metadata(&folder).map_err(failed)?;
    if is.is_dir() && is.uid() == 0 && !is_own(&is) {
        return Err(Error::NotRoot);
    }
    if !(is.is_dir() && is_own(&is) && !others_write(&is)) {
        return Err(Error::Led(folder));
    }
    // Where nothing is in it, nobody has brought its name to disk yet, or tried to and failed.
    if fs::read_dir(&folder).map_err(failed)?.next().is_none() {
        sync_names(&parent).map_err(failed)?;
    }
    Ok(folder)
}

/// The true name of a folder that is, with all above it, nobody's to change but root's and the caller's.
fn trusted(folder: &Path) -> Result<PathBuf, Error> {
    let failed = |why| Error::File(folder.to_path_buf(), why);
    let folder = folder.canonicalize().map_err(failed)?;
    for above in folder.ancestors() {
        let is = fs::symlink_metadata(above).map_err(failed)?;
        let sticky = is.mode() & 0o1000 != 0;
        if !(is.is_dir() && (is.uid() == 0 || is_own(&is)) && (sticky || !others_write(&is))) {
            return Err(Error::Led(above.to_path_buf()));
        }
    }
    Ok(folder)
}

fn is_own(is: &Metadata) -> bool {
    is.uid() == Uid::effective().as_raw()
}

fn others_write(is: &Metadata) -> bool {
    is.mode() & 0o022 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEED: Deed<'_> = Deed::Admission { agent: "reconciler", unit: "cgroup 7" };

    /// A folder that is removed, with all in it.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Scratch {
            let path = std::env::temp_dir().join(format!("host-record-{}-{name}", std::process::id()));
            DirBuilder::new().mode(0o755).create(&path).unwrap();
            Scratch(path)
        }

        fn record(&self) -> HostRecord {
            HostRecord::new(&self.0.join("state"))
        }

        fn folder(&self) -> PathBuf {
            self.0.join("state-host")
        }

        /// Nothing may be written, and nothing may have been in `elsewhere`.
        #[track_caller]
        fn refuses(&self, elsewhere: &Path) {
            assert!(matches!(self.record().write(&DEED, Stage::Done("done")), Err(Error::Led(_))));
            assert_eq!(fs::read_dir(elsewhere).unwrap().count(), 0, "root was led elsewhere");
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn mode(path: &Path, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_folder_that_is_missing_is_made_for_the_caller_alone() {
        let scratch = Scratch::new("folder");
        let record = HostRecord::new(&scratch.0.join("lib").join("state"));
        assert_eq!(record.write(&DEED, Stage::Done("done")).unwrap().seq, 1);
        let folder = scratch.0.join("lib/state-host");
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o7777, 0o700);
        let bytes = fs::read(folder.join("65535-0000000001.seg")).unwrap();
        let first = audit::segment::frames(&bytes).next().map(|frame| audit::show::json(u16::MAX, &frame).to_string());
        let first = first.unwrap();
        for part in ["admission", "reconciler", "cgroup 7", "done"] {
            assert!(first.contains(part), "{part}");
        }
    }

    #[test]
    fn a_folder_whose_name_did_not_reach_the_disk_is_tried_again() {
        let scratch = Scratch::new("named");
        let folder = scratch.folder();
        for _ in 0..2 {
            let failed = own_folder_by(&folder, |_| Err(io::ErrorKind::Other.into()));
            assert!(matches!(failed, Err(Error::File(..))) && folder.exists());
        }
        let synced = std::cell::RefCell::new(Vec::new());
        let note = |parent: &Path| {
            synced.borrow_mut().push(parent.to_path_buf());
            Ok(())
        };
        assert!(own_folder_by(&folder, note).is_ok() && *synced.borrow() == [scratch.0.clone()]);
        // What is in it was put there behind that.
        scratch.record().write(&DEED, Stage::Done("done")).unwrap();
        assert!(own_folder_by(&folder, note).is_ok() && synced.borrow().len() == 1);
    }

    #[test]
    fn a_link_in_the_place_of_the_folder_is_not_followed() {
        let scratch = Scratch::new("linked");
        let elsewhere = scratch.0.join("elsewhere");
        DirBuilder::new().mode(0o700).create(&elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, scratch.folder()).unwrap();
        scratch.refuses(&elsewhere);
    }

    #[test]
    fn a_folder_that_others_may_write_in_is_refused() {
        let scratch = Scratch::new("open");
        DirBuilder::new().create(scratch.folder()).unwrap();
        for open in [0o770, 0o702, 0o777, 0o1777] {
            mode(&scratch.folder(), open);
            scratch.refuses(&scratch.folder());
        }
        mode(&scratch.folder(), 0o700);
        assert!(scratch.record().write(&DEED, Stage::Done("done")).is_ok());
    }

    #[test]
    fn a_folder_that_others_could_replace_is_refused() {
        let scratch = Scratch::new("above");
        DirBuilder::new().mode(0o700).create(scratch.folder()).unwrap();
        mode(&scratch.0, 0o777);
        scratch.refuses(&scratch.folder());
        // Sticky: a name is its owner's alone.
        mode(&scratch.0, 0o1777);
        assert!(scratch.record().write(&DEED, Stage::Done("done")).is_ok());
    }

    #[test]
    fn a_folder_of_somebody_else_is_refused() {
        if !Uid::effective().is_root() {
            return; // Only root can make one.
        }
        let scratch = Scratch::new("foreign");
        DirBuilder::new().mode(0o700).create(scratch.folder()).unwrap();
        std::os::unix::fs::chown(scratch.folder(), Some(65_534), None).unwrap();
        scratch.refuses(&scratch.folder());
        std::os::unix::fs::chown(scratch.folder(), Some(0), None).unwrap();
        std::os::unix::fs::chown(&scratch.0, Some(65_534), None).unwrap();
        scratch.refuses(&scratch.folder());
    }

    #[test]
    fn a_card_in_a_name_is_masked() {
        let mut payload = Vec::new();
        encode(
            &Deed::Attach { object: "/pins/4111111111111111" },
            Stage::Failed("no 4111 1111 1111 1111"),
            &mut payload,
        );
        let text = String::from_utf8_lossy(&payload);
        assert!(!text.contains("4111111111111111") && !text.contains("4111 1111 1111 1111"));
        assert!(text.contains("/pins/"));
    }
}
