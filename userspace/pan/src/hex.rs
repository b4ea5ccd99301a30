//! Hex digits, as PostgreSQL writes bytea (`bytea_output = hex`: lower case; both cases are read).

/// The byte that two hex digits write.
pub(crate) fn decode(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

/// The two lower-case hex digits of a byte.
pub(crate) fn encode(byte: u8) -> [u8; 2] {
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    [digit(byte >> 4), digit(byte & 15)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        for byte in 0..=255 {
            let [high, low] = encode(byte);
            assert_eq!(decode(high, low), Some(byte));
            assert_eq!(decode(high.to_ascii_uppercase(), low.to_ascii_uppercase()), Some(byte));
        }
        assert_eq!(decode(b'g', b'0'), None);
        assert_eq!(decode(b'0', b' '), None);
    }
}
