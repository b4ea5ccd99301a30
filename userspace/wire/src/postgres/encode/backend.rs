//! Messages of the server: those that we send in its place, and all others for tests and for a simulated database.

use super::super::backend::{Authentication, Field, TransactionStatus};
use super::super::format::Format;
use super::super::limits::{CANCEL_KEY_MAX, CANCEL_KEY_MIN};
use super::super::startup::MAJOR;
use super::super::tag::BackendTag;
use super::alloc::vec::Vec;
use super::frontend::bare;
use super::writer::{Unencodable, Writer};

/// Authentication, any step.
pub fn authentication(out: &mut Vec<u8>, step: Authentication<'_>) -> Result<(), Unencodable> {
    let writer = Writer::typed(out, BackendTag::Authentication);
    match step {
        Authentication::Ok => writer.u32(0),
        Authentication::KerberosV5 => writer.u32(2),
        Authentication::CleartextPassword => writer.u32(3),
        Authentication::Md5Password(salt) => writer.u32(5).bytes(&salt),
        Authentication::ScmCredential => writer.u32(6),
        Authentication::Gss => writer.u32(7),
        Authentication::GssContinue(data) => writer.u32(8).bytes(data),
        Authentication::Sspi => writer.u32(9),
        Authentication::Sasl(mechanisms) => writer.u32(10).each(mechanisms.iter(), Writer::string).u8(0),
        Authentication::SaslContinue(data) => writer.u32(11).bytes(data),
        Authentication::SaslFinal(data) => writer.u32(12).bytes(data),
    }
    .finish()
}

/// AuthenticationOk.
pub fn authentication_ok(out: &mut Vec<u8>) {
    out.extend_from_slice(&[b'R', 0, 0, 0, 8, 0, 0, 0, 0]);
}

/// AuthenticationSASL with these mechanisms.
pub fn authentication_sasl(out: &mut Vec<u8>, mechanisms: &[&[u8]]) -> Result<(), Unencodable> {
    Writer::typed(out, BackendTag::Authentication)
        .refuse_if(mechanisms.is_empty())
        .u32(10)
        .each(mechanisms, |writer, name| writer.refuse_if(name.is_empty()).string(name))
        .u8(0)
        .finish()
}

/// BackendKeyData.
pub fn backend_key_data(out: &mut Vec<u8>, pid: i32, key: &[u8]) -> Result<(), Unencodable> {
    Writer::typed(out, BackendTag::BackendKeyData)
        .refuse_if(!(CANCEL_KEY_MIN..=CANCEL_KEY_MAX).contains(&key.len()))
        .i32(pid)
        .bytes(key)
        .finish()
}

/// ReadyForQuery.
pub fn ready_for_query(out: &mut Vec<u8>, status: TransactionStatus) {
    out.extend_from_slice(&[b'Z', 0, 0, 0, 5, status.byte()]);
}

/// NegotiateProtocolVersion.
pub fn negotiate_protocol_version<'n>(
    out: &mut Vec<u8>,
    minor: u16,
    options: impl IntoIterator<Item = &'n [u8], IntoIter: Clone>,
) -> Result<(), Unencodable> {
    let options = options.into_iter();
    let count = i32::try_from(options.clone().count());
    Writer::typed(out, BackendTag::NegotiateProtocolVersion)
        .refuse_if(count.is_err())
        .u32(u32::from(MAJOR) << 16 | u32::from(minor))
        .i32(count.unwrap_or(0))
        .each(options, |writer, name| writer.refuse_if(name.is_empty()).string(name))
        .finish()
}

/// ParameterStatus.
pub fn parameter_status(out: &mut Vec<u8>, name: &[u8], value: &[u8]) -> Result<(), Unencodable> {
    Writer::typed(out, BackendTag::ParameterStatus).string(name).string(value).finish()
}

/// RowDescription. `name_range` of the fields is not read.
pub fn row_description<'n>(
    out: &mut Vec<u8>,
    fields: impl IntoIterator<Item = Field<'n>, IntoIter: Clone>,
) -> Result<(), Unencodable> {
    let fields = fields.into_iter();
    Writer::typed(out, BackendTag::RowDescription)
        .count(fields.clone().count())
        .each(fields, |writer, field| {
            writer
                .string(field.name)
                .u32(field.table)
                .i16(field.attribute)
                .u32(field.type_oid)
                .i16(field.type_len)
                .i32(field.type_modifier)
                .i16(field.format.code())
        })
        .finish()
}

/// DataRow.
pub fn data_row(out: &mut Vec<u8>, values: &[Option<&[u8]>]) -> Result<(), Unencodable> {
    Writer::typed(out, BackendTag::DataRow)
        .count(values.len())
        .each(values, |writer, value| writer.value(*value))
        .finish()
}

/// CommandComplete.
pub fn command_complete(out: &mut Vec<u8>, tag: &[u8]) -> Result<(), Unencodable> {
    Writer::typed(out, BackendTag::CommandComplete).string(tag).finish()
}

/// ParameterDescription.
pub fn parameter_description(out: &mut Vec<u8>, types: impl ExactSizeIterator<Item = u32>) -> Result<(), Unencodable> {
    Writer::typed(out, BackendTag::ParameterDescription).count(types.len()).each(types, Writer::u32).finish()
}

/// CopyInResponse.
pub fn copy_in_response(out: &mut Vec<u8>, format: Format, columns: &[Format]) -> Result<(), Unencodable> {
    copy_response(out, BackendTag::CopyInResponse, format, columns)
}

/// CopyOutResponse.
pub fn copy_out_response(out: &mut Vec<u8>, format: Format, columns: &[Format]) -> Result<(), Unencodable> {
    copy_response(out, BackendTag::CopyOutResponse, format, columns)
}

/// CopyBothResponse.
pub fn copy_both_response(out: &mut Vec<u8>, format: Format, columns: &[Format]) -> Result<(), Unencodable> {
    copy_response(out, BackendTag::CopyBothResponse, format, columns)
}

fn copy_response(out: &mut Vec<u8>, tag: BackendTag, format: Format, columns: &[Format]) -> Result<(), Unencodable> {
    Writer::typed(out, tag)
        .refuse_if(format == Format::Text && columns.contains(&Format::Binary))
        .u8(if format == Format::Binary { 1 } else { 0 })
        .formats(columns.iter().copied())
        .finish()
}

/// CopyData from the server.
pub fn backend_copy_data(out: &mut Vec<u8>, data: &[u8]) -> Result<(), Unencodable> {
    Writer::typed(out, BackendTag::CopyData).bytes(data).finish()
}

/// FunctionCallResponse.
pub fn function_call_response(out: &mut Vec<u8>, value: Option<&[u8]>) -> Result<(), Unencodable> {
    Writer::typed(out, BackendTag::FunctionCallResponse).value(value).finish()
}

/// NotificationResponse.
pub fn notification_response(out: &mut Vec<u8>, pid: i32, channel: &[u8], payload: &[u8]) -> Result<(), Unencodable> {
    Writer::typed(out, BackendTag::NotificationResponse).i32(pid).string(channel).string(payload).finish()
}

/// CopyDone from the server.
pub fn backend_copy_done(out: &mut Vec<u8>) {
    bare(out, BackendTag::CopyDone);
}

/// ParseComplete.
pub fn parse_complete(out: &mut Vec<u8>) {
    bare(out, BackendTag::ParseComplete);
}

/// BindComplete.
pub fn bind_complete(out: &mut Vec<u8>) {
    bare(out, BackendTag::BindComplete);
}

/// CloseComplete.
pub fn close_complete(out: &mut Vec<u8>) {
    bare(out, BackendTag::CloseComplete);
}

/// NoData.
pub fn no_data(out: &mut Vec<u8>) {
    bare(out, BackendTag::NoData);
}

/// PortalSuspended.
pub fn portal_suspended(out: &mut Vec<u8>) {
    bare(out, BackendTag::PortalSuspended);
}

/// EmptyQueryResponse.
pub fn empty_query_response(out: &mut Vec<u8>) {
    bare(out, BackendTag::EmptyQueryResponse);
}
