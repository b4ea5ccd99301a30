//! Messages of the client.

use super::super::format::Format;
use super::super::frontend::Target;
use super::super::limits::HEADER;
use super::super::tag::{FrontendTag, Tag};
use super::alloc::vec::Vec;
use super::writer::{Unencodable, Writer};

/// Query.
pub fn query(out: &mut Vec<u8>, text: &[u8]) -> Result<(), Unencodable> {
    Writer::typed(out, FrontendTag::Query).string(text).finish()
}

/// Parse.
pub fn parse(
    out: &mut Vec<u8>,
    statement: &[u8],
    text: &[u8],
    types: impl ExactSizeIterator<Item = u32>,
) -> Result<(), Unencodable> {
    Writer::typed(out, FrontendTag::Parse)
        .string(statement)
        .string(text)
        .count(types.len())
        .each(types, Writer::u32)
        .finish()
}

/// Bind.
pub fn bind(
    out: &mut Vec<u8>,
    portal: &[u8],
    statement: &[u8],
    formats: &[Format],
    values: &[Option<&[u8]>],
    result_formats: &[Format],
) -> Result<(), Unencodable> {
    Writer::typed(out, FrontendTag::Bind)
        .string(portal)
        .string(statement)
        .values(formats.iter().copied(), values.len(), values.iter().copied())
        .formats(result_formats.iter().copied())
        .finish()
}

/// Describe.
pub fn describe(out: &mut Vec<u8>, target: Target<'_>) -> Result<(), Unencodable> {
    Writer::typed(out, FrontendTag::Describe).u8(target.kind.byte()).string(target.name).finish()
}

/// Close.
pub fn close(out: &mut Vec<u8>, target: Target<'_>) -> Result<(), Unencodable> {
    Writer::typed(out, FrontendTag::Close).u8(target.kind.byte()).string(target.name).finish()
}

/// Execute.
pub fn execute(out: &mut Vec<u8>, portal: &[u8], rows_max: i32) -> Result<(), Unencodable> {
    Writer::typed(out, FrontendTag::Execute).string(portal).i32(rows_max).finish()
}

/// Flush.
pub fn flush(out: &mut Vec<u8>) {
    bare(out, FrontendTag::Flush);
}

/// Sync.
pub fn sync(out: &mut Vec<u8>) {
    bare(out, FrontendTag::Sync);
}

/// Terminate.
pub fn terminate(out: &mut Vec<u8>) {
    bare(out, FrontendTag::Terminate);
}

/// CopyData from the client.
pub fn frontend_copy_data(out: &mut Vec<u8>, data: &[u8]) -> Result<(), Unencodable> {
    Writer::typed(out, FrontendTag::CopyData).bytes(data).finish()
}

/// CopyDone from the client.
pub fn frontend_copy_done(out: &mut Vec<u8>) {
    bare(out, FrontendTag::CopyDone);
}

/// CopyFail.
pub fn copy_fail(out: &mut Vec<u8>, reason: &[u8]) -> Result<(), Unencodable> {
    Writer::typed(out, FrontendTag::CopyFail).string(reason).finish()
}

/// FunctionCall.
pub fn function_call(
    out: &mut Vec<u8>,
    function: u32,
    formats: &[Format],
    arguments: &[Option<&[u8]>],
    result_format: Format,
) -> Result<(), Unencodable> {
    Writer::typed(out, FrontendTag::FunctionCall)
        .u32(function)
        .values(formats.iter().copied(), arguments.len(), arguments.iter().copied())
        .i16(result_format.code())
        .finish()
}

/// PasswordMessage.
pub fn password(out: &mut Vec<u8>, password: &[u8]) -> Result<(), Unencodable> {
    Writer::typed(out, FrontendTag::Authentication).string(password).finish()
}

/// SASLInitialResponse.
pub fn sasl_initial_response(out: &mut Vec<u8>, mechanism: &[u8], response: Option<&[u8]>) -> Result<(), Unencodable> {
    Writer::typed(out, FrontendTag::Authentication)
        .refuse_if(mechanism.is_empty())
        .string(mechanism)
        .value(response)
        .finish()
}

/// SASLResponse and GSSResponse: any bytes.
pub fn authentication_response(out: &mut Vec<u8>, data: &[u8]) -> Result<(), Unencodable> {
    Writer::typed(out, FrontendTag::Authentication).bytes(data).finish()
}

pub(super) fn bare(out: &mut Vec<u8>, tag: impl Tag) {
    let frame: [u8; HEADER] = [tag.byte(), 0, 0, 0, 4];
    out.extend_from_slice(&frame);
}
