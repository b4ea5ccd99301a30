//! What a database sends: the stream of messages, and rows seen in pieces. Whatever is accepted is written again unchanged, nothing is
//! read past a frame, and a row in pieces is the row.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::postgres::backend::data_row::{Step, Walk};
use wire::postgres::backend::{DataRow, Message};
use wire::postgres::limits::HEADER;
use wire::postgres::{BackendTag, Header, encode, header};

fuzz_target!(|input: &[u8]| {
    let mut bytes = input;
    while let Header::Frame { tag, body_len } = header::<BackendTag>(bytes) {
        let Some(frame) = bytes.get(..HEADER + body_len) else { return };
        let body = &frame[HEADER..];
        if let Ok(message) = Message::parse(tag, body) {
            let mut again = Vec::new();
            assert!(encode::backend_message(&mut again, message).is_ok());
            assert!(again == frame);
        }
        if tag == BackendTag::DataRow {
            assert!(walked(body) == DataRow::parse(body).map(|row| row.len()).ok());
        }
        bytes = &bytes[frame.len()..];
    }
});

/// The number of values that the walk finds, if it finds the row sound.
fn walked(body: &[u8]) -> Option<usize> {
    let (mut walk, mut at, mut values) = (Walk::new(body.len()), 0, 0);
    loop {
        match walk.next(&body[at..]).ok()? {
            Step::Need(_) => unreachable!("the whole row is at hand"),
            Step::Columns(_) => at += 2,
            Step::Null => (at, values) = (at + 4, values + 1),
            Step::Value { len } => (at, values) = (at + 4 + len, values + 1),
            Step::End => {
                assert!(at == body.len());
                return Some(values);
            }
        }
    }
}
