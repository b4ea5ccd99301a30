//! Which job the process at the other end of a unix socket is of.
//!
//! The kernel holds on to the process that connected, so its number cannot come to be another's between the question and the answer:
//! SO_PEERPIDFD (Linux 6.5), and from 6.13 on the pidfd itself tells the cgroup. In between the cgroup is read below /proc, which the
//! service must be able to see, and the pidfd says whether the process was there all the while. Before 6.5 the socket knows a number
//! alone (SO_PEERCRED).
#![allow(unsafe_code)] // one ioctl that nix does not have

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;

use control::Caller;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::Pid;

use super::child;

/// include/uapi/linux/pidfd.h: the first version of the structure.
#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    mask: u64,
    cgroupid: u64,
    pid: u32,
    tgid: u32,
    ppid: u32,
    ids: [u32; 8],
    exit_code: i32,
}

/// `PIDFD_INFO_CGROUPID`
const CGROUPID: u64 = 1 << 2;
/// `_IOWR(0xFF, 11, struct pidfd_info)`
const GET_INFO: libc::Ioctl = (3 << 30 | (size_of::<PidfdInfo>() as u64) << 16 | 0xFF << 8 | 11) as libc::Ioctl;
const _: () = assert!(size_of::<PidfdInfo>() == 64);

/// Who is at the other end.
pub(crate) fn caller(end: &OwnedFd) -> io::Result<Caller> {
    let peer = getsockopt(end, sockopt::PeerCredentials)?;
    let pidfd = match getsockopt(end, sockopt::PeerPidfd) {
        Ok(pidfd) => pidfd,
        Err(nix::errno::Errno::ENOPROTOOPT) => child::pidfd(Pid::from_raw(peer.pid()))?,
        Err(why) => return Err(why.into()),
    };
    let cgroup = told(&pidfd, peer.pid(), peer.uid())?;
    Ok(Caller { uid: peer.uid(), pid: u32::try_from(peer.pid()).unwrap_or(0), cgroup })
}

/// Holds on to the process of this number, where it is of this cgroup now. Says from then on whether it still is: the number cannot have
/// come to be another's meanwhile, and it has not left the job.
pub(crate) fn hold(process: &Caller) -> io::Result<control::IsThere> {
    let (pid, cgroup, uid) = (process.pid.cast_signed(), process.cgroup, process.uid);
    let pidfd = child::pidfd(Pid::from_raw(pid))?;
    let is_there = move || is_alive(&pidfd).unwrap_or(false) && told(&pidfd, pid, uid).is_ok_and(|now| now == cgroup);
    match is_there() {
        true => Ok(Box::new(is_there)),
        false => Err(io::Error::new(io::ErrorKind::NotFound, format!("process {pid} of this job is gone"))),
    }
}

/// Whether a pidfd tells its process's cgroup.
pub(crate) fn pidfds_tell() -> bool {
    let release =
        nix::sys::utsname::uname().map(|host| host.release().to_string_lossy().into_owned()).unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (6, 13)
}

/// The process's cgroup, by whatever this kernel has for that.
fn told(pidfd: &OwnedFd, pid: i32, uid: u32) -> io::Result<u64> {
    match cgroup_of(pidfd) {
        Err(why) if matches!(why.raw_os_error(), Some(libc::ENOTTY | libc::EINVAL | libc::EOPNOTSUPP)) => {
            below_proc(pidfd, pid, uid)
        }
        cgroup => cgroup,
    }
}

/// PIDFD_GET_INFO, Linux 6.13.
fn cgroup_of(pidfd: &OwnedFd) -> io::Result<u64> {
    let mut info = PidfdInfo { mask: CGROUPID, ..PidfdInfo::default() };
    // SAFETY: the request's size is that of the structure, which is plain numbers of our own and lives through the call.
    let answer = unsafe { libc::ioctl(pidfd.as_raw_fd(), GET_INFO, &raw mut info) };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    match info.mask & CGROUPID != 0 && info.cgroupid != 0 {
        true => Ok(info.cgroupid),
        false => Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP)),
    }
}

/// The same by /proc. The process must live when it has been read: a number is another's only once its process is gone.
fn below_proc(pidfd: &OwnedFd, pid: i32, uid: u32) -> io::Result<u64> {
    let folder = format!("/proc/{pid}");
    let told = fs::read_to_string(format!("{folder}/cgroup")).map_err(|why| {
        io::Error::new(
            why.kind(),
            format!("{folder}/cgroup: {why} (this kernel needs ProtectProc=default in the unit)"),
        )
    })?;
    let path = told.lines().find_map(|line| line.strip_prefix("0::")).ok_or(io::ErrorKind::NotFound)?;
    let root = crate::load::cgroups::root()?;
    let cgroup = fs::metadata(root.join(path.trim_start_matches('/')))?.ino();
    let same = fs::metadata(&folder)?.uid() == uid;
    match same && is_alive(pidfd)? {
        true => Ok(cgroup),
        false => Err(io::Error::new(io::ErrorKind::NotFound, "the process is gone")),
    }
}

/// A pidfd is readable once its process has ended.
fn is_alive(pidfd: &OwnedFd) -> io::Result<bool> {
    let mut files = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
    Ok(poll(&mut files, PollTimeout::ZERO)? == 0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::process::{Command, Stdio};

    use super::*;

    fn own_cgroup() -> Option<u64> {
        let told = fs::read_to_string("/proc/self/cgroup").ok()?;
        let path = told.lines().find_map(|line| line.strip_prefix("0::"))?.to_owned();
        Some(fs::metadata(crate::load::cgroups::root().ok()?.join(path.trim_start_matches('/'))).ok()?.ino())
    }

    #[test]
    fn the_other_end_is_this_process() {
        let Some(cgroup) = own_cgroup() else { return };
        let (one, _other) = UnixStream::pair().unwrap();
        let found = caller(&OwnedFd::from(one)).unwrap();
        let expected = Caller { uid: nix::unistd::getuid().as_raw(), pid: std::process::id(), cgroup };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_process_is_held_until_it_is_gone_and_in_its_job_alone() {
        let Some(cgroup) = own_cgroup() else { return };
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let process = Caller { uid: nix::unistd::getuid().as_raw(), pid: child.id(), cgroup };
        let is_there = hold(&process).unwrap();
        assert!(is_there());
        assert!(hold(&Caller { cgroup: cgroup + 1, ..process }).is_err(), "of another job");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!is_there() && hold(&process).is_err());
    }

    #[test]
    fn both_ways_tell_the_same_and_neither_tells_of_who_is_gone() {
        if own_cgroup().is_none() {
            return;
        }
        let folder = std::env::temp_dir().join(format!("interceptor-peer-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let script = "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); sys.stdin.read()";
        let mut python = Command::new("python3");
        let Ok(mut child) = python.args(["-c", script]).arg(&path).stdin(Stdio::piped()).spawn() else { return };
        let end = OwnedFd::from(listener.accept().unwrap().0);
        let pidfd = getsockopt(&end, sockopt::PeerPidfd).unwrap();
        let (pid, uid) = (child.id() as i32, nix::unistd::getuid().as_raw());
        let by_proc = below_proc(&pidfd, pid, uid).unwrap();
        assert_eq!(Some(by_proc), own_cgroup());
        assert_eq!(caller(&end).unwrap().pid, child.id());
        // Its number may be anybody's from here on.
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(below_proc(&pidfd, std::process::id() as i32, uid).is_err(), "another process has the number by now");
        assert!(caller(&end).is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
}
