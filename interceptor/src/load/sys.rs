//! The few bpf(2) commands that aya 0.14 lacks or keeps to itself, and typed access to pinned maps.
//!
//! Numbers and layouts: include/uapi/linux/bpf.h (union bpf_attr). The kernel takes an attribute shorter than its own
//! and reads the rest as zero.
#![allow(unsafe_code)] // one system call and plain memory; every caller is safe code

use std::{
    ffi::CString,
    io,
    marker::PhantomData,
    mem::{MaybeUninit, size_of},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use interceptor_abi::{Agent, AllowedKey, FlowKey, Origin, Rule, RuleKey};

const MAP_LOOKUP_ELEM: u32 = 1;
const MAP_UPDATE_ELEM: u32 = 2;
const MAP_DELETE_ELEM: u32 = 3;
const MAP_GET_NEXT_KEY: u32 = 4;
const OBJ_PIN: u32 = 6;
const OBJ_GET: u32 = 7;
const OBJ_GET_INFO_BY_FD: u32 = 15;
const PROG_QUERY: u32 = 16;
const MAP_LOOKUP_AND_DELETE_ELEM: u32 = 21;
const LINK_CREATE: u32 = 28;
const LINK_UPDATE: u32 = 29;

/// `BPF_F_QUERY_EFFECTIVE`
const QUERY_EFFECTIVE: u32 = 1;
/// `BPF_F_RDONLY`
const READ_ONLY: u32 = 1 << 3;
/// More programs of one kind on one cgroup than this are not looked at (the kernel allows 64 per cgroup).
const PROGRAMS_MAX: usize = 256;

/// Types that are nothing but bytes: any bit pattern is a value, and there is no padding that could leak.
///
/// # Safety
/// The implementor promises just that.
pub unsafe trait Plain: Copy {}

// SAFETY: plain numbers.
unsafe impl Plain for u32 {}
// SAFETY: as above.
unsafe impl Plain for u64 {}
// SAFETY: bytes.
unsafe impl<const N: usize> Plain for [u8; N] {}
// SAFETY: repr(C) without padding: the sizes are asserted in interceptor-abi.
unsafe impl Plain for FlowKey {}
// SAFETY: as above.
unsafe impl Plain for Origin {}
// SAFETY: as above.
unsafe impl Plain for Rule {}
// SAFETY: as above.
unsafe impl Plain for RuleKey {}
// SAFETY: as above.
unsafe impl Plain for Agent {}
// SAFETY: as above.
unsafe impl Plain for AllowedKey {}

/// Key of a longest-prefix-match map: `struct bpf_lpm_trie_key`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix<T> {
    /// Bits of `data` that count, from the left.
    pub bits: u32,
    /// What is compared.
    pub data: T,
}

// SAFETY: both kinds of data are bytes (alignment 1), so there is no padding.
unsafe impl Plain for Prefix<RuleKey> {}
// SAFETY: as above.
unsafe impl Plain for Prefix<[u8; 16]> {}

fn bpf<T>(command: u32, attribute: &mut T) -> io::Result<i32> {
    // SAFETY: every attribute below is a repr(C) struct whose pointers are to live memory of the size that the map or
    // the command states; the kernel copies `size` bytes of it.
    let result = unsafe {
        libc::syscall(libc::SYS_bpf, libc::c_ulong::from(command), std::ptr::from_mut(attribute), size_of::<T>())
    };
    match i32::try_from(result) {
        Ok(value) if value >= 0 => Ok(value),
        _ => Err(io::Error::last_os_error()),
    }
}

fn bpf_fd<T>(command: u32, attribute: &mut T) -> io::Result<OwnedFd> {
    let fd = bpf(command, attribute)?;
    // SAFETY: these commands answer with a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[repr(C)]
struct ObjectAttribute {
    path: u64,
    fd: u32,
    flags: u32,
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)
}

/// Opens what is pinned at `path`.
pub fn open(path: &Path, read_only: bool) -> io::Result<OwnedFd> {
    let path = c_path(path)?;
    let flags = if read_only { READ_ONLY } else { 0 };
    bpf_fd(OBJ_GET, &mut ObjectAttribute { path: path.as_ptr() as u64, fd: 0, flags })
}

/// Pins a program, map or link.
pub fn pin(object: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let path = c_path(path)?;
    bpf(OBJ_PIN, &mut ObjectAttribute { path: path.as_ptr() as u64, fd: raw(object), flags: 0 })?;
    Ok(())
}

#[repr(C)]
struct LinkAttribute {
    first: u32,
    second: u32,
    attach_type: u32,
    flags: u32,
    rest: [u64; 4],
}

/// Attaches a program to a cgroup, beside those of others.
pub fn link(program: BorrowedFd<'_>, cgroup: BorrowedFd<'_>, attach_type: u32) -> io::Result<OwnedFd> {
    let (first, second) = (raw(program), raw(cgroup));
    bpf_fd(LINK_CREATE, &mut LinkAttribute { first, second, attach_type, flags: 0, rest: [0; 4] })
}

/// Puts `program` in the place of the link's program, in one step.
pub fn replace(link: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    let (first, second) = (raw(link), raw(program));
    bpf(LINK_UPDATE, &mut LinkAttribute { first, second, attach_type: 0, flags: 0, rest: [0; 4] })?;
    Ok(())
}

#[repr(C)]
struct InfoAttribute {
    fd: u32,
    len: u32,
    info: u64,
}

/// The first three words of `struct bpf_prog_info` (type, id, tag) or `struct bpf_link_info` (type, id, program's id).
fn info(object: BorrowedFd<'_>) -> io::Result<[u32; 4]> {
    let mut words = [0_u32; 4];
    bpf(OBJ_GET_INFO_BY_FD, &mut InfoAttribute { fd: raw(object), len: 16, info: words.as_mut_ptr() as u64 })?;
    Ok(words)
}

/// The id of a program.
pub fn program_id(program: BorrowedFd<'_>) -> io::Result<u32> {
    Ok(info(program)?[1])
}

/// The ids of a link and of the program that it holds.
pub fn link_ids(link: BorrowedFd<'_>) -> io::Result<(u32, u32)> {
    let words = info(link)?;
    Ok((words[1], words[2]))
}

#[repr(C)]
struct QueryAttribute {
    target: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    zero: u32,
    rest: [u64; 4],
}

/// The ids of all programs of a kind that run for sockets of this cgroup, whoever attached them, wherever.
pub fn effective(cgroup: BorrowedFd<'_>, attach_type: u32) -> io::Result<Vec<u32>> {
    let mut ids = vec![0_u32; PROGRAMS_MAX];
    let mut query = QueryAttribute {
        target: raw(cgroup),
        attach_type,
        query_flags: QUERY_EFFECTIVE,
        attach_flags: 0,
        ids: ids.as_mut_ptr() as u64,
        count: PROGRAMS_MAX as u32,
        zero: 0,
        rest: [0; 4],
    };
    bpf(PROG_QUERY, &mut query)?;
    ids.truncate(query.count as usize);
    Ok(ids)
}

#[repr(C)]
struct ElementAttribute {
    map: u32,
    zero: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// A pinned map whose keys and values have these types.
#[derive(Debug)]
pub struct Map<K, V> {
    fd: OwnedFd,
    types: PhantomData<(K, V)>,
}

impl<K: Plain, V: Plain> Map<K, V> {
    /// Opens the pin; `InvalidData` when its sizes are not those of the types.
    pub fn open(path: &Path, read_only: bool) -> io::Result<Map<K, V>> {
        let map = Map { fd: open(path, read_only)?, types: PhantomData };
        // struct bpf_map_info: type, id, key_size, value_size
        let [_, _, key, value] = info(map.fd.as_fd())?;
        if (key as usize, value as usize) != (size_of::<K>(), size_of::<V>()) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the map is of another layout"));
        }
        Ok(map)
    }

    /// The value of a key.
    pub fn get(&self, key: &K) -> io::Result<Option<V>> {
        self.read(MAP_LOOKUP_ELEM, key)
    }

    /// The value of a key, which is removed in the same step.
    pub fn take(&self, key: &K) -> io::Result<Option<V>> {
        self.read(MAP_LOOKUP_AND_DELETE_ELEM, key)
    }

    fn read(&self, command: u32, key: &K) -> io::Result<Option<V>> {
        let mut value = MaybeUninit::<V>::uninit();
        let mut attribute = self.element(key, value.as_mut_ptr() as u64);
        match bpf(command, &mut attribute) {
            // SAFETY: the kernel wrote all of the value: its size is the type's (checked in `open`), and it is Plain.
            Ok(_) => Ok(Some(unsafe { value.assume_init() })),
            Err(error) => none_if_absent(error),
        }
    }

    /// Sets a key's value.
    pub fn set(&self, key: &K, value: &V) -> io::Result<()> {
        bpf(MAP_UPDATE_ELEM, &mut self.element(key, std::ptr::from_ref(value) as u64))?;
        Ok(())
    }

    /// Removes a key; false when it was not there.
    pub fn remove(&self, key: &K) -> io::Result<bool> {
        match bpf(MAP_DELETE_ELEM, &mut self.element(key, 0)) {
            Ok(_) => Ok(true),
            Err(error) => Ok(none_if_absent::<()>(error)?.is_some()),
        }
    }

    /// All keys. A key that comes or goes meanwhile may be missing or there; the walk ends all the same.
    pub fn keys(&self, at_most: usize) -> io::Result<Vec<K>> {
        let mut keys: Vec<K> = Vec::new();
        while keys.len() < at_most {
            let mut next = MaybeUninit::<K>::uninit();
            let mut attribute = self.element_of(keys.last(), next.as_mut_ptr() as u64);
            match bpf(MAP_GET_NEXT_KEY, &mut attribute) {
                // SAFETY: as in `read`.
                Ok(_) => keys.push(unsafe { next.assume_init() }),
                Err(error) => {
                    none_if_absent::<()>(error)?;
                    break;
                }
            }
        }
        Ok(keys)
    }

    fn element(&self, key: &K, value: u64) -> ElementAttribute {
        self.element_of(Some(key), value)
    }

    fn element_of(&self, key: Option<&K>, value: u64) -> ElementAttribute {
        let key = key.map_or(0, |key| std::ptr::from_ref(key) as u64);
        ElementAttribute { map: raw(self.fd.as_fd()), zero: 0, key, value, flags: 0 }
    }
}

/// A pinned array of one number per CPU and index.
#[derive(Debug)]
pub struct PerCpu {
    fd: OwnedFd,
    cpus: usize,
}

impl PerCpu {
    /// Opens the pin.
    pub fn open(path: &Path) -> io::Result<PerCpu> {
        Ok(PerCpu { fd: open(path, true)?, cpus: possible_cpus()? })
    }

    /// The sum over all CPUs.
    pub fn sum(&self, index: u32) -> io::Result<u64> {
        let mut values = vec![0_u64; self.cpus];
        let (key, value) = (std::ptr::from_ref(&index) as u64, values.as_mut_ptr() as u64);
        bpf(MAP_LOOKUP_ELEM, &mut ElementAttribute { map: raw(self.fd.as_fd()), zero: 0, key, value, flags: 0 })?;
        Ok(values.iter().sum())
    }
}

/// How many values the kernel writes for a key of a per-CPU map.
fn possible_cpus() -> io::Result<usize> {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/possible")?;
    let last = text.trim().rsplit([',', '-']).next().and_then(|number| number.parse::<usize>().ok());
    last.map(|number| number + 1).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "cpu/possible"))
}

fn none_if_absent<T>(error: io::Error) -> io::Result<Option<T>> {
    if error.raw_os_error() == Some(libc::ENOENT) { Ok(None) } else { Err(error) }
}

fn raw(fd: BorrowedFd<'_>) -> u32 {
    // A descriptor is never negative; -1 would be refused by the kernel.
    fd.as_raw_fd().cast_unsigned()
}

/// The cookie of the network namespace that a socket lives in (`SO_NETNS_COOKIE`, Linux 5.14).
pub fn netns_cookie(socket: BorrowedFd<'_>) -> io::Result<u64> {
    let mut cookie = 0_u64;
    let mut len = size_of::<u64>() as libc::socklen_t;
    // SAFETY: both pointers are to live memory of the stated size.
    let result = unsafe {
        let value = std::ptr::from_mut(&mut cookie).cast();
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, SO_NETNS_COOKIE, value, &raw mut len)
    };
    if result == 0 { Ok(cookie) } else { Err(io::Error::last_os_error()) }
}

/// include/uapi/asm-generic/socket.h
const SO_NETNS_COOKIE: libc::c_int = 71;
