//! The client's part, towards the database.

use super::Wrong;
use super::keys::{Key, LEN, Verifier, is_same};
use super::text::{self, Attributes};

/// One exchange.
#[derive(Debug)]
pub(crate) struct Client {
    /// The GS2 header: what we bind to.
    header: &'static [u8],
    /// The channel's, where we bind to it.
    binding: Vec<u8>,
    bare: Vec<u8>,
    nonce: Vec<u8>,
    unproven: Vec<u8>,
    /// What both sides sign.
    message: Vec<u8>,
}

/// What the database keeps of the role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Challenge<'a> {
    /// As it was said: base64.
    pub(crate) salt: &'a [u8],
    pub(crate) iterations: u32,
}

impl Challenge<'_> {
    /// What a password makes of it: the verifier that the database should have, and the client's key.
    pub(crate) fn answered_with(&self, password: &[u8]) -> Option<(Verifier, Key)> {
        Verifier::of_password(password, text::decoded(self.salt)?, self.iterations)
    }

    /// Whether this is the verifier that the database has.
    pub(crate) fn is_of(&self, verifier: &Verifier) -> bool {
        self.iterations == verifier.iterations && text::decoded(self.salt).as_ref() == Some(&verifier.salt)
    }
}

impl Client {
    /// With a nonce, bound to the channel (of which `binding` is the certificate's hash) or, where the database offered no binding, not:
    /// then it hears that we would have, so that whoever took its offer away is found out.
    pub(crate) fn new(nonce: Vec<u8>, binding: Option<&[u8]>) -> Client {
        let header: &[u8] = if binding.is_some() { b"p=tls-server-end-point,," } else { b"y,," };
        // The role is the startup packet's.
        let bare = [b"n=,r=", nonce.as_slice()].concat();
        let binding = binding.unwrap_or_default().to_vec();
        Client { header, binding, bare, nonce, unproven: Vec::new(), message: Vec::new() }
    }

    /// The first message.
    pub(crate) fn first(&self) -> Vec<u8> {
        [self.header, &self.bare].concat()
    }

    /// The database's first message.
    pub(crate) fn challenged<'a>(&mut self, message: &'a [u8]) -> Result<Challenge<'a>, Wrong> {
        let mut rest = Attributes::new(message);
        let (nonce, salt, iterations) = (rest.named(b'r')?, rest.named(b's')?, rest.named(b'i')?);
        rest.end()?;
        if !text::is_nonce(nonce) || nonce.len() <= self.nonce.len() || !nonce.starts_with(&self.nonce) {
            return Err(NONCE);
        }
        let digits = !iterations.is_empty() && iterations.iter().all(u8::is_ascii_digit);
        let count = std::str::from_utf8(iterations).ok().and_then(|digits| digits.parse().ok());
        let iterations = count.filter(|count| digits && *count > 0).ok_or(Wrong::MALFORMED)?;
        text::decoded(salt).filter(|salt| !salt.is_empty()).ok_or(Wrong::MALFORMED)?;
        let bound = text::encoded(&[self.header, &self.binding].concat());
        self.unproven = [b"c=", bound.as_slice(), b",r=", nonce].concat();
        self.message = [self.bare.as_slice(), message, &self.unproven].join(b",".as_slice());
        Ok(Challenge { salt, iterations })
    }

    /// The last message.
    pub(crate) fn proven(&self, verifier: &Verifier, key: &Key) -> Option<Vec<u8>> {
        Some(self.last(&key.xor(&verifier.stored.sign(&self.message)?)))
    }

    /// A last message that proves nothing: the database refuses the login in its own words.
    pub(crate) fn unproven(&self) -> Vec<u8> {
        self.last(&[0; LEN])
    }

    fn last(&self, proof: &[u8; LEN]) -> Vec<u8> {
        [self.unproven.as_slice(), b",p=", &text::encoded(proof)].concat()
    }

    /// The database's last message: whether it knows the role's verifier.
    pub(crate) fn is_signed(&self, message: &[u8], verifier: &Verifier) -> bool {
        let mut rest = Attributes::new(message);
        let signature = rest.named(b'v').and_then(|signature| rest.end().map(|()| signature));
        match (signature.ok().and_then(text::decoded), verifier.server.sign(&self.message)) {
            (Some(signature), Some(expected)) => is_same(&expected, &signature),
            _ => false,
        }
    }
}

const NONCE: Wrong = Wrong::new(b"08P01", "the database's SCRAM nonce does not begin with ours");

#[cfg(test)]
impl Client {
    /// Says other words than ours.
    pub(super) fn be(&mut self, header: &'static [u8], bare: &[u8]) {
        (self.header, self.bare) = (header, bare.to_vec());
    }
}
