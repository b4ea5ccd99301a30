#![allow(unsafe_code)] // socket options that std does not know

use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::{io, ptr};

use crate::flight::{read_address, write_address};
use crate::{Direction, Errno, Socket};

/// How many connections may wait to be accepted; the kernel caps it at net.core.somaxconn.
pub const LISTEN_BACKLOG: i32 = 4096;

/// Both ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The other side.
    pub peer: SocketAddr,
    /// Our side.
    pub local: SocketAddr,
}

/// One shard's listeners: 127.0.0.1, and ::1 where the host has IPv6.
#[derive(Debug)]
pub struct BoundListeners {
    /// 127.0.0.1
    pub v4: TcpListener,
    /// ::1; absent on a host without IPv6.
    pub v6: Option<TcpListener>,
}

/// Binds `shards` listeners to one loopback port, all in one SO_REUSEPORT group, and attaches the filter that gives a
/// connection to the shard numbered by the CPU on which it arrives: over loopback that is the CPU of the agent's
/// connect(), and shard `n` is pinned to the n-th CPU. Port 0 picks a free one, the same for all.
pub fn bind_listeners(port: u16, shards: u16) -> io::Result<Vec<BoundListeners>> {
    let v4 = bind_group(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), shards)?;
    let port = match v4.first() {
        Some(first) => first.local_addr()?.port(),
        None => return Ok(Vec::new()),
    };
    let mut v6 = match bind_group(SocketAddr::from((Ipv6Addr::LOCALHOST, port)), shards) {
        Ok(group) => group.into_iter().map(Some).collect(),
        Err(error) if no_ipv6(&error) => Vec::new(),
        Err(error) => return Err(error),
    };
    v6.resize_with(v4.len(), || None);
    Ok(v4.into_iter().zip(v6).map(|(v4, v6)| BoundListeners { v4, v6 }).collect())
}

/// The network namespace of a socket (SO_NETNS_COOKIE, Linux 5.14): the kernel half keys what it hands over by it.
pub fn netns_cookie(socket: &impl AsRawFd) -> io::Result<u64> {
    let mut cookie = 0_u64;
    let mut len = size_of::<u64>() as libc::socklen_t;
    // SAFETY: `cookie` and `len` are writable, and `len` is the size of `cookie`.
    let status = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut len,
        )
    };
    check(status).map(|()| cookie)
}

fn no_ipv6(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL))
}

fn bind_group(address: SocketAddr, shards: u16) -> io::Result<Vec<TcpListener>> {
    let mut group = Vec::with_capacity(usize::from(shards));
    let mut address = address;
    for _ in 0..shards {
        let listener = bind(&address)?;
        address = listener.local_addr()?;
        group.push(listener);
    }
    if let Some(first) = group.first() {
        spread_by_cpu(first, shards)?;
    }
    Ok(group)
}

fn bind(address: &SocketAddr) -> io::Result<TcpListener> {
    let fd = tcp(address)?;
    set_one(&fd, libc::SOL_SOCKET, libc::SO_REUSEPORT)?;
    // A restarted service binds at once, though connections of the last one may linger.
    set_one(&fd, libc::SOL_SOCKET, libc::SO_REUSEADDR)?;
    if address.is_ipv6() {
        set_one(&fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY)?;
    }
    // SAFETY: zeros are a valid sockaddr_storage, a plain C struct.
    let mut storage = unsafe { mem::zeroed() };
    let len = write_address(address, &mut storage);
    // SAFETY: `storage` holds an address of `len` bytes.
    check(unsafe { libc::bind(fd.as_raw_fd(), (&raw const storage).cast(), len) })?;
    // SAFETY: no memory is passed.
    check(unsafe { libc::listen(fd.as_raw_fd(), LISTEN_BACKLOG) })?;
    Ok(TcpListener::from(fd))
}

/// Classic BPF, as socket(7) describes for SO_ATTACH_REUSEPORT_CBPF: return CPU number modulo `shards`, an index into
/// the group in the order of binding. Where a listener is gone the kernel falls back to its hash.
fn spread_by_cpu(listener: &TcpListener, shards: u16) -> io::Result<()> {
    let statement = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let mut filter = [
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, (libc::SKF_AD_OFF + libc::SKF_AD_CPU) as u32),
        statement(libc::BPF_ALU | libc::BPF_MOD | libc::BPF_K, u32::from(shards)),
        statement(libc::BPF_RET | libc::BPF_A, 0),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: `program` and the filter that it points to are readable for the whole call, which copies them.
    let status = unsafe {
        libc::setsockopt(
            listener.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_REUSEPORT_CBPF,
            (&raw const program).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    };
    check(status)
}

/// Seconds without a byte after which the kernel asks the other side for a sign of life, and between two such questions. NATs and load
/// balancers forget connections that were silent for some minutes; a held statement may wait for hours.
const ALIVE_EVERY_S: libc::c_int = 60;

/// A TCP socket without Nagle's delay; connections accepted from it have none either. One that leaves the host is kept alive.
pub(crate) fn tcp(address: &SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    // SAFETY: no memory is passed.
    let number = unsafe { libc::socket(family, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, libc::IPPROTO_TCP) };
    check(number)?;
    // SAFETY: the call above has just made this descriptor and nobody else holds it.
    let fd = unsafe { OwnedFd::from_raw_fd(number) };
    set_one(&fd, libc::IPPROTO_TCP, libc::TCP_NODELAY)?;
    if !address.ip().is_loopback() {
        set_one(&fd, libc::SOL_SOCKET, libc::SO_KEEPALIVE)?;
        for option in [libc::TCP_KEEPIDLE, libc::TCP_KEEPINTVL] {
            set(&fd, libc::IPPROTO_TCP, option, ALIVE_EVERY_S)?;
        }
    }
    Ok(fd)
}

pub(crate) fn ends(number: RawFd) -> io::Result<Ends> {
    Ok(Ends { peer: name(number, libc::getpeername)?, local: name(number, libc::getsockname)? })
}

type NameOf = unsafe extern "C" fn(libc::c_int, *mut libc::sockaddr, *mut libc::socklen_t) -> libc::c_int;

fn name(number: RawFd, of: NameOf) -> io::Result<SocketAddr> {
    // SAFETY: zeros are a valid sockaddr_storage, a plain C struct.
    let mut storage: libc::sockaddr_storage = unsafe { mem::zeroed() };
    let mut len = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    // SAFETY: `storage` is writable for `len` bytes, and `len` is writable.
    check(unsafe { of(number, (&raw mut storage).cast(), &raw mut len) })?;
    read_address(&storage).ok_or_else(|| Errno(libc::EAFNOSUPPORT).into())
}

pub(crate) fn shutdown(number: RawFd, direction: Direction) {
    let how = match direction {
        Direction::Write => libc::SHUT_WR,
        Direction::Both => libc::SHUT_RDWR,
    };
    // SAFETY: no memory is passed. The result does not matter: what is not connected any more is shut down.
    unsafe { libc::shutdown(number, how) };
}

pub(crate) fn close(number: RawFd) {
    // SAFETY: the caller owns the descriptor and forgets it. An error of close(2) still closes.
    unsafe { libc::close(number) };
}

fn set_one(fd: &OwnedFd, level: i32, option: i32) -> io::Result<()> {
    set(fd, level, option, 1)
}

fn set(fd: &OwnedFd, level: i32, option: i32, value: libc::c_int) -> io::Result<()> {
    // SAFETY: `value` is readable and its true size is passed.
    let status = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            option,
            ptr::from_ref(&value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    check(status)
}

fn check(status: i32) -> io::Result<()> {
    if status < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_one_port_on_both_loopbacks() {
        let bound = bind_listeners(0, 3).unwrap();
        let port = bound[0].v4.local_addr().unwrap().port();
        assert_eq!(bound.len(), 3);
        for listeners in &bound {
            assert_eq!(listeners.v4.local_addr().unwrap(), SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
            if let Some(v6) = &listeners.v6 {
                assert_eq!(v6.local_addr().unwrap(), SocketAddr::from((Ipv6Addr::LOCALHOST, port)));
            }
        }
    }

    #[test]
    fn a_connection_lands_on_the_shard_of_its_cpu() {
        let cpus = crate::allowed_cpus().unwrap();
        let shards = cpus.len() as u16;
        let bound = bind_listeners(0, shards).unwrap();
        let address = bound[0].v4.local_addr().unwrap();
        for cpu in cpus {
            // On a thread of its own: pinning is for the thread's life.
            let connected = std::thread::spawn(move || {
                crate::pin_to(cpu).unwrap();
                std::net::TcpStream::connect(address).unwrap()
            });
            let agent = connected.join().unwrap();
            let (accepted, _) = bound[(cpu % u32::from(shards)) as usize].v4.accept().unwrap();
            assert_eq!(accepted.peer_addr().unwrap(), agent.local_addr().unwrap());
        }
    }

    #[test]
    fn what_leaves_the_host_is_kept_alive() {
        let option = |fd: &OwnedFd, level, option| {
            let (mut value, mut len) = (0, size_of::<libc::c_int>() as libc::socklen_t);
            let place: *mut libc::c_int = &raw mut value;
            // SAFETY: `value` and `len` are writable, and `len` is the size of `value`.
            let status = unsafe { libc::getsockopt(fd.as_raw_fd(), level, option, place.cast(), &raw mut len) };
            check(status).unwrap();
            value
        };
        for (address, alive) in [("192.0.2.1:5432", 1), ("127.0.0.1:5432", 0)] {
            let fd = tcp(&address.parse().unwrap()).unwrap();
            assert_eq!(option(&fd, libc::SOL_SOCKET, libc::SO_KEEPALIVE), alive, "{address}");
            let every = option(&fd, libc::IPPROTO_TCP, libc::TCP_KEEPIDLE);
            assert_eq!(every == ALIVE_EVERY_S, alive == 1, "{address}");
        }
    }

    #[test]
    fn sockets_of_one_process_share_a_network_namespace() {
        let bound = bind_listeners(0, 2).unwrap();
        let cookies: Vec<u64> = bound.iter().map(|l| netns_cookie(&l.v4).unwrap()).collect();
        assert_eq!(cookies[0], cookies[1]);
        assert_ne!(cookies[0], 0);
    }
}
