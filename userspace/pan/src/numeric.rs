//! Card numbers in PostgreSQL's binary numeric: int16 ndigits, weight, sign, dscale, then `ndigits` base-10000 words, the first of which counts
//! 10000^weight; words that would be zero at the end are left out (PostgreSQL 15, src/backend/utils/adt/numeric.c, `numeric_send`).

use crate::{
    Engine,
    keep::{DIGITS_MAX, DIGITS_MIN},
    luhn,
    whole::Whole,
};

/// The bytes are no numeric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("malformed binary numeric")
    }
}

impl std::error::Error for Malformed {}

/// Masks a numeric whose integer part is a card by content; returns how many were (0 or 1).
pub fn mask_numeric(value: &mut [u8]) -> Result<u32, Malformed> {
    let mut numeric = Numeric::parse(value)?;
    let Some((mut digits, count)) = numeric.integer() else { return Ok(0) };
    let digits = digits.get_mut(..count).unwrap_or_default();
    if !Engine::current().heads.balanced(digits).contains(count) || !luhn::holds(digits) {
        return Ok(0);
    }
    numeric.hide_middle(digits);
    Ok(1)
}

/// Masks a numeric of a sensitive column whatever it holds: an integer of 13 to 19 digits keeps its ends where `whole` says so; else 0.
pub fn whole_numeric(value: &mut [u8], whole: Whole) -> Result<(), Malformed> {
    let mut numeric = Numeric::parse(value)?;
    match (whole, numeric.integer()) {
        (Whole::KeepEnds, Some((mut digits, count))) => {
            numeric.clear_fraction();
            numeric.hide_middle(digits.get_mut(..count).unwrap_or_default());
        }
        _ => numeric.clear(),
    }
    Ok(())
}

struct Numeric<'a> {
    weight: i16,
    sign: &'a mut [u8; 2],
    words: &'a mut [[u8; 2]],
}

impl<'a> Numeric<'a> {
    fn parse(value: &'a mut [u8]) -> Result<Numeric<'a>, Malformed> {
        let ([ndigits, weight, sign, _dscale, words @ ..], []) = value.as_chunks_mut::<2>() else {
            return Err(Malformed);
        };
        let ndigits = usize::try_from(i16::from_be_bytes(*ndigits)).map_err(|_| Malformed)?;
        let weight = i16::from_be_bytes(*weight);
        // Positive, negative, NaN, and the infinities of PostgreSQL 14.
        let known_sign = matches!(u16::from_be_bytes(*sign), 0 | 0x4000 | 0xc000 | 0xd000 | 0xf000);
        if words.len() != ndigits || !known_sign || words.iter().any(|word| u16::from_be_bytes(*word) > 9999) {
            return Err(Malformed);
        }
        Ok(Numeric { weight, sign, words })
    }

    /// The index in `words` (or behind them, where they were left out) of the last word of the integer part.
    fn last_integer_word(&self) -> Option<usize> {
        usize::try_from(self.weight).ok()
    }

    /// The digits of the integer part, where they are 13 to 19.
    fn integer(&self) -> Option<([u8; DIGITS_MAX], usize)> {
        let last = self.last_integer_word()?;
        let first = self.words.iter().position(|word| *word != [0, 0])?;
        if first > last || last - first > DIGITS_MAX / 4 {
            return None;
        }
        let (mut digits, mut count) = ([0; DIGITS_MAX], 0);
        for index in first..=last {
            let word = self.words.get(index).map_or(0, |word| u16::from_be_bytes(*word));
            for scale in [1000, 100, 10, 1] {
                let digit = (word / scale % 10) as u8;
                if count > 0 || digit > 0 {
                    *digits.get_mut(count)? = digit;
                    count += 1;
                }
            }
        }
        (DIGITS_MIN..=DIGITS_MAX).contains(&count).then_some((digits, count))
    }

    /// Fills the hidden digits. Words that were left out are zeros and stay so; where the fill needs a digit in one of them, the last word that
    /// is there changes by one instead, which shows less and fails the check digit just as well.
    fn hide_middle(&mut self, digits: &mut [u8]) {
        let Some(last) = self.last_integer_word() else { return };
        Engine::current().keep.fill_number(digits);
        let mut lost = false;
        for (from_end, four) in digits.rchunks(4).enumerate() {
            let word = four.iter().fold(0, |word, &digit| word * 10 + u16::from(digit));
            match last.checked_sub(from_end).and_then(|index| self.words.get_mut(index)) {
                Some(slot) => *slot = word.to_be_bytes(),
                None => lost |= word != 0,
            }
        }
        if lost && let Some(slot) = self.words.last_mut() {
            let word = u16::from_be_bytes(*slot);
            *slot = if word % 10 == 9 { word - 1 } else { word + 1 }.to_be_bytes();
        }
    }

    fn clear_fraction(&mut self) {
        let Some(last) = self.last_integer_word() else { return };
        self.words.iter_mut().skip(last + 1).for_each(|word| *word = [0, 0]);
    }

    fn clear(&mut self) {
        *self.sign = [0, 0];
        self.words.iter_mut().for_each(|word| *word = [0, 0]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric(weight: i16, sign: u16, dscale: u16, words: &[u16]) -> Vec<u8> {
        let head = [u16::try_from(words.len()).unwrap(), weight.cast_unsigned(), sign, dscale];
        head.iter().chain(words).flat_map(|word| word.to_be_bytes()).collect()
    }

    #[track_caller]
    fn check(weight: i16, words: &[u16], cards: u32, masked: &[u16]) {
        let mut value = numeric(weight, 0x4000, 2, words);
        assert_eq!(mask_numeric(&mut value), Ok(cards));
        assert!(value == numeric(weight, 0x4000, 2, masked));
        assert_eq!(mask_numeric(&mut value), Ok(0), "found again");
    }

    #[test]
    fn by_content() {
        check(3, &[4111, 1111, 1111, 1111], 1, &[4111, 1100, 0, 1111]);
        check(3, &[4111, 1111, 1111, 1111, 2500], 1, &[4111, 1100, 0, 1111, 2500]);
        check(3, &[378, 2822, 4631, 5], 1, &[378, 2820, 0, 5]);
        check(3, &[4111, 1111, 1111, 1112], 0, &[4111, 1111, 1111, 1112]);
        check(-1, &[4111, 1111, 1111, 1111], 0, &[4111, 1111, 1111, 1111]);
        check(4, &[0, 4111, 1111, 1111, 1111], 1, &[0, 4111, 1100, 0, 1111]);
        check(3, &[], 0, &[]);
        // 4002 0000 0000 0000: the zeros are not on the wire, so nothing can be written over them.
        check(3, &[4002], 1, &[4003]);
        check(30_000, &[4111], 0, &[4111]);
    }

    #[test]
    fn sensitive_columns() {
        let whole = |weight, words: &[u16], whole| {
            let mut value = numeric(weight, 0x4000, 2, words);
            whole_numeric(&mut value, whole).map(|()| value)
        };
        assert!(
            whole(3, &[4111, 1111, 1111, 1112, 99], Whole::KeepEnds)
                == Ok(numeric(3, 0x4000, 2, &[4111, 1100, 0, 1112, 0]))
        );
        assert!(whole(3, &[4111, 1111, 1111, 1112, 99], Whole::KeepNothing) == Ok(numeric(3, 0, 2, &[0; 5])));
        assert!(whole(0, &[123], Whole::KeepEnds) == Ok(numeric(0, 0, 2, &[0])));
    }

    #[test]
    fn malformed() {
        let good = numeric(0, 0, 0, &[1]);
        for cut in 0..good.len() {
            assert_eq!(mask_numeric(&mut good[..cut].to_vec()), Err(Malformed));
        }
        for mut bad in [numeric(0, 1, 0, &[]), numeric(0, 0, 0, &[10_000]), [good, vec![0, 0]].concat()] {
            assert_eq!(mask_numeric(&mut bad.clone()), Err(Malformed));
            assert_eq!(whole_numeric(&mut bad, Whole::KeepNothing), Err(Malformed));
        }
    }
}
