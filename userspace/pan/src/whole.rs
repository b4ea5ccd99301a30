//! A column that policy names sensitive: the whole value is masked, whatever it holds.

mod json;
#[cfg(test)]
mod naive;
mod number;

use crate::{Engine, Fill, balanced::alone, hex, keep::DIGITS_MAX};
use number::Number;

/// What stays of a sensitive value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whole {
    /// Of a value that is one number of 13 to 19 digits, plain or in a printed grouping: what the deployment's format ([`crate::Keep`]) says. Of anything
    /// else nothing: its last four characters could be a security code.
    KeepEnds,
    /// Nothing.
    KeepNothing,
}

/// The longest value that may keep its ends, spaces around it included (`char(n)` pads).
const KEEPING_MAX: usize = 64;

/// Masks a whole value of a sensitive column. The same as a [`WholeScanner`] fed once.
pub fn mask_whole_text(value: &mut [u8], whole: Whole, fill: Fill) {
    if fill == Fill::Text {
        return hide_text(value, whole);
    }
    WholeScanner::new(whole, fill).mask(value, true);
}

/// Masks one value of a sensitive column as it streams. Small, no heap; a fresh one per value.
#[derive(Clone, Copy, Debug)]
pub struct WholeScanner {
    whole: Whole,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Nothing left yet: the value may still be short enough to keep its ends.
    Start(Fill),
    Json(json::Tokens),
    // What follows is too long to keep anything.
    Text,
    Number {
        previous: u8,
    },
    Pairs,
}

impl WholeScanner {
    /// The most bytes that `mask` may hold back: what may keep its ends, in hex.
    pub const HOLD_MAX: usize = 2 + 2 * KEEPING_MAX;

    /// A scanner at the beginning of a value.
    pub fn new(whole: Whole, fill: Fill) -> WholeScanner {
        let state = if fill == Fill::Json { State::Json(json::Tokens::default()) } else { State::Start(fill) };
        WholeScanner { whole, state }
    }

    /// Masks in place and says how many bytes at the end are not final yet; as [`crate::Scanner::scan`].
    pub fn mask(&mut self, bytes: &mut [u8], last: bool) -> usize {
        let mut bytes = bytes;
        if let State::Start(fill) = self.state {
            let short_max = if fill == Fill::Hex { WholeScanner::HOLD_MAX } else { KEEPING_MAX };
            if bytes.len() <= short_max {
                if last {
                    mask_short(bytes, self.whole, fill);
                }
                return if last { 0 } else { bytes.len() };
            }
            self.state = match (fill, &*bytes) {
                (Fill::Number, _) => State::Number { previous: 0 },
                (Fill::Hex, [b'\\', b'x', ..]) => State::Pairs,
                _ => State::Text,
            };
            if let State::Pairs = self.state {
                bytes = bytes.get_mut(2..).unwrap_or_default();
            }
        }
        match &mut self.state {
            State::Json(tokens) => tokens.hide(bytes, self.whole, last),
            State::Number { previous } => {
                zero(bytes, previous);
                0
            }
            State::Pairs => star_pairs(bytes, last),
            State::Start(_) | State::Text => {
                bytes.fill(b'*');
                0
            }
        }
    }
}

fn mask_short(value: &mut [u8], whole: Whole, fill: Fill) {
    match fill {
        Fill::Text | Fill::Json => hide_text(value, whole),
        Fill::Number => hide_number(value, whole),
        Fill::Hex => match value.split_first_chunk_mut::<2>() {
            Some(([b'\\', b'x'], pairs)) => hide_hex(pairs, whole),
            _ => hide_text(value, whole),
        },
    }
}

fn hide_text(value: &mut [u8], whole: Whole) {
    hide_text_by(Engine::current(), value, whole);
}

fn hide_text_by(engine: &Engine, value: &mut [u8], whole: Whole) {
    match whole {
        Whole::KeepEnds if alone::is_number(value) => alone::star_hidden(engine, value),
        Whole::KeepEnds => match Number::of(engine, value) {
            Some(number) => number.star(value),
            None => value.fill(b'*'),
        },
        Whole::KeepNothing => value.fill(b'*'),
    }
}

/// The text of an int, a numeric or a float: stays one. All digits become 0 where the ends are not kept.
fn hide_number(value: &mut [u8], whole: Whole) {
    hide_number_by(Engine::current(), value, whole);
}

fn hide_number_by(engine: &Engine, value: &mut [u8], whole: Whole) {
    let short = value.len() <= KEEPING_MAX;
    let integer = value.iter().take_while(|&&byte| byte != b'.').count();
    let (integer, fraction) = value.split_at_mut(integer);
    let plain = |number: &Number<'_>| {
        number.is_plain() && short && fraction.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
    };
    let unsigned = match integer.split_first_mut() {
        Some((b'-', unsigned)) => unsigned,
        _ => integer,
    };
    match Number::of(engine, unsigned).filter(|number| whole == Whole::KeepEnds && plain(number)) {
        Some(number) => {
            let mut digits = [0; DIGITS_MAX];
            let digits = digits.get_mut(..number.count()).unwrap_or_default();
            digits.iter_mut().zip(&*unsigned).for_each(|(digit, byte)| *digit = byte - b'0');
            engine.keep.fill_number(digits);
            unsigned.iter_mut().zip(digits).for_each(|(byte, digit)| *byte = b'0' + *digit);
            fraction.iter_mut().filter(|byte| **byte != b'.').for_each(|byte| *byte = b'0');
        }
        None => zero(value, &mut 0),
    }
}

/// Zeros over all that says something; the point and an exponent's mark keep the number a number.
/// `previous` is the byte before the first, 0 where there is none.
fn zero(value: &mut [u8], previous: &mut u8) {
    for byte in value {
        let now = *byte;
        let mark = matches!(now, b'e' | b'E') && (*previous == b'.' || previous.is_ascii_digit());
        let exponent_sign = matches!(now, b'-' | b'+') && matches!(previous, b'e' | b'E');
        if !(mark || exponent_sign || matches!(now, b'.' | b',' | b' ' | b'$')) {
            *byte = b'0';
        }
        *previous = now;
    }
}

/// `pairs` follow the `\x`, at most `KEEPING_MAX`.
fn hide_hex(pairs: &mut [u8], whole: Whole) {
    let (mut decoded, mut count) = ([0; KEEPING_MAX], 0);
    let (chunks, rest) = pairs.as_chunks_mut::<2>();
    for (slot, &mut [high, low]) in decoded.iter_mut().zip(chunks.iter_mut()) {
        let Some(byte) = hex::decode(high, low) else { break };
        *slot = byte;
        count += 1;
    }
    if count < chunks.len() || !rest.is_empty() {
        star_pairs(pairs, true);
        return;
    }
    let decoded = decoded.get_mut(..count).unwrap_or_default();
    hide_text(decoded, whole);
    for (pair, &mut byte) in chunks.iter_mut().zip(decoded) {
        *pair = hex::encode(byte);
    }
}

/// A star for every pair; what is no pair becomes one all the same. Holds half a pair.
fn star_pairs(pairs: &mut [u8], last: bool) -> usize {
    let (pairs, rest) = pairs.as_chunks_mut::<2>();
    pairs.fill(hex::encode(b'*'));
    if last {
        rest.fill(b'0');
        return 0;
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(fill: Fill, whole: Whole, value: &str, masked: &str) {
        let mut bytes = value.as_bytes().to_vec();
        mask_whole_text(&mut bytes, whole, fill);
        assert!(bytes == masked.as_bytes(), "{} bytes, {fill:?}", value.len());
    }

    #[test]
    fn text() {
        for (value, masked) in [
            ("4111111111111112", "411111******1112"), // the check digit does not matter here
            ("4111 1111 1111 1112", "4111 11** **** 1112"),
            ("3782\u{a0}822463\u{a0}10005", "3782\u{a0}82****\u{a0}*0005"),
            ("4222222222222", "4222*****2222"),
            ("  4111111111111112  ", "  411111******1112  "),
            ("123456789012", "************"),
            ("12345678901234567890", "********************"),
            ("4111111111111111 123", "********************"),
            ("4111 1111-1111 1111", "*******************"),
            ("secret", "******"),
            ("", ""),
        ] {
            check(Fill::Text, Whole::KeepEnds, value, masked);
            check(Fill::Text, Whole::KeepNothing, value, &"*".repeat(value.len()));
        }
    }

    #[test]
    fn numbers() {
        for (value, ends, nothing) in [
            ("4111111111111111", "4111110000001111", "0000000000000000"),
            ("-4111111111111111.25", "-4111110000001111.00", "00000000000000000.00"),
            ("123", "000", "000"),
            ("-1.5e-10", "00.0e-00", "00.0e-00"),
            ("NaN", "000", "000"),
            ("4111 1111 1111 1111", "0000 0000 0000 0000", "0000 0000 0000 0000"),
        ] {
            check(Fill::Number, Whole::KeepEnds, value, ends);
            check(Fill::Number, Whole::KeepNothing, value, nothing);
        }
    }

    #[test]
    fn hex() {
        let hex = |text: &str| "\\x".to_owned() + &text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
        check(Fill::Hex, Whole::KeepEnds, &hex("4111111111111111"), &hex("411111******1111"));
        check(Fill::Hex, Whole::KeepNothing, &hex("4111111111111111"), &hex("****************"));
        check(Fill::Hex, Whole::KeepEnds, &hex(&"7".repeat(70)), &hex(&"*".repeat(70)));
        check(Fill::Hex, Whole::KeepEnds, "\\x3z3", "\\x2a0");
        check(Fill::Hex, Whole::KeepEnds, "plain", "*****");
    }

    /// Cut in two anywhere, the result is the same.
    #[test]
    fn cuts() {
        let long = "4111111111111111".repeat(20);
        let json = format!(
            r#"{{"k": ["4111111111111111", 4111111111111111, false, "{long}", {long}, {long}x], "\\"": null}}"#
        );
        let open = format!("[\"{long} \\\"");
        let hexed = "\\x3431".to_owned() + &"31".repeat(100);
        for value in [
            "4111 1111 1111 1111",
            "\\x34313131313131313131313131313131",
            "\\x341",
            "-1.5e-10",
            "",
            &long,
            &hexed,
            &json,
            &open,
        ] {
            for (fill, whole) in [Fill::Text, Fill::Number, Fill::Json, Fill::Hex]
                .into_iter()
                .flat_map(|fill| [(fill, Whole::KeepEnds), (fill, Whole::KeepNothing)])
            {
                let mut expected = value.as_bytes().to_vec();
                mask_whole_text(&mut expected, whole, fill);
                for cut in (0..=value.len()).step_by(if cfg!(miri) { 41 } else { 1 }) {
                    let mut scanner = WholeScanner::new(whole, fill);
                    let mut first = value.as_bytes()[..cut].to_vec();
                    let hold = scanner.mask(&mut first, false);
                    assert!(hold <= WholeScanner::HOLD_MAX);
                    let mut second = first.split_off(cut - hold);
                    second.extend_from_slice(&value.as_bytes()[cut..]);
                    assert_eq!(scanner.mask(&mut second, true), 0);
                    assert!(
                        [first, second].concat() == expected,
                        "{} bytes, cut {cut}, {fill:?}, {whole:?}",
                        value.len()
                    );
                }
            }
        }
    }
}
