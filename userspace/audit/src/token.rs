//! Tokens of card numbers: who has the key can ask the record about one card, and whoever has the record alone can tell that two records are about one card, and not which.
//!
//! PCI DSS v4.0.1 3.5.1 and 3.5.1.1: a hash of a card number is a keyed one. The record also shows first and last digits; with a plain hash the missing ones were found by trying a million.

use std::fmt;
use std::str::FromStr;

use ring::hkdf::{HKDF_SHA256, Salt};
use ring::hmac;

use crate::LIST_MAX;

/// Bytes of the key's name, and of the tag, in a token.
const KEY_ID: usize = 4;
const TAG: usize = 16;
/// Bytes of a token.
pub(crate) const CARD_TOKEN_LEN: usize = KEY_ID + TAG;

/// The token of one card number under one key: which key, and the first half of an HMAC-SHA-256. Shown in letters from a to p, four bits each, so that nothing that looks for card numbers takes
/// one for such.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CardToken(pub(crate) [u8; CARD_TOKEN_LEN]);

impl CardToken {
    /// Of its bytes in a record; `None`: too few or too many.
    pub fn of_bytes(bytes: &[u8]) -> Option<CardToken> {
        bytes.try_into().ok().map(CardToken)
    }
}

impl fmt::Display for CardToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = |four: u8| char::from(b'a' + four);
        self.0.iter().try_for_each(|byte| write!(f, "{}{}", letter(byte >> 4), letter(byte & 15)))
    }
}

/// The text is no token: forty letters from a to p.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedToken;

impl fmt::Display for MalformedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a card's token is forty letters from a to p: `interceptor audit token` makes one of a card number")
    }
}

impl std::error::Error for MalformedToken {}

impl FromStr for CardToken {
    type Err = MalformedToken;

    fn from_str(text: &str) -> Result<CardToken, MalformedToken> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let four = |letter: u8| letter.checked_sub(b'a').filter(|four| *four < 16).ok_or(MalformedToken);
        let bytes: Vec<u8> =
            pairs.iter().map(|[high, low]| Ok(four(*high)? << 4 | four(*low)?)).collect::<Result<_, _>>()?;
        if rest.is_empty() { CardToken::of_bytes(&bytes).ok_or(MalformedToken) } else { Err(MalformedToken) }
    }
}

/// What tokens are made with. It is derived from a secret of the host and stands in no record.
#[derive(Clone)]
pub struct CardKey {
    id: [u8; KEY_ID],
    key: hmac::Key,
}

impl fmt::Debug for CardKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CardKey").finish_non_exhaustive()
    }
}

impl CardKey {
    /// Of a host's secret (HKDF-SHA-256, RFC 5869): the same for the same secret, so that records from before and after a restart can be joined.
    /// `None`: the library has refused, which RFC 5869 has no reason for.
    pub fn derived(secret: &[u8]) -> Option<CardKey> {
        let purpose = [b"token of a card number".as_slice()];
        let derived = Salt::new(HKDF_SHA256, b"interceptor").extract(secret);
        let key = derived.expand(&purpose, hmac::HMAC_SHA256).map(hmac::Key::from).ok()?;
        let mut id = [0; KEY_ID];
        id.iter_mut().zip(hmac::sign(&key, b"key").as_ref()).for_each(|(slot, byte)| *slot = *byte);
        Some(CardKey { id, key })
    }

    /// The token of one number, by its digits in ASCII.
    pub fn token(&self, digits: &[u8]) -> CardToken {
        let tag = hmac::sign(&self.key, digits);
        let mut token = [0; CARD_TOKEN_LEN];
        token.iter_mut().zip(self.id.iter().chain(tag.as_ref())).for_each(|(slot, byte)| *slot = *byte);
        CardToken(token)
    }

    /// The tokens of the card numbers in a text, in order.
    pub fn tokens(&self, text: &[u8]) -> CardTokens {
        let mut tokens = CardTokens::default();
        self.add(text, &mut tokens);
        tokens
    }

    /// Adds those of another text.
    pub fn add(&self, text: &[u8], to: &mut CardTokens) {
        pan::card_numbers(text, |digits| {
            if to.tokens.len() == LIST_MAX {
                to.left_off += 1;
                return;
            }
            let token = self.token(digits);
            if !to.tokens.contains(&token) {
                to.tokens.push(token);
            }
        });
    }
}

/// The tokens of one record: each number's once.
#[derive(Clone, Debug, Default)]
pub struct CardTokens {
    pub(crate) tokens: Vec<CardToken>,
    /// Numbers behind the first [`LIST_MAX`] different ones, whether they were told before or not.
    pub(crate) left_off: u64,
}

impl CardTokens {
    /// No number was found.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// In the order of the text.
    pub fn as_slice(&self) -> &[CardToken] {
        &self.tokens
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VISA: &[u8] = b"4111111111111111";

    /// Computed with Python's `hmac` and `hashlib` (RFC 5869, RFC 2104) from the same secret.
    #[test]
    fn a_stranger_computes_the_same() {
        let token = CardKey::derived(b"a host's secret").unwrap().token(VISA);
        assert_eq!(token.to_string(), "lgjfefpnhlokbkpjepggojkdgagplpdkibhjpgkg");
        assert_eq!(token.to_string().parse(), Ok(token));
    }

    #[test]
    fn a_token_is_of_one_number_under_one_key() {
        let (one, other) = (CardKey::derived(b"one").unwrap(), CardKey::derived(b"other").unwrap());
        assert_eq!(one.token(VISA), CardKey::derived(b"one").unwrap().token(VISA));
        assert_ne!(one.token(VISA), one.token(b"378282246310005"));
        assert_ne!(one.token(VISA), other.token(VISA));
        assert_ne!(one.token(VISA).to_string()[..8], other.token(VISA).to_string()[..8], "the key has a name");
        let spaced = one.tokens(b"SELECT '4111 1111 1111 1111', 'x4111111111111111', '378282246310005'");
        assert_eq!(spaced.as_slice(), [one.token(VISA), one.token(b"378282246310005")]);
        assert!(one.tokens(b"SELECT 4111111111111112").is_empty());
    }

    #[test]
    fn so_many_are_told_and_the_rest_is_counted() {
        let with_check = |number: u64| {
            let body = format!("400000{number:09}");
            let sum: u32 = (body.bytes().rev().enumerate())
                .map(|(at, digit)| u32::from(digit - b'0') * if at % 2 == 0 { 2 } else { 1 })
                .map(|digit| digit / 10 + digit % 10)
                .sum();
            format!("{body}{}", (10 - sum % 10) % 10)
        };
        let text: Vec<String> = (0..300).map(with_check).collect();
        let tokens = CardKey::derived(b"one").unwrap().tokens(text.join(",").as_bytes());
        assert_eq!((tokens.as_slice().len(), tokens.left_off), (LIST_MAX, 300 - LIST_MAX as u64));
    }

    #[test]
    fn what_is_no_token() {
        for text in ["", "a", &"a".repeat(39), &"a".repeat(41), &"q".repeat(40), &"A".repeat(40), &"ä".repeat(20)] {
            assert_eq!(text.parse::<CardToken>(), Err(MalformedToken));
        }
    }
}
