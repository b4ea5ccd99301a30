//! What is recorded of the tokens of agents: what one says of a session's agent, and that one was bound, refused or revoked.

use pan::Masked;

use super::{Operator, Text};
use crate::encode::ActorPart;

/// Who an issuer has signed that somebody is; part of an [`super::Actor`] from then on.
#[derive(Clone, Copy, Debug)]
pub struct Principal<'a> {
    /// The issuer's name in the configuration.
    pub issuer: Text<'a>,
    /// `sub`.
    pub subject: Text<'a>,
    /// The issuer and the ids that make one run.
    pub principal: Text<'a>,
    /// SHA-256 of the token's `jti`, or of what was signed.
    pub token: [u8; 32],
}

/// A session's agent is known by a token, is so no more, or the token is not one that it may have.
#[derive(Clone, Copy, Debug)]
pub struct Identified<'a> {
    /// Who, by the kernel, and by the token where it counts.
    pub actor: &'a ActorPart,
    /// `bound`, `refreshed`, `revoked`, `disagrees`.
    pub change: &'static str,
    /// By the token, where it does not count.
    pub refused: Option<Principal<'a>>,
    /// The groups that it is in.
    pub groups: &'a [Masked],
    /// `name=value` of the claims that are kept.
    pub claims: &'a [Masked],
    /// The token's end, seconds since 1970.
    pub expires_s: u64,
    /// Why, where it does not count.
    pub cause: Option<Text<'a>>,
    /// The session's own count of its records, from 1.
    pub number: u64,
}

/// A token came, or was revoked.
#[derive(Clone, Copy, Debug)]
pub struct TokenSeen<'a> {
    /// Who brought it, or revoked it.
    pub operator: Operator<'a>,
    /// The agent, where it is bound to one as a whole.
    pub agent: Option<Text<'a>>,
    /// The cgroup that it is bound to, or would have been.
    pub cgroup: Option<u64>,
    /// `bound`, `refreshed`, `refused`, `revoked`.
    pub change: &'static str,
    /// Whose it is, once that is verified.
    pub signed: Option<Principal<'a>>,
    /// Its end, seconds since 1970.
    pub expires_s: Option<u64>,
    /// Why not, or why.
    pub cause: Option<Text<'a>>,
}
