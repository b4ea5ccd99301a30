//! Long results are packed aside and are in the record when the shard has stopped.
#![allow(clippy::unwrap_used)] // a failed step of the set-up fails the test

mod stand;

use audit::RecordType;
use audit::received::read;
use audit::segment::frames;
use stand::{Stand, agent, ask, database, query};

#[test]
fn a_long_result_is_packed_and_comes_back_whole() {
    let (address, database) = database(Vec::new());
    let stand = Stand::keeping("results", address);
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
