//! The server's part of SCRAM as PostgreSQL plays it, written from RFC 5802 alone, and the ways in which one may lie.

use super::server::{Said, Scram};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use wire::postgres::frontend::authentication::SaslInitialResponse;

/// A role's secret and the binding of the server's certificate.
pub struct Role {
    pub salt: Vec<u8>,
    pub iterations: u32,
    client: [u8; 32],
    stored: [u8; 32],
    server: [u8; 32],
    pub binding: Vec<u8>,
    pub lie: Lie,
    /// Whether it offered channel binding, for itself.
    pub binds: bool,
    /// What the client said first: header, bare message.
    header: Vec<u8>,
    bare: Vec<u8>,
    first: Vec<u8>,
    /// The GS2 header of the login that came.
    pub seen: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lie {
    No,
    /// Signs with another key.
    Signature,
    /// Lets in without a word.
    Silent,
    /// Lets in whoever comes, with the right signature.
    LetsIn,
    /// Answers with a nonce that is not the client's.
    Nonce,
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().into()
}

impl Role {
    pub fn new(password: &str, salt: &[u8], iterations: u32) -> Role {
        // PBKDF2, one block.
        let mut round = hmac(password.as_bytes(), &[salt, &1_u32.to_be_bytes()].concat());
        let mut salted = round;
        for _ in 1..iterations {
            round = hmac(password.as_bytes(), &round);
            salted.iter_mut().zip(round).for_each(|(to, from)| *to ^= from);
        }
        Role {
            salt: salt.to_vec(),
            iterations,
            client: hmac(&salted, b"Client Key"),
            stored: Sha256::digest(hmac(&salted, b"Client Key")).into(),
            server: hmac(&salted, b"Server Key"),
            binding: vec![8; 32],
            lie: Lie::No,
            binds: true,
            header: Vec::new(),
            bare: Vec::new(),
            first: Vec::new(),
            seen: String::new(),
        }
    }

    /// The client's last message over its header and bare first message and the server's, and the signature that it then expects.
    pub fn proves(&self, (header, bare): (&[u8], &[u8]), first: &[u8], binding: Option<&[u8]>) -> (Vec<u8>, Vec<u8>) {
        let channel = STANDARD.encode([header, binding.unwrap_or_default()].concat());
        let nonce = std::str::from_utf8(first).unwrap().split(',').next().unwrap();
        let unproven = format!("c={channel},{nonce}");
        let message = [bare, first, unproven.as_bytes()].join(b",".as_slice());
        let mut proof = self.client;
        proof.iter_mut().zip(hmac(&self.stored, &message)).for_each(|(to, from)| *to ^= from);
        let signature = format!("v={}", STANDARD.encode(hmac(&self.server, &message)));
        (format!("{unproven},p={}", STANDARD.encode(proof)).into_bytes(), signature.into_bytes())
    }

    /// As `pg_authid.rolpassword` has it.
    pub fn verifier(&self) -> String {
        let [salt, stored, server] =
            [self.salt.as_slice(), &self.stored, &self.server].map(|bytes| STANDARD.encode(bytes));
        format!("SCRAM-SHA-256${}:{salt}${stored}:{server}", self.iterations)
    }
}

impl Scram for Role {
    fn step(&mut self, body: &[u8]) -> Said {
        if self.first.is_empty() {
            let initial = SaslInitialResponse::parse(body).unwrap();
            let message = initial.response.unwrap();
            let second = message.iter().enumerate().filter(|(_, byte)| **byte == b',').nth(1).unwrap().0;
            (self.header, self.bare) = (message[..=second].to_vec(), message[second + 1..].to_vec());
            self.seen = String::from_utf8(self.header.clone()).unwrap();
            let plus = initial.mechanism.ends_with(b"-PLUS");
            assert_eq!(plus, self.header.starts_with(b"p="), "mechanism and header");
            let nonce = self.bare.split(|byte| *byte == b',').find_map(|part| part.strip_prefix(b"r=")).unwrap();
            if self.binds && self.header.starts_with(b"y") {
                return Said::Wrong;
            }
            let nonce = if self.lie == Lie::Nonce { b"another" } else { nonce };
            let salt = STANDARD.encode(&self.salt);
            self.first = [b"r=", nonce, format!("server+nonce,s={salt},i={}", self.iterations).as_bytes()].concat();
            return Said::Challenge(self.first.clone());
        }
        let (unproven, proof) = std::str::from_utf8(body).unwrap().rsplit_once(",p=").unwrap();
        let binding = if self.header.starts_with(b"p=") { self.binding.as_slice() } else { &[] };
        let channel = STANDARD.encode([self.header.as_slice(), binding].concat());
        let nonce = std::str::from_utf8(&self.first).unwrap().split(',').next().unwrap();
        assert_eq!(unproven, format!("c={channel},{nonce}"), "the last message without its proof");
        let message = [self.bare.as_slice(), &self.first, unproven.as_bytes()].join(b",".as_slice());
        let mut key: [u8; 32] = STANDARD.decode(proof).unwrap().try_into().unwrap();
        key.iter_mut().zip(hmac(&self.stored, &message)).for_each(|(to, from)| *to ^= from);
        let right = <[u8; 32]>::from(Sha256::digest(key)) == self.stored;
        let signed = |key: &[u8]| format!("v={}", STANDARD.encode(hmac(key, &message))).into_bytes();
        match self.lie {
            Lie::No | Lie::Nonce if right => Said::Right(signed(&self.server)),
            Lie::LetsIn => Said::Right(signed(&self.server)),
            Lie::Signature => Said::Right(signed(&[1; 32])),
            Lie::Silent => Said::Right(Vec::new()),
            Lie::No | Lie::Nonce => Said::Wrong,
        }
    }
}
