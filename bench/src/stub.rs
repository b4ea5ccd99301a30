//! A server that says what PostgreSQL would say, from canned bytes: behind it a proxy's own ceiling is visible.
//!
//! One thread on our own ring. It parses no SQL: it knows the statements of the benchmark by their text.

use uring::{Completion, HEADROOM, Listener, Op, Piece, Ring, Settings, Socket, StagedId};

use crate::answers::{self, FLOWS, Flow};

const SETTINGS: Settings = Settings { entries: 1024, buffers: 1024 };
/// Longer messages of a client are none of the benchmark's.
const MESSAGE_MAX: usize = 1 << 20;

const ACCEPT: u64 = 0;
const RECV: u64 = 1;
const SEND: u64 = 2;
const CLOSE: u64 = 3;

/// One connection; one operation of it is in flight at a time.
struct Seat {
    socket: Socket,
    /// Bytes that are not a whole message yet.
    bytes: Vec<u8>,
    started: bool,
    staged: Option<StagedId>,
    /// What is still to be sent of a big result.
    flow: Option<(Flow, usize)>,
}

/// What one batch of messages asks for.
#[derive(Default)]
pub(crate) struct Reply {
    pub(crate) bytes: Vec<u8>,
    pub(crate) flow: Option<Flow>,
    pub(crate) close: bool,
}

struct Stub {
    ring: Ring,
    listener: Listener,
    seats: Vec<Option<Seat>>,
    free: Vec<usize>,
    /// The chunk of each flow, staged once.
    chunks: Vec<(Flow, StagedId, u32)>,
}

/// `bench stub --port PORT`: never returns but with an error.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let [flag, port] = args else { return Err("--port PORT".into()) };
    let port = port.parse().ok().filter(|_| flag == "--port").ok_or("--port PORT")?;
    let mut ring = Ring::new(&SETTINGS).map_err(|missing| missing.to_string())?;
    let bound = uring::bind_listeners(port, 1).map_err(|error| format!("port {port}: {error}"))?;
    let listener = ring.listen(bound.into_iter().next().ok_or("no listener")?.v4);
    let stage = |(flow, _): (Flow, &str)| {
        let mut chunk = flow.chunk();
        let len = chunk.len() as u32;
        (flow, ring.stage(&mut chunk), len)
    };
    let chunks = FLOWS.into_iter().map(stage).collect();
    ring.submit(ACCEPT, Op::Accept { listener });
    let mut stub = Stub { ring, listener, seats: Vec::new(), free: Vec::new(), chunks };
    let mut done = Vec::new();
    loop {
        stub.ring.complete(None, &mut done).map_err(|errno| format!("the ring is broken: {errno}"))?;
        for completion in done.drain(..) {
            stub.handle(completion)?;
        }
    }
}

impl Stub {
    fn handle(&mut self, completion: Completion) -> Result<(), String> {
        let (index, kind) = ((completion.token >> 8) as usize, completion.token & 0xff);
        match kind {
            ACCEPT => {
                self.ring.submit(ACCEPT, Op::Accept { listener: self.listener });
                let socket = completion.socket.ok_or_else(|| format!("accept: {:?}", completion.result))?;
                let seat = Seat { socket, bytes: Vec::new(), started: false, staged: None, flow: None };
                let place = self.free.pop().unwrap_or_else(|| {
                    self.seats.push(None);
                    self.seats.len() - 1
                });
                self.seats[place] = Some(seat);
                self.receive(place);
            }
            RECV => {
                let Some(seat) = self.seats[index].as_mut() else { return Ok(()) };
                let (Ok(len), Some(buffer)) = (completion.result, completion.buffer) else {
                    self.close(index);
                    return Ok(());
                };
                seat.bytes.extend_from_slice(&self.ring.buffer(buffer)[HEADROOM..HEADROOM + len as usize]);
                self.ring.release(buffer);
                self.answer(index);
            }
            SEND => {
                let Some(seat) = self.seats[index].as_mut() else { return Ok(()) };
                if let Some(staged) = seat.staged.take() {
                    self.ring.unstage(staged);
                }
                if completion.result.is_ok() { self.go_on(index) } else { self.close(index) }
            }
            CLOSE => {
                self.seats[index] = None;
                self.free.push(index);
            }
            other => return Err(format!("a completion of kind {other}")),
        }
        Ok(())
    }

    fn receive(&mut self, index: usize) {
        if let Some(seat) = &self.seats[index] {
            self.ring.submit((index as u64) << 8 | RECV, Op::Recv { socket: seat.socket });
        }
    }

    fn close(&mut self, index: usize) {
        if let Some(seat) = &self.seats[index] {
            self.ring.submit((index as u64) << 8 | CLOSE, Op::Close { socket: seat.socket });
        }
    }

    /// Answers all whole messages that are there in one send.
    fn answer(&mut self, index: usize) {
        let Some(seat) = self.seats[index].as_mut() else { return };
        let mut reply = Reply::default();
        let used = read(&seat.bytes, &mut seat.started, &mut reply);
        seat.bytes.drain(..used);
        if reply.close || seat.bytes.len() > MESSAGE_MAX {
            return self.close(index);
        }
        seat.flow = reply.flow.map(|flow| (flow, usize::MAX));
        if reply.bytes.is_empty() { self.receive(index) } else { self.send(index, reply.bytes) }
    }

    fn send(&mut self, index: usize, mut bytes: Vec<u8>) {
        let Some(seat) = self.seats[index].as_mut() else { return };
        let len = bytes.len() as u32;
        let staged = self.ring.stage(&mut bytes);
        seat.staged = Some(staged);
        let pieces = [Piece::Staged(staged, 0..len)];
        self.ring.submit((index as u64) << 8 | SEND, Op::Send { socket: seat.socket, pieces: &pieces });
    }

    /// The next chunk of a big result, its end, or the next messages.
    fn go_on(&mut self, index: usize) {
        let Some(seat) = self.seats[index].as_mut() else { return };
        let Some((flow, left)) = seat.flow.take() else { return self.answer(index) };
        let Some(&(_, staged, len)) = self.chunks.iter().find(|(of, ..)| *of == flow) else { return };
        let left = if left == usize::MAX { flow.times(len as usize) } else { left };
        if left == 0 {
            let mut end = Vec::new();
            answers::complete(&mut end, "SELECT 1");
            answers::ready(&mut end);
            return self.send(index, end);
        }
        seat.flow = Some((flow, left - 1));
        let pieces = [Piece::Staged(staged, 0..len)];
        self.ring.submit((index as u64) << 8 | SEND, Op::Send { socket: seat.socket, pieces: &pieces });
    }
}

/// Reads whole messages; returns how many bytes they took. A big result ends the batch.
pub(crate) fn read(bytes: &[u8], started: &mut bool, reply: &mut Reply) -> usize {
    let mut at = 0;
    while reply.flow.is_none() && !reply.close {
        let rest = bytes.get(at..).unwrap_or_default();
        let head = usize::from(*started);
        let Some(length) = rest.get(head..).and_then(|rest| rest.first_chunk::<4>()) else { break };
        let end = head + u32::from_be_bytes(*length) as usize;
        let Some(body) = rest.get(head + 4..end) else { break };
        at += end;
        match (*started, rest.first()) {
            (false, _) => startup(body, started, reply),
            (true, Some(tag)) => message(*tag, body, reply),
            (true, None) => break,
        }
    }
    at
}

fn startup(body: &[u8], started: &mut bool, reply: &mut Reply) {
    match body.first_chunk::<4>() {
        Some([0, 3, ..]) => {
            *started = true;
            answers::login(&mut reply.bytes);
        }
        // SSLRequest, GSSENCRequest: no.
        Some([4, 0xd2, 0x16, 0x2f | 0x30]) => reply.bytes.push(b'N'),
        _ => reply.close = true,
    }
}

/// What the product sends in a refused statement's place (docs/decisions/0001).
const REFUSED: &[u8] = b"interceptor refused record";

fn message(tag: u8, body: &[u8], reply: &mut Reply) {
    let out = &mut reply.bytes;
    match tag {
        b'Q' => {
            let sql = std::str::from_utf8(body).unwrap_or_default().trim_end_matches('\0');
            if sql == answers::POINT {
                answers::point_description(out);
                answers::point_row(out);
            } else if let Some(flow) = Flow::of_sql(sql) {
                out.extend(flow.description());
                reply.flow = Some(flow);
                return;
            } else if sql.starts_with("/* interceptor */") {
                answers::names(out, sql);
            } else {
                answers::complete(out, "SET");
            }
            answers::ready(out);
        }
        // As a server does with the text that stands for a refused statement: so a client is told why.
        b'P' if body.windows(REFUSED.len()).any(|part| part == REFUSED) => {
            answers::message(out, b'E', b"SERROR\0C42601\0Msyntax error\0\0");
        }
        b'P' => answers::message(out, b'1', &[]),
        b'B' => answers::message(out, b'2', &[]),
        b'C' => answers::message(out, b'3', &[]),
        b'D' => {
            if body.first() == Some(&b'S') {
                answers::message(out, b't', &[0, 0]);
            }
            answers::point_description(out);
        }
        b'E' => answers::point_row(out),
        b'S' => answers::ready(out),
        b'X' => reply.close = true,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A startup and a simple Query, cut at every byte, get the same answer.
    #[test]
    fn messages_may_be_cut_anywhere() {
        let mut input = vec![0, 0, 0, 9, 0, 3, 0, 0, 0];
        answers::message(&mut input, b'Q', &[answers::POINT.as_bytes(), b"\0"].concat());
        let whole = {
            let (mut started, mut reply) = (false, Reply::default());
            assert_eq!(read(&input, &mut started, &mut reply), input.len());
            reply.bytes
        };
        for cut in 0..input.len() {
            let (mut started, mut reply) = (false, Reply::default());
            let used = read(&input[..cut], &mut started, &mut reply);
            let rest = read(&input[used..], &mut started, &mut reply);
            assert!(used + rest == input.len() && reply.bytes == whole, "cut at {cut}");
        }
        assert_eq!(whole.last(), Some(&b'I'));
    }
}
