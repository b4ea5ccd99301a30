//! Why a token does not count: one name per reason, and never a word of the token but its issuer and the names of claims.

use std::fmt;

use crate::TOKEN_BYTES_MAX;

/// Why a token does not count. Each says who must act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is longer than [`TOKEN_BYTES_MAX`].
    TooLong,
    /// It is no signed token (RFC 7515, compact).
    NoToken,
    /// Its header or its claims are no JSON object that can be read.
    Malformed,
    /// This claim is there twice.
    Twice(String),
    /// It names an algorithm that its issuer does not sign by.
    Algorithm(&'static str),
    /// No configured issuer is the one that it names.
    UnknownIssuer(String),
    /// There are no keys of its issuer: none was fetched yet, or they are too old.
    NoKeys,
    /// No key of its issuer is the one that it names.
    UnknownKey,
    /// The signature is not that key's.
    Signature,
    /// This claim is missing, or has not the form that it must have.
    Claim(String),
    /// It is for another audience.
    Audience,
    /// It has expired, so many seconds ago.
    Expired(u64),
    /// It begins in so many seconds, which is more than clocks may differ by.
    NotYet(u64),
    /// It holds for longer than the issuer's tokens may, in seconds.
    LongLived(u64),
    /// This claim has not the value that `require` wants.
    Required(String),
    /// This claim is longer than can be kept, or there are too many.
    TooMuch(String),
}

impl Refused {
    /// Newer keys may say otherwise.
    pub fn may_be_rotation(&self) -> bool {
        matches!(self, Refused::NoKeys | Refused::UnknownKey | Refused::Signature)
    }

    /// The reason in one word, for figures and records.
    pub fn word(&self) -> &'static str {
        match self {
            Refused::TooLong => "too-long",
            Refused::NoToken => "no-token",
            Refused::Malformed => "malformed",
            Refused::Twice(_) => "duplicate-claim",
            Refused::Algorithm(_) => "algorithm",
            Refused::UnknownIssuer(_) => "unknown-issuer",
            Refused::NoKeys => "no-keys",
            Refused::UnknownKey => "unknown-key",
            Refused::Signature => "signature",
            Refused::Claim(_) => "claim",
            Refused::Audience => "audience",
            Refused::Expired(_) => "expired",
            Refused::NotYet(_) => "not-yet",
            Refused::LongLived(_) => "long-lived",
            Refused::Required(_) => "require",
            Refused::TooMuch(_) => "too-much",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::TooLong => write!(f, "it is longer than {TOKEN_BYTES_MAX} bytes"),
            Refused::NoToken => f.write_str("it is no signed token (three parts of base64url with points between)"),
            Refused::Malformed => f.write_str("its header or its claims cannot be read"),
            Refused::Twice(claim) => write!(f, "its claim `{claim}` is there twice"),
            Refused::Algorithm(accepted) => write!(f, "its algorithm is none of those of its issuer ({accepted})"),
            Refused::UnknownIssuer(issuer) => {
                write!(f, "no [[issuer]] of the configuration is the one that it names: `{issuer}`")
            }
            Refused::NoKeys => f.write_str(
                "there are no keys of its issuer: they were not fetched yet, or the issuer is silent for too long",
            ),
            Refused::UnknownKey => f.write_str("no key of its issuer is the one that it names"),
            Refused::Signature => f.write_str("its signature is wrong"),
            Refused::Claim(claim) => write!(f, "its claim `{claim}` is missing, or has not the form that it must have"),
            Refused::Audience => f.write_str("it is for another audience (`aud`) than the issuer's `audience`"),
            Refused::Expired(ago_s) => write!(f, "it has expired, {ago_s} s ago by this host's clock: is that right?"),
            Refused::NotYet(in_s) => write!(f, "it begins in {in_s} s by this host's clock: is that right?"),
            Refused::LongLived(most_s) => write!(f, "it holds for longer than {most_s} s (`lifetime_max`)"),
            Refused::Required(claim) => write!(f, "its claim `{claim}` is not what `require` of its issuer wants"),
            Refused::TooMuch(claim) => write!(f, "its claim `{claim}` is too long to be kept, or there are too many"),
        }
    }
}

impl std::error::Error for Refused {}
