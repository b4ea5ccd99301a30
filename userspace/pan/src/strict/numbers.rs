//! The card numbers of a text by their digits: what a token of each is made of, so that records about one card can be joined without it.
//!
//! The same three readings as the scan's (digits, hex pairs, base64), said plainly: a text in which the scan finds nothing is not read so. Of
//! cards that lie in each other the widest is the number, of two in one place the one that is written forwards: whoever writes sixteen digits means no thirteen
//! of them, nor the sixteen backwards.

use super::{
    SPAN_MAX,
    base64::{self, Base64},
    run::Run,
    token::{self, Token},
};
use crate::{
    Engine, Fill, Mode, Scanner,
    keep::{DIGITS_MAX, DIGITS_MIN},
};

/// Calls `each` with the digits (ASCII, 13 to 19) of every card number that the strict scan masks in a text, as often as it stands there. One that is written backwards is told forwards. What is
/// written so widely that the scan masks it undecided (more than 222 bytes) has none.
pub fn card_numbers(text: &[u8], mut each: impl FnMut(&[u8])) {
    let is_long = text.len() >= DIGITS_MIN;
    if !is_long || Scanner::of(Mode::Strict, Fill::Text).scan(&mut text.to_vec(), true).cards == 0 {
        return;
    }
    let engine = Engine::current();
    digits(engine, text, &mut each);
    (0..2).for_each(|parity| hex_pairs(engine, text, parity, &mut each));
    in_base64(engine, text, &mut each);
}

/// The cards of a run of digits, as they come.
struct Reading<'a> {
    engine: &'a Engine,
    run: Run,
    /// Cards that a wider one may still lie around.
    found: Vec<Found>,
}

/// A card, by the places of its first and last digit in the run.
struct Found {
    first: usize,
    last: usize,
    is_reversed: bool,
    digits: [u8; DIGITS_MAX],
}

impl Found {
    fn length(&self) -> usize {
        self.last + 1 - self.first
    }

    /// The other is what was meant: it lies around this one, or in its place and is written forwards.
    fn is_of(&self, other: &Found) -> bool {
        let is_less = (self.length(), !self.is_reversed) < (other.length(), !other.is_reversed);
        is_less && other.first <= self.first && self.last <= other.last
    }
}

impl<'a> Reading<'a> {
    fn new(engine: &'a Engine) -> Reading<'a> {
        Reading { engine, run: Run::new(0), found: Vec::new() }
    }

    /// A digit that begins at `start` and ends before `end`.
    fn digit(&mut self, digit: u8, start: usize, end: usize, each: &mut dyn FnMut(&[u8])) {
        self.run.push(digit, start);
        let (run, found) = (&self.run, &mut self.found);
        run.cards(self.engine, |card| {
            let (first, last, digits) = run.digits_of(&card);
            let is_reversed = card.reversed;
            if end - run.start(first) <= SPAN_MAX {
                found.push(Found { first, last, is_reversed, digits });
            }
        });
        let newest = self.run.count - 1;
        self.tell(|one| one.last + DIGITS_MAX <= newest, each);
    }

    fn separator(&mut self, each: &mut dyn FnMut(&[u8])) {
        if self.run.count > 0 && !self.run.separate() {
            self.end(each);
        }
    }

    fn end(&mut self, each: &mut dyn FnMut(&[u8])) {
        self.tell(|_| true, each);
        self.run.clear();
    }

    /// Tells of those that are decided: nothing that is still to come lies around them.
    fn tell(&mut self, is_decided: impl Fn(&Found) -> bool, each: &mut dyn FnMut(&[u8])) {
        for one in self.found.iter().filter(|one| is_decided(one)) {
            if !self.found.iter().any(|other| one.is_of(other)) {
                each(one.digits.get(..one.length()).unwrap_or_default());
            }
        }
        self.found.retain(|one| !is_decided(one));
    }
}

fn digits(engine: &Engine, text: &[u8], each: &mut dyn FnMut(&[u8])) {
    let (mut reading, mut at) = (Reading::new(engine), 0);
    while at < text.len() {
        at += match token::at(text, at, true, false) {
            Token::Digit(digit, length) => {
                reading.digit(digit, at, at + length, each);
                length
            }
            Token::Separator(length) => {
                reading.separator(each);
                length
            }
            Token::Other(length) => {
                reading.end(each);
                length
            }
            Token::More => 1,
        };
    }
    reading.end(each);
}

fn hex_pairs(engine: &Engine, text: &[u8], parity: usize, each: &mut dyn FnMut(&[u8])) {
    let mut reading = Reading::new(engine);
    for (at, pair) in text.get(parity..).unwrap_or_default().chunks_exact(2).enumerate() {
        match *pair {
            [b'3', digit @ b'0'..=b'9'] => reading.digit(digit - b'0', 2 * at, 2 * at + 2, each),
            [high, low] if token::is_separator_pair(high, low) => reading.separator(each),
            _ => reading.end(each),
        }
    }
    reading.end(each);
}

/// A character completes a byte of each alignment but one.
fn in_base64(engine: &Engine, text: &[u8], each: &mut dyn FnMut(&[u8])) {
    let mut alignments = [(); 4].map(|()| Reading::new(engine));
    let (mut state, mut characters, mut before) = (Base64::default(), 0, None);
    for (at, &byte) in text.iter().enumerate() {
        let Some(value) = state.character(byte) else {
            if !state.goes_on() {
                alignments.iter_mut().for_each(|reading| reading.end(each));
                before = None;
            }
            continue;
        };
        characters += 1;
        let Some((last, start)) = before.replace((value, at)) else { continue };
        for (offset, byte) in base64::bytes_of(last, value).into_iter().enumerate() {
            let Some(reading) = alignments.get_mut((characters + 3 - offset) % 4) else { continue };
            match byte {
                b'0'..=b'9' => reading.digit(byte - b'0', start, at, each),
                _ if base64::is_separator(byte) => reading.separator(each),
                _ => reading.end(each),
            }
        }
    }
    alignments.iter_mut().for_each(|reading| reading.end(each));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Masked, luhn};

    fn numbers(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        card_numbers(text.as_bytes(), |digits| found.push(String::from_utf8_lossy(digits).into_owned()));
        found
    }

    const VISA: &str = "4111111111111111";
    const AMEX: &str = "378282246310005";

    #[test]
    fn a_number_is_told_in_whatever_way_it_is_written() {
        let fullwidth: String =
            VISA.chars().filter_map(|digit| char::from_u32(0xff10 + digit.to_digit(10).unwrap())).collect();
        let hex: String = VISA.bytes().map(|byte| format!("{byte:02x}")).collect();
        let escaped: String = VISA.bytes().map(|byte| format!("\\u00{byte:02x}")).collect();
        for (text, expected) in [
            ("", vec![]),
            ("SELECT 1 WHERE id = 4111111111111112", vec![]),
            (VISA, vec![VISA]),
            ("pan = '4111 1111-1111.1111'", vec![VISA]),
            ("x4111111111111111y", vec![VISA]),
            ("1111111111111114", vec![VISA]),
            ("4000000000000135", vec!["4000000000000135"]), // a card backwards too
            (&fullwidth, vec![VISA]),
            (&hex, vec![VISA]),
            (&format!("a{hex}"), vec![VISA]),
            (&escaped, vec![VISA]),
            ("NDExMTExMTExMTExMTExMQ==", vec![VISA]),
            ("IN ('4111111111111111', '378282246310005', '4111111111111111')", vec![VISA, AMEX, VISA]),
            ("%B4111111111111111^DOE/JOHN^25121010000000000000?", vec![VISA]),
        ] {
            assert!(numbers(text) == expected, "{}", text.len());
        }
    }

    /// A text in which the strict scan masks a card has a number, and each number is a card: over pieces that are put together at random.
    #[test]
    fn what_is_masked_has_a_number() {
        let pieces = [
            VISA,
            AMEX,
            "4111",
            "1111",
            " ",
            "-",
            "5",
            "0",
            "x",
            "34",
            "31",
            "\u{ff14}",
            "%34",
            "NDEx",
            "MTEx",
            "\n",
            "6011000990139424",
        ];
        let mut state = 11_usize;
        let mut next = |bound: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % bound
        };
        let mut masked = 0;
        for _ in 0..crate::times(20_000) {
            let text: String = (0..next(14)).map(|_| pieces[next(pieces.len())]).collect();
            let found = numbers(&text);
            assert!(found.iter().all(|digits| {
                let digits: Vec<u8> = digits.bytes().map(|digit| digit - b'0').collect();
                luhn::holds(&digits) && Engine::current().heads.strict(&digits).contains(digits.len())
            }));
            let mut bytes = text.clone().into_bytes();
            let cards = Scanner::of(Mode::Strict, Fill::Text).scan(&mut bytes, true).cards;
            assert_eq!(cards > 0, !found.is_empty(), "a text of {} bytes", text.len());
            assert!(numbers(Masked::of(&text).as_str()).is_empty(), "a text of {} bytes", text.len());
            masked += usize::from(cards > 0);
        }
        assert!(masked > crate::times(20_000) / 4);
    }
}
