//! Netlink, as far as we speak it: dumps, one acknowledged request, and a watch on a group. RFC 3549, netlink(7).

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, socket,
};

const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// struct nlmsghdr: len, type, flags, seq, pid
const HEADER: usize = 16;
/// The kernel fills at most 32 KiB per message of a dump.
const BUFFER: usize = 64 * 1024;

/// A netlink socket.
#[derive(Debug)]
pub(super) struct Netlink(OwnedFd);

impl Netlink {
    /// For `RTM_*` questions.
    pub(super) fn route() -> io::Result<Netlink> {
        Netlink::new(SockProtocol::NetlinkRoute, 0, SockFlag::SOCK_CLOEXEC)
    }

    /// For questions about sockets.
    pub(super) fn sock_diag() -> io::Result<Netlink> {
        Netlink::new(SockProtocol::NetlinkSockDiag, 0, SockFlag::SOCK_CLOEXEC)
    }

    /// Hears of every change of a route group (a mask of `RTMGRP_*`); never blocks.
    pub(super) fn watch(groups: u32) -> io::Result<Netlink> {
        Netlink::new(SockProtocol::NetlinkRoute, groups, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK)
    }

    fn new(protocol: SockProtocol, groups: u32, flags: SockFlag) -> io::Result<Netlink> {
        let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
        Ok(Netlink(fd))
    }

    /// Everything that the kernel answers to a dump: the payloads of messages.
    pub(super) fn dump(&self, kind: u16, payload: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        self.send(kind, NLM_F_REQUEST | NLM_F_DUMP, payload)?;
        let mut answers = Vec::new();
        let mut buffer = vec![0; BUFFER];
        loop {
            let len = recv(self.0.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
            for message in Messages(buffer.get(..len).unwrap_or_default()) {
                let (kind, payload) = message?;
                match kind {
                    NLMSG_DONE => return Ok(answers),
                    NLMSG_ERROR => return Err(failure(payload)),
                    _ => answers.push(payload.to_vec()),
                }
            }
        }
    }

    /// A request that the kernel only confirms.
    pub(super) fn request(&self, kind: u16, payload: &[u8]) -> io::Result<()> {
        self.send(kind, NLM_F_REQUEST | NLM_F_ACK, payload)?;
        let mut buffer = vec![0; BUFFER];
        let len = recv(self.0.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
        match Messages(buffer.get(..len).unwrap_or_default()).next() {
            Some(Ok((NLMSG_ERROR, payload))) if payload.first_chunk() == Some(&[0; 4]) => Ok(()),
            Some(Ok((NLMSG_ERROR, payload))) => Err(failure(payload)),
            Some(Err(error)) => Err(error),
            _ => Err(malformed()),
        }
    }

    /// Of a watch: has anything changed since the last question? An overrun (ENOBUFS) counts as a change.
    pub(super) fn changed(&self) -> io::Result<bool> {
        let mut buffer = vec![0; BUFFER];
        let mut any = false;
        loop {
            match recv(self.0.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(_) | Err(nix::errno::Errno::ENOBUFS) => any = true,
                Err(nix::errno::Errno::EAGAIN) => return Ok(any),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn send(&self, kind: u16, flags: u16, payload: &[u8]) -> io::Result<()> {
        let len = u32::try_from(HEADER + payload.len()).map_err(io::Error::other)?;
        let mut message = Vec::with_capacity(HEADER + payload.len());
        message.extend(len.to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend(flags.to_ne_bytes());
        message.extend([0; 8]); // sequence and port: one question at a time
        message.extend(payload);
        send(self.0.as_raw_fd(), &message, MsgFlags::empty())?;
        Ok(())
    }
}

impl AsFd for Netlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

struct Messages<'a>(&'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = io::Result<(u16, &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let message = split(self.0);
        self.0 = message.as_ref().map(|(_, _, rest)| *rest).unwrap_or_default();
        Some(message.map(|(kind, payload, _)| (kind, payload)).ok_or_else(malformed))
    }
}

fn split(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let len = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
    let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
    Some((kind, bytes.get(HEADER..len)?, bytes.get(len.next_multiple_of(4)..).unwrap_or_default()))
}

/// The attributes behind a message's fixed part: (type, value).
pub(super) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let len = usize::from(u16::from_ne_bytes(*bytes.first_chunk()?));
        let kind = u16::from_ne_bytes(*bytes.get(2..)?.first_chunk()?);
        let value = bytes.get(4..len)?;
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn failure(payload: &[u8]) -> io::Error {
    match payload.first_chunk() {
        Some(code) => io::Error::from_raw_os_error(-i32::from_ne_bytes(*code)),
        None => malformed(),
    }
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "netlink message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_message_is_an_error_and_a_cut_attribute_ends_the_list() {
        let mut message = [0_u8; 20];
        message[0] = 20;
        message[4] = 7;
        assert!(matches!(Messages(&message).next(), Some(Ok((7, [0, 0, 0, 0])))));
        assert!(matches!(Messages(&message[..12]).next(), Some(Err(_))));
        message[0] = 3; // shorter than its own header
        assert!(matches!(Messages(&message).next(), Some(Err(_))));
        let list = [8, 0, 1, 0, 1, 2, 3, 4, 9, 0, 2, 0, 1];
        assert_eq!(attributes(&list).collect::<Vec<_>>(), [(1, &[1, 2, 3, 4][..])]);
    }
}
