#![allow(unsafe_code)] // submission entries that point to memory

use std::mem::ManuallyDrop;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::{io, net};

use io_uring::register::Restriction;
use io_uring::types::Fd;
use io_uring::{IoUring, cqueue, opcode, squeue};

use crate::alarm::{Alarm, is_alarm};
use crate::flight::{self, Flights, Kind};
use crate::op::{BufferId, Completion, Direction, File, Listener, Op, Piece, Socket, StagedId};
use crate::pool::{BUFFER_BYTES, GROUP, Pool};
use crate::probe::{Missing, OPERATIONS};
use crate::segment::Kept;
use crate::socket::{self, Ends};
use crate::stage::Stage;
use crate::{Errno, PIECES_MAX};

/// The completion queue is larger than the submission queue by this much, so that a burst does not overflow it.
const COMPLETIONS_PER_ENTRY: u32 = 4;
/// A staged vector larger than this is given back to the allocator when it is released.
const STAGED_KEEP_MAX: usize = 256 * 1024;

/// IORING_RECVSEND_POLL_FIRST of linux/io_uring.h: a receive begins with the wait for bytes (Linux 5.19).
const POLL_FIRST: u16 = 1;

/// Sizes of a ring.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Submission entries; a power of two. More operations than this may be in flight: the queue is flushed when full.
    pub entries: u32,
    /// Receive buffers of 64 KiB, given memory when first touched. Each direction of a connection holds at most one.
    pub buffers: u16,
}

/// One thread's ring. Not `Send`: it lives and dies on the thread that made it.
pub struct Ring {
    // Dropped by hand: the io_uring first, and the memory only when no operation is in flight.
    io: ManuallyDrop<IoUring>,
    memory: ManuallyDrop<Memory>,
    /// Which descriptors are sockets of this ring, by number.
    owned: Vec<bool>,
    /// Completions of one round, copied out of the queue before they are looked at.
    round: Vec<(u64, i32, u32)>,
}

/// All that the kernel may read or write while an operation is in flight.
struct Memory {
    pool: Pool,
    stage: Stage,
    flights: Flights,
    alarm: Alarm,
}

impl Ring {
    /// Makes the ring on the calling thread: SINGLE_ISSUER and DEFER_TASKRUN (completions run only when this thread asks,
    /// Linux 6.1), disabled until it is restricted to the operations that it uses, because seccomp does not see them.
    pub fn new(settings: &Settings) -> Result<Ring, Missing> {
        let io: IoUring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_r_disabled()
            .setup_cqsize(settings.entries * COMPLETIONS_PER_ENTRY)
            .build(settings.entries)
            .map_err(|error| Missing::of_setup(&error))?;
        if !io.params().is_feature_nodrop() {
            return Err(Missing::TooOld);
        }
        require_operations(&io)?;
        let mut pool = Pool::new(settings.buffers).map_err(|error| Missing::of_step("mapping the buffers", &error))?;
        pool.register(&io.submitter()).map_err(|error| Missing::of_step("IORING_REGISTER_PBUF_RING", &error))?;
        restrict(&io)?;
        let memory = Memory { pool, stage: Stage::default(), flights: Flights::default(), alarm: Alarm::new() };
        Ok(Ring { io: ManuallyDrop::new(io), memory: ManuallyDrop::new(memory), owned: Vec::new(), round: Vec::new() })
    }

    /// Queues an operation; [`Ring::complete`] hands it to the kernel.
    pub fn submit(&mut self, token: u64, op: Op<'_>) {
        match op {
            Op::Accept { listener } => {
                let fd = Fd(listener.0);
                self.own_check(listener.0);
                let entry =
                    opcode::Accept::new(fd, std::ptr::null_mut(), std::ptr::null_mut()).flags(libc::SOCK_CLOEXEC);
                self.push_plain(token, Kind::Accept, entry.build());
            }
            Op::Recv { socket } => self.recv(token, socket, 0),
            Op::Send { socket, pieces } => self.send(token, socket, pieces, squeue::Flags::empty()),
            Op::SendThenRecv { to, pieces, from, received } => {
                assert!(pieces.len() <= PIECES_MAX, "a receive behind a part of what is to be sent");
                // A chain ends where a submission ends: both entries go in the same one.
                self.make_room(2);
                self.send(token, to, pieces, squeue::Flags::IO_LINK);
                // What is answered is not there yet: looking for it before waiting for it would be in vain.
                self.recv(received, from, POLL_FIRST);
            }
            Op::Connect { socket, to } => self.connect(token, socket, &to),
            Op::Close { socket } => {
                self.own_check(socket.0);
                self.owned[socket.0 as usize] = false;
                self.push_plain(token, Kind::Close(socket), opcode::Close::new(Fd(socket.0)).build());
            }
            Op::Poll { file } => {
                let entry = opcode::PollAdd::new(Fd(file.0), libc::POLLIN as u32);
                self.push_plain(token, Kind::Other, entry.build());
            }
            Op::Write { file, at, bytes, kept } => self.write(token, file, at, bytes, kept),
            Op::Cancel { token: target } => {
                // An index that is in use no more, or by another operation by then, cannot be: completions are reaped on
                // this thread only, so what is found here is in flight until `complete` is called.
                if let Some(index) = self.memory.flights.find(target) {
                    self.push_plain(token, Kind::Other, opcode::AsyncCancel::new(index).build());
                }
            }
        }
    }

    /// Hands all queued operations to the kernel and waits until at least one operation has ended or the monotonic clock
    /// reads `until_ns`, or a time that was named before and has come: nothing need have ended. One system call. An error means
    /// that the ring is broken.
    pub fn complete(&mut self, until_ns: Option<u64>, into: &mut Vec<Completion>) -> Result<(), Errno> {
        self.memory.pool.offer();
        if let Some(entry) = until_ns.and_then(|until_ns| self.memory.alarm.wish(until_ns)) {
            // SAFETY: the entry points into the boxed alarm, which lives as long as the ring.
            unsafe { self.push_entry(entry) };
        }
        self.enter()?;
        let mut round = std::mem::take(&mut self.round);
        round.extend(self.io.completion().map(|cqe: cqueue::Entry| (cqe.user_data(), cqe.result(), cqe.flags())));
        for (index, result, flags) in round.drain(..) {
            if is_alarm(index) {
                self.memory.alarm.ended(index);
                continue;
            }
            into.push(self.finish(index, result, flags));
        }
        self.round = round;
        Ok(())
    }

    /// The whole of a received buffer, headroom first. Panics where an operation in flight names it.
    pub fn buffer(&mut self, id: BufferId) -> &mut [u8] {
        self.memory.pool.bytes(id)
    }

    /// The caller is done with a received buffer. Panics where an operation in flight names it.
    pub fn release(&mut self, id: BufferId) {
        self.memory.pool.release(id);
    }

    /// Receive buffers that the caller does not hold.
    pub fn buffers_free(&self) -> usize {
        self.memory.pool.free()
    }

    /// Takes bytes to be sent and leaves an empty vector, used before where there is one, in their place.
    pub fn stage(&mut self, bytes: &mut Vec<u8>) -> StagedId {
        self.memory.stage.put(bytes)
    }

    /// The caller is done with staged bytes. Panics where an operation in flight names them.
    pub fn unstage(&mut self, id: StagedId) {
        self.memory.stage.release(id, STAGED_KEEP_MAX);
    }

    /// A new TCP socket for [`Op::Connect`], of the address's family, without Nagle's delay.
    pub fn socket(&mut self, to: &SocketAddr) -> io::Result<Socket> {
        let fd = socket::tcp(to)?;
        Ok(Socket(self.own(fd)))
    }

    /// The ring takes a listener over; it is closed with the ring.
    pub fn listen(&mut self, listener: net::TcpListener) -> Listener {
        Listener(self.own(listener.into()))
    }

    /// Both ends of a connection: peer and local address.
    pub fn ends(&self, socket: Socket) -> io::Result<Ends> {
        self.own_check(socket.0);
        socket::ends(socket.0)
    }

    /// Shuts a connection down, now: operations queued before and not handed over find it so. Not an operation of the ring,
    /// which has each done by a worker thread (`io_shutdown_prep`, io_uring/net.c): several times the work.
    pub fn shutdown(&mut self, socket: Socket, direction: Direction) {
        self.own_check(socket.0);
        socket::shutdown(socket.0, direction);
    }

    /// Closes a listener now: the kernel stops counting it among the port's listeners.
    pub fn close_listener(&mut self, listener: Listener) {
        self.own_check(listener.0);
        self.owned[listener.0 as usize] = false;
        socket::close(listener.0);
    }

    /// Received buffers and staged bytes that the caller has not released: 0 when nothing is leaked.
    pub fn held(&self) -> usize {
        self.memory.pool.taken() + self.memory.stage.used()
    }

    /// Operations in flight.
    pub fn in_flight(&self) -> usize {
        self.memory.flights.len()
    }

    fn recv(&mut self, token: u64, socket: Socket, first: u16) {
        self.own_check(socket.0);
        let entry =
            opcode::Recv::new(Fd(socket.0), std::ptr::null_mut(), BUFFER_BYTES as u32).buf_group(GROUP).ioprio(first);
        self.push_plain(token, Kind::Other, entry.build().flags(squeue::Flags::BUFFER_SELECT));
    }

    fn send(&mut self, token: u64, socket: Socket, pieces: &[Piece], chain: squeue::Flags) {
        self.own_check(socket.0);
        let memory = &mut *self.memory;
        let mut message = memory.flights.message();
        for piece in pieces.iter().filter(|piece| !piece.is_empty()).take(PIECES_MAX) {
            let base = match piece {
                Piece::Buffer(id, range) => memory.pool.begin(*id, range.start, range.end),
                Piece::Staged(id, range) => memory.stage.begin(*id, range.start, range.end),
            };
            message.parts[message.pieces.len()] =
                libc::iovec { iov_base: base.cast_mut().cast(), iov_len: piece.len() as usize };
            message.pieces.push(piece.clone());
        }
        assert!(!message.pieces.is_empty(), "a send of no bytes");
        // MSG_WAITALL: the kernel itself sends the rest of a short send when the socket has room again.
        let flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
        let entry = if message.pieces.len() == 1 {
            let part = message.parts[0];
            opcode::Send::new(Fd(socket.0), part.iov_base.cast(), part.iov_len as u32).flags(flags).build()
        } else {
            message.header.msg_iov = message.parts.as_mut_ptr();
            message.header.msg_iovlen = message.pieces.len() as _;
            opcode::SendMsg::new(Fd(socket.0), &message.header).flags(flags as u32).build()
        };
        let index = memory.flights.begin(token, Kind::Other, Some(message));
        // SAFETY: the entry points into pool buffers and staged vectors whose count of operations was raised above, so that they
        // are neither reachable nor released before `finish` lowers it, and into the boxed message, kept in `flights` until then.
        unsafe { self.push(index, entry.flags(chain)) };
    }

    fn connect(&mut self, token: u64, socket: Socket, to: &SocketAddr) {
        self.own_check(socket.0);
        let mut message = self.memory.flights.message();
        let len = flight::write_address(to, &mut message.address);
        let entry = opcode::Connect::new(Fd(socket.0), (&raw const message.address).cast(), len).build();
        let index = self.memory.flights.begin(token, Kind::Other, Some(message));
        // SAFETY: the address lies in the boxed message, kept in `flights` until the operation has ended.
        unsafe { self.push(index, entry) };
    }

    fn write(&mut self, token: u64, file: File, at: u64, bytes: &[u8], kept: Kept) {
        assert!(kept.holds(bytes), "a write of memory that nobody keeps");
        let Ok(len) = u32::try_from(bytes.len()) else { panic!("a write of 4 GiB or more") };
        let entry = opcode::Write::new(Fd(file.0), bytes.as_ptr(), len).offset(at).rw_flags(libc::RWF_DSYNC).build();
        let index = self.memory.flights.begin(token, Kind::Other, None);
        self.memory.flights.keep(index, kept);
        // SAFETY: the entry points into memory that stays mapped while `flights` has `kept`, which is until the operation has ended.
        unsafe { self.push(index, entry) };
    }

    /// An operation that points to no memory of ours.
    fn push_plain(&mut self, token: u64, kind: Kind, entry: squeue::Entry) {
        let index = self.memory.flights.begin(token, kind, None);
        // SAFETY: the entry holds no pointer but null: receives pick a pool buffer, whose entries the pool keeps valid.
        unsafe { self.push(index, entry) };
    }

    /// # Safety
    /// All memory that the entry points to stays valid until the operation's completion was reaped.
    unsafe fn push(&mut self, index: u64, entry: squeue::Entry) {
        // SAFETY: the caller's promise.
        unsafe { self.push_entry(entry.user_data(index)) };
    }

    /// # Safety
    /// As of [`Ring::push`].
    unsafe fn push_entry(&mut self, entry: squeue::Entry) {
        self.make_room(1);
        // SAFETY: the caller's promise.
        let pushed = unsafe { self.io.submission().push(&entry) };
        assert!(pushed.is_ok(), "room was made for the entry");
    }

    /// Hands over what is queued where the queue has less room than this.
    fn make_room(&mut self, entries: usize) {
        loop {
            let queue = self.io.submission();
            if queue.capacity() - queue.len() >= entries {
                return;
            }
            drop(queue);
            // A ring that takes nothing is reported by `complete`.
            match self.io.submit() {
                Ok(_) => {}
                Err(error) if matches!(error.raw_os_error(), Some(libc::EINTR | libc::EAGAIN | libc::EBUSY)) => {}
                Err(error) => panic!("the io_uring takes no operations: {error}"),
            }
        }
    }

    fn enter(&mut self) -> Result<(), Errno> {
        match self.io.submitter().submit_and_wait(1) {
            Ok(_) => Ok(()),
            // EINTR: a signal. EBUSY, EAGAIN: reap completions first, the caller comes again.
            Err(error) => match error.raw_os_error() {
                Some(libc::EINTR | libc::EBUSY | libc::EAGAIN) => Ok(()),
                _ => Err(Errno::of(&error)),
            },
        }
    }

    fn finish(&mut self, index: u64, result: i32, flags: u32) -> Completion {
        let memory = &mut *self.memory;
        let ended = memory.flights.end(index);
        if let Some(message) = ended.message {
            for piece in &message.pieces {
                match piece {
                    Piece::Buffer(id, _) => memory.pool.end(*id),
                    Piece::Staged(id, _) => memory.stage.end(*id),
                }
            }
            memory.flights.recycle(message);
        }
        let mut buffer = cqueue::buffer_select(flags).map(|index| memory.pool.take(index));
        if result <= 0
            && let Some(unused) = buffer.take()
        {
            memory.pool.release(unused);
        }
        let mut completion = Completion {
            token: ended.token,
            result: u32::try_from(result).map_err(|_| Errno(-result)),
            buffer,
            socket: None,
        };
        if ended.kind == Kind::Accept && result >= 0 {
            self.own_number(result);
            completion.socket = Some(Socket(result));
            completion.result = Ok(0);
        }
        completion
    }

    fn own(&mut self, fd: OwnedFd) -> i32 {
        let number = fd.into_raw_fd();
        self.own_number(number);
        number
    }

    fn own_number(&mut self, number: i32) {
        let index = number as usize;
        if self.owned.len() <= index {
            self.owned.resize(index + 1, false);
        }
        assert!(!self.owned[index], "the kernel gave a descriptor number that is still open");
        self.owned[index] = true;
    }

    fn own_check(&self, number: i32) {
        let owned = usize::try_from(number).is_ok_and(|index| self.owned.get(index).copied().unwrap_or(false));
        assert!(owned, "an operation on a socket that is closed or not the ring's");
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        for (number, owned) in self.owned.iter().enumerate() {
            if *owned {
                socket::shutdown(number as i32, Direction::Both);
                socket::close(number as i32);
            }
        }
        // Closing the descriptor cancels what is in flight, but later than this returns: the kernel may still touch the memory,
        // so it is freed only when nothing is in flight, and otherwise left to the process's end.
        let idle = self.memory.flights.len() == 0;
        // SAFETY: nothing uses `io` after this line.
        unsafe { ManuallyDrop::drop(&mut self.io) };
        if idle {
            // SAFETY: nothing uses `memory` after this line, and the kernel has no operation on it.
            unsafe { ManuallyDrop::drop(&mut self.memory) };
        }
    }
}

fn require_operations(io: &IoUring) -> Result<(), Missing> {
    let mut probe = io_uring::Probe::new();
    io.submitter().register_probe(&mut probe).map_err(|error| Missing::of_step("IORING_REGISTER_PROBE", &error))?;
    match OPERATIONS.iter().find(|(code, _)| !probe.is_supported(*code)) {
        Some((_, name)) => Err(Missing::Operation(name)),
        None => Ok(()),
    }
}

/// Limits the ring to the operations of [`OPERATIONS`], to buffer selection, chains and silent success, with no register operation left, and
/// enables it. From here on the kernel answers EACCES to anything else, whoever takes this thread over.
fn restrict(io: &IoUring) -> Result<(), Missing> {
    let mut allowed: Vec<Restriction> = OPERATIONS.iter().map(|(code, _)| Restriction::sqe_op(*code)).collect();
    allowed.push(Restriction::sqe_flags_allowed(
        (squeue::Flags::BUFFER_SELECT | squeue::Flags::IO_LINK | squeue::Flags::SKIP_SUCCESS).bits(),
    ));
    let submitter = io.submitter();
    submitter
        .register_restrictions(&mut allowed)
        .map_err(|error| Missing::of_step("IORING_REGISTER_RESTRICTIONS", &error))?;
    submitter.register_enable_rings().map_err(|error| Missing::of_step("IORING_REGISTER_ENABLE_RINGS", &error))
}

impl AsRawFd for Ring {
    fn as_raw_fd(&self) -> i32 {
        self.io.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_enabled_ring_takes_no_other_operation() {
        let mut ring = Ring::new(&Settings { entries: 8, buffers: 1 }).unwrap();
        let index = ring.memory.flights.begin(1, Kind::Other, None);
        // SAFETY: a no-op points to no memory.
        unsafe { ring.push(index, opcode::Nop::new().build()) };
        let mut done = Vec::new();
        ring.complete(None, &mut done).unwrap();
        assert_eq!(done[0].result, Err(Errno(libc::EACCES)));
    }

    #[test]
    fn an_enabled_ring_takes_no_register_operation() {
        let ring = Ring::new(&Settings { entries: 8, buffers: 1 }).unwrap();
        let mut probe = io_uring::Probe::new();
        let refused = ring.io.submitter().register_probe(&mut probe).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EACCES));
    }
}
