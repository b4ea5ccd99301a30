//! What the views say of a message.

use wire::postgres::backend::{
    Authentication, BackendKeyData, CommandComplete, CopyResponse, FunctionCallResponse, NegotiateProtocolVersion,
    NotificationResponse, ParameterDescription, ParameterStatus, Report, RowDescription, report,
};
use wire::postgres::frontend::{Bind, Describe, Execute, FunctionCall, Kind, Parse, Query, Target};
use wire::postgres::limits::HEADER;
use wire::postgres::{Format, SqlState, encode};

use super::samples;

/// The body of one frame.
fn body(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut frame = Vec::new();
    write(&mut frame);
    frame.split_off(HEADER)
}

#[test]
fn query_parse_describe_execute() {
    assert!(Query::parse(b"SELECT 1\0").unwrap().text == b"SELECT 1");
    let parse = Parse::parse(b"s\0SELECT $1\0\0\x02\0\0\0\x17\0\0\0\0").unwrap();
    assert!(parse.statement == b"s" && parse.text == b"SELECT $1");
    assert!(parse.parameter_types().eq([23, 0]));
    assert!(Describe::parse(b"Pp\0") == Ok(Describe(Target { kind: Kind::Portal, name: b"p" })));
    let execute = Execute::parse(b"p\0\0\0\0\x05").unwrap();
    assert!(execute.portal == b"p" && execute.rows_max == 5);
}

#[test]
fn bind_gives_values_where_they_are() {
    let body = b"p\0s\0\0\x01\0\x01\0\x03\0\0\0\x02ab\xff\xff\xff\xff\0\0\0\0\0\x01\0\x01";
    let bind = Bind::parse(body).unwrap();
    assert!(bind.portal == b"p" && bind.statement == b"s" && bind.len() == 3);
    assert!(bind.values().eq([Some(b"ab".as_slice()), None, Some(b"")]));
    assert!(bind.ranges().eq([Some(14..16), None, Some(24..24)]));
    assert_eq!([bind.formats.of(0), bind.formats.of(2), bind.formats.of(9)], [Some(Format::Binary); 3]);
    assert!(bind.result_formats.iter().eq([Format::Binary]));
}

#[test]
fn formats_none_means_text_one_means_all_more_mean_each() {
    let each = body(|out| {
        let values: [Option<&[u8]>; 2] = [None, None];
        encode::bind(out, b"", b"", &[Format::Text, Format::Binary], &values, &[]).unwrap();
    });
    let bind = Bind::parse(&each).unwrap();
    assert_eq!(
        [bind.formats.of(0), bind.formats.of(1), bind.formats.of(2)],
        [Some(Format::Text), Some(Format::Binary), None]
    );
    assert!(bind.result_formats.is_empty());
    assert_eq!(bind.result_formats.of(7), Some(Format::Text));
}

#[test]
fn function_call_gives_its_arguments() {
    let body = body(|out| {
        encode::function_call(out, 1598, &[], &[Some(b"x"), None], Format::Binary).unwrap();
    });
    let call = FunctionCall::parse(&body).unwrap();
    assert!(call.function == 1598 && call.len() == 2 && call.result_format == Format::Binary);
    assert!(call.arguments().eq([Some(b"x".as_slice()), None]));
}

#[test]
fn sasl_lists_its_mechanisms_in_order() {
    let body = body(|out| encode::authentication_sasl(out, &[b"SCRAM-SHA-256-PLUS", b"SCRAM-SHA-256"]).unwrap());
    let Ok(Authentication::Sasl(mechanisms)) = Authentication::parse(&body) else { panic!("not SASL") };
    assert!(mechanisms.iter().eq([b"SCRAM-SHA-256-PLUS".as_slice(), b"SCRAM-SHA-256"]));
}

#[test]
fn keys_of_both_versions() {
    for len in [4, 32, 256] {
        let body = [&7_i32.to_be_bytes(), vec![1; len].as_slice()].concat();
        let data = BackendKeyData::parse(&body).unwrap();
        assert!(data.pid == 7 && data.key.len() == len);
    }
}

#[test]
fn row_description_gives_every_field_and_the_place_of_its_name() {
    let body = body(|out| encode::row_description(out, samples::fields()).unwrap());
    let columns = RowDescription::parse(&body).unwrap();
    assert_eq!(columns.len(), 2);
    assert!(columns.fields().eq(samples::fields()));
    assert!(columns.fields().all(|field| body[field.name_range.clone()] == *field.name));
}

#[test]
fn tags_of_commands() {
    let cases: [(&[u8], &[u8], Option<u64>); 8] = [
        (b"INSERT 0 5", b"INSERT", Some(5)),
        (b"SELECT 18446744073709551615", b"SELECT", Some(u64::MAX)),
        (b"SELECT 18446744073709551616", b"SELECT", None),
        (b"CREATE TABLE", b"CREATE TABLE", None),
        (b"COPY 12", b"COPY", Some(12)),
        (b"BEGIN", b"BEGIN", None),
        (b"SELECT ", b"SELECT", None),
        (b"", b"", None),
    ];
    for (tag, command, rows) in cases {
        let complete = CommandComplete { tag };
        assert!(complete.command() == command && complete.rows() == rows, "{}", String::from_utf8_lossy(tag));
    }
}

#[test]
fn reports_give_their_fields() {
    let body = body(|out| {
        encode::error_response(out, "FATAL", SqlState::ADMIN_SHUTDOWN, "stop", &[(report::DETAIL, "now")]);
    });
    let error = Report::parse(&body).unwrap();
    assert!(error.sqlstate() == Some(SqlState::ADMIN_SHUTDOWN) && error.ends_the_connection());
    assert!(error.fields().map(|field| field.code).eq(*b"SVCMD"));
    assert!(error.fields().all(|field| body[field.range.clone()] == *field.text));
    assert!(error.text(report::DETAIL) == Some(b"now") && error.text(report::HINT).is_none());
}

#[test]
fn ranges_of_strings() {
    let status = ParameterStatus::parse(b"TimeZone\0UTC\0").unwrap();
    assert!(status.name == b"TimeZone" && status.value == b"UTC" && status.value_range() == (9..12));
    let notification = NotificationResponse::parse(b"\0\0\0\x07paid\0order\0").unwrap();
    assert!(notification.pid == 7 && notification.channel_range() == (4..8) && notification.payload_range() == (9..14));
    assert_eq!(FunctionCallResponse::parse(b"\0\0\0\x02ab").unwrap().range(), Some(4..6));
}

#[test]
fn the_rest_of_the_server_s_messages() {
    assert!(ParameterDescription::parse(b"\0\x01\0\0\0\x19").unwrap().types().eq([25]));
    let copy = CopyResponse::parse(b"\x01\0\x02\0\x01\0\x01").unwrap();
    assert!(copy.format == Format::Binary && copy.columns.len() == 2);
    // As PostgreSQL 15 answers a client that asks for 3.2 and `_pq_.x`: the version whole, 3.0.
    let negotiate = NegotiateProtocolVersion::parse(b"\0\x03\0\0\0\0\0\x01_pq_.x\0").unwrap();
    assert!(negotiate.minor == 0 && negotiate.len() == 1 && negotiate.options().eq([b"_pq_.x"]));
}

#[test]
fn debug_of_a_view_shows_nothing_of_what_it_carries() {
    assert_eq!(format!("{:?}", Query::parse(b"SELECT 'secret'\0").unwrap()), "Query");
    assert_eq!(format!("{:?}", Describe::parse(b"Ssecret\0").unwrap()), "Describe(Target)");
    assert_eq!(format!("{:?}", ParameterStatus::parse(b"secret\0secret\0").unwrap()), "ParameterStatus");
}
