//! What the kernel half and the program share: the types of the maps, byte for byte, and their names.
//!
//! Both sides are built from this one file. A change of any size, offset or meaning raises [`LAYOUT`]: the pins live in
//! a directory named after it, so programs of one layout never read the maps of another.
//!
//! Conventions: an address is always 16 bytes, an IPv4 one in its v4-mapped form (`::ffff:a.b.c.d`, RFC 4291 2.5.5.2);
//! a port is a number in host order, except in [`RuleKey`], whose bits are compared from the left.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod counter;

pub use counter::Counter;

/// Version of everything in this file. The pins of one version live in `v<LAYOUT>`.
pub const LAYOUT: u32 = 1;

/// Longest name of an agent or of a database, in bytes, with the terminating zero.
pub const NAME_LEN: usize = 64;
/// `TASK_COMM_LEN` of the kernel (include/linux/sched.h).
pub const COMM_LEN: usize = 16;
/// How much is kept of an executable's file name, with the terminating zero.
pub const EXE_NAME_LEN: usize = 32;
/// How many levels below the root an agent's cgroup may lie. Processes may sit deeper: their ancestors are looked at.
pub const CGROUP_LEVELS_MAX: u32 = 24;

/// The database number of the canary: a connection of the service to itself, which proves the redirection.
pub const DATABASE_CANARY: u32 = u32::MAX;
/// 192.0.2.1, a documentation address (RFC 5737): redirected for the service's own uid, whatever the port.
pub const CANARY_V4: [u8; 16] = mapped([192, 0, 2, 1]);
/// 2001:db8::1, a documentation address (RFC 3849).
pub const CANARY_V6: [u8; 16] = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/// 127.0.0.1 in its mapped form: where redirected IPv4 connections land.
pub const LOOPBACK_V4: [u8; 16] = mapped([127, 0, 0, 1]);
/// `::1`: where redirected IPv6 connections land.
pub const LOOPBACK_V6: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/// The v4-mapped form of an IPv4 address.
#[inline(always)]
pub const fn mapped(v4: [u8; 4]) -> [u8; 16] {
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, v4[0], v4[1], v4[2], v4[3]]
}

/// A text of at most `N - 1` bytes, padded with zeroes.
pub type Text<const N: usize> = [u8; N];

/// The names of the maps, as the object and the pins spell them.
pub mod maps {
    /// `RuleKey` with its prefix length -> `Rule` (LPM trie).
    pub const RULES: &str = "RULES";
    /// Prefix length and address -> `u32` (LPM trie): what the host calls its own.
    pub const LOCALS: &str = "LOCALS";
    /// Port (0: any) -> `Rule`: the rules that hold for every local address.
    pub const LOCAL_PORTS: &str = "LOCAL_PORTS";
    /// Cgroup id -> `Agent`.
    pub const AGENTS: &str = "AGENTS";
    /// uid -> `Agent`.
    pub const UIDS: &str = "UIDS";
    /// `AllowedKey` -> `u32`: who else may dial a database with `others = "refuse"`.
    pub const ALLOWED: &str = "ALLOWED";
    /// Database number -> its name.
    pub const DATABASES: &str = "DATABASES";
    /// `FlowKey` -> `Origin`: connections on their way to the proxy.
    pub const FLOWS: &str = "FLOWS";
    /// Socket -> `Origin` (socket storage): what getpeername answers.
    pub const ORIGINS: &str = "ORIGINS";
    /// `Counter` -> `u64` per CPU.
    pub const COUNTERS: &str = "COUNTERS";
    /// All of them.
    pub const ALL: [&str; 10] =
        [RULES, LOCALS, LOCAL_PORTS, AGENTS, UIDS, ALLOWED, DATABASES, FLOWS, ORIGINS, COUNTERS];
}

/// Constants of one load, written into the object's read-only data (there is no CO-RE from Rust: the offsets come from
/// the running kernel's BTF).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Cookie of the network namespace that is protected (`SO_NETNS_COOKIE`).
    pub netns: u64,
    /// Where redirected sockets land.
    pub port: u32,
    /// The uid that the proxy runs as.
    pub service_uid: u32,
    /// How to get from the current task to its executable.
    pub exe: ExeOffsets,
}

/// Byte offsets on the way task -> mm -> exe_file -> inode and dentry.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExeOffsets {
    /// `task_struct.mm`
    pub task_mm: u32,
    /// `mm_struct.exe_file`
    pub mm_exe_file: u32,
    /// `file.f_inode`
    pub file_inode: u32,
    /// `file.f_path.dentry`
    pub file_dentry: u32,
    /// `inode.i_ino`
    pub inode_number: u32,
    /// `inode.i_sb`
    pub inode_super: u32,
    /// `super_block.s_dev`
    pub super_device: u32,
    /// `dentry.d_name.name`
    pub dentry_name: u32,
}

impl Settings {
    /// The bytes as the programs read them.
    pub fn to_bytes(&self) -> [u8; 48] {
        let exe = &self.exe;
        let words = [
            self.port,
            self.service_uid,
            exe.task_mm,
            exe.mm_exe_file,
            exe.file_inode,
            exe.file_dentry,
            exe.inode_number,
            exe.inode_super,
            exe.super_device,
            exe.dentry_name,
        ];
        let mut out = [0; 48];
        let (netns, rest) = out.split_at_mut(8);
        netns.copy_from_slice(&self.netns.to_ne_bytes());
        for (place, word) in rest.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        out
    }
}

/// What an address is matched against: the port first, then the address, both big-endian.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleKey {
    /// The port, big-endian; 0 stands for any.
    pub port: [u8; 4],
    /// The address or the network's first one.
    pub address: [u8; 16],
}

/// Bits of [`RuleKey::port`], which a rule always compares whole.
pub const RULE_PORT_BITS: u32 = 32;

impl RuleKey {
    /// The key of `address` and `port` (0: the rule for any port).
    #[inline(always)]
    pub const fn new(address: [u8; 16], port: u16) -> RuleKey {
        RuleKey { port: (port as u32).to_be_bytes(), address }
    }
}

/// A protected destination.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// Number of the database in the configuration.
    pub database: u32,
    /// 1: processes that are no agent are refused unless [`AllowedKey`] names their cgroup.
    pub refuse_others: u32,
}

/// One agent.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Its name in the configuration.
    pub name: Text<NAME_LEN>,
}

/// A cgroup (it and all below) that may dial a database although it is no agent.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AllowedKey {
    /// The cgroup's id.
    pub cgroup: u64,
    /// The database's number.
    pub database: u32,
    /// Always 0.
    pub zero: u32,
}

/// A connection to the proxy, by both ends.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowKey {
    /// Network namespace cookie.
    pub netns: u64,
    /// The agent's end.
    pub agent: [u8; 16],
    /// The proxy's end.
    pub proxy: [u8; 16],
    /// The agent's port.
    pub agent_port: u16,
    /// The proxy's port.
    pub proxy_port: u16,
    /// Always 0.
    pub zero: u32,
}

/// Where a connection was meant to go, and who asked: frozen at connect().
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The address that was dialled.
    pub address: [u8; 16],
    /// cgroup v2 id of the caller.
    pub cgroup: u64,
    /// Inode number of the caller's executable; 0: could not be read.
    pub exe_inode: u64,
    /// Cookie of the agent's socket.
    pub agent_cookie: u64,
    /// Cookie of the proxy's socket, once the handshake is complete; before that 0.
    pub proxy_cookie: u64,
    /// Time of connect(), CLOCK_MONOTONIC.
    pub connected_ns: u64,
    /// Device of the caller's executable as the kernel writes it (12 bits major, 20 bits minor).
    pub exe_device: u32,
    /// Process id (thread group id) of the caller.
    pub pid: u32,
    /// Real uid of the caller.
    pub uid: u32,
    /// Number of the database, or [`DATABASE_CANARY`].
    pub database: u32,
    /// The port that was dialled.
    pub port: u16,
    /// Always 0.
    pub zero: [u16; 3],
    /// What the task calls itself: the agent chooses it, so it is recorded and never trusted.
    pub comm: Text<COMM_LEN>,
    /// File name of the executable.
    pub exe_name: Text<EXE_NAME_LEN>,
    /// The agent's name.
    pub agent: Text<NAME_LEN>,
}

const _: () = {
    use core::mem::{offset_of, size_of};
    assert!(size_of::<Settings>() == 16 + 32);
    assert!(size_of::<RuleKey>() == 20);
    assert!(size_of::<Rule>() == 8);
    assert!(size_of::<Agent>() == NAME_LEN);
    assert!(size_of::<AllowedKey>() == 16);
    assert!(size_of::<FlowKey>() == 48);
    assert!(offset_of!(FlowKey, agent_port) == 40);
    assert!(size_of::<Origin>() == 192);
    assert!(offset_of!(Origin, proxy_cookie) == 40);
    assert!(offset_of!(Origin, port) == 72);
    assert!(offset_of!(Origin, comm) == 80);
    assert!(offset_of!(Origin, agent) == 128);
};

/// The text before the first zero; `None` when it is not UTF-8.
pub fn text<const N: usize>(padded: &Text<N>) -> Option<&str> {
    let end = padded.iter().position(|&byte| byte == 0).unwrap_or(N);
    core::str::from_utf8(padded.get(..end)?).ok()
}

/// `text` padded with zeroes; `None` when it is too long, empty, or holds a zero itself.
pub fn padded<const N: usize>(text: &str) -> Option<Text<N>> {
    let bytes = text.as_bytes();
    if bytes.is_empty() || bytes.contains(&0) {
        return None;
    }
    let mut out = [0; N];
    out.get_mut(..N.checked_sub(1)?)?.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_refuse_what_does_not_fit() {
        for (name, fits) in [("reconciler", true), ("", false), ("a\0b", false), (&"x".repeat(63), true)] {
            let out = padded::<NAME_LEN>(name);
            assert_eq!(out.is_some(), fits, "{name:?}");
            if let Some(out) = out {
                assert_eq!(text(&out), Some(name));
            }
        }
        assert_eq!(padded::<NAME_LEN>(&"x".repeat(64)), None);
    }

    #[test]
    fn settings_are_written_in_the_order_of_their_fields() {
        let settings =
            Settings { netns: 1, port: 2, service_uid: 3, exe: ExeOffsets { dentry_name: 4, ..Default::default() } };
        let bytes = settings.to_bytes();
        for (offset, value) in [(0, 1), (8, 2), (core::mem::offset_of!(Settings, service_uid), 3), (44, 4)] {
            assert_eq!(bytes[offset], value);
        }
    }

    #[test]
    fn a_rule_compares_the_port_before_the_address() {
        let key = RuleKey::new(mapped([10, 20, 0, 0]), 5432);
        assert_eq!(key.port, [0, 0, 0x15, 0x38]);
        assert_eq!(key.address[10..], [0xff, 0xff, 10, 20, 0, 0]);
    }
}
