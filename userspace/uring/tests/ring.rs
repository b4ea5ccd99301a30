//! The real ring against real sockets and files.
#![allow(clippy::unwrap_used)] // a failed step of the set-up fails the test

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use uring::{
    BUFFER_BYTES, BufferId, Completion, Direction, Errno, Event, HEADROOM, MappedSegment, Op, Piece, Ring, SegmentFile,
    Settings, Socket,
};

fn ring(buffers: u16) -> Ring {
    Ring::new(&Settings { entries: 16, buffers }).unwrap()
}

/// Waits for the completion with this token; others must not come.
fn reap(ring: &mut Ring, token: u64) -> Completion {
    let mut done = Vec::new();
    while done.is_empty() {
        ring.complete(None, &mut done).unwrap();
    }
    assert_eq!(done.iter().map(|c| c.token).collect::<Vec<_>>(), [token]);
    done.remove(0)
}

/// A connection: the ring's end, and the other end as a plain stream.
fn pair(ring: &mut Ring) -> (Socket, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let listener = ring.listen(listener);
    ring.submit(1, Op::Accept { listener });
    let socket = reap(ring, 1).socket.unwrap();
    assert_eq!(ring.ends(socket).unwrap().peer, other.local_addr().unwrap());
    ring.close_listener(listener);
    (socket, other)
}

fn receive(ring: &mut Ring, socket: Socket) -> (BufferId, usize) {
    ring.submit(2, Op::Recv { socket });
    let done = reap(ring, 2);
    (done.buffer.unwrap(), done.result.unwrap() as usize)
}

#[test]
fn what_comes_in_goes_out_with_our_own_bytes_around_it() {
    let mut ring = ring(2);
    let (socket, mut other) = pair(&mut ring);
    other.write_all(b"abcdef").unwrap();
    let (buffer, len) = receive(&mut ring, socket);
    assert_eq!(len, 6);
    ring.buffer(buffer)[HEADROOM - 1] = b'^';
    ring.buffer(buffer)[HEADROOM + 1] = b'*';
    let mut own = b"[]".to_vec();
    let staged = ring.stage(&mut own);
    assert!(own.is_empty());
    let start = HEADROOM as u32;
    let pieces = [
        Piece::Staged(staged, 0..1),
        Piece::Buffer(buffer, start - 1..start + 3),
        Piece::Staged(staged, 1..1),
        Piece::Buffer(buffer, start + 5..start + 6),
        Piece::Staged(staged, 1..2),
    ];
    ring.submit(3, Op::Send { socket, pieces: &pieces });
    assert_eq!(reap(&mut ring, 3).result, Ok(7));
    let mut got = [0; 7];
    other.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"[^a*cf]");
    ring.release(buffer);
    ring.unstage(staged);
    assert_eq!((ring.held(), ring.in_flight()), (0, 0));
}

#[test]
fn a_receive_behind_a_send_begins_when_all_is_sent() {
    let mut ring = ring(2);
    let (here, mut left) = pair(&mut ring);
    let (there, mut right) = pair(&mut ring);
    left.write_all(b"ask").unwrap();
    let (buffer, len) = receive(&mut ring, here);
    left.write_all(b"more").unwrap();
    let start = HEADROOM as u32;
    let pieces = [Piece::Buffer(buffer, start..start + len as u32)];
    ring.submit(3, Op::SendThenRecv { to: there, pieces: &pieces, from: here, received: 4 });
    let mut done = Vec::new();
    while done.len() < 2 {
        ring.complete(None, &mut done).unwrap();
    }
    assert_eq!(done.iter().map(|c| (c.token, c.result)).collect::<Vec<_>>(), [(3, Ok(3)), (4, Ok(4))]);
    let mut got = [0; 3];
    right.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"ask");
    ring.release(buffer);
    let more = done[1].buffer.unwrap();
    assert_eq!(&ring.buffer(more)[HEADROOM..HEADROOM + 4], b"more");
    ring.release(more);
    assert_eq!((ring.held(), ring.in_flight()), (0, 0));
}

#[test]
fn a_receive_behind_a_send_that_fails_is_cancelled_and_takes_nothing() {
    let mut ring = ring(2);
    let (here, mut left) = pair(&mut ring);
    let (there, _right) = pair(&mut ring);
    left.write_all(b"ask").unwrap();
    let (buffer, _) = receive(&mut ring, here);
    left.write_all(b"more").unwrap();
    ring.shutdown(there, Direction::Write);
    let start = HEADROOM as u32;
    let pieces = [Piece::Buffer(buffer, start..start + 3)];
    ring.submit(3, Op::SendThenRecv { to: there, pieces: &pieces, from: here, received: 4 });
    let mut done = Vec::new();
    while done.len() < 2 {
        ring.complete(None, &mut done).unwrap();
    }
    let results: Vec<_> = done.iter().map(|c| (c.token, c.result, c.buffer)).collect();
    assert_eq!(results, [(3, Err(Errno::BROKEN_PIPE), None), (4, Err(Errno::CANCELED), None)]);
    ring.release(buffer);
    assert_eq!((ring.held(), ring.in_flight()), (0, 0));
    let (buffer, len) = receive(&mut ring, here);
    assert_eq!(&ring.buffer(buffer)[HEADROOM..HEADROOM + len], b"more");
    ring.release(buffer);
}

#[test]
fn connect_shutdown_and_end_of_stream() {
    let mut ring = ring(2);
    let listener = TcpListener::bind("[::1]:0").unwrap();
    let to = listener.local_addr().unwrap();
    let socket = ring.socket(&to).unwrap();
    ring.submit(1, Op::Connect { socket, to });
    assert_eq!(reap(&mut ring, 1).result, Ok(0));
    let (mut other, _) = listener.accept().unwrap();
    ring.shutdown(socket, Direction::Write);
    assert_eq!(other.read(&mut [0; 1]).unwrap(), 0);
    other.write_all(b"x").unwrap();
    drop(other);
    let (buffer, len) = receive(&mut ring, socket);
    assert_eq!((len, ring.buffer(buffer)[HEADROOM]), (1, b'x'));
    ring.release(buffer);
    ring.submit(3, Op::Recv { socket });
    let end = reap(&mut ring, 3);
    assert_eq!((end.result, end.buffer), (Ok(0), None));
    ring.submit(4, Op::Close { socket });
    reap(&mut ring, 4);
    assert_eq!(ring.held(), 0);
}

#[test]
fn nobody_listens() {
    let mut ring = ring(1);
    let to = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let socket = ring.socket(&to).unwrap();
    ring.submit(1, Op::Connect { socket, to });
    assert_eq!(reap(&mut ring, 1).result, Err(Errno::REFUSED));
}

#[test]
fn a_receive_without_a_buffer_says_so_and_works_again_after_a_release() {
    let mut ring = ring(1);
    let (socket, mut other) = pair(&mut ring);
    other.write_all(b"one").unwrap();
    let (buffer, _) = receive(&mut ring, socket);
    other.write_all(b"two").unwrap();
    ring.submit(3, Op::Recv { socket });
    assert_eq!(reap(&mut ring, 3).result, Err(Errno::NO_BUFFERS));
    ring.release(buffer);
    let (buffer, len) = receive(&mut ring, socket);
    assert_eq!(&ring.buffer(buffer)[HEADROOM..HEADROOM + len], b"two");
}

#[test]
fn one_receive_brings_at_most_one_buffer_and_the_pool_goes_round() {
    let mut ring = ring(3);
    let (socket, mut other) = pair(&mut ring);
    let sent: Vec<u8> = (0..20 * BUFFER_BYTES).map(|i| (i / 7) as u8).collect();
    let copy = sent.clone();
    let writer = std::thread::spawn(move || {
        other.write_all(&copy).unwrap();
        other
    });
    let mut got = Vec::new();
    while got.len() < sent.len() {
        let (buffer, len) = receive(&mut ring, socket);
        assert!(len <= BUFFER_BYTES);
        got.extend_from_slice(&ring.buffer(buffer)[HEADROOM..HEADROOM + len]);
        ring.release(buffer);
    }
    drop(writer.join().unwrap());
    assert!(got == sent, "{} bytes differ from what was sent", got.len());
    assert_eq!(ring.held(), 0);
}

#[test]
fn a_send_to_a_slow_reader_ends_only_when_all_went_out() {
    let mut ring = ring(1);
    let (socket, mut other) = pair(&mut ring);
    let bytes: Vec<u8> = (0..8_000_000_u32).map(|i| (i >> 3) as u8).collect();
    let mut own = bytes.clone();
    let staged = ring.stage(&mut own);
    let pieces = [Piece::Staged(staged, 0..4_000_000), Piece::Staged(staged, 4_000_000..8_000_000)];
    ring.submit(1, Op::Send { socket, pieces: &pieces });
    let mut done = Vec::new();
    ring.complete(Some(uring::mono_ns()), &mut done).unwrap();
    assert_eq!(done, []);
    let reader = std::thread::spawn(move || {
        let mut got = vec![0; 8_000_000];
        other.read_exact(&mut got).unwrap();
        got
    });
    assert_eq!(reap(&mut ring, 1).result, Ok(8_000_000));
    assert!(reader.join().unwrap() == bytes);
    ring.unstage(staged);
}

#[test]
fn an_armed_receive_can_be_cancelled() {
    let mut ring = ring(1);
    let (socket, _other) = pair(&mut ring);
    ring.submit(7, Op::Recv { socket });
    ring.submit(8, Op::Cancel { token: 7 });
    let mut done = Vec::new();
    while done.len() < 2 {
        ring.complete(None, &mut done).unwrap();
    }
    let receive = done.iter().find(|c| c.token == 7).unwrap();
    assert_eq!((receive.result, receive.buffer), (Err(Errno::CANCELED), None));
    assert_eq!(ring.in_flight(), 0);
}

#[test]
fn an_event_wakes_the_ring() {
    let mut ring = ring(1);
    let event = Arc::new(Event::new().unwrap());
    ring.submit(1, Op::Poll { file: event.file() });
    let far = Arc::clone(&event);
    let thread = std::thread::spawn(move || far.signal());
    assert!(reap(&mut ring, 1).result.is_ok());
    thread.join().unwrap();
    event.clear();
    ring.submit(2, Op::Poll { file: event.file() });
    let mut done = Vec::new();
    ring.complete(Some(uring::mono_ns()), &mut done).unwrap();
    assert_eq!(done, []);
    drop(ring); // with an operation in flight
}

#[test]
fn a_segment_is_written_from_mapped_memory() {
    let path = |name: &str| std::env::temp_dir().join(format!("uring-write-{name}-{}", std::process::id()));
    let (file, memory) = (path("file"), path("memory"));
    let _ = [&file, &memory].map(std::fs::remove_file);
    let segment = SegmentFile::create(&file, 4 * 4096).unwrap();
    let mut mapped = MappedSegment::reserve(&memory, 4 * 4096).unwrap();
    mapped.bytes()[4096..8192].fill(7);
    let mut ring = ring(1);
    let kept = mapped.keep();
    ring.submit(1, Op::Write { file: segment.file(), at: 8192, bytes: &mapped.bytes()[4096..8192], kept });
    // The memory is the ring's by now.
    drop(mapped);
    assert_eq!(reap(&mut ring, 1).result, Ok(4096));
    let read = std::fs::read(&file).unwrap();
    assert!(read.len() == 4 * 4096 && read[8192..12288].iter().all(|byte| *byte == 7));
    assert_eq!(read.iter().filter(|byte| **byte != 0).count(), 4096);
    [&file, &memory].into_iter().for_each(|path| std::fs::remove_file(path).unwrap());
}

#[test]
fn more_operations_than_entries() {
    let mut ring = ring(4);
    let event = Event::new().unwrap();
    event.signal();
    for token in 0..1000 {
        ring.submit(token, Op::Poll { file: event.file() });
    }
    let mut done = Vec::new();
    while done.len() < 1000 {
        ring.complete(None, &mut done).unwrap();
    }
    let mut tokens: Vec<u64> = done.iter().map(|c| c.token).collect();
    tokens.sort_unstable();
    assert_eq!(tokens, (0..1000).collect::<Vec<_>>());
}

mod misuse {
    //! Our own mistakes end in a panic, never in shared memory.
    use super::*;

    #[test]
    #[should_panic = "memory that nobody keeps"]
    fn writing_memory_that_may_go() {
        let mut ring = ring(1);
        ring.submit(1, Op::Write { file: uring::File(0), at: 0, bytes: &[0; 4096], kept: uring::Kept::default() });
    }

    #[test]
    #[should_panic = "an operation names"]
    fn reaching_for_a_buffer_that_is_being_sent() {
        let mut ring = ring(1);
        let (socket, mut other) = pair(&mut ring);
        other.write_all(b"abc").unwrap();
        let (buffer, _) = receive(&mut ring, socket);
        let start = HEADROOM as u32;
        ring.submit(1, Op::Send { socket, pieces: &[Piece::Buffer(buffer, start..start + 3)] });
        ring.buffer(buffer)[HEADROOM] = b'x';
    }

    #[test]
    #[should_panic = "not taken"]
    fn releasing_a_buffer_twice() {
        let mut ring = ring(1);
        let (socket, mut other) = pair(&mut ring);
        other.write_all(b"abc").unwrap();
        let (buffer, _) = receive(&mut ring, socket);
        ring.release(buffer);
        ring.release(buffer);
    }

    #[test]
    #[should_panic = "outside its buffer"]
    fn sending_past_a_buffers_end() {
        let mut ring = ring(1);
        let (socket, mut other) = pair(&mut ring);
        other.write_all(b"abc").unwrap();
        let (buffer, _) = receive(&mut ring, socket);
        let end = (HEADROOM + BUFFER_BYTES) as u32;
        ring.submit(1, Op::Send { socket, pieces: &[Piece::Buffer(buffer, end - 1..end + 1)] });
    }

    #[test]
    #[should_panic = "closed or not the ring's"]
    fn using_a_socket_after_its_close() {
        let mut ring = ring(1);
        let (socket, _other) = pair(&mut ring);
        ring.submit(1, Op::Close { socket });
        ring.submit(2, Op::Recv { socket });
    }
}

#[test]
fn a_wait_ends_at_its_time_whatever_was_asked_before() {
    const HOUR_NS: u64 = 3_600_000_000_000;
    let mut ring = ring(1);
    let event = Event::new().unwrap();
    event.signal();
    // An alarm far away is armed, and stays when the event ends the wait.
    ring.submit(1, Op::Poll { file: event.file() });
    let mut done = Vec::new();
    ring.complete(Some(uring::mono_ns() + HOUR_NS), &mut done).unwrap();
    assert_eq!(done.drain(..).map(|done| done.token).collect::<Vec<_>>(), [1]);
    // It is moved to be earlier, fires, and is armed anew; each wait comes back, and nothing has ended.
    for ahead_ns in [2_000_000, 1_000_000, 0] {
        let until_ns = uring::mono_ns() + ahead_ns;
        while uring::mono_ns() < until_ns {
            ring.complete(Some(until_ns), &mut done).unwrap();
        }
        assert_eq!((done.len(), ring.in_flight()), (0, 0));
    }
}
