//! Where one message ends and the next begins.

use super::limits::{HEADER, LENGTH_WORD};
use super::malformed::Malformed;
use super::tag::Tag;

/// What the next bytes of a stream are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header<T> {
    /// The header is not complete: at least so many bytes more are needed (at least one).
    Incomplete(usize),
    /// A message: its body begins [`HEADER`] bytes from here. The body need not be at hand.
    Frame {
        /// The type of message.
        tag: T,
        /// Bytes of the body, within the bounds of the type.
        body_len: usize,
    },
    /// No message of this side begins so: the place in the stream is lost and nothing after it can be trusted.
    Malformed(Malformed),
}

/// Reads the header at the start of `bytes`. An unknown type is reported from its one byte.
pub fn header<T: Tag>(bytes: &[u8]) -> Header<T> {
    let Some((&first, rest)) = bytes.split_first() else {
        return Header::Incomplete(HEADER);
    };
    let Some(tag) = T::of_byte(first) else {
        return Header::Malformed(Malformed::UnknownType);
    };
    let Some((&length, _)) = rest.split_first_chunk::<LENGTH_WORD>() else {
        return Header::Incomplete(HEADER - bytes.len());
    };
    match body_len(tag, i32::from_be_bytes(length)) {
        Ok(body_len) => Header::Frame { tag, body_len },
        Err(why) => Header::Malformed(why),
    }
}

fn body_len<T: Tag>(tag: T, length: i32) -> Result<usize, Malformed> {
    let length = usize::try_from(length).map_err(|_| Malformed::LengthWord)?;
    let body_len = length.checked_sub(LENGTH_WORD).ok_or(Malformed::LengthWord)?;
    if body_len < tag.body_min() {
        return Err(Malformed::TooShort);
    }
    if body_len > tag.body_max() {
        return Err(Malformed::TooLong);
    }
    Ok(body_len)
}
