//! BackendKeyData: what a CancelRequest needs.

use super::super::limits::{CANCEL_KEY_MAX, CANCEL_KEY_MIN};
use super::super::malformed::Malformed;
use super::super::opaque::opaque_debug;
use super::super::read::Reader;

/// The session's process number and its secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BackendKeyData<'a> {
    /// The process number, as `pg_backend_pid()` has it.
    pub pid: i32,
    /// The secret: 4 bytes in protocol 3.0; in 3.2 up to 256, of which PostgreSQL 18 sends 32.
    pub key: &'a [u8],
}

opaque_debug!(BackendKeyData);

impl<'a> BackendKeyData<'a> {
    /// Parses a whole body.
    pub fn parse(body: &'a [u8]) -> Result<BackendKeyData<'a>, Malformed> {
        let mut reader = Reader::new(body);
        let pid = reader.i32()?;
        let key = reader.rest();
        if !(CANCEL_KEY_MIN..=CANCEL_KEY_MAX).contains(&key.len()) {
            return Err(Malformed::CancelKey);
        }
        Ok(BackendKeyData { pid, key })
    }
}
