//! What root does to the host by hand or at boot is a record too: attach, detach, admission (PCI DSS v4.0.1 10.2.1.6, 10.2.2).
//!
//! The verbs are processes of their own, and the service may be dead: so they keep the service's own series
//! ([`audit::segment::SERVICE_SHARD`]) beside those of the shards, under a lock, and each leaves it ended by an orderly stop.
//!
//! # Before or after
//! - `attach` and `admit` write that they begin, act, and write the outcome. Where the first cannot be written nothing is done;
//!   where the second cannot, the verb fails (a unit whose admission fails does not start) and what holds stays: to undo a
//!   protection because the disk is full would be the worse end. One that begins and has no outcome was killed in between.
//!   "Begins" has no success yet, and is recorded as none.
//! - `exec` makes the cgroup and its entry, writes the admission with the cgroup's id, and only then starts the command: there
//!   is nothing to do between the record and the first instruction, so one record is enough. Where it cannot be written the
//!   cgroup goes and nothing starts. What fails, before or at the start, is one more record, of a failure.
//! - `detach` tries the same two records as `attach`, and goes on without them, loudly: what is attached must be removable
//!   from a host whose disk is full or whose record is damaged.
//!
//! A record is on disk before its verb goes on.
//!
//! # As whom
//! The folder is the service's, which is less trusted than root: root that opens files there by name could be led to any file
//! of the host by a link. So all of it is done as the service's account (effective uid, gid and groups, given back after), which
//! also makes the files its own, mode 0600, for the service and `audit verify` to read.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::{fmt, io};

use audit::segment::{Corrupt, Refused};
use audit::{Event, Operator, RecordId, Text};
use nix::unistd::{Gid, Uid, User, getgroups, setegid, seteuid, setgroups};
use pan::Masked;

use crate::privileges::Account;

mod series;

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
    /// Only root and the service's account can write there.
    NotRoot,
    /// The service's account cannot be taken on, or root's not be taken back.
    Account(u32, nix::Error),
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
            Error::Account(uid, why) => write!(f, "cannot work as the service's account (uid {uid}): {why}"),
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

/// The service's own series in its folder.
#[derive(Clone, Debug)]
pub struct HostRecord {
    folder: PathBuf,
    account: Account,
}

impl HostRecord {
    /// In the service's `state_dir`, as its account. Nothing is opened yet.
    pub fn new(state_dir: &Path, account: Account) -> HostRecord {
        HostRecord { folder: state_dir.to_path_buf(), account }
    }

    /// Writes one record; it is on disk when this returns.
    pub fn write(&self, deed: &Deed<'_>, stage: Stage<'_>) -> Result<RecordId, Error> {
        let own = Uid::effective();
        if !own.is_root() && own.as_raw() != self.account.uid {
            return Err(Error::NotRoot);
        }
        let mut payload = Vec::new();
        let kind = encode(deed, stage, &mut payload);
        make_folder(&self.folder, self.account).map_err(|why| Error::File(self.folder.clone(), why))?;
        as_account(self.account, || series::append(&self.folder, kind, &payload))
    }
}

/// A record has no word for "not yet": this one's success is 0, and its message says why.
const BEGINS: &str = "begins, no outcome yet: a later record has it";

/// Encodes the event and answers the type of its frame.
fn encode(deed: &Deed<'_>, stage: Stage<'_>, payload: &mut Vec<u8>) -> u8 {
    let (success, message) = match stage {
        Stage::Begins => (false, Masked::literal(BEGINS)),
        Stage::Done(words) => (true, Masked::of(words)),
        Stage::Failed(words) => (false, Masked::of(words)),
    };
    let message = (!message.as_str().is_empty()).then_some(Text::Masked(&message));
    let name = Masked::of(&who());
    let operator = Operator { name: Text::Masked(&name), uid: Uid::current().as_raw(), pid: std::process::id() };
    let (first, second) = match deed {
        Deed::Attach { object } | Deed::Detach { object } => (Masked::of(object), Masked::literal("")),
        Deed::Admission { agent, unit } => (Masked::of(agent), Masked::of(unit)),
    };
    let (object, unit) = (Text::Masked(&first), Text::Masked(&second));
    let event = match deed {
        Deed::Attach { .. } => Event::Attach { operator, object, success, message },
        Deed::Detach { .. } => Event::Detach { operator, object, success, message },
        Deed::Admission { .. } => Event::Admission { operator, agent: object, unit, success, message },
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

/// The folder, 0700 and the service's. One that is there already is left as it is, unless it is root's and empty: then it was
/// made a moment ago, by this verb or another.
fn make_folder(folder: &Path, account: Account) -> io::Result<()> {
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        fs::create_dir_all(parent)?;
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(why) if why.kind() != io::ErrorKind::AlreadyExists => return Err(why),
            _ => File::open(parent)?.sync_all()?,
        }
    }
    let roots = Uid::effective().is_root() && fs::metadata(folder)?.uid() == 0;
    if roots && account.uid != 0 && fs::read_dir(folder)?.next().is_none() {
        chown(folder, Some(account.uid), Some(account.gid))?;
    }
    Ok(())
}

/// Does it with the account's rights alone. Only for a process without other threads that need root meanwhile: the C library
/// changes the account of all of them.
fn as_account<T>(account: Account, act: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let (uid, gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
    let (own_uid, own_gid) = (Uid::effective(), Gid::effective());
    if own_uid == uid {
        return act();
    }
    let failed = |why| Error::Account(account.uid, why);
    let groups = getgroups().map_err(failed)?;
    let taken = setgroups(&[gid]).and_then(|()| setegid(gid)).and_then(|()| seteuid(uid));
    let done = taken.map_err(failed).and_then(|()| act());
    // The real and saved uid are still root's, so this cannot be refused; were it, nothing of the verb's would work.
    seteuid(own_uid).and_then(|()| setegid(own_gid)).and_then(|()| setgroups(&groups)).map_err(failed)?;
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_missing_is_made_for_the_account_alone() {
        let own = Account { uid: Uid::effective().as_raw(), gid: Gid::effective().as_raw() };
        let root = std::env::temp_dir().join(format!("host-record-{}-folder", std::process::id()));
        let record = HostRecord::new(&root.join("lib").join("state"), own);
        let deed = Deed::Admission { agent: "reconciler", unit: "cgroup 7" };
        assert_eq!(record.write(&deed, Stage::Done("done")).unwrap().seq, 1);
        let mode = fs::metadata(root.join("lib/state")).unwrap().mode();
        assert_eq!(mode & 0o7777, 0o700);
        let bytes = fs::read(root.join("lib/state/65535-0000000001.seg")).unwrap();
        let first = audit::segment::frames(&bytes).next().map(|frame| audit::show::json(u16::MAX, &frame).to_string());
        let first = first.unwrap();
        for part in ["admission", "reconciler", "cgroup 7", "done"] {
            assert!(first.contains(part), "{part}");
        }
        fs::remove_dir_all(root).unwrap();
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
