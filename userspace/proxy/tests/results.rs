//! Long results are packed aside and are in the record when the shard has stopped.
#![allow(clippy::unwrap_used)] // a failed step of the set-up fails the test

mod stand;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;

use audit::decode::Fields;
use audit::received::read;
use audit::segment::frames;
use audit::{RecordType, field};
use stand::{Server, Stand, agent, ask, database, query, received};

#[test]
fn a_long_result_is_packed_and_comes_back_whole() {
    let (address, database) = database(Vec::new());
    let stand = Stand::keeping("results", address, 1 << 20);
    let mut one = agent(stand.port());
    let text = vec!["SELECT id FROM payments"; 200].join("; ");
    let received: Vec<usize> = (0..5).map(|_| ask(&mut one, &query(&text))).collect();
    let short = ask(&mut one, &query("SELECT id FROM payments"));
    drop(one);
    let record = stand.record();
    database.join().unwrap();
    let results = frames(&record).filter(|frame| frame.kind == RecordType::Result.code());
    let kept: Vec<_> = results.map(|frame| read(frame.payload()).unwrap()).collect();
    let (packed, plain): (Vec<_>, Vec<_>) = kept.into_iter().partition(|kept| kept.is_zstd);
    assert_eq!((packed.len(), plain.len()), (5, 1));
    assert_eq!(plain[0].packed.as_ref().unwrap().len(), short);
    for (kept, received) in packed.iter().zip(received) {
        assert_eq!((kept.length, kept.left_off), (received as u64, 0));
        let bytes = zstd::bulk::decompress(kept.packed.as_ref().unwrap(), received).unwrap();
        assert!(bytes.len() == received && bytes.starts_with(b"T") && bytes.ends_with(b"Z\0\0\0\x05I"));
    }
}

/// A database in which `SELECT id FROM payments` has so many times its row.
fn repeating(rows: usize) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = move || {
        let (mut stream, mut server, mut buffer) = (listener.accept().unwrap().0, Server::new(), [0; 65536]);
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            server.feed(&buffer[..count]);
            let rows =
                if String::from_utf8_lossy(&buffer[..count]).contains("SELECT id FROM payments") { rows } else { 1 };
            let answer = server.take();
            let mut rest = answer.as_slice();
            while let Some(head) = rest.get(1..5) {
                let message;
                (message, rest) = rest.split_at(1 + u32::from_be_bytes(head.try_into().unwrap()) as usize);
                stream.write_all(&message.repeat(if message[0] == b'D' { rows } else { 1 })).unwrap();
            }
        }
    };
    (address, std::thread::spawn(serve))
}

/// What is beyond the kept part is hashed in blocks, by the thread that packs or by the shard.
#[test]
fn what_is_not_kept_of_a_result_has_its_hash() {
    const KEPT: usize = 256 << 10;
    let (address, database) = repeating(10_000);
    let stand = Stand::keeping("beyond", address, 4 << 20);
    let mut one = agent(stand.port());
    let mut ask =
        |statements: usize| received(&mut one, &query(&["SELECT id FROM payments"].repeat(statements).join("; ")));
    let got = [20, 1, 9].map(&mut ask);
    drop(one);
    let record = stand.record();
    database.join().unwrap();
    assert_eq!(got.each_ref().map(|got| got.len() / KEPT), [9, 0, 4]);
    let results = frames(&record).filter(|frame| frame.kind == RecordType::Result.code());
    let recorded: Vec<Option<Vec<u8>>> = results
        .map(|frame| {
            let mut fields = Fields::of(frame.payload()).map(Result::unwrap);
            fields.find(|(number, _)| *number == field::LEFT_OFF_BLAKE3).map(|(_, value)| value.to_vec())
        })
        .collect();
    let wanted = |got: &Vec<u8>| got.get(KEPT..).map(|beyond| blake3::hash(beyond).as_bytes().to_vec());
    assert_eq!(recorded, got.iter().map(wanted).collect::<Vec<_>>());
}

/// What a shard has no memory for passes all the same, whole: in the record are its first bytes, how many more they were, and their hash.
#[test]
fn without_memory_a_long_result_is_a_count_and_a_hash() {
    let (address, database) = database(Vec::new());
    let stand = Stand::keeping("no-memory", address, 1000);
    let mut one = agent(stand.port());
    let text = vec!["SELECT id FROM payments"; 200].join("; ");
    let received: Vec<usize> = (0..5).map(|_| ask(&mut one, &query(&text))).collect();
    drop(one);
    let counted = stand.handle().snapshots();
    assert_eq!((counted[0].results_cut, counted[0].result_bytes <= 1000), (5, true));
    let record = stand.record();
    database.join().unwrap();
    let results: Vec<_> = frames(&record).filter(|frame| frame.kind == RecordType::Result.code()).collect();
    assert_eq!(results.len(), 5);
    for (frame, received) in results.iter().zip(received) {
        let kept = read(frame.payload()).unwrap();
        assert_eq!((kept.length, kept.length + kept.left_off), (1024, received as u64));
        assert!(Fields::of(frame.payload()).any(|one| one.unwrap().0 == field::LEFT_OFF_BLAKE3));
    }
}
