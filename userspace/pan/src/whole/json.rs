//! Whole masks inside JSON, token by token, so that it stays JSON: strings keep their quotes, numbers become 0 and spaces, true and false
//! become null.

use super::{KEEPING_MAX, Whole, hide_number, hide_text};
use crate::{balanced::alone, json::Strings};

/// Where in the document the bytes read so far end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Tokens {
    #[default]
    Between,
    // Within a token that was too long to keep anything.
    String(Strings),
    Number,
    Word,
}

impl Tokens {
    /// Hides every token; returns how many bytes at the end belong to one that is not complete and may still keep its ends.
    pub(super) fn hide(&mut self, bytes: &mut [u8], whole: Whole, last: bool) -> usize {
        let mut rest = self.hide_rest(bytes);
        while let Some(&first) = rest.first() {
            let kind = Kind::of(first);
            let length = kind.length(rest);
            if length.is_none() && !last && rest.len() <= KEEPING_MAX + 1 {
                return rest.len();
            }
            let (token, after) = rest.split_at_mut(length.unwrap_or(rest.len()));
            if length.is_none() && !last {
                *self = kind.within(token);
            }
            kind.hide(token, whole, length.is_some());
            rest = after;
        }
        0
    }

    /// Hides the rest of a long token; returns what follows it.
    fn hide_rest<'a>(&mut self, bytes: &'a mut [u8]) -> &'a mut [u8] {
        let (end, with) = match self {
            Tokens::Between => return bytes,
            Tokens::String(strings) => (bytes.iter().position(|&byte| strings.step(byte) && !strings.inside()), b'*'),
            Tokens::Number => (Kind::Number.length(bytes), b' '),
            Tokens::Word => (Kind::Word.length(bytes), b'*'),
        };
        let (token, rest) = bytes.split_at_mut(end.unwrap_or(bytes.len()));
        token.fill(with);
        let Some(_) = end else { return rest };
        match std::mem::take(self) {
            Tokens::String(_) => rest.get_mut(1..).unwrap_or_default(),
            _ => rest,
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    String,
    Number,
    Word,
    Structure,
    Unknown,
}

impl Kind {
    fn of(first: u8) -> Kind {
        match first {
            b'"' => Kind::String,
            b'-' | b'0'..=b'9' => Kind::Number,
            b'a'..=b'z' | b'A'..=b'Z' => Kind::Word,
            b'{' | b'}' | b'[' | b']' | b':' | b',' | b' ' | b'\t' | b'\n' | b'\r' => Kind::Structure,
            _ => Kind::Unknown,
        }
    }

    /// The length of the token that `bytes` begin with; None when it goes through to their end.
    fn length(self, bytes: &[u8]) -> Option<usize> {
        match self {
            Kind::String => {
                let mut strings = Strings::default();
                bytes.iter().position(|&byte| strings.step(byte) && !strings.inside()).map(|end| end + 1)
            }
            Kind::Number => {
                bytes.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
            }
            Kind::Word => bytes.iter().position(|byte| !byte.is_ascii_alphabetic()),
            Kind::Structure | Kind::Unknown => Some(1),
        }
    }

    /// The state within `token`, which goes on.
    fn within(self, token: &[u8]) -> Tokens {
        match self {
            Kind::String => {
                let mut strings = Strings::default();
                strings.read(token);
                Tokens::String(strings)
            }
            Kind::Number => Tokens::Number,
            Kind::Word => Tokens::Word,
            Kind::Structure | Kind::Unknown => Tokens::Between,
        }
    }

    fn hide(self, token: &mut [u8], whole: Whole, complete: bool) {
        match self {
            Kind::String => match token {
                [b'"', content @ .., b'"'] if complete => hide_text(content, whole),
                [_, content @ ..] => content.fill(b'*'),
                [] => {}
            },
            Kind::Number => hide_token_number(token, whole),
            Kind::Word => match &*token {
                b"true" | b"null" => token.copy_from_slice(b"null"),
                b"false" => token.copy_from_slice(b"null "),
                _ => token.fill(b'*'),
            },
            Kind::Structure => {}
            Kind::Unknown => token.fill(b'*'),
        }
    }
}

fn hide_token_number(token: &mut [u8], whole: Whole) {
    let digits = token.strip_prefix(b"-").unwrap_or(token);
    if whole == Whole::KeepEnds && alone::is_number(digits) {
        return hide_number(token, whole);
    }
    token.fill(b' ');
    if let Some(first) = token.first_mut() {
        *first = b'0';
    }
}

#[cfg(test)]
mod tests {
    use crate::{Fill, Whole, mask_whole_text};

    #[track_caller]
    fn check(whole: Whole, value: &str, masked: &str) {
        let mut bytes = value.as_bytes().to_vec();
        mask_whole_text(&mut bytes, whole, Fill::Json);
        assert!(bytes == masked.as_bytes(), "{} bytes", value.len());
    }

    #[test]
    fn json() {
        let value = r#"{"a\"b": [4111111111111111, -12.5, true, false, null], "c": "4111-1111-1111-1111"}"#;
        let ends = r#"{"****": [4111110000001111, 0    , null, null , null], "*": "4111-11**-****-1111"}"#;
        let nothing = r#"{"****": [0               , 0    , null, null , null], "*": "*******************"}"#;
        check(Whole::KeepEnds, value, ends);
        check(Whole::KeepNothing, value, nothing);
        check(Whole::KeepNothing, r#"["open"#, r#"["****"#);
        check(Whole::KeepNothing, "[nonsense]", "[********]");
    }
}
