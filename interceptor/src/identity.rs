//! Who opened a connection: frozen by the kernel at connect(), never derived again from a pid.

use interceptor_abi::Origin;

/// The kernel's word on a caller. The agent chooses `comm`; all the rest it cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The agent's name in the configuration.
    pub agent: String,
    /// cgroup v2 id.
    pub cgroup: u64,
    /// Process id (thread group id).
    pub pid: u32,
    /// Real uid.
    pub uid: u32,
    /// The executable; `None` when the kernel half could not read it.
    pub executable: Option<Executable>,
    /// What the task called itself: recorded, never trusted.
    pub comm: String,
    /// Time of connect(), CLOCK_MONOTONIC.
    pub connected_ns: u64,
}

/// Which file a process runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executable {
    /// Its device, as `st_dev` writes it (of the file's own file system; stat of an overlay or of btrfs may say another).
    pub device: u64,
    /// Its inode number.
    pub inode: u64,
    /// Its name without the folders.
    pub name: String,
}

impl Identity {
    /// Of what the kernel half wrote.
    pub fn of(origin: &Origin) -> Identity {
        Identity {
            agent: lossy(&origin.agent),
            cgroup: origin.cgroup,
            pid: origin.pid,
            uid: origin.uid,
            executable: (origin.exe_inode != 0).then(|| Executable {
                device: user_device(origin.exe_device),
                inode: origin.exe_inode,
                name: lossy(&origin.exe_name),
            }),
            comm: lossy(&origin.comm),
            connected_ns: origin.connected_ns,
        }
    }
}

/// The kernel's own dev_t (12 bits major, 20 bits minor: include/linux/kdev_t.h) as user space writes it.
fn user_device(kernel: u32) -> u64 {
    nix::sys::stat::makedev(u64::from(kernel >> 20), u64::from(kernel & 0xf_ffff))
}

/// The text before the first zero. A file may be called by any bytes.
fn lossy(padded: &[u8]) -> String {
    let text = padded.split(|&byte| byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_written_as_stat_does() {
        for (kernel, major, minor) in [(8 << 20 | 1, 8, 1), (259 << 20 | 0x12345, 259, 0x12345)] {
            assert_eq!(user_device(kernel), nix::sys::stat::makedev(major, minor));
        }
    }

    #[test]
    fn a_name_that_is_no_text_is_shown_all_the_same() {
        assert_eq!(lossy(b"ps\xffql\0junk"), "ps\u{fffd}ql");
    }
}
