//! A row seen whole and a row seen in pieces are the same row.

use wire::postgres::Malformed;
use wire::postgres::backend::DataRow;
use wire::postgres::backend::data_row::{Step, Walk};

use super::random::Random;

/// The lengths of a row's values, found by showing `window` bytes at a time.
fn walk(body: &[u8], window: usize) -> Result<Vec<Option<usize>>, Malformed> {
    let mut walk = Walk::new(body.len());
    let (mut at, mut shown, mut lengths) = (0, window, Vec::new());
    loop {
        let view = body.get(at..body.len().min(at.max(shown))).unwrap_or_default();
        match walk.next(view)? {
            Step::Need(more) => {
                assert!(more > view.len() && at + more <= body.len(), "never asks for bytes outside the frame");
                shown = at + more;
            }
            Step::Columns(_) => at += 2,
            Step::Null => {
                at += 4;
                lengths.push(None);
            }
            Step::Value { len } => {
                at += 4 + len;
                assert!(at <= body.len(), "no value reaches out of the frame");
                lengths.push(Some(len));
            }
            Step::End => {
                assert_eq!(at, body.len());
                return Ok(lengths);
            }
        }
    }
}

#[test]
fn in_pieces_as_whole() {
    for seed in 0..10_000 {
        let mut random = Random::seeded(seed);
        let mut body = random.bytes(48);
        if body.len() > 2 && random.below(2) == 0 {
            body[..2].copy_from_slice(&(random.below(4) as u16).to_be_bytes());
        }
        let whole = DataRow::parse(&body).map(|row| row.values().map(|v| v.map(<[u8]>::len)).collect::<Vec<_>>());
        for window in [0, 1, 5, 64] {
            let pieces = walk(&body, window);
            assert_eq!(pieces.is_ok(), whole.is_ok(), "seed {seed}, window {window}");
            assert!(pieces.is_err() || pieces == whole, "seed {seed}, window {window}");
        }
    }
}

#[test]
fn a_row_of_one_gibibyte_is_walked_by_its_headers() {
    let len = (1 << 30) - 100;
    let mut walk = Walk::new(2 + 4 + len);
    assert_eq!(walk.next(b"\0"), Ok(Step::Need(2)));
    assert_eq!(walk.next(b"\0\x01"), Ok(Step::Columns(1)));
    assert_eq!(walk.next(&(len as u32).to_be_bytes()), Ok(Step::Value { len }));
    assert_eq!(walk.next(b""), Ok(Step::End));
}

#[test]
fn promises_that_the_frame_cannot_keep() {
    let rows: [(usize, &[&[u8]], Malformed); 6] = [
        (1, &[b"\0"], Malformed::Truncated),
        (5, &[b"\0\x01"], Malformed::Truncated),
        (6, &[b"\xff\xff"], Malformed::Truncated),
        (7, &[b"\0\x01", b"\0\0\0\x02"], Malformed::Truncated),
        (6, &[b"\0\x01", b"\xff\xff\xff\xfe"], Malformed::ValueLength),
        (8, &[b"\0\x01", b"\xff\xff\xff\xff", b"ab"], Malformed::Trailing),
    ];
    for (body_len, steps, why) in rows {
        let mut walk = Walk::new(body_len);
        let last = steps.iter().map(|bytes| walk.next(bytes)).last();
        assert_eq!(last, Some(Err(why)), "{body_len} bytes");
    }
}
