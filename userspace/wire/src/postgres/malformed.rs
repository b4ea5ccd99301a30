//! What can be wrong with bytes that claim to be a message.

use core::fmt;

/// Why a message was refused. Who sends such a thing: a driver with an integer overflow, a peer that lost its place in the stream, a peer
/// that speaks another protocol, or somebody looking for a gap between how we read bytes and how the server does. None carries a byte
/// of the message, so every one may be logged and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Malformed {
    /// The type byte is no message of this side. A peer that lost its place, a protocol that is not PostgreSQL's, or one newer than us.
    UnknownType,
    /// The length word is negative or below four, so that it does not even count itself. An overflow in a driver, or an attack.
    LengthWord,
    /// The length word is below the least that this type of message needs.
    TooShort,
    /// The length word is above the most that the server takes for this type of message.
    TooLong,
    /// A field runs past the end of its message: an inner length or count promises more than the frame holds.
    Truncated,
    /// Bytes are left after the last field. What they say would reach the server unread: smuggling, or a broken driver.
    Trailing,
    /// A string without its closing zero byte inside the message.
    Unterminated,
    /// A zero byte inside a string that has to end with the message.
    EmbeddedZero,
    /// A value's length is negative and not -1.
    ValueLength,
    /// A format code that is neither text (0) nor binary (1).
    FormatCode,
    /// The number of format codes is not zero, not one, and not the number of values.
    FormatCount,
    /// Describe or Close of something that is neither a statement nor a portal.
    Target,
    /// A transaction status other than I, T and E.
    TransactionStatus,
    /// An authentication request of a kind that no supported server sends.
    AuthenticationKind,
    /// A cancel key outside 4..=256 bytes.
    CancelKey,
    /// An empty name where the protocol needs one, or an empty list of mechanisms.
    Empty,
    /// The first packet asks for a protocol that we do not speak. A client of before 2003, or a peer that speaks something else.
    Version {
        /// What it asked for, before the dot.
        major: u16,
        /// What it asked for, behind the dot.
        minor: u16,
    },
    /// The startup parameters are not pairs of strings closed by one zero byte at the packet's end.
    Parameters,
    /// More startup parameters than [`super::limits::STARTUP_PARAMETERS_MAX`].
    TooManyParameters,
    /// A word in the startup parameter `options` that is not `-c name=value` or `--name=value`. The server has other switches; all of
    /// them have a setting's name too.
    OptionSwitch,
    /// A setting in `options` without a name, or without `=` and a value.
    OptionValue,
}

impl Malformed {
    /// The words for a person: the message of the error that the peer gets.
    pub fn as_str(self) -> &'static str {
        match self {
            Malformed::UnknownType => "unknown message type",
            Malformed::LengthWord => "message length does not count itself",
            Malformed::TooShort => "message is too short for its type",
            Malformed::TooLong => "message is too long for its type",
            Malformed::Truncated => "field runs past the end of the message",
            Malformed::Trailing => "bytes left after the last field of the message",
            Malformed::Unterminated => "string without an end in the message",
            Malformed::EmbeddedZero => "zero byte inside a string of the message",
            Malformed::ValueLength => "negative length of a value",
            Malformed::FormatCode => "unknown format code",
            Malformed::FormatCount => "number of format codes does not match the number of values",
            Malformed::Target => "neither a statement nor a portal is named",
            Malformed::TransactionStatus => "unknown transaction status",
            Malformed::AuthenticationKind => "unknown kind of authentication request",
            Malformed::CancelKey => "length of the cancel key is outside 4 to 256 bytes",
            Malformed::Empty => "a name is empty that must not be",
            Malformed::Version { .. } => "unsupported protocol version",
            Malformed::Parameters => "startup parameters are not a list of pairs that ends with the packet",
            Malformed::TooManyParameters => "too many startup parameters",
            Malformed::OptionSwitch => "startup options may hold only -c name=value and --name=value",
            Malformed::OptionValue => "a startup option has no name or no value",
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())?;
        match self {
            Malformed::Version { major, minor } => write!(f, " {major}.{minor}"),
            _ => Ok(()),
        }
    }
}

impl core::error::Error for Malformed {}
