//! Account numbers printed in fours look like cards from their second group on; their head gives them away.

/// Country codes of the SWIFT IBAN registry. A code that is missing here costs a false mask, never a leak.
const COUNTRIES: &[u8] =
    b"ADAEALATAZBABEBGBHBIBRBYCHCRCYCZDEDJDKDOEEEGESFIFKFOFRGBGEGIGLGRGTHNHRHUIEILIQISITJOKWKZLBLCLILTLULVLY\
MCMDMEMKMNMRMTMUNINLNOOMPKPLPSPTQARORSRUSASCSDSESISKSMSOSTSVTLTNTRUAVAVGXKYE";

/// Whether these four bytes may begin an account number: a country and two check digits.
pub(crate) fn is_head(group: [u8; 4]) -> bool {
    let [a, b, c, d] = group;
    let known = a.is_ascii_uppercase() && b.is_ascii_uppercase() && KNOWN[usize::from(a - b'A')] >> (b - b'A') & 1 == 1;
    known && c.is_ascii_digit() && d.is_ascii_digit()
}

/// By the first letter the second ones, as bits.
static KNOWN: [u32; 26] = known();

const fn known() -> [u32; 26] {
    let (mut known, mut at) = ([0; 26], 0);
    while at < COUNTRIES.len() {
        known[(COUNTRIES[at] - b'A') as usize] |= 1 << (COUNTRIES[at + 1] - b'A');
        at += 2;
    }
    known
}

/// Whether a byte may stand in a later group. A star counts: it may be a digit that we have hidden.
pub(crate) fn is_body(byte: u8) -> bool {
    byte.is_ascii_digit() || byte.is_ascii_uppercase() || byte == b'*'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        assert!(is_head(*b"DE89") && is_head(*b"GB29") && is_head(*b"YE00"));
        assert!(!is_head(*b"AB12") && !is_head(*b"de89") && !is_head(*b"DEX9") && !is_head(*b"4111"));
        assert_eq!(COUNTRIES.len() % 2, 0);
    }
}
