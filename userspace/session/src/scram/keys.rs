//! Keys of SCRAM, and what is computed with them. Every key is overwritten when it is dropped.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use super::text;

/// The hash's length, and so every key's and proof's.
pub(super) const LEN: usize = 32;

/// ClientKey, StoredKey, ServerKey.
#[derive(Clone)]
pub(crate) struct Key(Zeroizing<[u8; LEN]>);

impl Key {
    /// From base64 of just its length.
    fn parse(text: &str) -> Option<Key> {
        let bytes = Zeroizing::new(text::decoded(text.as_bytes())?);
        let mut key = Zeroizing::new([0; LEN]);
        (bytes.len() == LEN).then(|| {
            key.copy_from_slice(&bytes);
            Key(key)
        })
    }

    /// HMAC-SHA-256 with this key.
    pub(super) fn sign(&self, message: &[u8]) -> Option<[u8; LEN]> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.0).ok()?; // any length is a key's
        mac.update(message);
        Some(mac.finalize().into_bytes().into())
    }

    /// The key XORed with these bytes: a proof from a key, and a key from a proof.
    pub(super) fn xor(&self, other: &[u8; LEN]) -> [u8; LEN] {
        let mut out = *other;
        out.iter_mut().zip(self.0.iter()).for_each(|(out, key)| *out ^= key);
        out
    }

    /// H(key).
    fn hashed(&self) -> Key {
        Key(Zeroizing::new(Sha256::digest(*self.0).into()))
    }

    fn equals(&self, other: &Key) -> bool {
        self.0.ct_eq(&*other.0).into()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

/// What PostgreSQL keeps of a role's password (`pg_authid.rolpassword`). It cannot be logged in with, but it can check who does.
#[derive(Clone, Debug)]
pub(crate) struct Verifier {
    pub(crate) iterations: u32,
    pub(crate) salt: Vec<u8>,
    pub(crate) stored: Key,
    pub(crate) server: Key,
}

impl Verifier {
    /// `SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY`.
    pub(crate) fn parse(text: &str) -> Option<Verifier> {
        let (iterations, rest) = text.strip_prefix("SCRAM-SHA-256$")?.split_once(':')?;
        let (salt, keys) = rest.split_once('$')?;
        let (stored, server) = keys.split_once(':')?;
        let digits = !iterations.is_empty() && iterations.bytes().all(|byte| byte.is_ascii_digit());
        let verifier = Verifier {
            iterations: iterations.parse().ok().filter(|count| digits && *count > 0)?,
            salt: text::decoded(salt.as_bytes()).filter(|salt| !salt.is_empty())?,
            stored: Key::parse(stored)?,
            server: Key::parse(server)?,
        };
        Some(verifier)
    }

    /// The salt as a challenge says it.
    pub(crate) fn salt_text(&self) -> Vec<u8> {
        text::encoded(&self.salt)
    }

    /// As `pg_authid.rolpassword` has it: CREATE ROLE takes it in place of a password.
    pub(crate) fn text(&self) -> String {
        let encoded = |bytes: &[u8]| String::from_utf8_lossy(&text::encoded(bytes)).into_owned();
        let (salt, stored, server) = (encoded(&self.salt), encoded(&*self.stored.0), encoded(&*self.server.0));
        format!("SCRAM-SHA-256${}:{salt}${stored}:{server}", self.iterations)
    }

    /// Of a password (ASCII: SASLprep leaves it as it is), and the client's key: Hi(password, salt, iterations) of RFC 5802 is
    /// SaltedPassword, ClientKey and ServerKey are its signatures.
    pub(crate) fn of_password(password: &[u8], salt: Vec<u8>, iterations: u32) -> Option<(Verifier, Key)> {
        let keyed = Hmac::<Sha256>::new_from_slice(password).ok()?;
        let round = |message: &[&[u8]]| -> [u8; LEN] {
            let mut mac = keyed.clone();
            message.iter().for_each(|part| mac.update(part));
            mac.finalize().into_bytes().into()
        };
        let mut last = Zeroizing::new(round(&[&salt, &1_u32.to_be_bytes()]));
        let mut salted = last.clone();
        for _ in 1..iterations {
            *last = round(&[&*last]);
            salted.iter_mut().zip(last.iter()).for_each(|(all, one)| *all ^= one);
        }
        let salted = Key(salted);
        let client = Key(Zeroizing::new(salted.sign(b"Client Key")?));
        let server = Key(Zeroizing::new(salted.sign(b"Server Key")?));
        Some((Verifier { iterations, salt, stored: client.hashed(), server }, client))
    }

    /// The client's key, where the proof over this message shows it: ClientKey = proof XOR HMAC(StoredKey, AuthMessage), and its hash
    /// is StoredKey.
    pub(super) fn client_key(&self, message: &[u8], proof: &[u8; LEN]) -> Option<Key> {
        let mut signature = self.stored.sign(message)?;
        let key = Key(Zeroizing::new(Key(Zeroizing::new(signature)).xor(proof)));
        signature.zeroize();
        key.hashed().equals(&self.stored).then_some(key)
    }
}

/// Whether a signature is this one.
pub(super) fn is_same(one: &[u8; LEN], other: &[u8]) -> bool {
    one.as_slice().ct_eq(other).into()
}
