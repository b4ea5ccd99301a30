//! What is said of the values that a statement is bound to, or a function is called with: to a reviewer, and in the record.

use std::sync::Arc;

use audit::token::{CardKey, CardTokens};
use audit::{NAME_MAX, Parameters, ParametersPart};
use pan::Masked;
use wire::postgres::{Format, Values};

use super::{Connection, Cx};
use crate::verdicts::{Inner, Judged};

/// Bytes of one value that are shown.
const VALUE_MAX: usize = NAME_MAX - 32;
/// No more of one value is looked at: a card that begins in what is shown ends in here.
const READ_MAX: usize = 4096;
/// The least number of thirteen digits.
const SHORTEST_CARD: u64 = 1_000_000_000_000;
/// Bytes of all values of a message in which card numbers are looked for.
const SEARCHED_MAX: usize = 64 << 10;

impl Connection {
    /// What a decision's record says of a statement's values: the values where its result is recorded, the tokens of card numbers in any case. `None`: there is nothing to say.
    pub(super) fn bound(
        &self,
        sent: Values<'_>,
        judged: &Arc<Judged>,
        inner: &Inner,
        cx: &mut Cx<'_, '_>,
    ) -> Option<Arc<ParametersPart>> {
        if sent.is_empty() {
            return None;
        }
        let secret = judged.secret || judged.has_effects && self.texts_of(judged, cx).iter().any(|text| text.secret);
        let keeps = self.keeps(Some(judged), inner);
        let values = if keeps { values(sent, secret, cx.shared.limits.told_parameters) } else { Vec::new() };
        let part = part(sent, &values, secret, cx.shared.card_key);
        (!part.is_empty()).then(|| Arc::new(part))
    }
}

/// As the record has it. Of what nobody may see there are no tokens either.
pub(super) fn part(sent: Values<'_>, values: &[Masked], secret: bool, key: &CardKey) -> ParametersPart {
    let (mut tokens, mut unread) = (CardTokens::default(), 0);
    if !secret {
        unread = tokens_of(sent, key, &mut tokens);
    }
    ParametersPart::of(&Parameters { values, tokens: &tokens, unread })
}

/// Says how many bytes were not looked at.
fn tokens_of(sent: Values<'_>, key: &CardKey, tokens: &mut CardTokens) -> u64 {
    let (mut left, mut unread) = (SEARCHED_MAX, 0);
    for (value, format) in sent.iter() {
        let Some(value) = value else { continue };
        let searched = value.len().min(left);
        (left, unread) = (left - searched, unread + (value.len() - searched) as u64);
        match (format, value) {
            // A number of a card's length that is written in binary. The type is the server's to know.
            (Format::Binary, [a, b, c, d, e, f, g, h]) => {
                let number = i64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]).unsigned_abs();
                if number >= SHORTEST_CARD {
                    key.add(number.to_string().as_bytes(), tokens);
                }
            }
            (_, value) => key.add(value.get(..searched).unwrap_or_default(), tokens),
        }
    }
    unread
}

/// Types are the server's to know: of a binary value, what it may be.
pub(super) fn values(sent: Values<'_>, redacted: bool, max: usize) -> Vec<Masked> {
    let value = |(value, format): (Option<&[u8]>, Format)| match value {
        None => Masked::literal("NULL"),
        Some(_) if redacted => Masked::literal("[redacted]"),
        Some(bytes) => said(bytes, format),
    };
    let mut all: Vec<Masked> = sent.iter().take(max).map(value).collect();
    if sent.len() > max {
        all.push(Masked::of(&format!("[and {} more]", sent.len() - max)));
    }
    all
}

fn said(bytes: &[u8], format: Format) -> Masked {
    let number = |value: i64| Masked::of(&format!("{value}"));
    match (format, bytes) {
        (Format::Binary, [a, b]) => number(i16::from_be_bytes([*a, *b]).into()),
        (Format::Binary, [a, b, c, d]) => number(i32::from_be_bytes([*a, *b, *c, *d]).into()),
        (Format::Binary, [a, b, c, d, e, f, g, h]) => number(i64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h])),
        (_, bytes) => match read(bytes) {
            // Masked with what follows, cut after: no number loses its end to the cut and passes for none.
            Some(text) if format == Format::Text || !text.contains(char::is_control) => {
                cut(&Masked::of(text), bytes.len())
            }
            _ => Masked::of(&format!("[{} bytes]", bytes.len())),
        },
    }
}

/// The beginning of a text, in whole characters; `None`: it is no UTF-8.
fn read(bytes: &[u8]) -> Option<&str> {
    let head = bytes.get(..READ_MAX).unwrap_or(bytes);
    match std::str::from_utf8(head) {
        Ok(text) => Some(text),
        // The last character was cut.
        Err(why) if why.error_len().is_none() && head.len() < bytes.len() => {
            std::str::from_utf8(head.get(..why.valid_up_to())?).ok()
        }
        Err(_) => None,
    }
}

fn cut(text: &Masked, bytes: usize) -> Masked {
    let whole = text.as_str();
    if whole.len() <= VALUE_MAX {
        return text.clone();
    }
    Masked::of(&format!("{} [of {bytes} bytes]", &whole[..whole.floor_char_boundary(VALUE_MAX)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_masked_whatever_their_form() {
        for (bytes, format, expected) in [
            (b"4111111111111111".as_slice(), Format::Text, "411111******1111"),
            (&4_111_111_111_111_111_i64.to_be_bytes(), Format::Binary, "411111******1111"),
            (&7_i32.to_be_bytes(), Format::Binary, "7"),
            (&(-7_i16).to_be_bytes(), Format::Binary, "-7"),
            (b"ada", Format::Binary, "ada"),
            (b"\x00\x01\x02", Format::Binary, "[3 bytes]"),
            (b"\xff\xfe\xfd", Format::Text, "[3 bytes]"),
        ] {
            assert!(said(bytes, format).as_str() == expected, "{} bytes", bytes.len());
        }
        assert!(said(&[b'x'; 400], Format::Text).as_str().ends_with("x [of 400 bytes]"));
    }

    /// A character, and a card, that the end of what is read cuts in two.
    #[test]
    fn a_long_value_is_read_to_a_bound() {
        let umlauts = "\u{e4}".repeat(READ_MAX);
        assert!(said(&umlauts.as_bytes()[1..], Format::Text).as_str() == format!("[{} bytes]", 2 * READ_MAX - 1));
        assert!(said(format!("x{umlauts}").as_bytes(), Format::Text).as_str().ends_with(" [of 8193 bytes]"));
        let card = format!("{}4111111111111111{}", "x".repeat(VALUE_MAX - 7), "y".repeat(READ_MAX));
        assert!(said(card.as_bytes(), Format::Text).as_str().contains("411111* [of "));
    }
}
