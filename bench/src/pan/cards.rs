//! Numbers that are cards, and numbers that only nearly are.

use crate::dice::Dice;

/// `prefix`, random digits, and the check digit.
pub(crate) fn valid(dice: &mut Dice, prefix: &str, length: usize) -> String {
    let body = format!("{prefix}{}", dice.digits(length.saturating_sub(prefix.len() + 1)));
    let check = check_digit(body.as_bytes());
    body + &char::from(b'0' + check).to_string()
}

/// The same with another check digit than the right one.
pub(crate) fn near(dice: &mut Dice, prefix: &str, length: usize) -> String {
    let mut number = valid(dice, prefix, length);
    let right = number.pop().map_or(0, |check| check as u8 - b'0');
    let wrong = (right + 1 + dice.below(9) as u8) % 10;
    number.push(char::from(b'0' + wrong));
    number
}

/// A card of a common brand and its 14, 15, 16 or 19 digits.
pub(crate) fn common(dice: &mut Dice) -> String {
    let (prefix, length) = [("4", 16), ("51", 16), ("55", 16), ("2221", 16), ("6011", 16)][dice.below(5)];
    valid(dice, prefix, length)
}

/// Four digits, the first of them of `prefix`, that are a card when they are said four times.
pub(crate) fn repeated_group(dice: &mut Dice, prefix: &str) -> String {
    let mut front: String = prefix.chars().take(3).collect();
    front += &dice.digits(3 - front.len());
    let mut groups = (b'0'..=b'9').map(|last| format!("{front}{}", char::from(last)));
    groups.rfind(|group| luhn(group.repeat(4).as_bytes())).unwrap_or(front)
}

/// Groups of digits with a separator between them.
pub(crate) fn grouped(number: &str, groups: &[usize], separator: &str) -> String {
    let mut rest = number;
    let mut parts = Vec::new();
    for &group in groups {
        let (head, tail) = rest.split_at(group.min(rest.len()));
        parts.push(head);
        rest = tail;
    }
    parts.join(separator)
}

/// The printed grouping of a length, where there is one.
pub(crate) fn groups_of(length: usize) -> Option<&'static [usize]> {
    Some(match length {
        13 => &[4, 4, 5],
        14 => &[4, 6, 4],
        15 => &[4, 6, 5],
        16 => &[4, 4, 4, 4],
        19 => &[4, 4, 4, 4, 3],
        _ => return None,
    })
}

/// Whether ASCII digits end in their own check digit (ISO/IEC 7812-1, annex B).
pub(crate) fn luhn(digits: &[u8]) -> bool {
    digits.split_last().is_some_and(|(last, body)| check_digit(body) == last.wrapping_sub(b'0'))
}

fn check_digit(body: &[u8]) -> u8 {
    let sum: u32 = body
        .iter()
        .rev()
        .enumerate()
        .map(|(index, byte)| (index, u32::from(byte.wrapping_sub(b'0') % 10)))
        .map(|(index, digit)| if index % 2 == 0 { digit * 2 / 10 + digit * 2 % 10 } else { digit })
        .sum();
    ((10 - sum % 10) % 10) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits() {
        assert!(luhn(b"79927398713") && !luhn(b"79927398710"));
        let mut dice = Dice(7);
        for length in 13..=19 {
            assert!(luhn(valid(&mut dice, "4", length).as_bytes()));
            assert!(!luhn(near(&mut dice, "4", length).as_bytes()));
        }
    }

    #[test]
    fn repeated_groups() {
        let mut dice = Dice(7);
        for prefix in ["4", "51", "6011"] {
            let group = repeated_group(&mut dice, prefix);
            assert!(group.len() == 4 && luhn(group.repeat(4).as_bytes()), "{prefix}");
        }
    }

    #[test]
    fn groupings() {
        assert_eq!(grouped("1234567890", &[4, 6], "-"), "1234-567890");
        assert!((13..=19).filter_map(groups_of).all(|groups| (13..=19).contains(&groups.iter().sum::<usize>())));
    }
}
