//! The null relay: bytes both ways on our own ring, nothing read in them. What it costs is the floor of every proxy on that ring.
//!
//! One thread, one ring, one submission per turn of the loop; each direction holds at most one buffer, as in the product.

use std::net::SocketAddr;

use uring::{BufferId, Completion, Direction, Errno, HEADROOM, Listener, Op, Piece, Ring, Settings, Socket};

/// As the product's shard has them.
const SETTINGS: Settings = Settings { entries: 1024, buffers: 8192 };

/// What an operation was; the token's low byte, with the side in its lowest bit.
const ACCEPT: u64 = 0;
const CONNECT: u64 = 2;
const RECV: u64 = 4;
const SEND: u64 = 6;
const CLOSE: u64 = 8;

/// Two sockets; side 0 was accepted, side 1 was connected.
struct Pair {
    sockets: [Socket; 2],
    operations: u32,
    /// What came from this side and is on its way to the other.
    buffers: [Option<(BufferId, u32)>; 2],
    /// This side has sent its last byte.
    ended: [bool; 2],
    broken: bool,
    closing: bool,
}

struct Relay {
    ring: Ring,
    listeners: Vec<(Listener, SocketAddr)>,
    pairs: Vec<Option<Pair>>,
    free: Vec<usize>,
    /// Who waits for a buffer.
    starved: Vec<(usize, usize)>,
}

/// `bench relay --listen PORT --to ADDRESS […]`: never returns but with an error.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let ring = Ring::new(&SETTINGS).map_err(|missing| missing.to_string())?;
    let mut relay = Relay { ring, listeners: Vec::new(), pairs: Vec::new(), free: Vec::new(), starved: Vec::new() };
    for (index, words) in args.chunks(4).enumerate() {
        let [listen, from, to, target] = words else { return Err("--listen and --to come in pairs".into()) };
        if listen != "--listen" || to != "--to" {
            return Err("--listen PORT --to ADDRESS, in this order".into());
        }
        let target = target.parse().map_err(|_| format!("`{target}` is no address"))?;
        let port = from.parse().map_err(|_| format!("`{from}` is no port"))?;
        // As the product binds: a deep backlog, and no delay on what is accepted.
        let bound = uring::bind_listeners(port, 1).map_err(|error| format!("port {port}: {error}"))?;
        let listener = bound.into_iter().next().ok_or("no listener")?.v4;
        relay.listeners.push((relay.ring.listen(listener), target));
        relay.accept(index);
    }
    if relay.listeners.is_empty() {
        return Err("--listen and --to are missing".into());
    }
    let mut done: Vec<Completion> = Vec::new();
    loop {
        relay.ring.complete(None, &mut done).map_err(|errno| format!("the ring is broken: {errno}"))?;
        for completion in done.drain(..) {
            relay.handle(completion)?;
        }
        relay.feed();
    }
}

fn token(index: usize, kind: u64, side: usize) -> u64 {
    (index as u64) << 8 | kind | side as u64
}

impl Relay {
    fn accept(&mut self, index: usize) {
        let (listener, _) = self.listeners[index];
        self.ring.submit(token(index, ACCEPT, 0), Op::Accept { listener });
    }

    fn handle(&mut self, completion: Completion) -> Result<(), String> {
        let (index, kind, side) =
            ((completion.token >> 8) as usize, completion.token & 0xfe, (completion.token & 1) as usize);
        if kind == ACCEPT {
            self.accept(index);
            let socket = completion.socket.ok_or_else(|| format!("accept: {:?}", completion.result))?;
            return self.accepted(index, socket);
        }
        let Some(pair) = self.pairs[index].as_mut() else { return Ok(()) };
        pair.operations -= 1;
        match kind {
            CONNECT if completion.result.is_ok() => {
                self.receive(index, 0);
                self.receive(index, 1);
            }
            CONNECT => self.fail(index),
            RECV => self.received(index, side, completion.result, completion.buffer),
            SEND => self.sent(index, side, completion.result),
            _ => {}
        }
        self.close(index);
        Ok(())
    }

    fn accepted(&mut self, index: usize, agent: Socket) -> Result<(), String> {
        let to = self.listeners[index].1;
        let database = self.ring.socket(&to).map_err(|error| format!("socket: {error}"))?;
        let pair = Pair {
            sockets: [agent, database],
            operations: 1,
            buffers: [None; 2],
            ended: [false; 2],
            broken: false,
            closing: false,
        };
        let place = self.free.pop().unwrap_or_else(|| {
            self.pairs.push(None);
            self.pairs.len() - 1
        });
        self.pairs[place] = Some(pair);
        self.ring.submit(token(place, CONNECT, 0), Op::Connect { socket: database, to });
        Ok(())
    }

    fn receive(&mut self, index: usize, side: usize) {
        let Some(pair) = self.pairs[index].as_mut() else { return };
        pair.operations += 1;
        self.ring.submit(token(index, RECV, side), Op::Recv { socket: pair.sockets[side] });
    }

    fn received(&mut self, index: usize, side: usize, result: Result<u32, Errno>, buffer: Option<BufferId>) {
        let Some(pair) = self.pairs[index].as_mut() else { return };
        match (result, buffer) {
            (Ok(len), Some(buffer)) if !pair.broken => {
                pair.buffers[side] = Some((buffer, len));
                pair.operations += 1;
                let start = HEADROOM as u32;
                let pieces = [Piece::Buffer(buffer, start..start + len)];
                let socket = pair.sockets[1 - side];
                self.ring.submit(token(index, SEND, side), Op::Send { socket, pieces: &pieces });
            }
            (Ok(_), Some(buffer)) => self.ring.release(buffer),
            (Ok(_), None) => {
                pair.ended[side] = true;
                // Where both have ended, both are closed at once.
                if !pair.ended[1 - side] {
                    self.shut(index, 1 - side, Direction::Write);
                }
            }
            (Err(Errno::NO_BUFFERS), _) if !pair.broken => {
                pair.operations += 1; // it waits as if it were in flight
                self.starved.push((index, side));
            }
            (Err(_), _) => self.fail(index),
        }
    }

    fn sent(&mut self, index: usize, side: usize, result: Result<u32, Errno>) {
        let Some(pair) = self.pairs[index].as_mut() else { return };
        let Some((buffer, len)) = pair.buffers[side].take() else { return };
        self.ring.release(buffer);
        if result != Ok(len) {
            self.fail(index);
        } else if !pair.broken {
            self.receive(index, side);
        }
    }

    fn shut(&mut self, index: usize, side: usize, direction: Direction) {
        let Some(pair) = self.pairs[index].as_mut() else { return };
        self.ring.shutdown(pair.sockets[side], direction);
    }

    /// Ends both connections; operations in flight come back.
    fn fail(&mut self, index: usize) {
        let Some(pair) = self.pairs[index].as_mut() else { return };
        if !std::mem::replace(&mut pair.broken, true) {
            self.shut(index, 0, Direction::Both);
            self.shut(index, 1, Direction::Both);
        }
    }

    /// Closes a pair that is over once nothing of it is in flight, and frees its place once it is closed.
    fn close(&mut self, index: usize) {
        let Some(pair) = self.pairs[index].as_mut() else { return };
        if pair.operations > 0 || !(pair.broken || pair.ended == [true; 2]) {
            return;
        }
        if std::mem::replace(&mut pair.closing, true) {
            self.pairs[index] = None;
            self.free.push(index);
            return;
        }
        pair.operations = 2;
        for side in [0, 1] {
            self.ring.submit(token(index, CLOSE, side), Op::Close { socket: pair.sockets[side] });
        }
    }

    /// Buffers were released: who waits for one receives again.
    fn feed(&mut self) {
        if self.starved.is_empty() || self.ring.buffers_free() == 0 {
            return;
        }
        for (index, side) in std::mem::take(&mut self.starved) {
            if let Some(pair) = self.pairs[index].as_mut() {
                pair.operations -= 1;
                if pair.broken { self.close(index) } else { self.receive(index, side) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};

    use super::*;

    fn free_port() -> u16 {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }

    #[test]
    fn bytes_both_ways_and_half_closed() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = server.local_addr().unwrap().to_string();
        let port = free_port();
        let args = ["--listen".to_owned(), port.to_string(), "--to".to_owned(), to];
        std::thread::spawn(move || run(&args)); // ends with the tests
        // Two connections, one after the other, so that a place is used again.
        for round in 0..2_u8 {
            let mut agent = loop {
                match TcpStream::connect(("127.0.0.1", port)) {
                    Ok(stream) => break stream,
                    Err(_) => std::thread::yield_now(),
                }
            };
            let (mut database, _) = server.accept().unwrap();
            let sent: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8 ^ round).collect();
            let copy = sent.clone();
            let writer = std::thread::spawn(move || {
                agent.write_all(&copy).unwrap();
                agent.shutdown(Shutdown::Write).unwrap();
                let mut answer = Vec::new();
                agent.read_to_end(&mut answer).unwrap();
                answer
            });
            let mut got = Vec::new();
            database.read_to_end(&mut got).unwrap(); // the end came through
            assert!(got == sent);
            database.write_all(&sent[..1000]).unwrap(); // and the other way is still open
            drop(database);
            assert!(writer.join().unwrap() == sent[..1000]);
        }
    }

    #[test]
    fn arguments_come_in_pairs() {
        assert!(run(&[]).is_err());
        assert!(run(&["--listen".to_owned(), "0".to_owned()]).is_err());
    }
}
