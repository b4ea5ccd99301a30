//! Skipping what no reading looks at.

use super::token::may_begin;

/// The first place at or after `from` where a digit, a separator or an escape may begin.
pub(super) fn to_token(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    rest.iter().position(|&byte| may_begin(byte)).map_or(bytes.len(), |offset| from + offset)
}
