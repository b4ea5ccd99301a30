//! Writes a message that was parsed. What comes out is what went in, byte for byte: that is what "strict" means here, and what the tests
//! and the fuzz targets hold every parser to.

use super::super::backend;
use super::super::frontend;
use super::super::tag::{BackendTag, FrontendTag};
use super::alloc::vec::Vec;
use super::writer::{Unencodable, Writer};

/// Writes a message of the client.
pub fn frontend_message(out: &mut Vec<u8>, message: frontend::Message<'_>) -> Result<(), Unencodable> {
    use frontend::Message;
    match message {
        Message::Query(query) => super::query(out, query.text),
        Message::Parse(parse) => super::parse(out, parse.statement, parse.text, parse.parameter_types()),
        Message::Bind(bind) => Writer::typed(out, FrontendTag::Bind)
            .string(bind.portal)
            .string(bind.statement)
            .values(bind.formats.iter(), bind.len(), bind.values())
            .formats(bind.result_formats.iter())
            .finish(),
        Message::Describe(describe) => super::describe(out, describe.0),
        Message::Execute(execute) => super::execute(out, execute.portal, execute.rows_max),
        Message::Close(close) => super::close(out, close.0),
        Message::Flush => Writer::typed(out, FrontendTag::Flush).finish(),
        Message::Sync => Writer::typed(out, FrontendTag::Sync).finish(),
        Message::Terminate => Writer::typed(out, FrontendTag::Terminate).finish(),
        Message::CopyData(data) => super::frontend_copy_data(out, data),
        Message::CopyDone => Writer::typed(out, FrontendTag::CopyDone).finish(),
        Message::CopyFail(fail) => super::copy_fail(out, fail.reason),
        Message::FunctionCall(call) => Writer::typed(out, FrontendTag::FunctionCall)
            .u32(call.function)
            .values(call.formats.iter(), call.len(), call.arguments())
            .i16(call.result_format.code())
            .finish(),
        Message::Authentication(data) => super::authentication_response(out, data),
    }
}

/// Writes a message of the server.
pub fn backend_message(out: &mut Vec<u8>, message: backend::Message<'_>) -> Result<(), Unencodable> {
    use backend::Message;
    match message {
        Message::Authentication(step) => super::authentication(out, step),
        Message::BackendKeyData(data) => super::backend_key_data(out, data.pid, data.key),
        Message::BindComplete => Writer::typed(out, BackendTag::BindComplete).finish(),
        Message::CloseComplete => Writer::typed(out, BackendTag::CloseComplete).finish(),
        Message::CommandComplete(complete) => super::command_complete(out, complete.tag),
        Message::CopyData(data) => super::backend_copy_data(out, data),
        Message::CopyDone => Writer::typed(out, BackendTag::CopyDone).finish(),
        Message::CopyInResponse(copy) => copy_response(out, BackendTag::CopyInResponse, copy),
        Message::CopyOutResponse(copy) => copy_response(out, BackendTag::CopyOutResponse, copy),
        Message::CopyBothResponse(copy) => copy_response(out, BackendTag::CopyBothResponse, copy),
        Message::DataRow(row) => {
            Writer::typed(out, BackendTag::DataRow).count(row.len()).each(row.values(), Writer::value).finish()
        }
        Message::EmptyQueryResponse => Writer::typed(out, BackendTag::EmptyQueryResponse).finish(),
        Message::ErrorResponse(report) => report_again(out, BackendTag::ErrorResponse, report),
        Message::FunctionCallResponse(response) => super::function_call_response(out, response.value),
        Message::NegotiateProtocolVersion(negotiate) => {
            super::negotiate_protocol_version(out, negotiate.minor, negotiate.options())
        }
        Message::NoData => Writer::typed(out, BackendTag::NoData).finish(),
        Message::NoticeResponse(report) => report_again(out, BackendTag::NoticeResponse, report),
        Message::NotificationResponse(notification) => {
            super::notification_response(out, notification.pid, notification.channel, notification.payload)
        }
        Message::ParameterDescription(parameters) => super::parameter_description(out, parameters.types()),
        Message::ParameterStatus(status) => super::parameter_status(out, status.name, status.value),
        Message::ParseComplete => Writer::typed(out, BackendTag::ParseComplete).finish(),
        Message::PortalSuspended => Writer::typed(out, BackendTag::PortalSuspended).finish(),
        Message::ReadyForQuery(ready) => Writer::typed(out, BackendTag::ReadyForQuery).u8(ready.status.byte()).finish(),
        Message::RowDescription(columns) => super::row_description(out, columns.fields()),
    }
}

fn copy_response(out: &mut Vec<u8>, tag: BackendTag, copy: backend::CopyResponse<'_>) -> Result<(), Unencodable> {
    let [_, format] = copy.format.code().to_be_bytes();
    Writer::typed(out, tag).u8(format).formats(copy.columns.iter()).finish()
}

fn report_again(out: &mut Vec<u8>, tag: BackendTag, report: backend::Report<'_>) -> Result<(), Unencodable> {
    super::report_fields(out, tag, report.fields().map(|field| (field.code, field.text)))
}
