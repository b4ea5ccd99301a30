//! The one seam of the data plane: what a shard asks of the world. The ring implements it, and a simulated world in tests.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;

use session::Now;
use uring::{
    BufferId, Completion, Direction, Ends, Errno, File, Kept, Listener, MappedSegment, Op, Ring, SegmentFile, Socket,
    StagedId,
};

/// Random bytes of one session: its cancel secret, and two nonces.
pub(crate) const RANDOM_LEN: usize = 32 + 2 * session::NONCE_LEN;

/// Operations, their completions, the memory that they name, and the clocks.
pub trait Driver {
    /// The segments that this driver can write.
    type Target: Target;
    /// The memory from which it does.
    type Memory: Memory;

    /// Both clocks.
    fn now(&self) -> Now;
    /// The monotonic one alone, in nanoseconds.
    fn mono_ns(&self) -> u64;
    /// Bytes that nobody can guess.
    fn random(&mut self) -> io::Result<[u8; RANDOM_LEN]>;
    /// Queues an operation.
    fn submit(&mut self, token: u64, op: Op<'_>);
    /// Waits until an operation has ended or the monotonic clock reads `until_ns`. An error means that the driver is broken.
    fn complete(&mut self, until_ns: u64, into: &mut Vec<Completion>) -> Result<(), Errno>;
    /// A received buffer, headroom first, while no operation in flight names it.
    fn buffer(&mut self, id: BufferId) -> &mut [u8];
    /// The shard is done with a received buffer.
    fn release(&mut self, id: BufferId);
    /// Receive buffers that nobody holds.
    fn buffers_free(&self) -> usize;
    /// Takes bytes to be sent and leaves an empty vector in their place.
    fn stage(&mut self, bytes: &mut Vec<u8>) -> StagedId;
    /// The shard is done with staged bytes.
    fn unstage(&mut self, id: StagedId);
    /// A new socket to connect to the address.
    fn socket(&mut self, to: &SocketAddr) -> io::Result<Socket>;
    /// Both ends of an accepted connection.
    fn ends(&self, socket: Socket) -> io::Result<Ends>;
    /// Shuts a connection down, now.
    fn shutdown(&mut self, socket: Socket, direction: Direction);
    /// Stops listening.
    fn close_listener(&mut self, listener: Listener);
}

/// A segment's file, as a shard writes it.
pub trait Target: Send {
    /// What [`Op::Write`] names.
    fn file(&self) -> File;
}

/// Bytes that outlive this process once stored, from where they are written.
pub trait Memory: Send {
    /// The bytes.
    fn bytes(&mut self) -> &mut [u8];
    /// Whether a store into it was lost: nothing that depends on the record may leave.
    fn broken(&self) -> bool;
    /// What [`Op::Write`] keeps while it reads them.
    fn keep(&self) -> Kept;
}

/// A piece of the record, as a start finds it: bytes that outlive this process once stored, and a power cut once synced.
pub trait Segment: Send {
    /// The bytes of the segment.
    fn bytes(&mut self) -> &mut [u8];
    /// Whether a store into it was lost: nothing that depends on the record may leave.
    fn broken(&self) -> bool;
    /// Stores these bytes once more and brings all to disk, whatever an fsync said of them before. For a start.
    fn store_anew(&mut self, range: Range<usize>) -> io::Result<()>;
}

/// Where a shard's segments lie, by their numbers: the folder of the record, or a simulated disk in tests.
pub(crate) trait Medium {
    /// One of them, as a start finds it.
    type Segment: Segment;
    /// The same, as it is written on.
    type Target: Target;
    /// What is stored and not written yet.
    type Memory: Memory;

    /// Those that are there.
    fn numbers(&self) -> io::Result<Vec<u64>>;
    /// One that is there; `None`: it has no byte.
    fn open(&self, number: u64) -> io::Result<Option<Self::Segment>>;
    /// A new one of so many zeros, on disk with its name.
    fn create(&self, number: u64, len: usize) -> io::Result<Self::Segment>;
    /// It is gone, on disk too.
    fn remove(&self, number: u64) -> io::Result<()>;
    /// One that is there, to be written on.
    fn target(&self, number: u64) -> io::Result<Self::Target>;
    /// What it is called.
    fn path(&self, number: u64) -> PathBuf;
    /// What an earlier process stored last; nothing where there was none.
    fn tail(&self) -> io::Result<Vec<u8>>;
    /// It is in the segments: it is gone.
    fn remove_tail(&self) -> io::Result<()>;
    /// New memory of so many zeros.
    fn new_tail(&self, len: usize) -> io::Result<Self::Memory>;
    /// What it is called.
    fn tail_path(&self) -> PathBuf;
}

impl Driver for Ring {
    type Target = SegmentFile;
    type Memory = MappedSegment;

    fn now(&self) -> Now {
        Now { mono_ns: uring::mono_ns(), wall_ns: uring::wall_ns() }
    }

    fn mono_ns(&self) -> u64 {
        uring::mono_ns()
    }

    fn random(&mut self) -> io::Result<[u8; RANDOM_LEN]> {
        uring::random()
    }

    fn submit(&mut self, token: u64, op: Op<'_>) {
        Ring::submit(self, token, op);
    }

    fn complete(&mut self, until_ns: u64, into: &mut Vec<Completion>) -> Result<(), Errno> {
        Ring::complete(self, Some(until_ns), into)
    }

    fn buffer(&mut self, id: BufferId) -> &mut [u8] {
        Ring::buffer(self, id)
    }

    fn release(&mut self, id: BufferId) {
        Ring::release(self, id);
    }

    fn buffers_free(&self) -> usize {
        Ring::buffers_free(self)
    }

    fn stage(&mut self, bytes: &mut Vec<u8>) -> StagedId {
        Ring::stage(self, bytes)
    }

    fn unstage(&mut self, id: StagedId) {
        Ring::unstage(self, id);
    }

    fn socket(&mut self, to: &SocketAddr) -> io::Result<Socket> {
        Ring::socket(self, to)
    }

    fn ends(&self, socket: Socket) -> io::Result<Ends> {
        Ring::ends(self, socket)
    }

    fn shutdown(&mut self, socket: Socket, direction: Direction) {
        Ring::shutdown(self, socket, direction);
    }

    fn close_listener(&mut self, listener: Listener) {
        Ring::close_listener(self, listener);
    }
}

impl Target for SegmentFile {
    fn file(&self) -> File {
        SegmentFile::file(self)
    }
}

impl Memory for MappedSegment {
    fn bytes(&mut self) -> &mut [u8] {
        MappedSegment::bytes(self)
    }

    fn broken(&self) -> bool {
        MappedSegment::broken(self)
    }

    fn keep(&self) -> Kept {
        MappedSegment::keep(self)
    }
}

impl Segment for MappedSegment {
    fn bytes(&mut self) -> &mut [u8] {
        MappedSegment::bytes(self)
    }

    fn broken(&self) -> bool {
        MappedSegment::broken(self)
    }

    fn store_anew(&mut self, range: Range<usize>) -> io::Result<()> {
        MappedSegment::store_anew(self, range)
    }
}
