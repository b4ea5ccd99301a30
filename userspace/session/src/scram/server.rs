//! The server's part, towards the agent. What is refused, and how, is what PostgreSQL does (`read_client_first_message`,
//! `read_client_final_message`, auth-scram.c).

use super::keys::{Key, LEN, Verifier};
use super::text::{self, Attributes};
use super::{BINDING, Wrong};

/// The mechanism that the agent chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mechanism {
    /// SCRAM-SHA-256.
    Plain,
    /// SCRAM-SHA-256-PLUS.
    Plus,
}

impl Mechanism {
    pub(crate) const PLAIN: &'static [u8] = b"SCRAM-SHA-256";
    pub(crate) const PLUS: &'static [u8] = b"SCRAM-SHA-256-PLUS";

    pub(crate) fn of(name: &[u8]) -> Option<Mechanism> {
        match name {
            Mechanism::PLAIN => Some(Mechanism::Plain),
            Mechanism::PLUS => Some(Mechanism::Plus),
            _ => None,
        }
    }
}

/// One exchange, from the client's first message on.
#[derive(Debug)]
pub(crate) struct Server {
    mechanism: Mechanism,
    /// The GS2 header: who binds to what.
    header: Vec<u8>,
    bare: Vec<u8>,
    nonce: Vec<u8>,
    /// Our first message.
    first: Vec<u8>,
}

/// What the client's last message proves, and over what.
pub(crate) struct Proof {
    proof: [u8; LEN],
    message: Vec<u8>,
}

impl Server {
    /// Reads the client's first message. `offered`: it was offered channel binding.
    pub(crate) fn begin(message: &[u8], mechanism: Mechanism, offered: bool) -> Result<Server, Wrong> {
        let mut rest = Attributes::new(message);
        match (rest.peek(), mechanism) {
            (Some(b'n'), Mechanism::Plain) => rest.expect(b'n').and_then(|()| rest.expect(b','))?,
            (Some(b'y'), Mechanism::Plain) if offered => return Err(DOWNGRADE),
            (Some(b'y'), Mechanism::Plain) => rest.expect(b'y').and_then(|()| rest.expect(b','))?,
            (Some(b'n' | b'y'), Mechanism::Plus) => return Err(NO_BINDING),
            (Some(b'p'), Mechanism::Plain) => return Err(UNWANTED_BINDING),
            (Some(b'p'), Mechanism::Plus) => {
                if rest.named(b'p')? != BINDING {
                    return Err(OTHER_BINDING);
                }
            }
            _ => return Err(Wrong::MALFORMED),
        }
        if rest.peek() == Some(b'a') {
            return Err(IDENTITY);
        }
        rest.expect(b',')?;
        let (header, bare) = message.split_at(message.len() - rest.left());
        if rest.peek() == Some(b'm') {
            return Err(EXTENSION);
        }
        // The role is the startup packet's, as in PostgreSQL.
        rest.named(b'n')?;
        let nonce = rest.named(b'r')?;
        while rest.left() > 0 {
            rest.any()?;
        }
        if !text::is_nonce(nonce) || message.contains(&0) {
            return Err(Wrong::MALFORMED);
        }
        let (header, bare, nonce) = (header.to_vec(), bare.to_vec(), nonce.to_vec());
        Ok(Server { mechanism, header, bare, nonce, first: Vec::new() })
    }

    /// Our first message. `salt` is base64.
    pub(crate) fn challenge(&mut self, nonce: &[u8], salt: &[u8], iterations: u32) -> &[u8] {
        self.nonce.extend_from_slice(nonce);
        let iterations = iterations.to_string();
        self.first = [b"r=", self.nonce.as_slice(), b",s=", salt, b",i=", iterations.as_bytes()].concat();
        &self.first
    }

    /// Reads the client's last message. `binding`: of the certificate that it was shown.
    pub(crate) fn answered(&self, message: &[u8], binding: &[u8]) -> Result<Proof, Wrong> {
        let mut rest = Attributes::new(message);
        let bound = text::decoded(rest.named(b'c')?).ok_or(Wrong::MALFORMED)?;
        let channel = if self.mechanism == Mechanism::Plus { binding } else { &[] };
        if bound != [self.header.as_slice(), channel].concat() {
            return Err(if self.mechanism == Mechanism::Plus { CHANNEL } else { HEADER });
        }
        if rest.named(b'r')? != self.nonce {
            return Err(NONCE);
        }
        let (unproven, proof) = loop {
            let before = message.len() - rest.left();
            if let (b'p', proof) = rest.any()? {
                break (message.get(..before.saturating_sub(1)).unwrap_or_default(), proof);
            }
        };
        rest.end()?;
        let proof = text::decoded(proof).and_then(|proof| <[u8; LEN]>::try_from(proof).ok()).ok_or(Wrong::MALFORMED)?;
        let message = [self.bare.as_slice(), &self.first, unproven].join(b",".as_slice());
        Ok(Proof { proof, message })
    }
}

impl Proof {
    /// The client's key, if the proof is right.
    pub(crate) fn client_key(&self, verifier: &Verifier) -> Option<Key> {
        verifier.client_key(&self.message, &self.proof)
    }

    /// Our last message: that we know the verifier.
    pub(crate) fn signature(&self, verifier: &Verifier) -> Option<Vec<u8>> {
        Some([b"v=".as_slice(), &text::encoded(&verifier.server.sign(&self.message)?)].concat())
    }
}

const DOWNGRADE: Wrong = Wrong::new(
    b"28000",
    "SCRAM channel binding negotiation error: the client supports it and thinks the server does not, but it was offered",
);
const NO_BINDING: Wrong = Wrong::new(
    b"08P01",
    "malformed SCRAM message: SCRAM-SHA-256-PLUS was selected, but the message has no channel binding data",
);
const UNWANTED_BINDING: Wrong = Wrong::new(
    b"08P01",
    "malformed SCRAM message: SCRAM-SHA-256 without channel binding was selected, but the message has channel binding data",
);
const OTHER_BINDING: Wrong = Wrong::new(b"08P01", "unsupported SCRAM channel-binding type");
const IDENTITY: Wrong = Wrong::new(b"0A000", "client uses authorization identity, but it is not supported");
const EXTENSION: Wrong = Wrong::new(b"0A000", "client requires an unsupported SCRAM extension");
const CHANNEL: Wrong = Wrong::new(b"28000", "SCRAM channel binding check failed");
const HEADER: Wrong = Wrong::new(b"08P01", "unexpected SCRAM channel-binding attribute in client-final-message");
const NONCE: Wrong = Wrong::new(b"08P01", "invalid SCRAM response: nonce does not match");

#[cfg(test)]
impl Proof {
    /// Turns one bit over.
    pub(super) fn flip(&mut self, bit: usize) {
        self.proof[bit / 8] ^= 1 << (bit % 8);
    }
}
