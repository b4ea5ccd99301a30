//! Account numbers printed in fours look like cards from their second group on; their head gives them away.

use crate::iin::products::Eight;

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

/// Whether a head begins with these two, of bytes that are large letters; of others anything.
#[inline(always)]
pub(crate) fn begins_head(first: u8, second: u8) -> bool {
    /// As `KNOWN`, by the lower five bits.
    static ROWS: [u32; 32] = {
        let (mut rows, mut at) = ([0; 32], 0);
        while at < KNOWN.len() {
            (rows[at + 1], at) = (KNOWN[at] << 1, at + 1);
        }
        rows
    };
    ROWS[usize::from(first % 32)] >> (second % 32) & 1 == 1
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

/// The same two letters as products of four sets, those of the first one's high nibble, its low one, and the second one's: so that all places of a
/// word are asked at once. A byte that is no large letter is in none.
pub(crate) static PAIRS: [Eight; PRODUCTS.div_ceil(8)] = pairs();
const PRODUCTS: usize = 37;

const fn pairs() -> [Eight; PRODUCTS.div_ceil(8)] {
    let (mut eights, mut products, mut count) = ([[[0; 16]; 4]; _], [(0, 0, 0); PRODUCTS], 0);
    let mut at = 0;
    while at < 2 * KNOWN.len() {
        let (first, half) = (b'A' + (at / 2) as u8, 4 + (at % 2) as u8);
        // The second letters whose high nibble that is, by the low one.
        let known = KNOWN[at / 2];
        let seconds = if half == 4 { known << 1 & 0xffff } else { known >> 15 };
        let mut product = 0;
        while product < count && !is(products[product], (first >> 4, half, seconds)) {
            product += 1;
        }
        if seconds != 0 {
            if product == count {
                (products[product], count) = ((first >> 4, half, seconds), count + 1);
            }
            let (eight, bit) = (&mut eights[product / 8], 1 << (product % 8));
            eight[0][(first >> 4) as usize] |= bit;
            eight[1][(first & 15) as usize] |= bit;
            eight[2][half as usize] |= bit;
            let mut low = 0;
            while low < 16 {
                eight[3][low] |= (seconds >> low & 1) as u8 * bit;
                low += 1;
            }
        }
        at += 1;
    }
    assert!(count == PRODUCTS);
    eights
}

const fn is(one: (u8, u8, u32), other: (u8, u8, u32)) -> bool {
    one.0 == other.0 && one.1 == other.1 && one.2 == other.2
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

    #[test]
    fn pairs_are_what_begins_a_head() {
        for [first, second] in (0..=255).flat_map(|first| (0..=255).map(move |second| [first, second])) {
            let nibbles = [first >> 4, first & 15, second >> 4, second & 15];
            let all =
                |eight: &Eight| nibbles.iter().zip(eight).fold(u8::MAX, |all, (at, row)| all & row[usize::from(*at)]);
            let pair = PAIRS.iter().any(|eight| all(eight) != 0);
            let begins = is_head([first, second, b'8', b'9']);
            assert_eq!(pair, begins, "{first:#x} {second:#x}");
            let large = first.is_ascii_uppercase() && second.is_ascii_uppercase();
            assert!(!large || begins_head(first, second) == begins, "{first:#x} {second:#x}");
        }
    }
}
