//! What is written over the match of a pattern, so that its reader still parses the value.

use pan::Fill;

/// Goes over the final bytes of one value and hides those that are marked.
///
/// Text gets stars. A number keeps its sign and point, its digits become zeros. JSON stays JSON: in a string all becomes stars but the letters of an
/// escape (the digits of `\u` become zeros), outside of one digits become zeros, the first of a number a one.
#[derive(Clone)]
pub(super) struct Filler {
    fill: Fill,
    json: Json,
    /// The byte before is a digit or a point: outside strings, a number goes on.
    in_number: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Json {
    Outside,
    Inside,
    /// Behind a backslash.
    Escape,
    /// So many digits of `\u` are to come.
    Hex(u8),
}

impl Filler {
    pub(super) const fn new(fill: Fill) -> Filler {
        Filler { fill, json: Json::Outside, in_number: false }
    }

    /// `marked` has a bit for each byte.
    pub(super) fn write(&mut self, bytes: &mut [u8], marked: &[u64]) {
        if self.fill != Fill::Json && marked.iter().all(|word| *word == 0) {
            return;
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            let marked = marked.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1);
            let hidden = match self.fill {
                Fill::Text | Fill::Hex => b'*',
                Fill::Number if byte.is_ascii_digit() => b'0',
                Fill::Number => *byte,
                Fill::Json => self.json(*byte),
            };
            if marked {
                *byte = hidden;
            }
        }
    }

    /// What stands for this byte of a JSON value.
    fn json(&mut self, byte: u8) -> u8 {
        let (next, hidden) = match (self.json, byte) {
            (Json::Outside, b'"') => (Json::Inside, byte),
            (Json::Outside, b'0'..=b'9') => (Json::Outside, if self.in_number { b'0' } else { b'1' }),
            (Json::Outside, _) => (Json::Outside, byte),
            (Json::Inside, b'"') => (Json::Outside, byte),
            (Json::Inside, b'\\') => (Json::Escape, byte),
            (Json::Inside, _) => (Json::Inside, b'*'),
            (Json::Escape, b'u') => (Json::Hex(4), byte),
            (Json::Escape, _) => (Json::Inside, byte),
            (Json::Hex(left), _) => (if left > 1 { Json::Hex(left - 1) } else { Json::Inside }, b'0'),
        };
        self.json = next;
        self.in_number = next == Json::Outside && (byte.is_ascii_digit() || byte == b'.');
        hidden
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills() {
        for (fill, value, hidden) in [
            (Fill::Text, r#"a"1é"#, "*****"),
            (Fill::Number, "-12.50e3", "-00.00e0"),
            (
                Fill::Json,
                r#"{"ab\"c\u0041": [-12.50, 1e-5, true, ""]}"#,
                r#"{"**\"*\u0000": [-10.00, 1e-1, true, ""]}"#,
            ),
        ] {
            let mut bytes = value.as_bytes().to_vec();
            Filler::new(fill).write(&mut bytes, &[u64::MAX]);
            assert_eq!(String::from_utf8_lossy(&bytes), hidden);
        }
    }

    #[test]
    fn only_what_is_marked() {
        let mut bytes = *b"[12, 34]";
        let mut filler = Filler::new(Fill::Json);
        filler.write(&mut bytes[..3], &[0b100]);
        filler.write(&mut bytes[3..], &[0b1100]);
        assert_eq!(&bytes, b"[10, 10]");
    }
}
