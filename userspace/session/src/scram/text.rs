//! Attributes and base64 of SCRAM's messages.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{NONCE_MAX, Wrong};

/// What is left of a message.
#[derive(Clone, Copy)]
pub(super) struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Attributes<'a> {
    pub(super) fn new(message: &'a [u8]) -> Attributes<'a> {
        Attributes { rest: message }
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// The letter that is next.
    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// One byte that must be this one.
    pub(super) fn expect(&mut self, byte: u8) -> Result<(), Wrong> {
        match self.rest.split_first() {
            Some((&first, rest)) if first == byte => {
                self.rest = rest;
                Ok(())
            }
            _ => Err(Wrong::MALFORMED),
        }
    }

    /// `x=value` and the comma behind it, whatever the letter is.
    pub(super) fn any(&mut self) -> Result<(u8, &'a [u8]), Wrong> {
        let [letter, b'=', rest @ ..] = self.rest else { return Err(Wrong::MALFORMED) };
        if !letter.is_ascii_alphabetic() {
            return Err(Wrong::MALFORMED);
        }
        let end = rest.iter().position(|&byte| byte == b',');
        let (value, rest) = match end {
            // A comma has something behind it.
            Some(end) if end + 1 == rest.len() => return Err(Wrong::MALFORMED),
            Some(end) => (rest.get(..end).unwrap_or_default(), rest.get(end + 1..).unwrap_or_default()),
            None => (rest, [].as_slice()),
        };
        self.rest = rest;
        Ok((*letter, value))
    }

    /// The same with this letter.
    pub(super) fn named(&mut self, letter: u8) -> Result<&'a [u8], Wrong> {
        match self.any()? {
            (found, value) if found == letter => Ok(value),
            _ => Err(Wrong::MALFORMED),
        }
    }

    pub(super) fn end(&self) -> Result<(), Wrong> {
        if self.rest.is_empty() { Ok(()) } else { Err(Wrong::MALFORMED) }
    }
}

/// Printable ASCII without a comma.
pub(super) fn is_nonce(bytes: &[u8]) -> bool {
    (1..=NONCE_MAX).contains(&bytes.len()) && bytes.iter().all(|byte| byte.is_ascii_graphic() && *byte != b',')
}

pub(super) fn encoded(bytes: &[u8]) -> Vec<u8> {
    STANDARD.encode(bytes).into_bytes()
}

pub(super) fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}
