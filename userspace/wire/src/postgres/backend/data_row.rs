//! DataRow: one row. A value may be as large as 1 GiB, so a row is walked as its bytes come and go; [`DataRow`] is for rows at hand.

use core::ops::Range;

use super::super::malformed::Malformed;
use super::super::opaque::opaque_debug;
use super::super::read::{Reader, value_length};

/// A row that is whole at hand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DataRow<'a> {
    count: u16,
    body: &'a [u8],
}

opaque_debug!(DataRow);

impl<'a> DataRow<'a> {
    /// Parses a whole body.
    pub fn parse(body: &'a [u8]) -> Result<DataRow<'a>, Malformed> {
        let mut reader = Reader::new(body);
        let count = reader.u16()?;
        for _ in 0..count {
            reader.value()?;
        }
        reader.end()?;
        Ok(DataRow { count, body })
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// No values.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The values in order; `None` is NULL.
    pub fn values(&self) -> impl Iterator<Item = Option<&'a [u8]>> + Clone + use<'a> {
        let body = self.body;
        self.ranges().map(move |range| range.and_then(|range| body.get(range)))
    }

    /// Where the values are in the body; `None` is NULL.
    pub fn ranges(&self) -> impl Iterator<Item = Option<Range<usize>>> + Clone + use<'a> {
        let mut reader = Reader::new(self.body);
        let skipped = reader.u16().is_ok();
        (0..self.count).map_while(move |_| {
            let value = reader.value().ok().filter(|_| skipped)?;
            Some(value.map(|value| reader.at() - value.len()..reader.at()))
        })
    }
}

/// The number of values, in the first two bytes of a row.
pub fn count(bytes: [u8; 2]) -> u16 {
    u16::from_be_bytes(bytes)
}

/// The length of a value, in the four bytes before it; `None` is NULL.
pub fn length(bytes: [u8; 4]) -> Result<Option<usize>, Malformed> {
    value_length(i32::from_be_bytes(bytes))
}

/// Finds the values of a row whose body is shown piece by piece, and holds the inner lengths against the frame's.
///
/// The caller keeps the place: after [`Step::Columns`] it goes on two bytes further, after [`Step::Null`] four, after [`Step::Value`] four
/// and then the value's own length, however many reads that takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walk {
    /// Bytes of the body that neither a header nor a value has claimed.
    unclaimed: usize,
    /// `None`: the count was not read yet.
    columns_left: Option<u16>,
}

/// What comes next in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Show at least so many bytes from here; nothing was consumed.
    Need(usize),
    /// Two bytes: so many values follow.
    Columns(u16),
    /// Four bytes: a NULL.
    Null,
    /// Four bytes: a value of `len` bytes follows them.
    Value {
        /// Bytes of the value.
        len: usize,
    },
    /// Every value was seen and the body ends here.
    End,
}

impl Walk {
    /// At the start of a row with a body of so many bytes.
    pub fn new(body_len: usize) -> Walk {
        Walk { unclaimed: body_len, columns_left: None }
    }

    /// What stands at the start of `bytes`, the place that the last step led to.
    pub fn next(&mut self, bytes: &[u8]) -> Result<Step, Malformed> {
        match self.columns_left {
            None => self.columns(bytes),
            Some(0) if self.unclaimed > 0 => Err(Malformed::Trailing),
            Some(0) => Ok(Step::End),
            Some(left) => self.value(left, bytes),
        }
    }

    fn columns(&mut self, bytes: &[u8]) -> Result<Step, Malformed> {
        let unclaimed = self.unclaimed.checked_sub(2).ok_or(Malformed::Truncated)?;
        let Some((head, _)) = bytes.split_first_chunk::<2>() else {
            return Ok(Step::Need(2));
        };
        let columns = count(*head);
        if unclaimed / 4 < usize::from(columns) {
            return Err(Malformed::Truncated);
        }
        *self = Walk { unclaimed, columns_left: Some(columns) };
        Ok(Step::Columns(columns))
    }

    fn value(&mut self, left: u16, bytes: &[u8]) -> Result<Step, Malformed> {
        let unclaimed = self.unclaimed.checked_sub(4).ok_or(Malformed::Truncated)?;
        let Some((head, _)) = bytes.split_first_chunk::<4>() else {
            return Ok(Step::Need(4));
        };
        let length = length(*head)?;
        let unclaimed = unclaimed.checked_sub(length.unwrap_or(0)).ok_or(Malformed::Truncated)?;
        *self = Walk { unclaimed, columns_left: Some(left - 1) };
        Ok(length.map_or(Step::Null, |len| Step::Value { len }))
    }
}
