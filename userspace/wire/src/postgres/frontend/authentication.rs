//! Answers to authentication requests. All have the type byte `p`; which one a body is follows from the request before it.
//! SASLResponse and GSSResponse are any bytes, so they have no view.

use super::super::malformed::Malformed;
use super::super::opaque::opaque_debug;
use super::super::read::Reader;

/// PasswordMessage: the answer to a request for a clear-text or MD5 password.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Password<'a> {
    /// The password, or `md5` and 32 hex digits. A secret either way.
    pub password: &'a [u8],
}

opaque_debug!(Password);

impl<'a> Password<'a> {
    /// Parses a whole body (`recv_password_packet`, src/backend/libpq/auth.c: the zero byte must be the last).
    pub fn parse(body: &'a [u8]) -> Result<Password<'a>, Malformed> {
        Ok(Password { password: Reader::new(body).last_string()? })
    }
}

/// SASLInitialResponse: the mechanism chosen, and its first message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SaslInitialResponse<'a> {
    /// The mechanism's name.
    pub mechanism: &'a [u8],
    /// The first message; `None`: the mechanism has none.
    pub response: Option<&'a [u8]>,
}

opaque_debug!(SaslInitialResponse);

impl<'a> SaslInitialResponse<'a> {
    /// Parses a whole body.
    pub fn parse(body: &'a [u8]) -> Result<SaslInitialResponse<'a>, Malformed> {
        let mut reader = Reader::new(body);
        let mechanism = reader.string()?;
        if mechanism.is_empty() {
            return Err(Malformed::Empty);
        }
        let response = reader.value()?;
        reader.end()?;
        Ok(SaslInitialResponse { mechanism, response })
    }
}
