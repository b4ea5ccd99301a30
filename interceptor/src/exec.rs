//! `interceptor exec`: run a command as an agent, from its first instruction on.
//!
//! The parent (root) makes a cgroup, enters it into the kernel's map, and starts the command in it: in a mount namespace
//! where the databases' unix sockets are hidden, as an account without a capability, with nothing open but the standard
//! streams. Then it passes signals on, waits, kills what the command left behind and removes the cgroup.

use std::{
    ffi::OsString,
    fmt, fs, io,
    os::fd::AsFd,
    path::{Path, PathBuf},
    process::{Child, Command},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigSet, SigmaskHow, Signal, kill, raise},
        signalfd::{SfdFlags, SignalFd, siginfo},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{Gid, Pid, Uid},
};

use crate::{
    admit, host_record,
    load::{self, Pins, cgroups},
    sys::child::{self, Hidden, Steps},
};

/// The parent of all cgroups that `exec` makes, below the root of the hierarchy.
const PARENT: &str = "interceptor-exec";

/// The account that a command runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its uid; not 0 and not the service's.
    pub uid: u32,
    /// Its primary group.
    pub gid: u32,
    /// Its other groups.
    pub groups: Vec<u32>,
    /// Its name and home, for USER, LOGNAME and HOME; `None` leaves them as they are.
    pub name_and_home: Option<(String, PathBuf)>,
}

/// What to run.
#[derive(Clone, Debug)]
pub struct Order<'a> {
    /// The instance that protects it.
    pub instance: &'a Path,
    /// The agent that it becomes.
    pub agent: &'a str,
    /// As whom.
    pub account: &'a Account,
    /// The service's uid, which no agent may have.
    pub service_uid: u32,
    /// Folders (and socket files) that the command must not see.
    pub hidden: &'a [PathBuf],
    /// The command and its arguments.
    pub command: &'a [OsString],
}

/// Why the command did not run.
#[derive(Debug)]
pub enum Error {
    /// Nothing is attached, or it does not run, or a map cannot be written.
    Load(load::Error),
    /// The account is root's or the service's.
    Account(u32),
    /// No command was given.
    NoCommand,
    /// A path that is to be hidden is not there.
    Hidden(PathBuf, io::Error),
    /// The cgroup cannot be made or removed.
    Cgroup(PathBuf, io::Error),
    /// The admission cannot be recorded.
    Unrecorded(host_record::Error),
    /// Its token does not count.
    Token(String),
    /// A step between fork and exec failed, or the program cannot be run.
    Start(OsString, io::Error),
    /// Signals or the child cannot be waited for.
    Wait(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Load(why) => why.fmt(f),
            Error::Account(0) => write!(f, "an agent cannot be root: name an account with --user"),
            Error::Account(uid) => write!(f, "uid {uid} is the service's own: name another account with --user"),
            Error::NoCommand => write!(f, "no command was given"),
            Error::Hidden(path, why) => write!(f, "cannot hide {}: {why}", path.display()),
            Error::Cgroup(path, why) => write!(f, "the cgroup {}: {why}", path.display()),
            Error::Unrecorded(why) => write!(f, "nothing was started, since it cannot be recorded: {why}"),
            Error::Token(why) => write!(f, "nothing was started: {why}"),
            Error::Start(command, why) => write!(f, "cannot run {}: {why}", command.display()),
            Error::Wait(why) => write!(f, "cannot wait for the command: {why}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<load::Error> for Error {
    fn from(why: load::Error) -> Error {
        Error::Load(why)
    }
}

/// Runs the command and answers its exit status, or 128 and the number of the signal that ended it. Signals are blocked in
/// this thread meanwhile; those to the process as a whole are passed on if it has no other.
pub fn exec(order: &Order<'_>) -> Result<i32, Error> {
    exec_once(order, |_| Ok(()))
}

/// The same, once `admitted` has recorded that the cgroup of this id is the agent's, and bound its token: before the first instruction.
pub fn exec_once(order: &Order<'_>, admitted: impl FnOnce(u64) -> Result<(), Error>) -> Result<i32, Error> {
    if order.account.uid == 0 || order.account.uid == order.service_uid {
        return Err(Error::Account(order.account.uid));
    }
    let usual = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK).map_err(wait_failed)?;
    let status = run(order, usual, admitted);
    usual.thread_set_mask().map_err(wait_failed)?;
    status
}

/// `usual` are the signals that were blocked before: the command shall not notice that we block all of them.
fn run(order: &Order<'_>, usual: SigSet, admitted: impl FnOnce(u64) -> Result<(), Error>) -> Result<i32, Error> {
    let signals =
        SignalFd::with_flags(&SigSet::all(), SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).map_err(wait_failed)?;
    let (_cage, child) = start(order, usual, admitted)?;
    attend(&child, &signals)
}

/// Between the cgroup's making and its first process it is empty, and an empty one may be tidied away by another `exec`:
/// so all of this happens under the lock.
fn start(
    order: &Order<'_>,
    usual: SigSet,
    admitted: impl FnOnce(u64) -> Result<(), Error>,
) -> Result<(Cage, Child), Error> {
    let _lock = load::lock(order.instance)?;
    load::verify(order.instance)?;
    let cage = Cage::make(order)?;
    let (program, arguments) = order.command.split_first().ok_or(Error::NoCommand)?;
    let mut command = Command::new(program);
    command.args(arguments);
    if let Some((name, home)) = &order.account.name_and_home {
        command.env("USER", name).env("LOGNAME", name).env("HOME", home);
    }
    child::prepare(&mut command, steps(order, &cage.path, usual)?);
    admitted(cage.id)?;
    let child = command.spawn().map_err(|why| Error::Start(program.clone(), why))?;
    Ok((cage, child))
}

fn steps(order: &Order<'_>, cgroup: &Path, signals: SigSet) -> Result<Steps, Error> {
    let procs = cgroup.join("cgroup.procs");
    let hidden = |path: &PathBuf| Hidden::new(path).map_err(|why| Error::Hidden(path.clone(), why));
    Ok(Steps {
        cgroup: fs::OpenOptions::new().write(true).open(&procs).map_err(|why| Error::Cgroup(procs, why))?,
        hidden: order.hidden.iter().map(hidden).collect::<Result<_, _>>()?,
        groups: order.account.groups.iter().map(|&group| Gid::from_raw(group)).collect(),
        gid: Gid::from_raw(order.account.gid),
        uid: Uid::from_raw(order.account.uid),
        parent: Pid::this(),
        signals,
    })
}

/// The command's cgroup and its entry; both go when dropped, with every process that is still inside.
struct Cage {
    path: PathBuf,
    id: u64,
    pins: Pins,
}

impl Cage {
    fn make(order: &Order<'_>) -> Result<Cage, Error> {
        let root = cgroups::root().map_err(load::Error::Cgroups)?;
        let parent = root.join(PARENT);
        tidy(&parent);
        let path = parent.join(format!("{}-{}", order.agent, std::process::id()));
        make_below(&parent, &path)?;
        let id = load::checked_id(&root, &path)?;
        let cage = Cage { path, id, pins: Pins::current(order.instance) };
        admit::enter(&cage.pins, id, order.agent)?;
        Ok(cage)
    }

    /// Kills what is inside (cgroup.kill, Linux 5.14) and waits until nothing is.
    fn empty(&self) -> io::Result<()> {
        fs::write(self.path.join("cgroup.kill"), "1")?;
        let events = fs::File::open(self.path.join("cgroup.events"))?;
        while !io::read_to_string(&events)?.contains("populated 0") {
            // cgroup v2 says a change of this file by POLLPRI.
            poll(&mut [PollFd::new(events.as_fd(), PollFlags::POLLPRI)], PollTimeout::NONE)?;
            io::Seek::rewind(&mut &events)?;
        }
        Ok(())
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        // What fails here leaves an entry for a cgroup that is protected and empty: harmless, and tidied by the next.
        let emptied = self.empty();
        if emptied.is_ok() && fs::remove_dir(&self.path).is_ok() {
            let _ = self.pins.agents().map(|agents| agents.remove(&self.id));
        }
        if let Some(parent) = self.path.parent() {
            let _ = fs::remove_dir(parent);
        }
    }
}

/// Another `exec` that ends removes the parent whenever it is empty, so that it may go between our two steps.
fn make_below(parent: &Path, path: &Path) -> Result<(), Error> {
    loop {
        make_folder(parent)?;
        match make_folder(path) {
            Err(Error::Cgroup(_, why)) if why.kind() == io::ErrorKind::NotFound => {}
            made => return made,
        }
    }
}

fn make_folder(path: &Path) -> Result<(), Error> {
    match fs::create_dir(path) {
        Err(why) if why.kind() != io::ErrorKind::AlreadyExists => Err(Error::Cgroup(path.into(), why)),
        _ => Ok(()),
    }
}

/// Removes the cgroups of an `exec` that was killed: those whose maker is gone and that are empty. One that is empty and whose
/// maker lives is about to be used.
fn tidy(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let maker = name.to_str().and_then(|name| name.rsplit_once('-')).and_then(|(_, pid)| pid.parse::<u32>().ok());
        if !maker.is_some_and(|pid| Path::new("/proc").join(pid.to_string()).exists()) {
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// Passes signals on until the child has ended. Its end is told by a pidfd, its stops by SIGCHLD.
fn attend(child: &Child, signals: &SignalFd) -> Result<i32, Error> {
    let pid = i32::try_from(child.id()).map(Pid::from_raw).map_err(|why| Error::Wait(io::Error::other(why)))?;
    let end = child::pidfd(pid).map_err(Error::Wait)?;
    loop {
        if let Some(status) = ended(pid)? {
            return Ok(status);
        }
        let mut events = [PollFd::new(signals.as_fd(), PollFlags::POLLIN), PollFd::new(end.as_fd(), PollFlags::POLLIN)];
        match poll(&mut events, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(why) => return Err(wait_failed(why)),
        }
        if events[0].any() == Some(true)
            && let Some(signal) = signals.read_signal().map_err(wait_failed)?
        {
            pass_on(pid, &signal);
        }
    }
}

/// The terminal signals the whole process group, the child included: only what was sent to us alone is passed on.
fn pass_on(pid: Pid, signal: &siginfo) {
    let number = i32::try_from(signal.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok());
    if let Some(number) = number
        && number != Signal::SIGCHLD
        && signal.ssi_code <= 0
    {
        let _ = kill(pid, number);
    }
}

/// The exit status, if the child has ended. One that was stopped stops us too, so that the shell sees it.
fn ended(pid: Pid) -> Result<Option<i32>, Error> {
    match waitpid(pid, Some(WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED)).map_err(wait_failed)? {
        WaitStatus::Exited(_, status) => Ok(Some(status)),
        WaitStatus::Signaled(_, signal, _) => Ok(Some(128 + signal as i32)),
        WaitStatus::Stopped(..) => {
            let _ = raise(Signal::SIGSTOP);
            Ok(None)
        }
        _ => Ok(None),
    }
}

fn wait_failed(why: Errno) -> Error {
    Error::Wait(why.into())
}
