//! NotificationResponse: a NOTIFY on a channel that the session listens to.

use core::ops::Range;

use super::super::malformed::Malformed;
use super::super::opaque::opaque_debug;
use super::super::read::Reader;

/// A NOTIFY of some session, this one included.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NotificationResponse<'a> {
    /// Process number of the session that sent it.
    pub pid: i32,
    /// The channel's name.
    pub channel: &'a [u8],
    /// What was said.
    pub payload: &'a [u8],
}

opaque_debug!(NotificationResponse);

impl<'a> NotificationResponse<'a> {
    /// Parses a whole body.
    pub fn parse(body: &'a [u8]) -> Result<NotificationResponse<'a>, Malformed> {
        let mut reader = Reader::new(body);
        Ok(NotificationResponse { pid: reader.i32()?, channel: reader.string()?, payload: reader.last_string()? })
    }

    /// Where the channel's name is in the body.
    pub fn channel_range(&self) -> Range<usize> {
        4..4 + self.channel.len()
    }

    /// Where the payload is in the body.
    pub fn payload_range(&self) -> Range<usize> {
        let start = self.channel_range().end + 1;
        start..start + self.payload.len()
    }
}
