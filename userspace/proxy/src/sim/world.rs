//! The simulated driver: kernel, network, clock and peers in one value. What a real kernel promises holds here, and no more.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use session::Now;
use uring::{
    BUFFER_BYTES, BufferId, Completion, Direction, Ends, Errno, File, HEADROOM, Listener, Op, Piece, Socket, StagedId,
};

use super::disk::{Disk, SimMemory, SimTarget};
use super::ledger::{Gate, Ledger};
use super::peer::{Peer, Step};
use super::rng::Rng;
use crate::driver::{Driver, RANDOM_LEN};
use crate::link::Side;

/// What goes wrong in a run, beside the peers' manners.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    pub(super) connect_refused: bool,
    pub(super) connect_hangs: bool,
    pub(super) accept_fails: bool,
}

/// One connection of the shard: its own end and the peer's.
pub(super) struct Wire {
    pub(super) peer: Option<Peer>,
    /// The session it belongs to is found by the agent's port, which is its place in the list of agents.
    pub(super) agent: usize,
    /// Whose end it is.
    side: Side,
    inbound: VecDeque<u8>,
    outbound: VecDeque<u8>,
    peer_ended: bool,
    reset: bool,
    shut_write: bool,
    shut_both: bool,
    pub(super) closed: bool,
    /// All bytes that the shard asked to send here.
    asked: u64,
    /// Under TLS: up to which of them it had asked to when so many records were on disk.
    left: Vec<(u64, u64)>,
    connected: bool,
}

struct Pending {
    token: u64,
    op: Operation,
    ready_ns: u64,
    /// It begins when the send with this token has taken all, and is cancelled where that took less.
    behind: Option<u64>,
    /// It began so.
    chained: bool,
}

enum Operation {
    Accept,
    Recv(Socket),
    Send { socket: Socket, pieces: Vec<Piece>, sent: u32 },
    Connect(Socket),
    Plain(Result<u32, Errno>),
    Close(Socket),
    Poll,
    Sync { file: File, bytes: u32 },
}

#[derive(Clone, Debug, PartialEq)]
enum Place {
    Free,
    Taken { in_flight: u32, from: Socket },
}

pub(super) struct World {
    pub(super) rng: Rng,
    pub(super) now_ns: u64,
    pub(super) wires: Vec<Wire>,
    pub(super) faults: Faults,
    pub(super) databases: Vec<Option<Peer>>,
    ledger: Rc<RefCell<Ledger>>,
    disk: Rc<RefCell<Disk>>,
    arrivals: VecDeque<(u64, usize, Peer)>,
    pending: Vec<Pending>,
    buffers: Vec<(Vec<u8>, Place)>,
    staged: Vec<Option<(Vec<u8>, u32)>>,
    /// Bytes that a socket's buffer holds, each way.
    pub(super) room: usize,
    pub(super) mail: bool,
    /// The shard has ended: agents are told, and nothing else leaves.
    pub(super) is_last_words: bool,
    /// Receives that stood behind a send: how many began, and how many were cancelled.
    pub(super) chained: (u64, u64),
}

impl World {
    pub(super) fn new(seed: u64, buffers: usize, ledger: Rc<RefCell<Ledger>>) -> World {
        let mut rng = Rng::new(seed);
        World {
            room: rng.skewed(200_000) + 16,
            rng,
            now_ns: 1_000_000_000,
            wires: Vec::new(),
            faults: Faults::default(),
            databases: Vec::new(),
            ledger,
            disk: Disk::current(),
            arrivals: VecDeque::new(),
            pending: Vec::new(),
            buffers: (0..buffers).map(|_| (vec![0xEE; HEADROOM + BUFFER_BYTES], Place::Free)).collect(),
            staged: Vec::new(),
            mail: false,
            is_last_words: false,
            chained: (0, 0),
        }
    }

    /// An agent that will connect, and the database that it will find.
    pub(super) fn arrive(&mut self, at_ns: u64, agent: Peer, database: Peer) {
        self.arrivals.push_back((at_ns, self.databases.len(), agent));
        self.databases.push(Some(database));
    }

    pub(super) fn in_flight(&self) -> usize {
        self.pending.iter().filter(|pending| !matches!(pending.op, Operation::Poll | Operation::Accept)).count()
    }

    pub(super) fn buffers_taken(&self) -> usize {
        self.buffers.iter().filter(|(_, place)| *place != Place::Free).count()
    }

    pub(super) fn staged_taken(&self) -> usize {
        self.staged.iter().flatten().count()
    }

    pub(super) fn nobody_left_to_come(&self) -> bool {
        self.arrivals.is_empty()
    }

    /// The shard is gone; what is on the wires still arrives.
    pub(super) fn deliver_rest(&mut self) {
        while self.wires.iter().any(|wire| !wire.reset && wire.peer.is_some() && !wire.outbound.is_empty()) {
            self.now_ns += 1_000_000;
            self.peers();
        }
    }

    fn wire(&mut self, socket: Socket) -> &mut Wire {
        let wire = &mut self.wires[socket.0 as usize];
        assert!(!wire.closed, "an operation on a closed socket");
        wire
    }

    /// Lets every peer whose time has come do something.
    fn peers(&mut self) {
        let (now_ns, room) = (self.now_ns, self.room);
        let mut ledger = self.ledger.borrow_mut();
        for wire in &mut self.wires {
            let Some(peer) = &mut wire.peer else { continue };
            if peer.next_ns > now_ns || wire.reset {
                continue;
            }
            let count = peer.reads(&mut self.rng, wire.outbound.len(), now_ns);
            let bytes: Vec<u8> = wire.outbound.drain(..count).collect();
            let (left, stream) = (&wire.left, (wire.agent, wire.side));
            peer.takes(&bytes, |taken, from, to| {
                // Whole records of TLS: the operation that asked for the last byte of one asked for all of it, or later than for the rest.
                if let Some((_, synced_seq)) = left.iter().find(|(end, _)| *end >= taken) {
                    check_gates(&mut ledger, stream, (from, to), *synced_seq);
                }
            });
            if wire.outbound.is_empty() && (wire.shut_write || wire.shut_both) {
                peer.got_end = true;
            }
            match peer.step(&mut self.rng, room.saturating_sub(wire.inbound.len()), now_ns) {
                Step::Wait => {}
                Step::Send(bytes) if !wire.closed && !wire.shut_both => wire.inbound.extend(bytes),
                Step::Send(_) => wire.reset = true,
                Step::End => wire.peer_ended = true,
                Step::Reset => {
                    wire.reset = true;
                    wire.outbound.clear();
                }
            }
        }
    }

    /// Goes on with one operation; its end, if it ends now.
    fn advance(&mut self, index: usize) -> Option<Completion> {
        let done = |token, result| Some(Completion { token, result, buffer: None, socket: None });
        let Pending { token, behind, chained, .. } = self.pending[index];
        if behind.is_some() {
            return None;
        }
        match &self.pending[index].op {
            Operation::Accept => self.advance_accept(token),
            Operation::Recv(socket) => self.advance_receive(token, *socket, chained),
            Operation::Send { .. } => self.advance_send(index),
            Operation::Connect(socket) => {
                let socket = *socket;
                if self.faults.connect_hangs {
                    self.pending[index].ready_ns = self.now_ns + 3_600_000_000_000;
                    return None;
                }
                if self.faults.connect_refused && self.rng.once_in(2) {
                    return done(token, Err(Errno::REFUSED));
                }
                let peer = self.databases[self.wires[socket.0 as usize].agent].take();
                let wire = self.wire(socket);
                (wire.peer, wire.connected) = (peer, true);
                done(token, Ok(0))
            }
            Operation::Plain(result) => done(token, *result),
            Operation::Close(socket) => {
                let wire = &mut self.wires[socket.0 as usize];
                (wire.closed, wire.shut_both) = (true, true);
                // Bytes that nobody read make the close a reset, which may take back what was sent (tcp(7)).
                if !wire.inbound.is_empty() {
                    wire.outbound.clear();
                    wire.reset = true;
                }
                done(token, Ok(0))
            }
            Operation::Poll if std::mem::take(&mut self.mail) => done(token, Ok(1)),
            Operation::Poll => None,
            Operation::Sync { file, bytes } => {
                let mut disk = self.disk.borrow_mut();
                let is_synced = disk.end_sync(*file);
                self.ledger.borrow_mut().synced_seq = disk.durable_seq();
                done(token, if is_synced { Ok(*bytes) } else { Err(Errno::IO) })
            }
        }
    }

    fn advance_accept(&mut self, token: u64) -> Option<Completion> {
        if self.faults.accept_fails && self.rng.once_in(30) {
            return Some(Completion { token, result: Err(Errno::TOO_MANY_FILES), buffer: None, socket: None });
        }
        if self.arrivals.front().is_none_or(|(at_ns, _, _)| *at_ns > self.now_ns) {
            return None;
        }
        let (_, agent, peer) = self.arrivals.pop_front()?;
        let socket = self.plug(Some(peer), agent, true);
        Some(Completion { token, result: Ok(0), buffer: None, socket: Some(socket) })
    }

    fn advance_receive(&mut self, token: u64, socket: Socket, chained: bool) -> Option<Completion> {
        let wire = &mut self.wires[socket.0 as usize];
        let done = |result| Some(Completion { token, result, buffer: None, socket: None });
        if wire.shut_both {
            return done(Ok(0));
        }
        if wire.reset && (wire.inbound.is_empty() || self.rng.once_in(2)) {
            return done(Err(Errno::RESET));
        }
        if wire.inbound.is_empty() {
            return if wire.peer_ended { done(Ok(0)) } else { None };
        }
        let Some(free) = self.buffers.iter().position(|(_, place)| *place == Place::Free) else {
            return done(Err(Errno::NO_BUFFERS));
        };
        let most = wire.inbound.len().min(BUFFER_BYTES);
        let count = if self.rng.once_in(3) { most } else { self.rng.skewed(most - 1) + 1 };
        // Behind a send the shard may not have heard yet that its last chunk's buffer is free: then nothing names it any more.
        let more = self.buffers.iter().filter_map(|(_, place)| match place {
            Place::Taken { from, in_flight } if *from == socket => Some(*in_flight),
            Place::Taken { .. } | Place::Free => None,
        });
        let more: Vec<u32> = more.collect();
        assert!(
            more.is_empty() || chained && more == [0],
            "a side was read before what came of its last chunk was sent"
        );
        let (bytes, place) = &mut self.buffers[free];
        *place = Place::Taken { in_flight: 0, from: socket };
        for (to, from) in bytes[HEADROOM..].iter_mut().zip(wire.inbound.drain(..count)) {
            *to = from;
        }
        Some(Completion { token, result: Ok(count as u32), buffer: Some(BufferId(free as u32)), socket: None })
    }

    /// Bytes leave the shard's memory while the operation runs, not when it begins: memory that is used again too early
    /// shows in what the peer gets.
    fn advance_send(&mut self, index: usize) -> Option<Completion> {
        let room = self.room;
        let Operation::Send { socket, pieces, sent } = &mut self.pending[index].op else { return None };
        let wire = &mut self.wires[socket.0 as usize];
        let total: u32 = pieces.iter().map(Piece::len).sum();
        if wire.reset || wire.shut_both || wire.shut_write {
            let result = if *sent > 0 { Ok(*sent) } else { Err(Errno::BROKEN_PIPE) };
            return self.end_send(index, result);
        }
        let space = room.saturating_sub(wire.outbound.len());
        let count = self.rng.skewed(space.min((total - *sent) as usize));
        let mut skip = *sent as usize;
        let mut left = count;
        for piece in pieces.iter() {
            let bytes = memory(&self.buffers, &self.staged, piece);
            let from = skip.min(bytes.len());
            skip -= from;
            let part = left.min(bytes.len() - from);
            wire.outbound.extend(&bytes[from..from + part]);
            left -= part;
        }
        *sent += count as u32;
        let result = *sent;
        let short = result > 0 && self.rng.once_in(50);
        if result == total || short { self.end_send(index, Ok(result)) } else { None }
    }

    fn end_send(&mut self, index: usize, result: Result<u32, Errno>) -> Option<Completion> {
        let Operation::Send { socket, pieces, .. } = &self.pending[index].op else { return None };
        for piece in pieces {
            match piece {
                Piece::Buffer(id, _) => match &mut self.buffers[id.0 as usize].1 {
                    Place::Taken { in_flight, .. } => *in_flight -= 1,
                    Place::Free => panic!("a buffer was released while it was sent"),
                },
                Piece::Staged(id, _) => self.staged[id.0 as usize].as_mut().unwrap().1 -= 1,
            }
        }
        let total: u32 = pieces.iter().map(Piece::len).sum();
        self.wires[socket.0 as usize].asked -= u64::from(total - result.unwrap_or(0));
        let token = self.pending[index].token;
        for receive in self.pending.iter_mut().filter(|pending| pending.behind == Some(token)) {
            (receive.behind, receive.chained) = (None, true);
            self.chained.0 += u64::from(result == Ok(total));
            if result != Ok(total) {
                self.chained.1 += 1;
                receive.op = Operation::Plain(Err(Errno::CANCELED));
            }
        }
        Some(Completion { token, result, buffer: None, socket: None })
    }

    fn plug(&mut self, peer: Option<Peer>, agent: usize, connected: bool) -> Socket {
        self.wires.push(Wire {
            peer,
            agent,
            side: if connected { Side::Agent } else { Side::Database },
            inbound: VecDeque::new(),
            outbound: VecDeque::new(),
            peer_ended: false,
            reset: false,
            shut_write: false,
            shut_both: false,
            closed: false,
            asked: 0,
            left: Vec::new(),
            connected,
        });
        Socket((self.wires.len() - 1) as i32)
    }

    fn begin_send(&mut self, socket: Socket, pieces: &[Piece]) -> Operation {
        assert!(!pieces.is_empty() && pieces.len() <= uring::PIECES_MAX);
        assert!(pieces.iter().all(|piece| !piece.is_empty()), "an empty piece");
        for piece in pieces {
            match piece {
                Piece::Buffer(id, range) => match &mut self.buffers[id.0 as usize].1 {
                    Place::Taken { in_flight, .. } => {
                        assert!(range.end as usize <= HEADROOM + BUFFER_BYTES);
                        *in_flight += 1;
                    }
                    Place::Free => panic!("sent from a buffer that is not taken"),
                },
                Piece::Staged(id, _) => self.staged[id.0 as usize].as_mut().unwrap().1 += 1,
            }
        }
        let total: u32 = pieces.iter().map(Piece::len).sum();
        let is_database = self.wire(socket).peer.is_some() && socket_is_database(&self.wires, socket);
        let wire = &mut self.wires[socket.0 as usize];
        let (from, agent) = (wire.asked, wire.agent);
        wire.asked += u64::from(total);
        let stored_seq = self.disk.borrow_mut().stored_seq();
        let mut ledger = self.ledger.borrow_mut();
        ledger.stored_seq = stored_seq;
        let (synced_seq, to) = (ledger.synced_seq, from + u64::from(total));
        let side = if is_database { Side::Database } else { Side::Agent };
        if self.is_last_words {
            assert!(side == Side::Agent, "more than last words");
            return Operation::Send { socket, pieces: pieces.to_vec(), sent: 0 };
        }
        match &mut self.wires[socket.0 as usize] {
            Wire { peer: Some(Peer { tls: Some(_), .. }), left, .. } => left.push((to, synced_seq)),
            _ => check_gates(&mut ledger, (agent, side), (from, to), synced_seq),
        }
        drop(ledger);
        Operation::Send { socket, pieces: pieces.to_vec(), sent: 0 }
    }

    fn begin(&mut self, token: u64, op: Operation, behind: Option<u64>) {
        self.check_alone(&op);
        let ready_ns = self.now_ns + self.rng.skewed(400_000) as u64;
        self.pending.push(Pending { token, op, ready_ns, behind, chained: false });
    }

    /// Whether two operations of one direction are in flight on one socket: their order would be the kernel's choice.
    fn check_alone(&self, op: &Operation) {
        for pending in &self.pending {
            match (&pending.op, op) {
                (Operation::Recv(a), Operation::Recv(b)) => assert!(a != b, "two receives on one socket"),
                (Operation::Send { socket: a, .. }, Operation::Send { socket: b, .. }) => {
                    assert!(a != b, "two sends on one socket");
                }
                (
                    Operation::Recv(a) | Operation::Send { socket: a, .. } | Operation::Connect(a),
                    Operation::Close(b),
                ) => {
                    assert!(a != b, "closed under an operation");
                }
                _ => {}
            }
        }
    }

    fn next_event_ns(&self) -> u64 {
        let peers = self.wires.iter().filter(|wire| !wire.reset && !wire.closed).filter_map(|wire| wire.peer.as_ref());
        let operations = self.pending.iter().map(|pending| pending.ready_ns).filter(|ready_ns| *ready_ns > self.now_ns);
        let arrivals = self.arrivals.iter().map(|(at_ns, _, _)| *at_ns).filter(|at_ns| *at_ns > self.now_ns);
        peers.map(|peer| peer.next_ns.max(self.now_ns + 1)).chain(operations).chain(arrivals).min().unwrap_or(u64::MAX)
    }
}

/// Bytes `from..to` of a stream leave: the records that they wait for must be safe.
fn check_gates(ledger: &mut Ledger, stream: (usize, Side), (from, to): (u64, u64), synced_seq: u64) {
    for gate in ledger.gates.get(&stream).into_iter().flatten() {
        let Gate { from: start, seq, on_disk } = *gate;
        if start >= to || from > start {
            continue;
        }
        assert!(seq <= ledger.stored_seq, "a byte left before its record was out of the process");
        if on_disk {
            assert!(seq <= synced_seq, "a byte left before its record was on disk");
            ledger.acknowledged_seq = ledger.acknowledged_seq.max(seq);
        }
    }
}

/// Database sockets are those that the shard made itself.
fn socket_is_database(wires: &[Wire], socket: Socket) -> bool {
    let agent = wires[socket.0 as usize].agent;
    wires[..socket.0 as usize].iter().any(|wire| wire.agent == agent)
}

fn memory<'a>(buffers: &'a [(Vec<u8>, Place)], staged: &'a [Option<(Vec<u8>, u32)>], piece: &Piece) -> &'a [u8] {
    match piece {
        Piece::Buffer(id, range) => &buffers[id.0 as usize].0[range.start as usize..range.end as usize],
        Piece::Staged(id, range) => {
            &staged[id.0 as usize].as_ref().unwrap().0[range.start as usize..range.end as usize]
        }
    }
}

impl Driver for World {
    type Target = SimTarget;
    type Memory = SimMemory;

    fn now(&self) -> Now {
        Now { mono_ns: self.now_ns, wall_ns: self.now_ns + 1_700_000_000_000_000_000 }
    }

    fn mono_ns(&self) -> u64 {
        self.now_ns
    }

    fn random(&mut self) -> io::Result<[u8; RANDOM_LEN]> {
        Ok([self.rng.next() as u8; RANDOM_LEN])
    }

    fn submit(&mut self, token: u64, op: Op<'_>) {
        let op = match op {
            Op::Accept { .. } => Operation::Accept,
            Op::Recv { socket } => {
                assert!(self.wire(socket).connected, "a receive on a socket that is not connected");
                Operation::Recv(socket)
            }
            Op::Send { socket, pieces } => self.begin_send(socket, pieces),
            Op::SendThenRecv { to, pieces, from, received } => {
                assert!(self.wire(from).connected, "a receive on a socket that is not connected");
                let send = self.begin_send(to, pieces);
                self.begin(token, send, None);
                return self.begin(received, Operation::Recv(from), Some(token));
            }
            Op::Connect { socket, .. } => Operation::Connect(socket),
            Op::Close { socket } => {
                self.wire(socket);
                Operation::Close(socket)
            }
            Op::Poll { .. } => Operation::Poll,
            Op::Write { file, at, bytes, .. } => {
                self.disk.borrow_mut().begin_write(file, at, bytes);
                Operation::Sync { file, bytes: bytes.len() as u32 }
            }
            Op::Cancel { token } => {
                for pending in self.pending.iter_mut().filter(|pending| pending.token == token) {
                    pending.op = Operation::Plain(Err(Errno::CANCELED));
                    pending.ready_ns = self.now_ns;
                }
                Operation::Plain(Ok(0))
            }
        };
        self.begin(token, op, None);
    }

    fn complete(&mut self, until_ns: u64, into: &mut Vec<Completion>) -> Result<(), Errno> {
        loop {
            self.peers();
            self.disk.borrow_mut().write_back();
            // Any order, and not all at once.
            let mut index = self.pending.len();
            while index > 0 {
                index -= 1;
                let swap = self.rng.below(index + 1);
                self.pending.swap(index, swap);
                if self.pending[index].ready_ns <= self.now_ns
                    && !self.rng.once_in(4)
                    && let Some(completion) = self.advance(index)
                {
                    self.pending.swap_remove(index);
                    into.push(completion);
                }
            }
            if !into.is_empty() || self.now_ns >= until_ns {
                return Ok(());
            }
            let step_ns = self.now_ns + 1 + self.rng.skewed(500_000) as u64;
            self.now_ns =
                step_ns.max(self.next_event_ns().min(step_ns + 1_000_000_000)).min(until_ns.max(self.now_ns + 1));
        }
    }

    fn buffer(&mut self, id: BufferId) -> &mut [u8] {
        let (bytes, place) = &mut self.buffers[id.0 as usize];
        assert!(
            matches!(place, Place::Taken { in_flight: 0, .. }),
            "reached for a buffer that is not taken or is being sent"
        );
        bytes
    }

    fn release(&mut self, id: BufferId) {
        let (bytes, place) = &mut self.buffers[id.0 as usize];
        assert!(
            matches!(place, Place::Taken { in_flight: 0, .. }),
            "released a buffer that is not taken or is being sent"
        );
        *place = Place::Free;
        bytes.fill(0xEE);
    }

    fn buffers_free(&self) -> usize {
        self.buffers.len() - self.buffers_taken()
    }

    fn stage(&mut self, bytes: &mut Vec<u8>) -> StagedId {
        self.staged.push(Some((std::mem::take(bytes), 0)));
        StagedId((self.staged.len() - 1) as u32)
    }

    fn unstage(&mut self, id: StagedId) {
        let staged = self.staged[id.0 as usize].take();
        assert!(
            staged.is_some_and(|(_, in_flight)| in_flight == 0),
            "released staged bytes twice, or while they are sent"
        );
    }

    fn socket(&mut self, to: &SocketAddr) -> io::Result<Socket> {
        // The origin's port is the agent's number: see `runs`.
        Ok(self.plug(None, usize::from(to.port()), false))
    }

    fn ends(&self, socket: Socket) -> io::Result<Ends> {
        let port = self.wires[socket.0 as usize].agent as u16;
        Ok(Ends { peer: SocketAddr::from(([127, 0, 0, 1], port)), local: SocketAddr::from(([127, 0, 0, 1], 61432)) })
    }

    fn shutdown(&mut self, socket: Socket, direction: Direction) {
        let wire = self.wire(socket);
        match direction {
            Direction::Write => wire.shut_write = true,
            Direction::Both => wire.shut_both = true,
        }
    }

    fn close_listener(&mut self, _listener: Listener) {
        self.arrivals.clear();
        self.pending.retain(|pending| !matches!(pending.op, Operation::Accept));
    }
}
