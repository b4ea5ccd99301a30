//! Secrets of our own: names of 256 random bits that mean nothing but in a table here, and how they are kept and compared.

use std::collections::HashMap;

/// 64 hex digits. `None`: there is no randomness.
pub(crate) fn random() -> Option<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether two secrets are the same, in a time that does not tell how much of them is.
pub(crate) fn same(one: &str, other: &str) -> bool {
    let differs = one.bytes().zip(other.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b));
    one.len() == other.len() && differs == 0
}

/// Room for one more among so many: the oldest go.
pub(crate) fn make_room<T>(table: &mut HashMap<String, T>, kept: usize, until_s: impl Fn(&T) -> u64) {
    while table.len() >= kept {
        let oldest = table.iter().min_by_key(|(_, one)| until_s(one)).map(|(name, _)| name.clone());
        let Some(oldest) = oldest else { return };
        table.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_compared_whole() {
        assert!(same("abc", "abc") && same("", ""));
        assert!(!same("abc", "abd") && !same("abc", "ab") && !same("", "a"));
    }
}
