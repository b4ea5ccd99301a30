//! Every message of both sides, with and without its optional parts, as frames.

use wire::postgres::backend::{Authentication, Field, TransactionStatus, report};
use wire::postgres::encode::{self, Unencodable};
use wire::postgres::frontend::{Kind, Target};
use wire::postgres::{BackendTag, Format, SqlState};

fn frame(write: impl FnOnce(&mut Vec<u8>) -> Result<(), Unencodable>) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    out
}

fn bare(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    frame(|out| {
        write(out);
        Ok(())
    })
}

/// One frame or more of every type that a client sends.
pub(crate) fn frontend() -> Vec<Vec<u8>> {
    use Format::{Binary, Text};
    let values: [Option<&[u8]>; 3] = [Some(b"17"), None, Some(b"")];
    vec![
        frame(|out| encode::query(out, b"SELECT 1; SELECT 2")),
        frame(|out| encode::query(out, b"")),
        frame(|out| encode::parse(out, b"s1", b"SELECT $1, $2", [23, 0].into_iter())),
        frame(|out| encode::parse(out, b"", b"", [].into_iter())),
        frame(|out| encode::bind(out, b"p1", b"s1", &[Text, Binary, Text], &values, &[Binary, Text])),
        frame(|out| encode::bind(out, b"", b"", &[Binary], &values, &[Binary])),
        frame(|out| encode::bind(out, b"", b"", &[], &[], &[])),
        frame(|out| encode::describe(out, Target { kind: Kind::Statement, name: b"s1" })),
        frame(|out| encode::describe(out, Target { kind: Kind::Portal, name: b"" })),
        frame(|out| encode::execute(out, b"p1", 100)),
        frame(|out| encode::execute(out, b"", -1)),
        frame(|out| encode::close(out, Target { kind: Kind::Statement, name: b"" })),
        frame(|out| encode::close(out, Target { kind: Kind::Portal, name: b"p1" })),
        bare(encode::flush),
        bare(encode::sync),
        bare(encode::terminate),
        frame(|out| encode::frontend_copy_data(out, b"1\tone\n\0")),
        frame(|out| encode::frontend_copy_data(out, b"")),
        bare(encode::frontend_copy_done),
        frame(|out| encode::copy_fail(out, b"no more")),
        frame(|out| encode::function_call(out, 2089, &[Text, Text, Binary], &values, Binary)),
        frame(|out| encode::function_call(out, 2089, &[], &[], Text)),
        frame(|out| encode::password(out, b"secret")),
        frame(|out| encode::sasl_initial_response(out, b"SCRAM-SHA-256", Some(b"n,,n=,r=x"))),
        frame(|out| encode::sasl_initial_response(out, b"EXTERNAL", None)),
        frame(|out| encode::authentication_response(out, b"c=biws,r=x")),
    ]
}

/// One frame or more of every type that a server sends.
pub(crate) fn backend() -> Vec<Vec<u8>> {
    use Format::{Binary, Text};
    let values: [Option<&[u8]>; 3] = [Some(b"17"), None, Some(b"")];
    let severity = [(report::SEVERITY, b"ERROR".as_slice()), (report::CODE, b"42P01"), (report::MESSAGE, b"no such")];
    let mut frames = authentication();
    frames.extend([
        frame(|out| encode::backend_key_data(out, 4711, b"four")),
        frame(|out| encode::backend_key_data(out, 4711, &[9; 256])),
        frame(|out| encode::parameter_status(out, b"client_encoding", b"UTF8")),
        bare(|out| encode::ready_for_query(out, TransactionStatus::Idle)),
        bare(|out| encode::ready_for_query(out, TransactionStatus::Block)),
        bare(|out| encode::ready_for_query(out, TransactionStatus::Failed)),
        frame(|out| encode::row_description(out, fields())),
        frame(|out| encode::row_description(out, [])),
        frame(|out| encode::data_row(out, &values)),
        frame(|out| encode::data_row(out, &[])),
        frame(|out| encode::command_complete(out, b"INSERT 0 5")),
        frame(|out| encode::report_fields(out, BackendTag::ErrorResponse, severity)),
        frame(|out| encode::report_fields(out, BackendTag::NoticeResponse, [])),
        bare(|out| encode::notice_response(out, "WARNING", SqlState::WARNING, "mind", &[(report::HINT, "the gap")])),
        frame(|out| encode::parameter_description(out, [23, 25].into_iter())),
        frame(|out| encode::copy_in_response(out, Text, &[Text, Text])),
        frame(|out| encode::copy_out_response(out, Binary, &[Binary])),
        frame(|out| encode::copy_both_response(out, Text, &[])),
        frame(|out| encode::function_call_response(out, Some(b"17"))),
        frame(|out| encode::function_call_response(out, None)),
        frame(|out| encode::notification_response(out, 4711, b"paid", b"order 7")),
        frame(|out| encode::negotiate_protocol_version(out, 0, [b"_pq_.x".as_slice(), b"_pq_.y"])),
        frame(|out| encode::negotiate_protocol_version(out, 2, [])),
        frame(|out| encode::backend_copy_data(out, b"1\tone\n")),
        bare(encode::backend_copy_done),
        bare(encode::parse_complete),
        bare(encode::bind_complete),
        bare(encode::close_complete),
        bare(encode::no_data),
        bare(encode::portal_suspended),
        bare(encode::empty_query_response),
    ]);
    frames
}

fn authentication() -> Vec<Vec<u8>> {
    let steps = [
        Authentication::Ok,
        Authentication::KerberosV5,
        Authentication::CleartextPassword,
        Authentication::Md5Password(*b"salt"),
        Authentication::ScmCredential,
        Authentication::Gss,
        Authentication::GssContinue(b"token"),
        Authentication::Sspi,
        Authentication::SaslContinue(b"r=xy,s=,i=4096"),
        Authentication::SaslFinal(b"v="),
    ];
    let mut frames: Vec<_> = steps.into_iter().map(|step| frame(|out| encode::authentication(out, step))).collect();
    frames.push(frame(|out| encode::authentication_sasl(out, &[b"SCRAM-SHA-256-PLUS", b"SCRAM-SHA-256"])));
    frames
}

/// Two columns: one of a table, one of an expression.
pub(crate) fn fields() -> [Field<'static>; 2] {
    let card = Field {
        name: b"card",
        name_range: 2..6,
        table: 16_384,
        attribute: 3,
        type_oid: 1043,
        type_len: -1,
        type_modifier: 23,
        format: Format::Text,
    };
    let sum = Field {
        name: b"",
        name_range: 25..25,
        table: 0,
        attribute: 0,
        type_oid: 20,
        type_len: 8,
        type_modifier: -1,
        format: Format::Binary,
    };
    [card, sum]
}
