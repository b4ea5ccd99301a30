//! The io_uring that we use, made safe: operations name a buffer id.
//!
//! One thread owns one [`Ring`]. Memory that the kernel reads or writes belongs to the ring: received bytes lie in
//! the buffers of its pool, bytes that we made are handed over with [`Ring::stage`]. An operation names that memory by id,
//! so a pointer never leaves this crate, and a buffer can be reached as `&mut [u8]` only while no operation in flight
//! names it: the ring keeps the count and asserts it.
//!
//! Needs Linux 6.1 (`IORING_SETUP_DEFER_TASKRUN`); [`probe`] says what is missing and its cure.
//!
//! This crate and its siblings named in `xtask tidy` are the only ones of the workspace that hold `unsafe`. It knows nothing of
//! databases, sessions or records.
#![deny(unsafe_code)]

mod alarm;
mod clock;
mod errno;
mod event;
mod flight;
mod op;
mod pool;
mod probe;
mod random;
mod ring;
mod segment;
mod segment_file;
mod sigbus;
mod socket;
mod stage;
mod thread;

pub use clock::{mono_ns, wall_ns};
pub use errno::Errno;
pub use event::Event;
pub use op::{BufferId, Completion, Direction, File, Listener, Op, Piece, Socket, StagedId};
pub use pool::{BUFFER_BYTES, HEADROOM};
pub use probe::{Missing, probe};
pub use random::random;
pub use ring::{Ring, Settings};
pub use segment::{Kept, MappedSegment};
pub use segment_file::SegmentFile;
pub use socket::{BoundListeners, Ends, LISTEN_BACKLOG, bind_listeners, netns_cookie};
pub use thread::{allowed_cpus, give_way, pin_to};

/// The most pieces that one [`Op::Send`] carries into the kernel; what is over is a short send, which callers handle anyway.
pub const PIECES_MAX: usize = 64;
