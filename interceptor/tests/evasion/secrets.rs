//! Whether a card can be read from what was heard: as text, hex, base64, backwards, as bytes of a number, or put together from parts.
//!
//! A finding names the message's type and the form, never a digit.

use std::collections::BTreeSet;

use crate::client::{Heard, Turn};
use crate::field;

/// The numbers that must not leave, in the forms that are looked for.
pub struct Secrets {
    pans: Vec<Pan>,
}

struct Pan {
    digits: Vec<u8>,
    reversed: Vec<u8>,
    /// Byte strings, and what they are called.
    forms: Vec<(Vec<u8>, &'static str)>,
    /// The same in letters whose case does not matter.
    caseless: Vec<(Vec<u8>, &'static str)>,
}

/// A card got out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leak {
    /// What carried it.
    pub carrier: &'static str,
    /// In which form.
    pub form: &'static str,
}

impl Secrets {
    pub fn new(pans: &[String]) -> Secrets {
        Secrets { pans: pans.iter().map(|pan| Pan::new(pan)).collect() }
    }

    /// Everything that a run let out.
    pub fn found(&self, heard: &Heard) -> Vec<Leak> {
        let mut leaks = BTreeSet::new();
        for turn in &heard.turns {
            self.turn(turn, &mut leaks);
        }
        if leaks.is_empty() {
            // What is no whole message, or lies across two.
            for bytes in &heard.bytes {
                self.contiguous(bytes, "the bytes of the connection", &mut leaks);
            }
        }
        leaks.into_iter().collect()
    }

    fn turn(&self, turn: &Turn, leaks: &mut BTreeSet<Leak>) {
        let mut rows: Vec<Vec<Option<Vec<u8>>>> = Vec::new();
        let mut all = Vec::new();
        for message in &turn.heard {
            let carrier = field::name(message.tag);
            self.contiguous(&message.body, carrier, leaks);
            let values = field::values(message);
            for value in values.iter().flatten() {
                self.digits(value, carrier, "digits with other signs between them", leaks);
            }
            all.extend(values.iter().flatten().flat_map(|value| digits(value)));
            self.joined(
                values.iter().flatten().flat_map(|v| digits(v)).collect(),
                carrier,
                "values of one message",
                leaks,
            );
            if message.tag == b'D' || message.tag == b'd' {
                rows.push(values);
            }
        }
        self.joined(all, "several messages", "values put together", leaks);
        let width = rows.iter().map(Vec::len).max().unwrap_or(0);
        for column in 0..width {
            let values: Vec<&Vec<u8>> = rows.iter().filter_map(|row| row.get(column)?.as_ref()).collect();
            self.joined(
                values.iter().flat_map(|v| digits(v)).collect(),
                "DataRow",
                "a column's values put together",
                leaks,
            );
            self.joined(codes(&values), "DataRow", "a column of the digits' codes", leaks);
        }
    }

    /// In the bytes as they are.
    fn contiguous(&self, bytes: &[u8], carrier: &'static str, leaks: &mut BTreeSet<Leak>) {
        let lower = bytes.to_ascii_lowercase();
        let ascii = plain_digits(bytes);
        for pan in &self.pans {
            let found = pan.forms.iter().filter(|(form, _)| contains(bytes, form));
            let caseless = pan.caseless.iter().filter(|(form, _)| contains(&lower, form));
            let other_digits = ascii.as_ref().is_some_and(|text| contains(text, &pan.digits));
            leaks.extend(found.chain(caseless).map(|(_, form)| Leak { carrier, form }));
            leaks.extend(other_digits.then_some(Leak { carrier, form: "digits of another script" }));
        }
    }

    /// One value, all that is no digit left out.
    fn digits(&self, value: &[u8], carrier: &'static str, form: &'static str, leaks: &mut BTreeSet<Leak>) {
        self.joined(digits(value), carrier, form, leaks);
        let numbers: Vec<&[u8]> =
            value.split(|byte| !byte.is_ascii_digit()).filter(|number| !number.is_empty()).collect();
        if numbers.len() > 8 {
            self.joined(codes(&numbers), carrier, "the digits' codes", leaks);
        }
    }

    fn joined(&self, stream: Vec<u8>, carrier: &'static str, form: &'static str, leaks: &mut BTreeSet<Leak>) {
        if stream.len() < 13 {
            return;
        }
        let hit = |pan: &Pan| contains(&stream, &pan.digits) || contains(&stream, &pan.reversed);
        if self.pans.iter().any(hit) {
            leaks.insert(Leak { carrier, form });
        }
    }
}

impl Pan {
    fn new(pan: &str) -> Pan {
        let number: i64 = pan.parse().expect("digits");
        let reversed: String = pan.chars().rev().collect();
        let mut forms = vec![
            (pan.into(), "plain"),
            (reversed.clone().into(), "backwards"),
            (number.to_be_bytes().to_vec(), "int8"),
            (number.to_le_bytes().to_vec(), "int8, little-endian"),
            (groups(pan), "numeric"),
        ];
        let as_float = pan.parse::<f64>().expect("digits");
        forms.push((as_float.to_be_bytes().to_vec(), "float8"));
        for text in [pan, &reversed] {
            forms.extend(base64(text.as_bytes()).into_iter().map(|form| (form, "base64")));
            let wide: Vec<u8> = text.bytes().flat_map(|digit| [0, digit]).collect();
            forms.push((wide, "UTF-16"));
        }
        let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes();
        let caseless = vec![
            (hex(pan), "hex"),
            (hex(&reversed), "hex, backwards"),
            (format!("{number:x}").into_bytes(), "the number in hex"),
        ];
        Pan { digits: pan.into(), reversed: reversed.into_bytes(), forms, caseless }
    }
}

/// PostgreSQL's numeric in binary: groups of four digits.
fn groups(pan: &str) -> Vec<u8> {
    let padded = format!("{pan:0>width$}", width = pan.len().next_multiple_of(4));
    let group = |four: &[u8]| String::from_utf8_lossy(four).parse::<u16>().expect("digits").to_be_bytes();
    padded.as_bytes().chunks(4).flat_map(group).collect()
}

/// The part of the base64 of a text that does not depend on what stands around it, at each of the three alignments.
fn base64(text: &[u8]) -> Vec<Vec<u8>> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    (0..3_usize)
        .map(|before| {
            let bytes: Vec<u8> = std::iter::repeat_n(0, before).chain(text.iter().copied()).collect();
            let whole = &bytes[..bytes.len() / 3 * 3];
            let letters = whole.chunks(3).flat_map(|three| {
                let word = u32::from_be_bytes([0, three[0], three[1], three[2]]);
                [18, 12, 6, 0].map(|shift| LETTERS[(word >> shift & 63) as usize])
            });
            letters.skip(if before == 0 { 0 } else { 4 }).collect()
        })
        .collect()
}

fn digits(value: &[u8]) -> Vec<u8> {
    value.iter().copied().filter(u8::is_ascii_digit).collect()
}

/// Values that are the codes of digits (48 to 57), as digits.
fn codes<T: AsRef<[u8]>>(values: &[T]) -> Vec<u8> {
    let code = |value: &T| std::str::from_utf8(value.as_ref()).ok()?.parse::<u8>().ok().filter(u8::is_ascii_digit);
    values.iter().filter_map(code).collect()
}

/// Digits of other scripts as ASCII; `None` where there are none, as nearly always.
fn plain_digits(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.is_ascii() {
        return None;
    }
    let text = String::from_utf8_lossy(bytes);
    let plain: String = text.chars().map(|c| value_of(c).map_or(c, |digit| char::from(b'0' + digit))).collect();
    (plain != text).then(|| plain.into_bytes())
}

/// The blocks of decimal digits that keyboards and fonts know; each begins with its zero.
fn value_of(c: char) -> Option<u8> {
    const ZEROS: &[u32] =
        &[0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xe50, 0xff10, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6];
    let code = u32::from(c);
    ZEROS.iter().find_map(|zero| code.checked_sub(*zero).filter(|value| *value < 10)).and_then(|v| u8::try_from(v).ok())
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    !needle.is_empty() && haystack.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{End, Kind};
    use crate::raw::Message;

    fn heard(rows: &[&[&[u8]]]) -> Heard {
        let message = |row: &&[&[u8]]| {
            let mut body = u16::try_from(row.len()).expect("few").to_be_bytes().to_vec();
            for field in *row {
                body.extend(u32::try_from(field.len()).expect("short").to_be_bytes());
                body.extend(*field);
            }
            Message { tag: b'D', body }
        };
        let heard = rows.iter().map(message).collect();
        let turn = Turn { said: Vec::new(), heard, before: b'I', held: false, end: End::Ready(b'I'), kind: Kind::Case };
        Heard { turns: vec![turn], bytes: Vec::new() }
    }

    /// Each form of the header is found, and what masking leaves is not.
    #[test]
    fn every_form_is_found_and_a_mask_is_not() {
        let secrets = Secrets::new(&["5555555555554444".to_owned(), "378282246310005".to_owned()]);
        let number = format!("{:x}", 5_555_555_555_554_444_i64);
        let leaky: &[&[&[&[u8]]]] = &[
            &[&[b"5555555555554444"]],
            &[&[b"x 5555-5555 5555.4444 y"]],
            &[&[b"4444555555555555"]],
            &[&[b"\\x35353535353535353535353534343434"]],
            &[&[b"NTU1NTU1NTU1NTU1NDQ0NA=="]],
            &[&[&5_555_555_555_554_444_i64.to_be_bytes()]],
            &[&[number.as_bytes()]],
            &[&[&[0x15, 0xb3, 0x15, 0xb3, 0x15, 0xb3, 0x11, 0x5c]]],
            &[&[b"55555555", b"55554444"]],
            &[&[b"37828224"], &[b"6310005"]],
            &[&[b"1", b"3782"], &[b"2", b"8224"], &[b"3", b"6310"], &[b"4", b"005"]],
            &[&["５５５５５５５５５５５５４４４４".as_bytes()]],
        ];
        for (index, rows) in leaky.iter().enumerate() {
            assert!(!secrets.found(&heard(rows)).is_empty(), "form {index}");
        }
        let codes: Vec<String> = b"378282246310005".iter().map(u8::to_string).collect();
        let rows: Vec<Vec<&[u8]>> = codes.iter().map(|code| vec![code.as_bytes()]).collect();
        let rows: Vec<&[&[u8]]> = rows.iter().map(Vec::as_slice).collect();
        assert!(!secrets.found(&heard(&rows)).is_empty(), "codes");
        let masked: &[&[&[u8]]] = &[&[b"555555******4444", b"5555550000004444"], &[b"378282*****0005", b"1"]];
        assert!(secrets.found(&heard(masked)).is_empty());
    }
}
