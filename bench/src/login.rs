//! What a client answers when a server asks for a password: SCRAM-SHA-256 (RFC 5802, RFC 7677) without channel binding, or the
//! password itself where the connection does not leave the host or is under TLS. For `--url` alone: the benchmark's own servers ask for none.

use std::fmt;
use std::io::{Error, Read, Result, Write};
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac, pbkdf2};

/// A password, which nothing prints.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Password {
    pub(crate) text: String,
    /// What it makes of a salt, thousands of hashes, is computed once and not at each login, as libpq does.
    pub(crate) kept: bool,
}

/// A key, and what it was made of: password, salt, rounds.
type Salted = (String, Vec<u8>, NonZeroU32, [u8; digest::SHA256_OUTPUT_LEN]);
/// The last key of a password that is kept.
static KEPT: Mutex<Option<Salted>> = Mutex::new(None);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Longer messages of a login are none.
const MESSAGE_MAX: usize = 64 << 10;
/// What a server may ask us to compute.
const ROUNDS_MAX: u32 = 1_000_000;
const MECHANISM: &[u8] = b"SCRAM-SHA-256";
const BARE: &str = "n=,r=";
/// Base64 of `n,,`: the client knows no channel binding.
const NO_BINDING: &str = "biws";

/// Answers until the server says that the login is over. `private`: nobody else reads this connection.
pub(crate) fn answer<S: Read + Write>(stream: &mut S, password: &Password, private: bool) -> Result<()> {
    let nonce = nonce()?;
    let mut expected = None;
    loop {
        let (tag, body) = message(stream)?;
        let Some((code, rest)) = body.split_first_chunk::<4>().filter(|_| tag == b'R') else {
            return Err(Error::other("the database refused the login"));
        };
        match u32::from_be_bytes(*code) {
            0 => return Ok(()),
            3 if private => send(stream, &[password.text.as_bytes(), b"\0"].concat())?,
            3 => {
                return Err(Error::other(
                    "the database wants the password in clear over the network: use sslmode=require",
                ));
            }
            10 if rest.split(|byte| *byte == 0).any(|name| name == MECHANISM) => {
                let first = format!("n,,{BARE}{nonce}");
                let length = (first.len() as u32).to_be_bytes();
                send(stream, &[MECHANISM, b"\0", &length, first.as_bytes()].concat())?;
            }
            11 => {
                let first = std::str::from_utf8(rest).map_err(Error::other)?;
                let proof = Proof::of(password, &nonce, first)?;
                send(stream, proof.message.as_bytes())?;
                expected = Some(proof.server);
            }
            12 if expected.as_deref().is_some_and(|own| own.as_bytes() == rest) => {}
            12 => return Err(Error::other("the server did not show that it knows the password")),
            other => {
                return Err(Error::other(format!(
                    "the database asks for authentication {other}; this client knows SCRAM-SHA-256 and trust"
                )));
            }
        }
    }
}

/// The client's last message, and what the server must answer.
struct Proof {
    message: String,
    server: String,
}

impl Proof {
    fn of(password: &Password, nonce: &str, server_first: &str) -> Result<Proof> {
        let field = |name: &str| server_first.split(',').find_map(|part| part.strip_prefix(name));
        let (Some(joint), Some(salt), Some(rounds)) = (field("r="), field("s="), field("i=")) else {
            return Err(Error::other("a SCRAM challenge that lacks a field"));
        };
        let salt = BASE64.decode(salt).map_err(Error::other)?;
        let rounds = rounds.parse::<NonZeroU32>().map_err(Error::other)?;
        if !joint.starts_with(nonce) || rounds.get() > ROUNDS_MAX {
            return Err(Error::other("a SCRAM challenge that is not for us"));
        }
        let salted = salted(password, salt, rounds);
        let bare = format!("c={NO_BINDING},r={joint}");
        let signed = format!("{BARE}{nonce},{server_first},{bare}");
        let client_key = sign(&salted, b"Client Key");
        let signature = sign(digest::digest(&digest::SHA256, client_key.as_ref()).as_ref(), signed.as_bytes());
        let proof: Vec<u8> = client_key.as_ref().iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect();
        let server = sign(sign(&salted, b"Server Key").as_ref(), signed.as_bytes());
        let message = format!("{bare},p={}", BASE64.encode(proof));
        Ok(Proof { message, server: format!("v={}", BASE64.encode(server)) })
    }
}

/// SaltedPassword of RFC 5802.
fn salted(password: &Password, salt: Vec<u8>, rounds: NonZeroU32) -> [u8; digest::SHA256_OUTPUT_LEN] {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    match &*kept {
        Some((text, of, count, key)) if password.kept && (text, of, *count) == (&password.text, &salt, rounds) => {
            return *key;
        }
        _ => {}
    }
    let mut key = [0; digest::SHA256_OUTPUT_LEN];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, password.text.as_bytes(), &mut key);
    if password.kept {
        *kept = Some((password.text.clone(), salt, rounds, key));
    }
    key
}

fn sign(key: &[u8], text: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text)
}

fn nonce() -> Result<String> {
    let mut bytes = [0; 18];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Error::other("no randomness"))?;
    Ok(BASE64.encode(bytes))
}

fn message<S: Read>(stream: &mut S) -> Result<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    stream.read_exact(&mut head)?;
    let [tag, length @ ..] = head;
    let length = (u32::from_be_bytes(length) as usize).checked_sub(4).filter(|length| *length <= MESSAGE_MAX);
    let mut body = vec![0; length.ok_or(Error::other("a message of a length that none has"))?];
    stream.read_exact(&mut body)?;
    Ok((tag, body))
}

fn send<S: Write>(stream: &mut S, body: &[u8]) -> Result<()> {
    let length = (body.len() as u32 + 4).to_be_bytes();
    stream.write_all(&[b"p", &length[..], body].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exchange of RFC 7677, section 3, but for the name, which PostgreSQL takes from the startup packet.
    #[test]
    fn the_proof_is_that_of_the_standard() {
        let first = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let salted = {
            let (salt, mut out) = (BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap(), [0; 32]);
            let rounds = NonZeroU32::new(4096).unwrap();
            pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, b"pencil", &mut out);
            out
        };
        let signed = format!(
            "n=user,r=rOprNGfwEbeRWgbNEkqO,{first},c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
        );
        let server = sign(sign(&salted, b"Server Key").as_ref(), signed.as_bytes());
        assert_eq!(BASE64.encode(server), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        // The third time the key is kept.
        let mut said = std::collections::BTreeSet::new();
        for kept in [false, true, true] {
            let password = Password { text: "pencil".to_owned(), kept };
            let proof = Proof::of(&password, "rOprNGfwEbeRWgbNEkqO", first).unwrap();
            assert!(proof.message.starts_with("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p="));
            assert!(Proof::of(&password, "another", first).is_err());
            said.insert((proof.message, proof.server));
        }
        assert_eq!(said.len(), 1);
    }

    #[test]
    fn a_password_in_clear_stays_on_the_host() {
        struct Both(std::io::Cursor<Vec<u8>>, Vec<u8>);
        impl Read for Both {
            fn read(&mut self, into: &mut [u8]) -> Result<usize> {
                self.0.read(into)
            }
        }
        impl Write for Both {
            fn write(&mut self, bytes: &[u8]) -> Result<usize> {
                self.1.write(bytes)
            }
            fn flush(&mut self) -> Result<()> {
                Ok(())
            }
        }
        let asked = b"R\0\0\0\x08\0\0\0\x03R\0\0\0\x08\0\0\0\0".to_vec();
        let password = Password { text: "secret".to_owned(), kept: false };
        let mut far = Both(std::io::Cursor::new(asked.clone()), Vec::new());
        assert!(answer(&mut far, &password, false).is_err() && far.1.is_empty());
        let mut near = Both(std::io::Cursor::new(asked), Vec::new());
        answer(&mut near, &password, true).unwrap();
        assert_eq!(near.1, b"p\0\0\0\x0bsecret\0");
        assert_eq!(format!("{password:?}"), "Password(..)");
    }
}
