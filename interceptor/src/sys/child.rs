//! Between fork and exec: into the cgroup, hide the sockets, become the account, and keep nothing else.
//!
//! After the fork of a process that may have threads only async-signal-safe calls are allowed, so everything that
//! allocates is done before.
#![allow(unsafe_code)] // pre_exec, and two calls that nix does not have

use std::{
    ffi::CString,
    fs::File,
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

/// One path that the command must not see.
pub(crate) struct Hidden {
    path: CString,
    is_folder: bool,
}

impl Hidden {
    /// A path that is not there now could be there later, in plain sight: so it must be there.
    pub(crate) fn new(path: &Path) -> io::Result<Hidden> {
        let real = path.canonicalize()?;
        Ok(Hidden { is_folder: real.is_dir(), path: CString::new(real.as_os_str().as_bytes())? })
    }
}

/// Everything that the child needs, made before the fork.
pub(crate) struct Steps {
    /// The `cgroup.procs` of the cgroup to enter, open for writing.
    pub(crate) cgroup: File,
    /// Covered in a mount namespace of the child's own.
    pub(crate) hidden: Vec<Hidden>,
    /// The account's groups,
    pub(crate) groups: Vec<Gid>,
    /// its primary group,
    pub(crate) gid: Gid,
    /// and its uid.
    pub(crate) uid: Uid,
    /// With this process the child dies.
    pub(crate) parent: Pid,
    /// Blocked signals, as they were before we blocked all.
    pub(crate) signals: SigSet,
}

/// Makes `command` go through all steps before it runs its program.
pub(crate) fn prepare(command: &mut Command, steps: Steps) {
    // SAFETY: `take` allocates nothing, takes no lock and makes system calls alone.
    unsafe { command.pre_exec(move || steps.take()) };
}

impl Steps {
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

/// A descriptor that is readable when the process has ended (pidfd_open(2), Linux 5.3).
pub(crate) fn pidfd(pid: Pid) -> io::Result<OwnedFd> {
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
