//! One message being written.

use core::fmt;

use super::super::format::Format;
use super::super::limits::LENGTH_WORD;
use super::super::tag::Tag;
use super::alloc::vec::Vec;

/// The message cannot be written: a zero byte inside a string, or a count or length that its word cannot hold. A fault of whoever
/// asked for it, since what was parsed can always be written again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unencodable;

impl fmt::Display for Unencodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message has a zero byte inside a string, or is too large for its lengths and counts")
    }
}

impl core::error::Error for Unencodable {}

/// Collects a message at the end of `out`; [`Writer::finish`] fills the length in, or takes all of it back.
pub(super) struct Writer<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
    length_at: usize,
    body_max: usize,
    sound: bool,
}

impl<'o> Writer<'o> {
    pub(super) fn typed(out: &'o mut Vec<u8>, tag: impl Tag) -> Writer<'o> {
        let start = out.len();
        out.push(tag.byte());
        Writer::open(out, start, tag.body_max())
    }

    pub(super) fn untyped(out: &'o mut Vec<u8>, body_max: usize) -> Writer<'o> {
        let start = out.len();
        Writer::open(out, start, body_max)
    }

    fn open(out: &'o mut Vec<u8>, start: usize, body_max: usize) -> Writer<'o> {
        let length_at = out.len();
        out.extend_from_slice(&[0; LENGTH_WORD]);
        Writer { out, start, length_at, body_max, sound: true }
    }

    pub(super) fn bytes(mut self, bytes: &[u8]) -> Self {
        if self.out.len() - self.length_at + bytes.len() > LENGTH_WORD + self.body_max {
            self.sound = false; // and the buffer does not grow by what cannot be sent
        } else {
            self.out.extend_from_slice(bytes);
        }
        self
    }

    pub(super) fn u8(self, value: u8) -> Self {
        self.bytes(&[value])
    }

    pub(super) fn i16(self, value: i16) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    pub(super) fn i32(self, value: i32) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    pub(super) fn u32(self, value: u32) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    pub(super) fn string(mut self, text: &[u8]) -> Self {
        self.sound &= !text.contains(&0);
        self.bytes(text).u8(0)
    }

    pub(super) fn count(mut self, count: usize) -> Self {
        let count = u16::try_from(count);
        self.sound &= count.is_ok();
        self.bytes(&count.unwrap_or(0).to_be_bytes())
    }

    pub(super) fn value(mut self, value: Option<&[u8]>) -> Self {
        let Some(value) = value else { return self.i32(-1) };
        let length = i32::try_from(value.len());
        self.sound &= length.is_ok();
        self.i32(length.unwrap_or(0)).bytes(value)
    }

    /// Format codes behind their count.
    pub(super) fn formats(self, formats: impl ExactSizeIterator<Item = Format>) -> Self {
        self.count(formats.len()).each(formats, |writer, format| writer.i16(format.code()))
    }

    /// Values behind their format codes and their count, as Bind and FunctionCall have them.
    pub(super) fn values<'v>(
        self,
        formats: impl ExactSizeIterator<Item = Format>,
        count: usize,
        values: impl Iterator<Item = Option<&'v [u8]>>,
    ) -> Self {
        self.refuse_if(formats.len() > 1 && formats.len() != count)
            .formats(formats)
            .count(count)
            .each(values, Writer::value)
    }

    pub(super) fn refuse_if(mut self, unsound: bool) -> Self {
        self.sound &= !unsound;
        self
    }

    pub(super) fn each<T>(self, items: impl IntoIterator<Item = T>, write: impl FnMut(Self, T) -> Self) -> Self {
        items.into_iter().fold(self, write)
    }

    pub(super) fn finish(self) -> Result<(), Unencodable> {
        let length = i32::try_from(self.out.len() - self.length_at).unwrap_or(0);
        match self.out.get_mut(self.length_at..).and_then(|frame| frame.first_chunk_mut::<LENGTH_WORD>()) {
            Some(word) if self.sound => {
                *word = length.to_be_bytes();
                Ok(())
            }
            _ => {
                self.out.truncate(self.start);
                Err(Unencodable)
            }
        }
    }
}
