//! What can be asked of a ring, and what it answers. Plain values: a simulated driver in tests speaks the same words.

use std::net::SocketAddr;
use std::ops::Range;

use crate::{Errno, Kept};

/// A buffer of the ring's pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BufferId(pub u32);

/// Bytes handed to the ring by [`crate::Ring::stage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StagedId(pub u32);

/// A connected or connecting socket that the ring owns. The number can be forged, so the ring checks that it is its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Socket(pub i32);

/// A listening socket that the ring owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Listener(pub i32);

/// A file or eventfd that its owner keeps open while an operation names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct File(pub i32);

/// Which half of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// We will send no more.
    Write,
    /// Nothing goes either way any more; operations in flight on the socket end.
    Both,
}

/// A run of bytes to send: part of a received buffer, or part of staged bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A range of a buffer, counted from the start of its headroom.
    Buffer(BufferId, Range<u32>),
    /// A range of staged bytes.
    Staged(StagedId, Range<u32>),
}

impl Piece {
    /// How many bytes the piece names.
    pub fn len(&self) -> u32 {
        let (Piece::Buffer(_, range) | Piece::Staged(_, range)) = self;
        range.end - range.start
    }

    /// Whether it names no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops the first `count` bytes, which must not be more than it names.
    pub fn advance(&mut self, count: u32) {
        assert!(count <= self.len(), "advance past a piece's end");
        let (Piece::Buffer(_, range) | Piece::Staged(_, range)) = self;
        range.start += count;
    }
}

/// One operation.
#[derive(Clone, Debug)]
pub enum Op<'a> {
    /// Take one connection from the listener; the completion carries the socket.
    Accept {
        /// Where to take it from.
        listener: Listener,
    },
    /// Receive into a buffer that the kernel picks when bytes are there, so an idle connection holds none.
    Recv {
        /// From where.
        socket: Socket,
    },
    /// Send the pieces in order as one message; completes when all went out, or with fewer bytes when it failed midway.
    Send {
        /// To where.
        socket: Socket,
        /// At least one byte in all; no more than [`crate::PIECES_MAX`] pieces go in one operation.
        pieces: &'a [Piece],
    },
    /// Send as [`Op::Send`] does and, once all went out, receive as [`Op::Recv`] does: two operations handed over as one, so that
    /// the loop does not come round between them. Where not all went out the receive ends with [`Errno::CANCELED`]. The send's
    /// completion comes first.
    SendThenRecv {
        /// To where.
        to: Socket,
        /// As in [`Op::Send`], but no more than [`crate::PIECES_MAX`] of them.
        pieces: &'a [Piece],
        /// Where to receive from.
        from: Socket,
        /// The token of the receive.
        received: u64,
    },
    /// Connect a socket made by [`crate::Ring::socket`].
    Connect {
        /// Which socket.
        socket: Socket,
        /// To where.
        to: SocketAddr,
    },
    /// Close a socket. No other operation may be in flight on it, and none may be asked afterwards.
    Close {
        /// Which socket.
        socket: Socket,
    },
    /// Wait until the event is signalled.
    Poll {
        /// The event's descriptor.
        file: File,
    },
    /// Write these bytes to a segment's file; when it completes they are on disk (RWF_DSYNC: pwritev2(2)). Fewer than all of them may be, as
    /// the result says.
    Write {
        /// Which file: [`crate::SegmentFile::file`].
        file: File,
        /// At which byte of it; whole pages, as the bytes.
        at: u64,
        /// The bytes, in mapped memory.
        bytes: &'a [u8],
        /// That memory, which the ring keeps until the write is over.
        kept: Kept,
    },
    /// Cancel the operation in flight with this token, if it is still there.
    Cancel {
        /// The token that it was submitted with.
        token: u64,
    },
}

/// An operation has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The token that it was submitted with.
    pub token: u64,
    /// Bytes moved, or 0 for operations that move none.
    pub result: Result<u32, Errno>,
    /// The buffer with the received bytes, from [`crate::HEADROOM`] on; the receiver now holds it and must release it.
    pub buffer: Option<BufferId>,
    /// The accepted connection; the receiver must close it.
    pub socket: Option<Socket>,
}
