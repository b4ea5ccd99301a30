#![allow(unsafe_code)] // getrandom

use std::io;

/// Bytes that nobody can guess (getrandom(2)): secrets of sessions. At most 256, which come in one call.
pub fn random<const LEN: usize>() -> io::Result<[u8; LEN]> {
    const { assert!(LEN <= 256) };
    let mut bytes = [0_u8; LEN];
    // SAFETY: `bytes` is as many writable bytes. Requests of up to 256 bytes are answered whole once the kernel's pool is seeded.
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if usize::try_from(got).is_ok_and(|got| got == bytes.len()) { Ok(bytes) } else { Err(io::Error::last_os_error()) }
}
