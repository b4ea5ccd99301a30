//! One row per way to be wrong: the message, its body, and the word for it.

use wire::postgres::frontend::authentication::{Password, SaslInitialResponse};
use wire::postgres::{BackendTag, FrontendTag, Malformed, SqlState, backend, frontend};

fn frontend_refuses(tag: FrontendTag, body: &[u8], why: Malformed) {
    assert_eq!(frontend::Message::parse(tag, body).unwrap_err(), why, "{tag:?}, {} bytes", body.len());
}

fn backend_refuses(tag: BackendTag, body: &[u8], why: Malformed) {
    assert_eq!(backend::Message::parse(tag, body).unwrap_err(), why, "{tag:?}, {} bytes", body.len());
}

#[test]
fn of_the_client() {
    use FrontendTag::{Bind, Close, CopyFail, Describe, Execute, FunctionCall, Parse, Query, Sync};
    let rows: &[(FrontendTag, &[u8], Malformed)] = &[
        (Query, b"", Malformed::Unterminated),
        (Query, b"SELECT 1", Malformed::Unterminated),
        (Query, b"SELECT 1\0DROP TABLE t\0", Malformed::EmbeddedZero),
        (Parse, b"s\0SELECT 1", Malformed::Unterminated),
        (Parse, b"s\0SELECT 1\0", Malformed::Truncated),
        (Parse, b"s\0SELECT 1\0\0\x01\0\0\0", Malformed::Truncated),
        (Parse, b"s\0SELECT 1\0\xff\xff\0\0\0\0", Malformed::Truncated),
        (Parse, b"s\0SELECT 1\0\0\0\0", Malformed::Trailing),
        (Bind, b"\0\0\0\0\0\0\0\0Q\0\0\0\x0dDROP\0", Malformed::Trailing),
        (Bind, b"\0\0\0\x01\0\x02\0\0\0\0", Malformed::FormatCode),
        (Bind, b"\0\0\0\x01\xff\xff\0\0\0\0", Malformed::FormatCode),
        (Bind, b"\0\0\0\x02\0\0\0\0\0\0\0\0", Malformed::FormatCount),
        (Bind, b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0", Malformed::ValueLength),
        (Bind, b"\0\0\0\0\0\x01\x80\0\0\0\0\0", Malformed::ValueLength),
        (Bind, b"\0\0\0\0\0\x01\x7f\xff\xff\xff\0\0", Malformed::Truncated),
        (Bind, b"\0\0\0\0\xff\xff\0\0", Malformed::Truncated),
        (Bind, b"\0\0\0\0\0\0\0\x01\0\x03", Malformed::FormatCode),
        (Describe, b"Xname\0", Malformed::Target),
        (Describe, b"Sname", Malformed::Unterminated),
        (Close, b"Sna\0me\0", Malformed::EmbeddedZero),
        (Execute, b"p\0\0\0\0", Malformed::Truncated),
        (Execute, b"p\0\0\0\0\0\0", Malformed::Trailing),
        (CopyFail, b"why\0\0", Malformed::EmbeddedZero),
        (FunctionCall, b"\0\0\0\x01\0\x02\0\0\0\0\0\x01\xff\xff\xff\xff\0\0", Malformed::FormatCount),
        (FunctionCall, b"\0\0\0\x01\0\0\0\0\0\x02", Malformed::FormatCode),
        (Sync, b"\0", Malformed::Trailing),
    ];
    for (tag, body, why) in rows {
        frontend_refuses(*tag, body, *why);
    }
}

#[test]
fn of_the_client_s_answers_to_authentication() {
    assert_eq!(Password::parse(b"secret").unwrap_err(), Malformed::Unterminated);
    assert_eq!(Password::parse(b"sec\0ret\0").unwrap_err(), Malformed::EmbeddedZero);
    assert_eq!(SaslInitialResponse::parse(b"\0\xff\xff\xff\xff").unwrap_err(), Malformed::Empty);
    assert_eq!(SaslInitialResponse::parse(b"X\0\xff\xff\xff\xfe").unwrap_err(), Malformed::ValueLength);
    assert_eq!(SaslInitialResponse::parse(b"X\0\0\0\0\x02n").unwrap_err(), Malformed::Truncated);
    assert_eq!(SaslInitialResponse::parse(b"X\0\xff\xff\xff\xffn").unwrap_err(), Malformed::Trailing);
}

#[test]
fn of_the_server() {
    use BackendTag::{
        Authentication, BackendKeyData, CommandComplete, CopyOutResponse, DataRow, ErrorResponse, FunctionCallResponse,
        NegotiateProtocolVersion, NotificationResponse, ParameterDescription, ParameterStatus, ReadyForQuery,
        RowDescription,
    };
    let rows: &[(BackendTag, &[u8], Malformed)] = &[
        (Authentication, b"\0\0\0\x01", Malformed::AuthenticationKind),
        (Authentication, b"\0\0\0\x0d", Malformed::AuthenticationKind),
        (Authentication, b"\xff\xff\xff\xff", Malformed::AuthenticationKind),
        (Authentication, b"\0\0\0\0\0", Malformed::Trailing),
        (Authentication, b"\0\0\0\x05sal", Malformed::Truncated),
        (Authentication, b"\0\0\0\x0a\0", Malformed::Empty),
        (Authentication, b"\0\0\0\x0aSCRAM\0", Malformed::Unterminated),
        (Authentication, b"\0\0\0\x0aSCRAM\0\0x", Malformed::Trailing),
        (BackendKeyData, b"\0\0\0\x01key", Malformed::CancelKey),
        (ReadyForQuery, b"X", Malformed::TransactionStatus),
        (ReadyForQuery, b"II", Malformed::Trailing),
        (RowDescription, b"\0\x01a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", Malformed::Truncated),
        (RowDescription, b"\0\x01a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02", Malformed::FormatCode),
        (RowDescription, b"\xff\xff", Malformed::Unterminated),
        (DataRow, b"\0\x01\xff\xff\xff\xff\0", Malformed::Trailing),
        (DataRow, b"\0\x01\xff\xff\xff\xf0", Malformed::ValueLength),
        (DataRow, b"\xff\xff", Malformed::Truncated),
        (CommandComplete, b"SELECT 1\0\0", Malformed::EmbeddedZero),
        (ErrorResponse, b"SERROR\0", Malformed::Truncated),
        (ErrorResponse, b"SERROR", Malformed::Unterminated),
        (ErrorResponse, b"SERROR\0\0M", Malformed::Trailing),
        (CopyOutResponse, b"\x02\0\0", Malformed::FormatCode),
        (CopyOutResponse, b"\0\0\x01\0\x01", Malformed::FormatCode),
        (CopyOutResponse, b"\0\0\x02\0\0", Malformed::Truncated),
        (FunctionCallResponse, b"\xff\xff\xff\xffx", Malformed::Trailing),
        (ParameterDescription, b"\0\x02\0\0\0\x17", Malformed::Truncated),
        (ParameterStatus, b"name\0value", Malformed::Unterminated),
        (NotificationResponse, b"\0\0\0\x07paid\0", Malformed::Unterminated),
        (NegotiateProtocolVersion, b"\0\x02\0\0\0\0\0\0", Malformed::Version { major: 2, minor: 0 }),
        (NegotiateProtocolVersion, b"\0\x03\0\0\xff\xff\xff\xff", Malformed::Unterminated),
        (NegotiateProtocolVersion, b"\0\x03\0\0\0\0\0\x01\0", Malformed::Empty),
        (NegotiateProtocolVersion, b"\0\x03\0\0\0\0\0\0\0", Malformed::Trailing),
    ];
    for (tag, body, why) in rows {
        backend_refuses(*tag, body, *why);
    }
}

#[test]
fn a_cancel_key_is_at_most_256_bytes() {
    backend_refuses(BackendTag::BackendKeyData, &[1; 4 + 257], Malformed::CancelKey);
}

#[test]
fn the_words_for_people() {
    assert_eq!(Malformed::Trailing.to_string(), "bytes left after the last field of the message");
    assert_eq!(Malformed::Version { major: 2, minor: 1 }.to_string(), "unsupported protocol version 2.1");
}

#[test]
fn codes_of_errors() {
    assert_eq!(SqlState::INSUFFICIENT_PRIVILEGE.to_string(), "42501");
    assert_eq!(SqlState::of_bytes(b"42501"), Some(SqlState::INSUFFICIENT_PRIVILEGE));
    assert_eq!(SqlState::PROTOCOL_VIOLATION.class(), "08");
    for wrong in [b"4250".as_slice(), b"425011", b"42 01", b"42p01", b"\xff2501"] {
        assert_eq!(SqlState::of_bytes(wrong), None);
    }
}
