//! Operations in flight: what each one names, and the memory that the kernel reads while it runs.
#![allow(unsafe_code)] // zeroed C structs

use std::mem;
use std::net::SocketAddr;

use crate::op::Piece;
use crate::segment::Kept;
use crate::{PIECES_MAX, Socket};

/// What kind of operation it is, as far as its completion needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Accept,
    Close(Socket),
    Other,
}

/// One operation in flight.
pub(crate) struct Flight {
    pub(crate) token: u64,
    pub(crate) kind: Kind,
    /// Only operations that point to memory have one: an idle connection's armed receive stays small.
    pub(crate) message: Option<Box<Message>>,
    /// Mapped memory that it reads.
    kept: Kept,
}

/// The C structs that an operation points to, boxed: the kernel may read them until the completion.
pub(crate) struct Message {
    pub(crate) header: libc::msghdr,
    pub(crate) parts: [libc::iovec; PIECES_MAX],
    pub(crate) address: libc::sockaddr_storage,
    /// What a send names; each is ended when the operation is.
    pub(crate) pieces: Vec<Piece>,
}

/// A slab of flights; the index is the operation's `user_data`.
#[derive(Default)]
pub(crate) struct Flights {
    slots: Vec<Option<Flight>>,
    free: Vec<u32>,
    /// Messages of ended operations, kept for the next ones.
    #[allow(clippy::vec_box)] // the box is what moves in and out of a flight; unboxing would copy 1 KiB each way
    spare: Vec<Box<Message>>,
}

impl Flights {
    /// An operation begins; returns its index, which is its `user_data`.
    pub(crate) fn begin(&mut self, token: u64, kind: Kind, message: Option<Box<Message>>) -> u64 {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            (self.slots.len() - 1) as u32
        });
        let slot = &mut self.slots[index as usize];
        assert!(slot.is_none());
        *slot = Some(Flight { token, kind, message, kept: Kept::default() });
        u64::from(index)
    }

    /// The operation reads mapped memory, which stays until it has ended.
    pub(crate) fn keep(&mut self, index: u64, kept: Kept) {
        if let Some(flight) = &mut self.slots[index as usize] {
            flight.kept = kept;
        }
    }

    /// The operation has ended.
    pub(crate) fn end(&mut self, index: u64) -> Flight {
        let Some(flight) = self.slots[index as usize].take() else { panic!("a completion for no operation in flight") };
        self.free.push(index as u32);
        flight
    }

    /// Memory for an operation that points to some.
    pub(crate) fn message(&mut self) -> Box<Message> {
        self.spare.pop().unwrap_or_else(Message::new)
    }

    /// Keeps the memory of an ended operation for the next one.
    pub(crate) fn recycle(&mut self, mut message: Box<Message>) {
        message.pieces.clear();
        self.spare.push(message);
    }

    /// Where the operation with this token is, if it is in flight.
    pub(crate) fn find(&self, token: u64) -> Option<u64> {
        self.slots.iter().position(|slot| slot.as_ref().is_some_and(|f| f.token == token)).map(|i| i as u64)
    }

    /// How many operations are in flight.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

impl Message {
    fn new() -> Box<Message> {
        Box::new(Message {
            // SAFETY: msghdr is a plain C struct of integers and raw pointers, for which zeros are valid.
            header: unsafe { mem::zeroed() },
            parts: [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; PIECES_MAX],
            // SAFETY: sockaddr_storage is a plain C struct of integers, for which zeros are valid.
            address: unsafe { mem::zeroed() },
            pieces: Vec::new(),
        })
    }
}

/// Writes the address in the kernel's form; returns its length.
pub(crate) fn write_address(address: &SocketAddr, into: &mut libc::sockaddr_storage) -> libc::socklen_t {
    let place: *mut libc::sockaddr_storage = into;
    match address {
        SocketAddr::V4(v4) => {
            let value = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(v4.ip().octets()) },
                sin_zero: [0; 8],
            };
            // SAFETY: sockaddr_storage is at least as large and as aligned as every other sockaddr (POSIX).
            unsafe { place.cast::<libc::sockaddr_in>().write(value) };
            size_of::<libc::sockaddr_in>() as libc::socklen_t
        }
        SocketAddr::V6(v6) => {
            let value = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: v6.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                sin6_scope_id: v6.scope_id(),
            };
            // SAFETY: as above.
            unsafe { place.cast::<libc::sockaddr_in6>().write(value) };
            size_of::<libc::sockaddr_in6>() as libc::socklen_t
        }
    }
}

/// Reads an address that the kernel wrote; `None` for families that are not IP.
pub(crate) fn read_address(from: &libc::sockaddr_storage) -> Option<SocketAddr> {
    let place: *const libc::sockaddr_storage = from;
    match i32::from(from.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that the kernel wrote a sockaddr_in, and the storage is large and aligned enough.
            let v4 = unsafe { &*place.cast::<libc::sockaddr_in>() };
            Some(SocketAddr::from((v4.sin_addr.s_addr.to_ne_bytes(), u16::from_be(v4.sin_port))))
        }
        libc::AF_INET6 => {
            // SAFETY: as above, for sockaddr_in6.
            let v6 = unsafe { &*place.cast::<libc::sockaddr_in6>() };
            Some(SocketAddr::V6(std::net::SocketAddrV6::new(
                v6.sin6_addr.s6_addr.into(),
                u16::from_be(v6.sin6_port),
                v6.sin6_flowinfo,
                v6.sin6_scope_id,
            )))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zeroed() -> libc::sockaddr_storage {
        // SAFETY: a plain C struct of integers.
        unsafe { mem::zeroed() }
    }

    #[test]
    fn addresses_survive_the_kernels_form() {
        for text in ["127.0.0.1:5432", "[::1]:61432", "10.20.30.40:1", "[fe80::1%3]:9"] {
            let address: SocketAddr = text.parse().unwrap();
            let mut storage = zeroed();
            write_address(&address, &mut storage);
            assert_eq!(read_address(&storage), Some(address));
        }
    }

    #[test]
    fn other_families_are_no_address() {
        let mut storage = zeroed();
        storage.ss_family = libc::AF_UNIX as libc::sa_family_t;
        assert_eq!(read_address(&storage), None);
    }
}
