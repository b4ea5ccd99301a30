//! A cursor over one message body. Every read checks; none can run past the end.

use super::malformed::Malformed;

/// Invariant: `at <= bytes.len()`.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0 }
    }

    /// How far the cursor is from the body's start.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn rest_view(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let taken = self.rest_view().get(..count).ok_or(Malformed::Truncated)?;
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, _) = self.rest_view().split_first_chunk::<N>().ok_or(Malformed::Truncated)?;
        self.at += N;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn i16(&mut self) -> Result<i16, Malformed> {
        self.array().map(i16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_be_bytes)
    }

    /// A string up to its zero byte, which is taken and left out.
    pub(crate) fn string(&mut self) -> Result<&'a [u8], Malformed> {
        let rest = self.rest_view();
        let end = rest.iter().position(|&byte| byte == 0).ok_or(Malformed::Unterminated)?;
        self.at += end + 1;
        Ok(rest.get(..end).unwrap_or_default())
    }

    /// A string whose zero byte is the last byte of the body.
    pub(crate) fn last_string(&mut self) -> Result<&'a [u8], Malformed> {
        let text = self.string()?;
        if self.left() > 0 { Err(Malformed::EmbeddedZero) } else { Ok(text) }
    }

    /// A length word and as many bytes; -1 is NULL.
    pub(crate) fn value(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        match value_length(self.i32()?)? {
            Some(length) => self.bytes(length).map(Some),
            None => Ok(None),
        }
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        let rest = self.rest_view();
        self.at = self.bytes.len();
        rest
    }

    /// The body has to end here.
    pub(crate) fn end(&self) -> Result<(), Malformed> {
        if self.left() > 0 { Err(Malformed::Trailing) } else { Ok(()) }
    }
}

/// The length word of a value: -1 is NULL, anything else below zero is refused.
pub(crate) fn value_length(word: i32) -> Result<Option<usize>, Malformed> {
    match word {
        -1 => Ok(None),
        word => usize::try_from(word).map(Some).map_err(|_| Malformed::ValueLength),
    }
}
