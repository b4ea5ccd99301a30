//! The SHA-256 of a file of any size, read piece by piece.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

/// Of all that is left to read: how many bytes, and their SHA-256.
pub(crate) fn of(mut from: impl Read) -> io::Result<(u64, [u8; 32])> {
    let (mut length, mut hash, mut piece) = (0, Sha256::new(), vec![0; 1 << 16]);
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok((length, hash.finalize().into())),
            Ok(count) => {
                length += count as u64;
                hash.update(piece.get(..count).unwrap_or_default());
            }
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            Err(why) => return Err(why),
        }
    }
}
