//! Long results are packed aside and are in the record when the shard has stopped.
#![allow(clippy::unwrap_used)] // a failed step of the set-up fails the test

mod stand;

use audit::decode::Fields;
use audit::received::read;
use audit::segment::frames;
use audit::{RecordType, field};
use stand::{Stand, agent, ask, database, query};

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
