//! The same decisions digit by digit: what the masks of `number` and `alone` have to come to.

use super::{KEEPING_MAX, Whole, hide_number_by, hide_text_by};
use crate::{
    Engine, Keep, Settings,
    balanced::candidate::SHAPES,
    keep::{DIGITS_MAX, DIGITS_MIN},
    separator, times,
};

fn hide_text(keep: Keep, value: &mut [u8], whole: Whole) {
    match number_alone(value, whole) {
        Some(number) => number.each_hidden(keep, value, |byte, _| *byte = b'*'),
        None => value.fill(b'*'),
    }
}

/// Of a number that is plain, with a sign and a fraction or without. None: anything else.
fn hide_number(keep: Keep, value: &[u8], whole: Whole) -> Option<Vec<u8>> {
    let (sign, unsigned) = value.split_at(usize::from(value.first() == Some(&b'-')));
    let integer = unsigned.iter().position(|byte| *byte == b'.').unwrap_or(unsigned.len());
    let (integer, fraction) = unsigned.split_at(integer);
    let number = number_alone(integer, whole).filter(|_| value.len() <= KEEPING_MAX)?;
    if !number.is_plain() || !fraction.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') {
        return None;
    }
    let mut digits = number.digits;
    keep.fill_number(digits.get_mut(..number.count)?);
    let mut integer = integer.to_vec();
    number.each_hidden(keep, &mut integer, |byte, index| *byte = b'0' + digits[index]);
    let fraction = fraction.iter().map(|byte| if *byte == b'.' { b'.' } else { b'0' });
    Some(sign.iter().copied().chain(integer).chain(fraction).collect())
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
    fn each_hidden(&self, keep: Keep, value: &mut [u8], hide: impl Fn(&mut u8, usize)) {
        for (index, &place) in self.places.iter().enumerate().take(self.count) {
            if keep.hides(index, self.count)
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

const KEEPS: [Keep; 4] = [Keep::FirstSixLastFour, Keep::FirstEightLastFour, Keep::LastFour, Keep::Nothing];
const SEPARATORS: [&str; 9] = ["", " ", "-", ".", "\u{a0}", "\u{2009}", "\u{2212}", "\u{3000}", "_"];

/// Numbers in all groupings, nearly such, and anything else.
#[test]
fn as_digit_by_digit() {
    let mut state = 11_u64;
    let mut next = |end: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % end
    };
    let (mut kept, mut filled) = (0, 0);
    for keep in KEEPS {
        let engine = Engine::new(&Settings { keep, ..Settings::default() }).unwrap();
        for round in 0..times(if cfg!(miri) { 4_000 } else { 60_000 }) {
            let separator = SEPARATORS[next(SEPARATORS.len())];
            let plain = [11 + next(11)];
            let shape = if next(3) == 0 { &plain } else { SHAPES[next(SHAPES.len())] };
            let mut value = String::new();
            for (at, count) in shape.iter().enumerate() {
                let other = SEPARATORS[next(SEPARATORS.len())];
                value += if at == 0 {
                    ""
                } else if next(12) == 0 {
                    other
                } else {
                    separator
                };
                let count = if next(20) == 0 { next(8) } else { *count };
                (0..count).for_each(|_| value.push(char::from(b'0' + next(10) as u8)));
            }
            let mut value = value.into_bytes();
            if next(5) == 0 {
                value = [&b"  "[..next(3)], &value, &b"   "[..next(4)]].concat();
            }
            if next(12) == 0 && !value.is_empty() {
                let at = next(value.len());
                value[at] = b"/:x \xa0"[next(5)];
            }
            for whole in [Whole::KeepEnds, Whole::KeepNothing] {
                let (mut exact, mut fast) = (value.clone(), value.clone());
                hide_text(keep, &mut exact, whole);
                hide_text_by(&engine, &mut fast, whole);
                assert!(fast == exact, "round {round}, {} bytes, {keep:?}, {whole:?}", value.len());
                kept += u32::from(fast.iter().any(u8::is_ascii_digit));
                let signed = [&b"-"[..next(2)], &value, &b".25"[..[0, 3][next(2)]]].concat();
                let mut fast = signed.clone();
                hide_number_by(&engine, &mut fast, whole);
                let exact = hide_number(keep, &signed, whole);
                filled += u32::from(exact.is_some());
                let hidden = |bytes: &[u8]| bytes.iter().all(|byte| !byte.is_ascii_digit() || *byte == b'0');
                assert!(exact.map_or_else(|| hidden(&fast), |exact| fast == exact), "round {round}, {keep:?}");
            }
        }
    }
    assert!(cfg!(miri) || kept > 20_000 && filled > 10_000, "{kept} {filled}");
}
