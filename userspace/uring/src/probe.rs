//! What this kernel must be able to do, asked once at start; what is missing is named with its cure.

use std::{fmt, fs, io};

use io_uring::opcode;

use crate::ring::{Ring, Settings};

/// Every operation that a shard uses, by the kernel's name. The ring is restricted to these before it is enabled.
pub(crate) const OPERATIONS: [(u8, &str); 11] = [
    (opcode::Accept::CODE, "IORING_OP_ACCEPT"),
    (opcode::Recv::CODE, "IORING_OP_RECV"),
    (opcode::Send::CODE, "IORING_OP_SEND"),
    (opcode::SendMsg::CODE, "IORING_OP_SENDMSG"),
    (opcode::Connect::CODE, "IORING_OP_CONNECT"),
    (opcode::Close::CODE, "IORING_OP_CLOSE"),
    (opcode::PollAdd::CODE, "IORING_OP_POLL_ADD"),
    (opcode::Write::CODE, "IORING_OP_WRITE"),
    (opcode::AsyncCancel::CODE, "IORING_OP_ASYNC_CANCEL"),
    (opcode::Timeout::CODE, "IORING_OP_TIMEOUT"),
    (opcode::TimeoutUpdate::CODE, "IORING_OP_TIMEOUT_REMOVE"),
];

/// Why no ring can be made here. The text names what is missing and its cure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The kernel refuses new rings to this process; the value is kernel.io_uring_disabled, where it can be read.
    Refused(Option<u8>),
    /// The kernel has no io_uring, or a seccomp filter hides it.
    Absent,
    /// The kernel does not know a flag of the set-up: it is older than 6.1.
    TooOld,
    /// The kernel lacks one operation.
    Operation(&'static str),
    /// No memory for the ring or its buffers.
    Memory,
    /// A step failed in a way that has no known cure.
    Step(&'static str, i32),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::Refused(Some(value @ 1..)) => write!(
                f,
                "io_uring is switched off: kernel.io_uring_disabled is {value}; \
                 run `sysctl -w kernel.io_uring_disabled=0`, or with 1 set kernel.io_uring_group to the service's group"
            ),
            Missing::Refused(_) => f.write_str(
                "this process may not create an io_uring; \
                 a seccomp filter, a container's profile or a security module forbids io_uring_setup: allow the @aio set",
            ),
            Missing::Absent => f.write_str("the kernel has no io_uring (CONFIG_IO_URING), or a seccomp filter hides it"),
            Missing::TooOld => {
                f.write_str("the kernel is older than 6.1: it lacks IORING_SETUP_DEFER_TASKRUN or SINGLE_ISSUER; use Linux 6.1 or newer")
            }
            Missing::Operation(name) => {
                write!(f, "the kernel's io_uring lacks {name}; use Linux 6.1 or newer with networking in io_uring")
            }
            Missing::Memory => f.write_str("no memory for the io_uring; raise LimitMEMLOCK or lower the number of shards"),
            Missing::Step(step, errno) => {
                write!(f, "io_uring: {step} failed: {}", io::Error::from_raw_os_error(*errno))
            }
        }
    }
}

impl std::error::Error for Missing {}

impl Missing {
    /// What a failed io_uring_setup(2) says.
    pub(crate) fn of_setup(error: &io::Error) -> Missing {
        match error.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => Missing::Refused(sysctl()),
            Some(libc::ENOSYS) => Missing::Absent,
            Some(libc::EINVAL) => Missing::TooOld,
            Some(libc::ENOMEM) => Missing::Memory,
            other => Missing::Step("io_uring_setup", other.unwrap_or(libc::EIO)),
        }
    }

    /// What a failed io_uring_register(2) says.
    pub(crate) fn of_step(step: &'static str, error: &io::Error) -> Missing {
        match error.raw_os_error() {
            Some(libc::ENOMEM) => Missing::Memory,
            other => Missing::Step(step, other.unwrap_or(libc::EIO)),
        }
    }
}

/// Makes a small ring in just the way that shards do, and drops it. `Ok` means that shards can run here.
pub fn probe() -> Result<(), Missing> {
    Ring::new(&Settings { entries: 8, buffers: 2 }).map(drop)
}

fn sysctl() -> Option<u8> {
    fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_missing_thing_is_named_with_its_cure() {
        let of = |errno| Missing::of_setup(&io::Error::from_raw_os_error(errno)).to_string();
        assert!(of(libc::EPERM).contains("io_uring"));
        assert!(Missing::Refused(Some(2)).to_string().contains("kernel.io_uring_disabled is 2"));
        assert!(of(libc::ENOSYS).contains("CONFIG_IO_URING"));
        assert!(of(libc::EINVAL).contains("6.1"));
        assert!(of(libc::ENOMEM).contains("LimitMEMLOCK"));
        assert!(Missing::Operation("IORING_OP_RECV").to_string().contains("IORING_OP_RECV"));
    }

    #[test]
    fn this_host_can_run_shards() {
        assert_eq!(probe(), Ok(()));
    }
}
