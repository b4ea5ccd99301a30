//! Why a response does not count.

use std::fmt;

/// See the module's documentation. What is quoted in it is the sender's: it is for `plain`, and nothing signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Longer than [`crate::RESPONSE_BYTES_MAX`].
    TooLong,
    /// No base64 of UTF-8.
    Encoding,
    /// It has a document type, an entity, a comment, CDATA or a processing instruction.
    Markup,
    /// More elements or attributes than any response has.
    TooMuch,
    /// No well-formed XML.
    NotXml,
    /// No response with exactly one assertion, and no signature elsewhere; what is wrong.
    Shape(&'static str),
    /// The provider says that it did not log in anybody: its status, in its own words.
    Status(String),
    /// Something of it is encrypted.
    Encrypted,
    /// The assertion has no signature of its own.
    Unsigned,
    /// An algorithm that is none of the allowed ones.
    Algorithm,
    /// A signature that is not of the element that it stands in, and of nothing else.
    Reference,
    /// No configured key made the signature.
    Signature,
    /// What was signed cannot be read; what of it.
    Malformed(&'static str),
    /// Another provider's.
    Issuer,
    /// For another party.
    Audience,
    /// To be handed in at another address.
    Recipient,
    /// The answer to another request, or to none.
    Request,
    /// It was good until earlier.
    Expired,
    /// It is of the future.
    NotYet,
    /// A condition that is not known here.
    Condition,
    /// The person was not asked anew.
    Stale,
    /// It names nobody in a way that lasts.
    Subject,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Refused::TooLong => "it is longer than any is",
            Refused::Encoding => "it is no base64 of UTF-8",
            Refused::Markup => {
                "it has a document type, an entity, a comment, CDATA or a processing instruction, none of which a response needs"
            }
            Refused::TooMuch => "it has more elements or attributes than any has",
            Refused::NotXml => "it is no well-formed XML",
            Refused::Shape(what) => return write!(f, "it is not one response with one assertion: {what}"),
            Refused::Status(words) => return write!(f, "the provider logged nobody in: {words}"),
            Refused::Encrypted => {
                "it is encrypted, which is not supported: let the provider sign its assertions and not encrypt them (TLS does, on the way)"
            }
            Refused::Unsigned => {
                "its assertion is not signed: let the provider sign assertions (a signed response around it is not enough)"
            }
            Refused::Algorithm => "its signature's algorithm is none of RSA and ECDSA with SHA-256, SHA-384 or SHA-512",
            Refused::Reference => "its signature is not of the element that it stands in",
            Refused::Signature => {
                "its signature is wrong: it was made by none of the configured keys, or of something else"
            }
            Refused::Malformed(what) => return write!(f, "what was signed cannot be read: {what}"),
            Refused::Issuer => "another provider issued it",
            Refused::Audience => "it is for another party: is our entity id the one that the provider knows?",
            Refused::Recipient => {
                "it is to be handed in elsewhere: is the address of this page the one that the provider knows?"
            }
            Refused::Request => "it answers no login that began here, or another one",
            Refused::Expired => "it has expired: do the clocks agree?",
            Refused::NotYet => "it is of the future: do the clocks agree?",
            Refused::Condition => "it holds under a condition that is not known here",
            Refused::Stale => "the provider did not ask the person anew",
            Refused::Subject => {
                "it names nobody in a way that lasts: the NameID must not be transient, or `subject_attribute` must name an attribute with one value"
            }
        };
        f.write_str(words)
    }
}

impl std::error::Error for Refused {}
