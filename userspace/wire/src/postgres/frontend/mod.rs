//! Messages of the client, one file each.

pub mod authentication;
mod bind;
mod close;
mod copy_fail;
mod describe;
mod execute;
mod function_call;
mod parse;
mod query;
mod target;

pub use bind::Bind;
pub use close::Close;
pub use copy_fail::CopyFail;
pub use describe::Describe;
pub use execute::Execute;
pub use function_call::FunctionCall;
pub use parse::Parse;
pub use query::Query;
pub use target::{Kind, Target};

use super::malformed::Malformed;
use super::opaque::opaque_debug;
use super::read::Reader;
use super::tag::FrontendTag;

/// Any message of the client behind the first packet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// A statement text.
    Query(Query<'a>),
    /// Prepare a statement.
    Parse(Parse<'a>),
    /// Make a portal of a statement and values.
    Bind(Bind<'a>),
    /// What does a statement or portal return?
    Describe(Describe<'a>),
    /// Run a portal.
    Execute(Execute<'a>),
    /// Drop a statement or portal.
    Close(Close<'a>),
    /// Send what is there.
    Flush,
    /// End of a series.
    Sync,
    /// Goodbye.
    Terminate,
    /// Data of a COPY: any bytes, cut anywhere.
    CopyData(&'a [u8]),
    /// The COPY is complete.
    CopyDone,
    /// The COPY is given up.
    CopyFail(CopyFail<'a>),
    /// Call a function.
    FunctionCall(FunctionCall<'a>),
    /// An answer to an authentication request. What it is follows from the request: see [`authentication`].
    Authentication(&'a [u8]),
}

opaque_debug!(Message);

impl<'a> Message<'a> {
    /// Parses the whole body of a message.
    pub fn parse(tag: FrontendTag, body: &'a [u8]) -> Result<Message<'a>, Malformed> {
        match tag {
            FrontendTag::Query => Query::parse(body).map(Message::Query),
            FrontendTag::Parse => Parse::parse(body).map(Message::Parse),
            FrontendTag::Bind => Bind::parse(body).map(Message::Bind),
            FrontendTag::Describe => Describe::parse(body).map(Message::Describe),
            FrontendTag::Execute => Execute::parse(body).map(Message::Execute),
            FrontendTag::Close => Close::parse(body).map(Message::Close),
            FrontendTag::Flush => empty(body, Message::Flush),
            FrontendTag::Sync => empty(body, Message::Sync),
            FrontendTag::Terminate => empty(body, Message::Terminate),
            FrontendTag::CopyData => Ok(Message::CopyData(body)),
            FrontendTag::CopyDone => empty(body, Message::CopyDone),
            FrontendTag::CopyFail => CopyFail::parse(body).map(Message::CopyFail),
            FrontendTag::FunctionCall => FunctionCall::parse(body).map(Message::FunctionCall),
            FrontendTag::Authentication => Ok(Message::Authentication(body)),
        }
    }
}

fn empty<'a>(body: &[u8], message: Message<'a>) -> Result<Message<'a>, Malformed> {
    Reader::new(body).end().map(|()| message)
}
