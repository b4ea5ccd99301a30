//! The packets that open a connection.

use super::super::limits::{CANCEL_KEY_MAX, CANCEL_KEY_MIN, STARTUP_BODY_MAX, STARTUP_PARAMETERS_MAX};
use super::super::startup::{CANCEL_REQUEST_CODE, GSSENC_REQUEST_CODE, MAJOR, SSL_REQUEST_CODE};
use super::alloc::vec::Vec;
use super::writer::{Unencodable, Writer};

/// StartupMessage of version 3.`minor`.
pub fn startup_message<'p>(
    out: &mut Vec<u8>,
    minor: u16,
    parameters: impl IntoIterator<Item = (&'p [u8], &'p [u8])>,
) -> Result<(), Unencodable> {
    let mut count = 0;
    Writer::untyped(out, STARTUP_BODY_MAX)
        .u32(u32::from(MAJOR) << 16 | u32::from(minor))
        .each(parameters, |writer, (name, value)| {
            count += 1;
            writer.refuse_if(name.is_empty() || count > STARTUP_PARAMETERS_MAX).string(name).string(value)
        })
        .u8(0)
        .finish()
}

/// Appends ` -c name=value` to a value of the startup parameter `options`. Everything that could be white space in some locale of the
/// server, and the backslash, is escaped, so the server reads exactly this name and this value.
pub fn option(options: &mut Vec<u8>, name: &[u8], value: &[u8]) -> Result<(), Unencodable> {
    if name.is_empty() || name.contains(&0) || name.contains(&b'=') || value.contains(&0) {
        return Err(Unencodable);
    }
    options.extend_from_slice(if options.is_empty() { b"-c " } else { b" -c " });
    for &byte in name.iter().chain(b"=").chain(value) {
        if !byte.is_ascii_graphic() || byte == b'\\' {
            options.push(b'\\');
        }
        options.push(byte);
    }
    Ok(())
}

/// SSLRequest.
pub fn ssl_request(out: &mut Vec<u8>) {
    out.extend_from_slice(&8_u32.to_be_bytes());
    out.extend_from_slice(&SSL_REQUEST_CODE.to_be_bytes());
}

/// GSSENCRequest.
pub fn gssenc_request(out: &mut Vec<u8>) {
    out.extend_from_slice(&8_u32.to_be_bytes());
    out.extend_from_slice(&GSSENC_REQUEST_CODE.to_be_bytes());
}

/// CancelRequest.
pub fn cancel_request(out: &mut Vec<u8>, pid: i32, key: &[u8]) -> Result<(), Unencodable> {
    Writer::untyped(out, STARTUP_BODY_MAX)
        .refuse_if(!(CANCEL_KEY_MIN..=CANCEL_KEY_MAX).contains(&key.len()))
        .u32(CANCEL_REQUEST_CODE)
        .i32(pid)
        .bytes(key)
        .finish()
}
