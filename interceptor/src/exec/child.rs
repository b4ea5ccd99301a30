//! Between fork and exec: into the cgroup, hide the sockets, become the account, and keep nothing else.
//!
//! After the fork of a process that may have threads only async-signal-safe calls are allowed, so everything that
//! allocates is done before.
#![allow(unsafe_code)] // pre_exec, and two calls that nix does not have

use std::{
    ffi::CString,
    fs::{File, OpenOptions},
    io::{self, Write},
    os::{
        fd::{FromRawFd, OwnedFd},
        unix::{ffi::OsStrExt, process::CommandExt},
    },
    path::Path,
    process::Command,
};

use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
    sys::{
        prctl,
        signal::{SigSet, Signal},
    },
    unistd::{Gid, Pid, Uid, getppid, setgroups, setresgid, setresuid},
};

use super::{Error, Order};

/// One path that the command must not see.
struct Hidden {
    path: CString,
    is_folder: bool,
}

/// Everything that the child needs, made before the fork.
struct Steps {
    cgroup: File,
    hidden: Vec<Hidden>,
    groups: Vec<Gid>,
    gid: Gid,
    uid: Uid,
    parent: Pid,
    /// Blocked signals, as they were before we blocked all.
    signals: SigSet,
}

/// Makes `command` go through all steps before it runs its program.
pub(super) fn prepare(command: &mut Command, cgroup: &Path, order: &Order<'_>, signals: SigSet) -> Result<(), Error> {
    let steps = Steps::new(cgroup, order, signals)?;
    // SAFETY: `take` allocates nothing, takes no lock and makes system calls alone.
    unsafe { command.pre_exec(move || steps.take()) };
    Ok(())
}

impl Steps {
    fn new(cgroup: &Path, order: &Order<'_>, signals: SigSet) -> Result<Steps, Error> {
        let procs = cgroup.join("cgroup.procs");
        Ok(Steps {
            cgroup: OpenOptions::new().write(true).open(&procs).map_err(|why| Error::Cgroup(procs, why))?,
            hidden: order.hidden.iter().map(|path| hidden(path)).collect::<Result<_, _>>()?,
            groups: order.account.groups.iter().map(|&group| Gid::from_raw(group)).collect(),
            gid: Gid::from_raw(order.account.gid),
            uid: Uid::from_raw(order.account.uid),
            parent: Pid::this(),
            signals,
        })
    }

    /// In the child. The order counts: the cgroup before anything that the agent could influence, the account last.
    fn take(&self) -> io::Result<()> {
        (&self.cgroup).write_all(b"0")?;
        self.signals.thread_set_mask()?;
        self.hide()?;
        close_all_on_exec()?;
        setgroups(&self.groups)?;
        setresgid(self.gid, self.gid, self.gid)?;
        drop_bounding_set()?;
        // Becoming another uid clears the permitted, effective and ambient sets (capabilities(7)).
        setresuid(self.uid, self.uid, self.uid)?;
        prctl::set_no_new_privs()?;
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        // If the parent has died before the line above, nobody would tell.
        if getppid() == self.parent { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }

    /// A mount namespace of its own, from which nothing goes back to the host's.
    fn hide(&self) -> io::Result<()> {
        const NONE: Option<&str> = None;
        if self.hidden.is_empty() {
            return Ok(());
        }
        unshare(CloneFlags::CLONE_NEWNS)?;
        mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_SLAVE, NONE)?;
        for Hidden { path, is_folder } in &self.hidden {
            let path = path.as_c_str();
            if *is_folder {
                let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
                mount(Some("none"), path, Some("tmpfs"), flags, Some("mode=0000,size=4k"))?;
            } else {
                mount(Some("/dev/null"), path, NONE, MsFlags::MS_BIND, NONE)?;
            }
        }
        Ok(())
    }
}

/// A path that is not there now could be there later, in plain sight: so it must be there.
fn hidden(path: &Path) -> Result<Hidden, Error> {
    let failed = |why| Error::Hidden(path.into(), why);
    let real = path.canonicalize().map_err(failed)?;
    let is_folder = real.is_dir();
    let path = CString::new(real.as_os_str().as_bytes()).map_err(|why| failed(why.into()))?;
    Ok(Hidden { path, is_folder })
}

/// A descriptor that is readable when the process has ended (pidfd_open(2), Linux 5.3).
pub(super) fn pidfd(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: takes numbers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    match i32::try_from(fd) {
        // SAFETY: the descriptor is new and nobody else's.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Only the standard streams come along. (The pipe by which a failed exec is told is closed on exec already.)
fn close_all_on_exec() -> io::Result<()> {
    const FIRST: libc::c_uint = 3;
    let flags = libc::CLOSE_RANGE_CLOEXEC as libc::c_int;
    // SAFETY: only flags of descriptors change.
    let result = unsafe { libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, flags) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// No program of the agent's can gain a capability, whatever its file says.
fn drop_bounding_set() -> io::Result<()> {
    for capability in 0..64 {
        // SAFETY: takes numbers.
        let result = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
        if result != 0 {
            let why = io::Error::last_os_error();
            // Behind the last capability that this kernel knows.
            return if why.raw_os_error() == Some(libc::EINVAL) && capability > 0 { Ok(()) } else { Err(why) };
        }
    }
    Ok(())
}
