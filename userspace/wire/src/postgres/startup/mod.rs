//! The packet that opens a connection. It has no type byte: a length word, a code, then what the code says.

mod cancel;
pub mod options;
mod parameters;

pub use cancel::CancelRequest;
pub use parameters::Parameters;

use super::limits::{LENGTH_WORD, STARTUP_BODY_MAX};
use super::malformed::Malformed;
use super::opaque::opaque_debug;
use super::read::Reader;

/// Code of a CancelRequest (`CANCEL_REQUEST_CODE`, src/include/libpq/pqcomm.h): major version 1234, so that it is no version.
pub const CANCEL_REQUEST_CODE: u32 = 1234 << 16 | 5678;
/// Code of an SSLRequest (`NEGOTIATE_SSL_CODE`).
pub const SSL_REQUEST_CODE: u32 = 1234 << 16 | 5679;
/// Code of a GSSENCRequest (`NEGOTIATE_GSS_CODE`).
pub const GSSENC_REQUEST_CODE: u32 = 1234 << 16 | 5680;
/// The one major version spoken here.
pub const MAJOR: u16 = 3;
/// The newest minor version known here: 3.2 came with PostgreSQL 18. There is no 3.1.
pub const MINOR_NEWEST: u16 = 2;

/// First byte of a TLS handshake record: TLS without an SSLRequest before it (`sslnegotiation=direct`, PostgreSQL 17).
const TLS_HANDSHAKE: u8 = 0x16;

/// What the bytes at a connection's start are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First<'a> {
    /// At least so many bytes more are needed (at least one).
    Incomplete(usize),
    /// A TLS handshake, with no packet of this protocol before it.
    Tls,
    /// A whole packet.
    Packet {
        /// What it asks for.
        packet: Packet<'a>,
        /// Bytes of the packet, its length word included.
        len: usize,
    },
    /// No packet begins so.
    Malformed(Malformed),
}

/// A packet that opens a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// May TLS begin? Answered with one byte, S or N; another first packet follows.
    SslRequest,
    /// May GSSAPI encryption begin? Answered with one byte, G or N; another first packet follows.
    GssEncRequest,
    /// Cancel what another connection runs; nothing follows.
    Cancel(CancelRequest<'a>),
    /// Begin a session.
    Startup(StartupMessage<'a>),
}

/// StartupMessage of major version 3.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StartupMessage<'a> {
    /// The minor version asked for. Above [`MINOR_NEWEST`]: the server negotiates, see
    /// [`super::backend::NegotiateProtocolVersion`].
    pub minor: u16,
    /// Names and values in the order sent.
    pub parameters: Parameters<'a>,
}

opaque_debug!(StartupMessage);

/// Reads the first packet at the start of `bytes`. Never needs more than [`STARTUP_BODY_MAX`] and four bytes.
pub fn first(bytes: &[u8]) -> First<'_> {
    match bytes.first() {
        None => return First::Incomplete(LENGTH_WORD),
        Some(&TLS_HANDSHAKE) => return First::Tls,
        Some(&0) => {}
        // No admissible length has a first byte other than zero. Below 0x80 it is another protocol, above it a negative length.
        Some(1..0x80) => return First::Malformed(Malformed::TooLong),
        Some(0x80..) => return First::Malformed(Malformed::LengthWord),
    }
    let Some((length, rest)) = bytes.split_first_chunk::<LENGTH_WORD>() else {
        return First::Incomplete(LENGTH_WORD - bytes.len());
    };
    let body_len = match body_len(u32::from_be_bytes(*length)) {
        Ok(body_len) => body_len,
        Err(why) => return First::Malformed(why),
    };
    let Some(body) = rest.get(..body_len) else {
        return First::Incomplete(body_len - rest.len());
    };
    match packet(body) {
        Ok(packet) => First::Packet { packet, len: LENGTH_WORD + body_len },
        Err(why) => First::Malformed(why),
    }
}

fn body_len(length: u32) -> Result<usize, Malformed> {
    let length = usize::try_from(length).map_err(|_| Malformed::TooLong)?;
    match length.checked_sub(LENGTH_WORD) {
        None => Err(Malformed::LengthWord),
        Some(0..4) => Err(Malformed::TooShort),
        Some(body_len) if body_len > STARTUP_BODY_MAX => Err(Malformed::TooLong),
        Some(body_len) => Ok(body_len),
    }
}

fn packet(body: &[u8]) -> Result<Packet<'_>, Malformed> {
    let mut reader = Reader::new(body);
    let code = reader.u32()?;
    match code {
        CANCEL_REQUEST_CODE => CancelRequest::read(reader).map(Packet::Cancel),
        SSL_REQUEST_CODE => reader.end().map(|()| Packet::SslRequest),
        GSSENC_REQUEST_CODE => reader.end().map(|()| Packet::GssEncRequest),
        _ => {
            let [major, minor] = [(code >> 16) as u16, code as u16];
            if major != MAJOR {
                return Err(Malformed::Version { major, minor });
            }
            Ok(Packet::Startup(StartupMessage { minor, parameters: Parameters::parse(reader.rest())? }))
        }
    }
}
