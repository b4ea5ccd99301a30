//! The check digit of ISO/IEC 7812-1, annex B.

/// Whether `digits` (values 0..=9) end in their own check digit.
pub(crate) fn holds(digits: &[u8]) -> bool {
    /// What a doubled digit adds: the digit sum of its double.
    const DOUBLED: [u32; 10] = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9];
    let (mut sum, mut double) = (0, false);
    for &digit in digits.iter().rev() {
        sum += if double { DOUBLED[usize::from(digit) % 10] } else { u32::from(digit) };
        double = !double;
    }
    sum % 10 == 0
}

#[cfg(test)]
mod tests {
    #[test]
    fn published_examples() {
        assert!(super::holds(&[7, 9, 9, 2, 7, 3, 9, 8, 7, 1, 3]));
        assert!(!super::holds(&[7, 9, 9, 2, 7, 3, 9, 8, 7, 1, 0]));
        assert!(super::holds(&[]));
    }
}
