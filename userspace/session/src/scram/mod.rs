//! SCRAM-SHA-256 (RFC 5802, RFC 7677), both parts of it: the server's towards the agent, the client's towards the database. In place of
//! a password stands a role's stored verifier, which checks the agent's proof; the key that the proof reveals makes ours.
//! Bytes in, bytes out; nonces are given.

mod client;
mod keys;
mod server;
mod text;
mod verifiers;

pub(crate) use client::{Challenge, Client};
pub(crate) use keys::{Key, Verifier};
pub(crate) use server::{Mechanism, Server};
pub use verifiers::{BadVerifiers, Verifiers};

/// Random bytes of one nonce, as many as PostgreSQL takes (SCRAM_RAW_NONCE_LEN).
pub const NONCE_LEN: usize = 18;
/// The longest nonce of a peer. Nobody's is above 50.
const NONCE_MAX: usize = 1024;
/// The one binding that is served (RFC 5929).
const BINDING: &[u8] = b"tls-server-end-point";

/// What is wrong with a message of SCRAM. It holds no byte of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) code: &'static [u8; 5],
    pub(crate) message: &'static str,
}

impl Wrong {
    const fn new(code: &'static [u8; 5], message: &'static str) -> Wrong {
        Wrong { code, message }
    }

    const MALFORMED: Wrong = Wrong::new(b"08P01", "malformed SCRAM message");
}

/// A nonce in the form in which it is said.
pub(crate) fn nonce(random: &[u8; NONCE_LEN]) -> Vec<u8> {
    text::encoded(random)
}

#[cfg(test)]
mod tests;
