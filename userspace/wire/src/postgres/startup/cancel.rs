//! CancelRequest: sent on a connection of its own, names another one.

use super::super::limits::{CANCEL_KEY_MAX, CANCEL_KEY_MIN};
use super::super::malformed::Malformed;
use super::super::opaque::opaque_debug;
use super::super::read::Reader;

/// Asks to cancel what another session runs. Unauthenticated but for the key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CancelRequest<'a> {
    /// The process number that BackendKeyData gave.
    pub pid: i32,
    /// The key that BackendKeyData gave: 4 bytes in protocol 3.0, 4 to 256 in 3.2.
    pub key: &'a [u8],
}

opaque_debug!(CancelRequest);

impl<'a> CancelRequest<'a> {
    pub(super) fn read(mut reader: Reader<'a>) -> Result<CancelRequest<'a>, Malformed> {
        let pid = reader.i32()?;
        let key = reader.rest();
        if !(CANCEL_KEY_MIN..=CANCEL_KEY_MAX).contains(&key.len()) {
            return Err(Malformed::CancelKey);
        }
        Ok(CancelRequest { pid, key })
    }
}
