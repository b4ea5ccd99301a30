//! Results, and what is left of removed segments.

use super::{bytes, id, length, name_if, number, session};
use crate::event::Text;
use crate::field;
use crate::received::{Hashed, Packing, Received, Timing, without_zeros, without_zeros_max};
use crate::removal::Removed;

impl Received<'_> {
    pub(super) fn append(&self, out: &mut Vec<u8>) {
        session(out, self.actor, true, self.number);
        id(out, field::DECISION, self.decision);
        name_if(out, field::CAUSE, self.cause.map(Text::Literal));
        if let Some((masked, packed)) = self.kept {
            let kept = packed.unwrap_or(masked.as_slice());
            if self.packing == Packing::Zstd {
                number(out, field::PACKING, 1);
            }
            number(out, field::RESULT_BYTES, masked.as_slice().len() as u64);
            self.timing.append(out);
            packed_bytes(out, kept);
        }
        if self.left_off > 0 {
            number(out, field::LEFT_OFF, self.left_off);
        }
        match self.hash {
            Some(Hashed::All(hash)) => bytes(out, field::LEFT_OFF_BLAKE3, hash),
            Some(Hashed::Parts { first_bytes, first, behind }) => {
                number(out, field::LEFT_OFF_FIRST, first_bytes);
                bytes(out, field::LEFT_OFF_FIRST_BLAKE3, first);
                bytes(out, field::LEFT_OFF_BEHIND_BLAKE3, behind);
            }
            None => {}
        }
        if self.starred > 0 {
            number(out, field::STARRED, u64::from(self.starred));
        }
    }
}

impl Timing {
    fn append(&self, out: &mut Vec<u8>) {
        let mut pairs = Vec::new();
        self.encode(&mut pairs);
        bytes(out, field::TIMING, &pairs);
    }
}

/// A field of any bytes.
fn packed_bytes(out: &mut Vec<u8>, kept: &[u8]) {
    out.push(field::RESULT);
    let mut without = Vec::with_capacity(without_zeros_max(kept.len()));
    without_zeros(kept, &mut without);
    length(out, without.len());
    out.extend_from_slice(&without);
}

impl Removed {
    pub(super) fn append(&self, out: &mut Vec<u8>) {
        self.head.append_as(field::REMOVED, out);
        number(out, field::REMOVED_FIRST, self.first_seq);
        number(out, field::REMOVED_SEGMENT, self.segment);
        bytes(out, field::REMOVED_SHA256, &self.sha256);
        number(out, field::REMOVED_UNTIL, self.until_s);
    }
}
