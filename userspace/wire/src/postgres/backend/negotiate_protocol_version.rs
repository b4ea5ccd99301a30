//! NegotiateProtocolVersion: the server speaks an older minor version than was asked for, or lacks protocol options.

use super::super::malformed::Malformed;
use super::super::opaque::opaque_debug;
use super::super::read::Reader;
use super::super::startup::MAJOR;

/// What the server speaks. The session goes on with it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NegotiateProtocolVersion<'a> {
    /// The newest minor version of 3 that it speaks. On the wire the whole version stands, 3 in the upper half
    /// (`SendNegotiateProtocolVersion`, src/backend/tcop/backend_startup.c); the manual speaks of the minor version alone.
    pub minor: u16,
    count: u32,
    options: &'a [u8],
}

opaque_debug!(NegotiateProtocolVersion);

impl<'a> NegotiateProtocolVersion<'a> {
    /// Parses a whole body.
    pub fn parse(body: &'a [u8]) -> Result<NegotiateProtocolVersion<'a>, Malformed> {
        let mut reader = Reader::new(body);
        let version = reader.u32()?;
        let [major, minor] = [(version >> 16) as u16, version as u16];
        if major != MAJOR {
            return Err(Malformed::Version { major, minor });
        }
        let count = reader.u32()?;
        let options_at = reader.at();
        for _ in 0..count {
            if reader.string()?.is_empty() {
                return Err(Malformed::Empty);
            }
        }
        reader.end()?;
        Ok(NegotiateProtocolVersion { minor, count, options: body.get(options_at..).unwrap_or_default() })
    }

    /// Number of options.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Only the version was too new.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Names of the `_pq_.` options that the server does not know.
    pub fn options(&self) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a> {
        let mut reader = Reader::new(self.options);
        core::iter::from_fn(move || reader.string().ok())
    }
}
