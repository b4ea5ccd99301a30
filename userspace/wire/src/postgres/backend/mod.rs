//! Messages of the server, one file each.

mod authentication;
mod backend_key_data;
mod command_complete;
mod copy_response;
pub mod data_row;
mod function_call_response;
mod negotiate_protocol_version;
mod notification_response;
mod parameter_description;
mod parameter_status;
mod ready_for_query;
pub mod report;
mod row_description;

pub use authentication::{Authentication, Mechanisms};
pub use backend_key_data::BackendKeyData;
pub use command_complete::CommandComplete;
pub use copy_response::CopyResponse;
pub use data_row::DataRow;
pub use function_call_response::FunctionCallResponse;
pub use negotiate_protocol_version::NegotiateProtocolVersion;
pub use notification_response::NotificationResponse;
pub use parameter_description::ParameterDescription;
pub use parameter_status::ParameterStatus;
pub use ready_for_query::{ReadyForQuery, TransactionStatus};
pub use report::Report;
pub use row_description::{Field, RowDescription};

use super::malformed::Malformed;
use super::opaque::opaque_debug;
use super::read::Reader;
use super::tag::BackendTag;

/// Any message of the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// A step of authentication.
    Authentication(Authentication<'a>),
    /// What a CancelRequest needs.
    BackendKeyData(BackendKeyData<'a>),
    /// Bind succeeded.
    BindComplete,
    /// Close succeeded.
    CloseComplete,
    /// A statement is complete.
    CommandComplete(CommandComplete<'a>),
    /// Data of a COPY: any bytes.
    CopyData(&'a [u8]),
    /// The data of the COPY is complete.
    CopyDone,
    /// COPY FROM STDIN begins.
    CopyInResponse(CopyResponse<'a>),
    /// COPY TO STDOUT begins.
    CopyOutResponse(CopyResponse<'a>),
    /// Streaming replication begins.
    CopyBothResponse(CopyResponse<'a>),
    /// One row.
    DataRow(DataRow<'a>),
    /// The text of a Query was empty.
    EmptyQueryResponse,
    /// An error.
    ErrorResponse(Report<'a>),
    /// What a function call returned.
    FunctionCallResponse(FunctionCallResponse<'a>),
    /// The version spoken from here on, and options that are not known.
    NegotiateProtocolVersion(NegotiateProtocolVersion<'a>),
    /// No rows will come.
    NoData,
    /// A warning or remark.
    NoticeResponse(Report<'a>),
    /// A NOTIFY.
    NotificationResponse(NotificationResponse<'a>),
    /// Types of a statement's parameters.
    ParameterDescription(ParameterDescription<'a>),
    /// A setting's value.
    ParameterStatus(ParameterStatus<'a>),
    /// Parse succeeded.
    ParseComplete,
    /// Execute stopped at its row limit.
    PortalSuspended,
    /// The server waits.
    ReadyForQuery(ReadyForQuery),
    /// The columns of the rows that follow.
    RowDescription(RowDescription<'a>),
}

opaque_debug!(Message);

impl<'a> Message<'a> {
    /// Parses the whole body of a message.
    pub fn parse(tag: BackendTag, body: &'a [u8]) -> Result<Message<'a>, Malformed> {
        match tag {
            BackendTag::Authentication => Authentication::parse(body).map(Message::Authentication),
            BackendTag::BackendKeyData => BackendKeyData::parse(body).map(Message::BackendKeyData),
            BackendTag::BindComplete => empty(body, Message::BindComplete),
            BackendTag::CloseComplete => empty(body, Message::CloseComplete),
            BackendTag::CommandComplete => CommandComplete::parse(body).map(Message::CommandComplete),
            BackendTag::CopyData => Ok(Message::CopyData(body)),
            BackendTag::CopyDone => empty(body, Message::CopyDone),
            BackendTag::CopyInResponse => CopyResponse::parse(body).map(Message::CopyInResponse),
            BackendTag::CopyOutResponse => CopyResponse::parse(body).map(Message::CopyOutResponse),
            BackendTag::CopyBothResponse => CopyResponse::parse(body).map(Message::CopyBothResponse),
            BackendTag::DataRow => DataRow::parse(body).map(Message::DataRow),
            BackendTag::EmptyQueryResponse => empty(body, Message::EmptyQueryResponse),
            BackendTag::ErrorResponse => Report::parse(body).map(Message::ErrorResponse),
            BackendTag::FunctionCallResponse => FunctionCallResponse::parse(body).map(Message::FunctionCallResponse),
            BackendTag::NegotiateProtocolVersion => {
                NegotiateProtocolVersion::parse(body).map(Message::NegotiateProtocolVersion)
            }
            BackendTag::NoData => empty(body, Message::NoData),
            BackendTag::NoticeResponse => Report::parse(body).map(Message::NoticeResponse),
            BackendTag::NotificationResponse => NotificationResponse::parse(body).map(Message::NotificationResponse),
            BackendTag::ParameterDescription => ParameterDescription::parse(body).map(Message::ParameterDescription),
            BackendTag::ParameterStatus => ParameterStatus::parse(body).map(Message::ParameterStatus),
            BackendTag::ParseComplete => empty(body, Message::ParseComplete),
            BackendTag::PortalSuspended => empty(body, Message::PortalSuspended),
            BackendTag::ReadyForQuery => ReadyForQuery::parse(body).map(Message::ReadyForQuery),
            BackendTag::RowDescription => RowDescription::parse(body).map(Message::RowDescription),
        }
    }
}

fn empty<'a>(body: &[u8], message: Message<'a>) -> Result<Message<'a>, Malformed> {
    Reader::new(body).end().map(|()| message)
}
