//! A column that policy names sensitive: the whole value is masked, whatever it holds.

use crate::{
    Fill,
    candidate::SHAPES,
    hex, json,
    keep::{self, DIGITS_MAX, DIGITS_MIN},
    separator,
};

/// What stays of a sensitive value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whole {
    /// Of a value that is one number of 13 to 19 digits, plain or in a printed grouping: the first min(6, L-9) and the last 4. Of anything
    /// else nothing: its last four characters could be a security code.
    KeepEnds,
    /// Nothing.
    KeepNothing,
}

/// The longest value that may keep its ends, spaces around it included (`char(n)` pads).
const KEEPING_MAX: usize = 64;

/// Masks a whole value of a sensitive column.
///
/// A value longer than 64 bytes keeps nothing, so [`Whole::KeepNothing`] may be given its pieces one by one where `fill` is `Text` or `Number`.
pub fn mask_whole_text(value: &mut [u8], whole: Whole, fill: Fill) {
    match fill {
        Fill::Text => hide_text(value, whole),
        Fill::Number => hide_number(value, whole),
        Fill::Json => hide_json(value, whole),
        Fill::Hex => match value.split_first_chunk_mut::<2>() {
            Some(([b'\\', b'x'], pairs)) => hide_hex(pairs, whole),
            _ => hide_text(value, whole),
        },
    }
}

fn hide_text(value: &mut [u8], whole: Whole) {
    match number_alone(value, whole) {
        Some(number) => number.each_hidden(value, |byte, _| *byte = b'*'),
        None => value.fill(b'*'),
    }
}

/// The text of an int, a numeric or a float: stays one. All digits become 0 where the ends are not kept.
fn hide_number(value: &mut [u8], whole: Whole) {
    let integer = value.iter().take_while(|&&byte| byte != b'.').count();
    let (integer, fraction) = value.split_at_mut(integer);
    let only_digits = fraction.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    let unsigned = match integer.split_first_mut() {
        Some((b'-', unsigned)) => unsigned,
        _ => integer,
    };
    match number_alone(unsigned, whole).filter(|number| number.is_plain() && only_digits) {
        Some(number) => {
            let mut digits = number.digits;
            keep::fill_number(digits.get_mut(..number.count).unwrap_or_default());
            number.each_hidden(unsigned, |byte, index| *byte = b'0' + digits.get(index).copied().unwrap_or(0));
            fraction.iter_mut().filter(|byte| **byte != b'.').for_each(|byte| *byte = b'0');
        }
        None => zero(value),
    }
}

/// Zeros over all that says something; the point and an exponent's mark keep the number a number.
fn zero(value: &mut [u8]) {
    let mut previous = 0;
    for byte in value {
        let now = *byte;
        let mark = matches!(now, b'e' | b'E') && (previous == b'.' || u8::is_ascii_digit(&previous));
        let exponent_sign = matches!(now, b'-' | b'+') && matches!(previous, b'e' | b'E');
        if !(mark || exponent_sign || matches!(now, b'.' | b',' | b' ' | b'$')) {
            *byte = b'0';
        }
        previous = now;
    }
}

/// JSON stays JSON: strings keep their quotes, numbers become 0 and spaces, true and false become null.
fn hide_json(mut value: &mut [u8], whole: Whole) {
    while let Some(&first) = value.first() {
        let length = match first {
            b'"' => string_length(value),
            b'-' | b'0'..=b'9' => {
                value.iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')).count()
            }
            b'a'..=b'z' | b'A'..=b'Z' => value.iter().take_while(|byte| byte.is_ascii_alphabetic()).count(),
            _ => 1,
        };
        let Some((token, rest)) = value.split_at_mut_checked(length) else { return };
        match first {
            b'"' => hide_json_string(token, whole),
            b'-' | b'0'..=b'9' => hide_json_number(token, whole),
            b'{' | b'}' | b'[' | b']' | b':' | b',' | b' ' | b'\t' | b'\n' | b'\r' => {}
            _ => match &*token {
                b"true" | b"null" => token.copy_from_slice(b"null"),
                b"false" => token.copy_from_slice(b"null "),
                _ => token.fill(b'*'),
            },
        }
        value = rest;
    }
}

/// The length of the string that begins with the quote at 0, both quotes included; all that is left where it does not end.
fn string_length(value: &[u8]) -> usize {
    let mut strings = json::Strings::default();
    let end = value.iter().position(|&byte| strings.step(byte) && !strings.inside());
    end.map_or(value.len(), |end| end + 1)
}

fn hide_json_string(token: &mut [u8], whole: Whole) {
    match token {
        [b'"', content @ .., b'"'] | [b'"', content @ ..] => hide_text(content, whole),
        _ => token.fill(b'*'),
    }
}

fn hide_json_number(token: &mut [u8], whole: Whole) {
    let digits = token.strip_prefix(b"-").unwrap_or(token);
    if number_alone(digits, whole).is_some_and(|number| number.is_plain()) {
        return hide_number(token, whole);
    }
    token.fill(b' ');
    if let Some(first) = token.first_mut() {
        *first = b'0';
    }
}

/// `pairs` follow the `\x`. What is no pair becomes one all the same.
fn hide_hex(pairs: &mut [u8], whole: Whole) {
    let (pairs, rest) = pairs.as_chunks_mut::<2>();
    let (mut decoded, mut count) = ([0; KEEPING_MAX], 0);
    for (slot, &mut [high, low]) in decoded.iter_mut().zip(pairs.iter_mut()) {
        let Some(byte) = hex::decode(high, low) else { break };
        *slot = byte;
        count += 1;
    }
    let keeps = if count == pairs.len() && rest.is_empty() { whole } else { Whole::KeepNothing };
    hide_text(decoded.get_mut(..count).unwrap_or_default(), keeps);
    for (index, pair) in pairs.iter_mut().enumerate() {
        *pair = hex::encode(decoded.get(..count).and_then(|decoded| decoded.get(index)).copied().unwrap_or(b'*'));
    }
    rest.fill(b'0');
}

/// A value that is one number and may keep its ends.
struct Number {
    /// Its digits, as values, and where each stands.
    digits: [u8; DIGITS_MAX],
    places: [usize; DIGITS_MAX],
    count: usize,
}

impl Number {
    fn is_plain(&self) -> bool {
        self.count.checked_sub(1).and_then(|last| self.places.get(last)) == Some(&(self.count - 1))
    }

    /// Calls `hide` with each hidden byte and the index of its digit.
    fn each_hidden(&self, value: &mut [u8], hide: impl Fn(&mut u8, usize)) {
        for (index, &place) in self.places.iter().enumerate().take(self.count) {
            if keep::hides(index, self.count)
                && let Some(byte) = value.get_mut(place)
            {
                hide(byte, index);
            }
        }
    }
}

/// The number that `value` is, spaces around it aside: 13 to 19 digits in a run or in a printed grouping with one separator throughout.
fn number_alone(value: &[u8], whole: Whole) -> Option<Number> {
    if whole == Whole::KeepNothing || value.len() > KEEPING_MAX {
        return None;
    }
    let end = value.trim_ascii_end().len();
    let mut at = end - value.get(..end)?.trim_ascii_start().len();
    let mut number = Number { digits: [0; DIGITS_MAX], places: [0; DIGITS_MAX], count: 0 };
    let (mut groups, mut between, mut shape) = ([0; 5], None, 0);
    loop {
        while let Some(digit) = value.get(at).filter(|byte| byte.is_ascii_digit()) {
            *number.digits.get_mut(number.count)? = digit - b'0';
            *number.places.get_mut(number.count)? = at;
            *groups.get_mut(shape)? += 1;
            number.count += 1;
            at += 1;
        }
        shape += 1;
        if at >= end {
            break;
        }
        let separator = separator::at(value.get(at..end)?)?;
        if *between.get_or_insert(separator) != separator {
            return None;
        }
        at += separator.len();
    }
    let groups = groups.get(..shape)?;
    ((DIGITS_MIN..=DIGITS_MAX).contains(&number.count) && (shape == 1 || SHAPES.contains(&groups))).then_some(number)
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
    fn json() {
        let value = r#"{"a\"b": [4111111111111111, -12.5, true, false, null], "c": "4111-1111-1111-1111"}"#;
        let ends = r#"{"****": [4111110000001111, 0    , null, null , null], "*": "4111-11**-****-1111"}"#;
        let nothing = r#"{"****": [0               , 0    , null, null , null], "*": "*******************"}"#;
        check(Fill::Json, Whole::KeepEnds, value, ends);
        check(Fill::Json, Whole::KeepNothing, value, nothing);
        check(Fill::Json, Whole::KeepNothing, r#"["open"#, r#"["****"#);
        check(Fill::Json, Whole::KeepNothing, "[nonsense]", "[********]");
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
}
