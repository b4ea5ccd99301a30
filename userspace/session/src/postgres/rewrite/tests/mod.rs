//! Input and what leaves, for every way of cutting a body.

mod copy;
mod patterns;
mod rows;
mod server;
mod streams;
mod strings;
mod types;

use super::*;
use pan::Whole;

/// A published test number, and what leaves of it.
pub(super) const VISA: &[u8] = b"4111111111111111";
pub(super) const VISA_TEXT: &[u8] = b"411111******1111";
pub(super) const VISA_NUMBER: &[u8] = b"4111110000001111";

/// Plays the shard: keeps what is held and presents it in front of the next bytes.
pub(super) struct Shard<'a> {
    mask: BodyMask,
    columns: &'a Columns,
    held: Vec<u8>,
    pub(super) out: Vec<u8>,
    pub(super) cards: u32,
    pub(super) sensitive: u32,
}

impl<'a> Shard<'a> {
    pub(super) fn new(mask: &BodyMask, columns: &'a Columns) -> Shard<'a> {
        Shard { mask: mask.clone(), columns, held: Vec::new(), out: Vec::new(), cards: 0, sensitive: 0 }
    }

    pub(super) fn read(&mut self, chunk: &[u8], last: bool) -> Result<(), Malformed> {
        self.held.extend_from_slice(chunk);
        let progress = self.mask.feed(&mut self.held, last, self.columns)?;
        assert!(progress.done <= self.held.len());
        assert!(self.held.len() - progress.done <= HOLD_MAX);
        assert!(!last || progress.done == self.held.len());
        self.out.extend(self.held.drain(..progress.done));
        self.cards += progress.cards;
        self.sensitive += progress.sensitive;
        Ok(())
    }
}

/// What leaves of `frames`, and the cards and sensitive values counted.
pub(super) type Outcome = Result<(Vec<u8>, u32, u32), Malformed>;

/// Feeds each frame in pieces that end at each place that `cut` names.
pub(super) fn feed(mask: &BodyMask, columns: &Columns, frames: &[&[u8]], cut: impl Fn(usize) -> bool) -> Outcome {
    let mut shard = Shard::new(mask, columns);
    let mut place = 0;
    for frame in frames {
        let mut start = 0;
        for at in 1..frame.len() {
            if cut(place + at) {
                shard.read(&frame[start..at], false)?;
                start = at;
            }
        }
        shard.read(&frame[start..], true)?;
        place += frame.len();
    }
    Ok((shard.out, shard.cards, shard.sensitive))
}

/// However the frames are cut, what leaves is `expected`, or they fail as expected.
#[track_caller]
pub(super) fn check_frames(mask: &BodyMask, columns: &Columns, frames: &[&[u8]], expected: &Outcome) {
    let whole = feed(mask, columns, frames, |_| false);
    assert!(whole == *expected, "in one piece: {}", difference(&whole, expected));
    let len: usize = frames.iter().map(|frame| frame.len()).sum();
    for at in 1..len {
        let cut = feed(mask, columns, frames, |place| place == at);
        assert!(cut == *expected, "cut at {at}: {}", difference(&cut, expected));
    }
    let bytes = feed(mask, columns, frames, |_| true);
    assert!(bytes == *expected, "byte by byte: {}", difference(&bytes, expected));
}

#[track_caller]
pub(super) fn check(mask: &BodyMask, columns: &Columns, body: &[u8], expected: &[u8], cards: u32, sensitive: u32) {
    assert_eq!(body.len(), expected.len(), "the expectation's length");
    check_frames(mask, columns, &[body], &Ok((expected.to_vec(), cards, sensitive)));
}

#[track_caller]
pub(super) fn check_malformed(mask: &BodyMask, columns: &Columns, body: &[u8], fault: Malformed) {
    check_frames(mask, columns, &[body], &Err(fault));
}

/// Where two outcomes part, without the bytes themselves.
fn difference(now: &Outcome, expected: &Outcome) -> String {
    match (now, expected) {
        (Ok(now), Ok(expected)) => {
            let at = now.0.iter().zip(&expected.0).position(|(left, right)| left != right);
            format!(
                "bytes differ at {at:?} of {}/{}, counts {:?} for {:?}",
                now.0.len(),
                expected.0.len(),
                (now.1, now.2),
                (expected.1, expected.2)
            )
        }
        (now, expected) => format!("{:?} for {:?}", now.as_ref().map(|_| ()), expected.as_ref().map(|_| ())),
    }
}

/// Columns of these types, binary or not.
pub(super) fn columns(binary: bool, oids: &[u32]) -> Columns {
    let mut columns = Columns::new();
    for &type_oid in oids {
        columns.push(Column { type_oid, binary, whole: None });
    }
    columns
}

pub(super) fn sensitive(binary: bool, type_oid: u32, whole: Whole) -> Columns {
    let mut columns = Columns::new();
    columns.push(Column { type_oid, binary, whole: Some(whole) });
    columns
}

/// A length and that many bytes; None: a null.
pub(super) fn value(value: Option<&[u8]>) -> Vec<u8> {
    match value {
        None => (-1_i32).to_be_bytes().to_vec(),
        Some(value) => [&i32::try_from(value.len()).unwrap().to_be_bytes()[..], value].concat(),
    }
}

/// The body of a DataRow.
pub(super) fn row(values: &[Option<&[u8]>]) -> Vec<u8> {
    let count = u16::try_from(values.len()).unwrap().to_be_bytes();
    values.iter().fold(count.to_vec(), |body, field| [body, value(*field)].concat())
}

/// Bytes of numbers, big end first.
pub(super) fn words(words: &[i32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// A binary array of one dimension.
pub(super) fn array(element: u32, elements: &[Option<&[u8]>]) -> Vec<u8> {
    let count = i32::try_from(elements.len()).unwrap();
    let nulls = i32::from(elements.iter().any(Option::is_none));
    let head = words(&[1, nulls, element.cast_signed(), count, 1]);
    elements.iter().fold(head, |body, element| [body, value(*element)].concat())
}

/// A binary record.
pub(super) fn record(fields: &[(u32, Option<&[u8]>)]) -> Vec<u8> {
    let count = i32::try_from(fields.len()).unwrap();
    fields
        .iter()
        .fold(words(&[count]), |body, (oid, field)| [body, words(&[oid.cast_signed()]), value(*field)].concat())
}

/// A binary numeric.
pub(super) fn numeric(weight: i16, digits: &[u16]) -> Vec<u8> {
    let head = [u16::try_from(digits.len()).unwrap(), weight.cast_unsigned(), 0, 2];
    head.iter().chain(digits).flat_map(|word| word.to_be_bytes()).collect()
}

/// A small generator of reproducible noise (xorshift64*).
pub(super) struct Noise(pub(super) u64);

impl Noise {
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 33) as usize % bound.max(1)
    }
}
