//! What is written, and what cannot be.

use wire::postgres::backend::{BackendKeyData, Message, Report, TransactionStatus, report};
use wire::postgres::encode::{self, Unencodable};
use wire::postgres::limits::HEADER;
use wire::postgres::{BackendTag, Format, Header, SqlState, header};

#[test]
fn bytes_of_the_wire() {
    let mut out = b"kept".to_vec();
    encode::sync(&mut out);
    encode::query(&mut out, b"SELECT 1").unwrap();
    encode::ready_for_query(&mut out, TransactionStatus::Failed);
    encode::backend_key_data(&mut out, 1, b"four").unwrap();
    encode::authentication_ok(&mut out);
    let expected = b"keptS\0\0\0\x04Q\0\0\0\x0dSELECT 1\0Z\0\0\0\x05EK\0\0\0\x0c\0\0\0\x01fourR\0\0\0\x08\0\0\0\0";
    assert_eq!(out, expected);
}

#[test]
fn what_cannot_be_written_leaves_the_buffer_as_it_was() {
    type Write = fn(&mut Vec<u8>) -> Result<(), Unencodable>;
    let rows: [(&str, Write); 12] = [
        ("zero in a statement", |out| encode::query(out, b"SELECT 1\0DROP")),
        ("zero in a name", |out| encode::parse(out, b"a\0b", b"", [].into_iter())),
        ("too many types", |out| encode::parse(out, b"", b"", vec![0; 65_536].into_iter())),
        ("too many values", |out| encode::bind(out, b"", b"", &[], &vec![None; 65_536], &[])),
        ("formats unlike values", |out| encode::bind(out, b"", b"", &[Format::Text; 2], &[None], &[])),
        ("over the type's bound", |out| encode::copy_fail(out, &[b'x'; 10_000])),
        ("a short key", |out| encode::backend_key_data(out, 1, b"key")),
        ("a long key", |out| encode::cancel_request(out, 1, &[0; 257])),
        ("an empty parameter", |out| encode::startup_message(out, 0, [(b"".as_slice(), b"x".as_slice())])),
        ("a long startup", |out| encode::startup_message(out, 0, [(b"user".as_slice(), [b'x'; 10_000].as_slice())])),
        ("a field of type zero", |out| encode::report_fields(out, BackendTag::ErrorResponse, [(0, b"x".as_slice())])),
        ("a name in no setting", |out| encode::option(out, b"a=b", b"x")),
    ];
    for (what, write) in rows {
        let mut out = b"kept".to_vec();
        assert_eq!(write(&mut out), Err(Unencodable), "{what}");
        assert_eq!(out, b"kept", "{what}");
    }
}

#[test]
fn an_error_can_always_be_said() {
    let long = "\u{20ac}".repeat(5000);
    let more: Vec<_> = (0..50).map(|_| (report::HINT, long.as_str())).collect();
    let mut out = Vec::new();
    encode::error_response(&mut out, "ERROR", SqlState::SYNTAX_ERROR, "zero \0 inside", &more);
    let Header::Frame { tag: BackendTag::ErrorResponse, body_len } = header(&out) else { panic!("no error") };
    assert!(body_len < 30_000 && body_len == out.len() - HEADER, "libpq refuses longer ones before login");
    let error = Report::parse(&out[HEADER..]).unwrap();
    assert_eq!(error.text(report::MESSAGE), Some(b"zero   inside".as_slice()));
    assert!(error.fields().all(|field| str::from_utf8(field.text).is_ok()), "cut between characters");
    assert_eq!(error.fields().count(), 4 + 9);
}

#[test]
fn a_notice_of_ours_is_a_notice() {
    let mut out = Vec::new();
    encode::notice_response(&mut out, "NOTICE", SqlState::SUCCESSFUL_COMPLETION, "held", &[]);
    assert_eq!(out, b"N\0\0\0\x22SNOTICE\0VNOTICE\0C00000\0Mheld\0\0");
}

#[test]
fn a_key_of_ours_is_read_back() {
    let mut out = Vec::new();
    encode::backend_key_data(&mut out, -7, &[8; 32]).unwrap();
    let expected = BackendKeyData { pid: -7, key: &[8; 32] };
    assert!(Message::parse(BackendTag::BackendKeyData, &out[HEADER..]) == Ok(Message::BackendKeyData(expected)));
}
