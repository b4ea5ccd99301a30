//! The code of an error, as a record keeps it.

/// Five characters of a SQLSTATE, digits and upper-case letters; anything else becomes `?????`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SqlState([u8; 5]);

impl SqlState {
    /// `successful_completion`.
    pub const OK: SqlState = SqlState(*b"00000");
    /// `insufficient_privilege`, what a refused statement gets.
    pub const REFUSED: SqlState = SqlState(*b"42501");

    /// From the bytes of an error's `C` field.
    pub fn of(bytes: &[u8]) -> SqlState {
        match <[u8; 5]>::try_from(bytes) {
            Ok(code) if code.iter().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()) => SqlState(code),
            _ => SqlState(*b"?????"),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8; 5] {
        &self.0
    }
}
