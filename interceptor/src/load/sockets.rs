//! Connections that are older than the protection: found and closed.
//!
//! The hooks see connect(), so a connection made before is none of theirs. sock_diag(7) lists the sockets of this
//! network namespace, and SOCK_DESTROY closes one (Linux 4.9, CONFIG_INET_DIAG_DESTROY; `ss -K` does the same).

use std::{
    collections::HashSet,
    fs, io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use interceptor_abi::{RULE_PORT_BITS, RuleKey, mapped, maps};

use super::{
    cgroups,
    error::Error,
    maps::Pins,
    netlink::{Netlink, attributes},
    sys::Prefix,
};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const SOCK_DESTROY: u16 = 21;
/// INET_DIAG_CGROUP_ID (include/uapi/linux/inet_diag.h)
const CGROUP_ID: u16 = 21;
/// struct inet_diag_msg
const MESSAGE: usize = 72;
/// struct inet_diag_sockid: ports, addresses, interface, cookie
const SOCKET_ID: usize = 48;
/// Every state but TCP_CLOSE (7), TCP_LISTEN (10) and TIME_WAIT (6): include/net/tcp_states.h
const CONNECTED: u32 = !(1 << 7 | 1 << 10 | 1 << 6);

/// Whose connections.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    /// Of sockets made in these cgroups or below, and of all that their processes hold.
    pub(crate) cgroups: Vec<PathBuf>,
    /// Of sockets made by these uids.
    pub(crate) uids: Vec<u32>,
}

/// Closes the owners' connections to protected addresses; answers how many.
pub(crate) fn close_older(owners: &Owners, pins: &Pins, proxy_port: u16) -> Result<usize, Error> {
    if owners.cgroups.is_empty() && owners.uids.is_empty() {
        return Ok(0);
    }
    let known = Known::new(owners).map_err(Error::Sockets)?;
    let protected = Protected::open(pins)?;
    let mut closed = 0;
    for family in [libc::AF_INET, libc::AF_INET6] {
        for socket in list(family as u8).map_err(Error::Sockets)? {
            if known.owns(&socket) && !socket.goes_to_proxy(proxy_port) && protected.holds(&socket)? {
                destroy(&socket).map_err(Error::Sockets)?;
                closed += 1;
            }
        }
    }
    Ok(closed)
}

/// What marks a socket as one of the owners'.
struct Known {
    inodes: HashSet<u32>,
    cgroups: HashSet<u64>,
    uids: HashSet<u32>,
}

impl Known {
    fn new(owners: &Owners) -> io::Result<Known> {
        let mut known = Known { inodes: HashSet::new(), cgroups: HashSet::new(), uids: HashSet::new() };
        known.uids.extend(&owners.uids);
        for cgroup in &owners.cgroups {
            known.cgroups.extend(cgroups::all_ids(cgroup));
            for pid in cgroups::processes(cgroup)? {
                known.inodes.extend(sockets_of(pid));
            }
        }
        Ok(known)
    }

    fn owns(&self, socket: &Socket) -> bool {
        self.inodes.contains(&socket.inode)
            || self.uids.contains(&socket.uid)
            || socket.cgroup.is_some_and(|id| self.cgroups.contains(&id))
    }
}

/// The inode numbers of a process' sockets; none if it is gone.
fn sockets_of(pid: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let target = fs::read_link(entry.path()).ok()?;
            let text = std::str::from_utf8(target.as_os_str().as_bytes()).ok()?;
            text.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
        })
        .collect()
}

/// The rules, asked as the hooks ask them.
struct Protected {
    rules: super::sys::Map<Prefix<RuleKey>, interceptor_abi::Rule>,
    locals: super::sys::Map<Prefix<[u8; 16]>, u32>,
    ports: super::sys::Map<u32, interceptor_abi::Rule>,
}

impl Protected {
    fn open(pins: &Pins) -> Result<Protected, Error> {
        Ok(Protected { rules: pins.rules(true)?, locals: pins.locals()?, ports: pins.local_ports()? })
    }

    fn holds(&self, socket: &Socket) -> Result<bool, Error> {
        let failed = |name| move |why| Error::Map(name, why);
        for port in [socket.port, 0] {
            let key = Prefix { bits: RULE_PORT_BITS + 128, data: RuleKey::new(socket.address, port) };
            if self.rules.get(&key).map_err(failed(maps::RULES))?.is_some() {
                return Ok(true);
            }
        }
        let local = Prefix { bits: 128, data: socket.address };
        if self.locals.get(&local).map_err(failed(maps::LOCALS))?.is_none() {
            return Ok(false);
        }
        for port in [u32::from(socket.port), 0] {
            if self.ports.get(&port).map_err(failed(maps::LOCAL_PORTS))?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// One connection.
struct Socket {
    family: u8,
    id: [u8; SOCKET_ID],
    address: [u8; 16],
    port: u16,
    uid: u32,
    inode: u32,
    cgroup: Option<u64>,
}

impl Socket {
    /// struct inet_diag_msg: family, state, timer, retrans, id, expires, rqueue, wqueue, uid, inode
    fn parse(message: &[u8]) -> Option<Socket> {
        let id: [u8; SOCKET_ID] = *message.get(4..)?.first_chunk()?;
        let family = *message.first()?;
        // In the id: source port, destination port (big-endian), source address, destination address.
        let address: [u8; 16] = *id.get(20..)?.first_chunk()?;
        let address = match i32::from(family) {
            libc::AF_INET => mapped(*address.first_chunk()?),
            _ => address,
        };
        let number = |at: usize| Some(u32::from_ne_bytes(*message.get(at..)?.first_chunk()?));
        let cgroup = attributes(message.get(MESSAGE..)?)
            .find(|(kind, _)| *kind == CGROUP_ID)
            .and_then(|(_, value)| Some(u64::from_ne_bytes(*value.first_chunk()?)));
        let port = u16::from_be_bytes(*id.get(2..)?.first_chunk()?);
        Some(Socket { family, id, address, port, uid: number(64)?, inode: number(68)?, cgroup })
    }

    fn goes_to_proxy(&self, port: u16) -> bool {
        self.port == port
            && (self.address == interceptor_abi::LOOPBACK_V4 || self.address == interceptor_abi::LOOPBACK_V6)
    }
}

/// struct inet_diag_req_v2: family, protocol, ext, pad, states, id
fn request(family: u8, states: u32, id: &[u8; SOCKET_ID]) -> Vec<u8> {
    let mut out = vec![family, libc::IPPROTO_TCP as u8, 0, 0];
    out.extend(states.to_ne_bytes());
    out.extend(id);
    out
}

fn list(family: u8) -> io::Result<Vec<Socket>> {
    let answers = Netlink::sock_diag()?.dump(SOCK_DIAG_BY_FAMILY, &request(family, CONNECTED, &[0; SOCKET_ID]))?;
    Ok(answers.iter().filter_map(|answer| Socket::parse(answer)).collect())
}

fn destroy(socket: &Socket) -> io::Result<()> {
    match Netlink::sock_diag()?.request(SOCK_DESTROY, &request(socket.family, CONNECTED, &socket.id)) {
        // It closed by itself meanwhile.
        Err(why) if why.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        other => other,
    }
}

/// Can this kernel close a socket of others? Asked for one that cannot be: port 0 to port 0.
pub(crate) fn can_destroy() -> bool {
    let nothing = request(libc::AF_INET as u8, CONNECTED, &[0; SOCKET_ID]);
    let answer = Netlink::sock_diag().and_then(|netlink| netlink.request(SOCK_DESTROY, &nothing));
    matches!(answer, Err(why) if why.raw_os_error() == Some(libc::ENOENT))
}

/// The cgroups and uids that a plan names.
pub(super) fn owners(plan: &super::Plan, root: &Path) -> Owners {
    let mut owners = Owners::default();
    for agent in &plan.agents {
        match &agent.who {
            super::Who::Unit(unit) => owners.cgroups.extend(cgroups::of_unit(root, unit)),
            super::Who::Cgroup(path) => owners.cgroups.push(root.join(path.strip_prefix("/").unwrap_or(path))),
            super::Who::User(uid) => owners.uids.push(*uid),
            super::Who::Exec => {}
        }
    }
    owners
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_the_kernel_is_read_and_a_cut_one_is_not() {
        let mut message = vec![0; MESSAGE];
        message[0] = libc::AF_INET as u8;
        message[4 + 2..4 + 4].copy_from_slice(&5432_u16.to_be_bytes());
        message[4 + 20..4 + 24].copy_from_slice(&[10, 0, 0, 1]);
        message[64..68].copy_from_slice(&7_u32.to_ne_bytes());
        message[68..72].copy_from_slice(&9_u32.to_ne_bytes());
        message.extend([12, 0, CGROUP_ID as u8, 0]);
        message.extend(11_u64.to_ne_bytes());
        let socket = Socket::parse(&message).unwrap();
        assert_eq!((socket.address, socket.port), (mapped([10, 0, 0, 1]), 5432));
        assert_eq!((socket.uid, socket.inode, socket.cgroup), (7, 9, Some(11)));
        assert!((0..MESSAGE).all(|len| Socket::parse(&message[..len]).is_none()));
    }
}
