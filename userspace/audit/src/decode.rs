//! Payloads back to fields. The bytes may be anybody's: nothing is trusted, unknown fields pass.
use crate::chain::Hash;
use crate::event::Head;
use crate::field;
use crate::id::RecordId;
use crate::record_type::RecordType;

/// The bytes end within a field, or a length is no length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// The fields of a payload, in order.
pub struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Of a payload.
    pub fn of(payload: &'a [u8]) -> Fields<'a> {
        Fields(payload)
    }

    fn take(&mut self) -> Result<(u8, &'a [u8]), Malformed> {
        let (number, mut rest) = self.0.split_first().ok_or(Malformed)?;
        let mut length = 0usize;
        for shift in [0, 7, 14, 21] {
            let (byte, behind) = rest.split_first().ok_or(Malformed)?;
            rest = behind;
            length |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let (value, rest) = rest.split_at_checked(length).ok_or(Malformed)?;
                self.0 = rest;
                return Ok((*number, value));
            }
        }
        Err(Malformed)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u8, &'a [u8]), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.take();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

/// A number field's value; `None` for more than eight bytes.
pub fn number(value: &[u8]) -> Option<u64> {
    let mut bytes = [0; 8];
    bytes.get_mut(..value.len())?.copy_from_slice(value);
    Some(u64::from_le_bytes(bytes))
}

/// An id field's value; `None`: it is none.
pub fn record_id(value: &[u8]) -> Option<RecordId> {
    let (shard, seq) = value.split_first_chunk::<2>()?;
    Some(RecordId { shard: u16::from_le_bytes(*shard), seq: number(seq)? })
}

/// One value of [`field::HEADS`]; `None`: it is none.
pub(crate) fn head(value: &[u8]) -> Option<Head> {
    let (shard, rest) = value.split_first_chunk::<2>()?;
    let (root, size) = rest.split_first_chunk::<32>()?;
    Some(Head { shard: u16::from_le_bytes(*shard), size: number(size)?, root: *root })
}

/// What a checkpoint's record says of the series; `None`: it is damaged.
pub fn heads(payload: &[u8]) -> Option<Vec<Head>> {
    let mut heads = Vec::new();
    for field in Fields::of(payload) {
        let (number_of, value) = field.ok()?;
        if number_of == field::HEADS {
            heads.push(head(value)?);
        }
    }
    Some(heads)
}

/// Within how many seconds a checkpoint's record promises the next; `None`: it does not.
pub fn next_within_s(payload: &[u8]) -> Option<u64> {
    let due = Fields::of(payload).map_while(Result::ok).find(|(name, _)| *name == field::NEXT_WITHIN_S)?;
    number(due.1)
}

/// Up to which record a closing record says that all was on disk.
pub fn durable_seq(payload: &[u8]) -> Option<u64> {
    let told = Fields::of(payload).map_while(Result::ok).find(|(name, _)| *name == field::DURABLE_SEQ)?;
    number(told.1)
}

/// Of an outcome, the decision whose result follows; of a result, the decision that it is of.
pub(crate) fn result_of(kind: RecordType, payload: &[u8]) -> Option<RecordId> {
    let (mut decision, mut follows) = (None, kind == RecordType::Result);
    for one in Fields::of(payload) {
        match one.ok()? {
            (field::DECISION, value) => decision = record_id(value),
            (field::RESULT_FOLLOWS, value) => follows = number(value) == Some(1),
            // It stands right behind the decision.
            _ if decision.is_some() => break,
            _ => {}
        }
    }
    decision.filter(|_| follows)
}

/// What a record that closes a batch says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RootFields {
    /// How many records of the series the root covers.
    pub(crate) size: u64,
    pub(crate) root: Hash,
    /// Of the segment's header.
    pub(crate) header: Hash,
}

impl RootFields {
    /// `None`: a field is missing or is none.
    pub(crate) fn read(payload: &[u8]) -> Option<RootFields> {
        let mut found = RootFields::default();
        let mut seen = 0;
        for field in Fields::of(payload) {
            let (number_of, value) = field.ok()?;
            match number_of {
                field::TREE_SIZE => found.size = number(value)?,
                field::TREE_ROOT => found.root = value.try_into().ok()?,
                field::HEADER_HASH => found.header = value.try_into().ok()?,
                _ => continue,
            }
            seen += 1;
        }
        (seen == 3).then_some(found)
    }
}
