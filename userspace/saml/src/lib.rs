//! Who a person is by what a SAML 2.0 identity provider signed: a response's text, the provider's keys and a time become an [`Assertion`], or a
//! named [`Refused`].
//!
//! ```text
//! base64 -> text -> screened  (no markup declarations at all, one assertion, signatures of one exact shape; no C has seen it yet)
//!                -> signature (xmlsec, with the configured key alone)  -> the very bytes that were digested
//!                -> assertion (only those bytes are read)              -> checked: issuer, audience, recipient, request, times
//! ```
//! - What is read of a person comes from the bytes that xmlsec digested, never from the document that they came in: moving signed parts around
//!   (signature wrapping) changes what is refused, and never who somebody is.
//! - The assertion itself must be signed. A signature of the response around it must hold too where there is one, and replaces nothing.
//! - What a signature is made of is a list of what may be there, since xmlsec follows references and runs transforms before it knows who signed.
//!
//! No clock, no randomness; what libraries of C read of the host is read when the first [`Keys`] are made. Specification: saml-core-2.0-os, saml-profiles-2.0-os (4.1).
#![forbid(unsafe_code)]

mod assertion;
mod refused;
mod request;
mod screen;
mod signature;

pub use assertion::{Assertion, Expected};
pub use refused::Refused;
pub use request::{Party, metadata, request};
pub use signature::{Keys, Unfit};

/// No response is longer, in base64.
pub const RESPONSE_BYTES_MAX: usize = 192 << 10;

pub(crate) const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
pub(crate) const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";

/// What the provider sent in the form field `SAMLResponse` becomes what it says of a person.
pub fn verify(encoded: &str, keys: &Keys, expected: &Expected<'_>) -> Result<Assertion, Refused> {
    let text = screen::decode(encoded)?;
    let screened = screen::screen(&text)?;
    screened.about(expected)?;
    let signed = signature::signed(&screened, keys)?;
    Assertion::parse(&signed, screened.assertion_id(), expected)
}
