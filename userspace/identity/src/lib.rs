//! Who an agent is by what an issuer signed: a token's bytes, the issuer's keys and a time become an [`Identity`], or a named [`Refused`].
//!
//! - Nothing is read of a token's claims before a key of its issuer is found to have signed it, but `iss` (or `sub` of a SPIFFE token), and
//!   that only to find the issuer among those that are configured.
//! - A claim that is there and cannot be read is a refusal, never as if it were absent. A claim that is there twice is a refusal.
//! - What decides is what the issuer never gives to another: ids, not names ([`Preset`]).
//! - A token holds until its `exp`, without any leeway; clocks that differ may only make it begin earlier.
//!
//! No IO, no clock, no randomness.
#![forbid(unsafe_code)]

mod claims;
mod issuer;
pub mod jws;
mod keys;
mod preset;
mod refused;
mod strict;
pub mod svid;
mod verify;

pub use issuer::{GroupRule, Issuer, Matches, Unfit};
pub use jws::Algorithm;
pub use keys::{Keys, Life};
pub use preset::Preset;
pub use refused::Refused;
pub use verify::{Identity, Known, issuer_of, verify};

/// No token is longer, in bytes.
pub const TOKEN_BYTES_MAX: usize = 16 << 10;
/// No document of keys is longer, in bytes.
pub const KEYS_BYTES_MAX: usize = 256 << 10;
/// Attributes of one identity.
pub const ATTRIBUTES_MAX: usize = 48;
/// Bytes of one attribute's name or value.
pub const VALUE_BYTES_MAX: usize = 512;
/// Seconds that clocks may differ by where the configuration does not say.
pub const SKEW_S: u64 = 60;
/// The most that it may say.
pub const SKEW_S_MAX: u64 = 300;
