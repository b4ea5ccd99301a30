//! Text that may be written down.

use std::fmt;
use std::ops::Range;

use crate::keep::DIGITS_MIN;
use crate::{Fill, Mode, Scanner, mask_text};

/// Text that the strict scan has been over: the only text that the record, logs and errors accept. It is made here alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Masked(String);

impl Masked {
    /// Masks with the strict scan: every window of 13 to 19 digits, in any encoding and either direction, that is a card by issuer range, length
    /// and check digit, and the rest of every track.
    pub fn of(text: &str) -> Masked {
        // No encoding writes a digit in less than a byte.
        if text.len() < DIGITS_MIN {
            return Masked(text.to_owned());
        }
        Masked::scanned(text)
    }

    fn scanned(text: &str) -> Masked {
        let mut bytes = text.as_bytes().to_vec();
        Scanner::of(Mode::Strict, Fill::Text).scan(&mut bytes, true);
        mask_text(&mut bytes, Fill::Text); // an escape that the strict scan read as one digit may be plain text
        // Only whole characters were replaced, by ASCII.
        let text = String::from_utf8(bytes);
        Masked(text.unwrap_or_else(|other| String::from_utf8_lossy(other.as_bytes()).into_owned()))
    }

    /// The same for bytes that may be no UTF-8; what is none becomes U+FFFD.
    pub fn of_bytes(bytes: &[u8]) -> Masked {
        Masked::of(&String::from_utf8_lossy(bytes))
    }

    /// Words of our own source.
    pub fn literal(text: &'static str) -> Masked {
        Masked(text.to_owned())
    }

    /// The masked text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Bytes of a protocol, the strict scan over each part of them that may hold a value or a text: what a record accepts beside [`Masked`].
#[derive(Clone, Default, PartialEq, Eq)]
pub struct MaskedBytes(Vec<u8>);

impl MaskedBytes {
    /// Masks each of the parts by itself, in place: lengths stay. Says how many cards were found. A part that is not in the bytes is passed over.
    pub fn of(mut bytes: Vec<u8>, parts: impl IntoIterator<Item = Range<usize>>) -> (MaskedBytes, u32) {
        let mut cards = 0;
        for part in parts {
            // No encoding writes a digit in less than a byte; most values are shorter than a card, and a scan of nothing costs too.
            if let Some(part) = bytes.get_mut(part).filter(|part| part.len() >= DIGITS_MIN) {
                cards += Scanner::of(Mode::Strict, Fill::Text).scan(part, true).cards;
                cards += mask_text(part, Fill::Text);
            }
        }
        (MaskedBytes(bytes), cards)
    }

    /// The masked bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for MaskedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MaskedBytes({} bytes)", self.0.len())
    }
}

impl fmt::Display for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text that is too short for a card is what the scan would leave of it.
    #[test]
    fn short_texts_hold_no_card() {
        let pieces =
            ["4", "1", "0", "11", "=", ";", "%B", "^", "\\x", "%3", "&#5", "\u{ff14}", "\u{664}", " ", "-", "?"];
        let mut state = 5_usize;
        for _ in 0..crate::times(20_000) {
            let mut text = String::new();
            loop {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let piece = pieces[(state >> 33) % pieces.len()];
                if text.len() + piece.len() >= DIGITS_MIN {
                    break;
                }
                text.push_str(piece);
            }
            assert!(Masked::scanned(&text).as_str() == text);
            let mut bytes = text.into_bytes();
            let before = bytes.clone();
            assert_eq!(Scanner::of(Mode::Strict, Fill::Text).scan(&mut bytes, true).cards, 0);
            assert!(mask_text(&mut bytes, Fill::Text) == 0 && bytes == before);
        }
    }

    #[test]
    fn strict_finds_what_balanced_leaves() {
        for (text, masked) in [
            ("x4111111111111111y", "x411111******1111y"),
            ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "4 1 1 1 1 1 * * * * * * 1 1 1 1"),
            ("4111 - 1111 - 1111 - 1111", "4111 - 11** - **** - 1111"),
            ("+4222222222222", "+4222*****2222"),
            ("%B4111111111111111^DOE/JOHN^25121010000000000000?", "%B411111******1111^DOE/JOHN^********************?"),
            ("no digits at all, and 2026-11-21 01:42:08", "no digits at all, and 2026-11-21 01:42:08"),
            ("", ""),
        ] {
            assert!(Masked::of(text).as_str() == masked);
            assert!(Masked::of(masked).as_str() == masked);
            assert!(format!("{}", Masked::of(text)) == masked);
            assert!(format!("{:?}", Masked::of(text)) == format!("{masked:?}"));
        }
        assert!(Masked::of_bytes(b"\xff4111111111111111").as_str() == "\u{fffd}411111******1111");
        assert_eq!(Masked::literal("words").as_str(), "words");
    }
}
