//! Tombstones: what is left of a segment that was removed for good. The series then begins behind it, and its verifier asks for the
//! tombstone that tells of that place: which segment it was, and the size and root of the tree up to its end.
//!
//! A tombstone stands in root's series ([`crate::segment::SERVICE_SHARD`]), which the service can neither write nor read, and is signed
//! by the root key: who has taken the service over can neither write one nor sign one.

use std::fmt::Write as _;

use crate::chain::Hash;
use crate::decode::{self, Fields, number};
use crate::event::Head;
use crate::field;
use crate::note::{SignerKey, VerifierKey};
use crate::show::hex;

/// What a tombstone says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// The series, and its tree up to the end of the segment.
    pub head: Head,
    /// The segment's number.
    pub segment: u64,
    /// Its first record; the last one is the tree's size.
    pub first_seq: u64,
    /// SHA-256 of its file.
    pub sha256: Hash,
    /// The time of its last record, seconds since 1970 UTC.
    pub until_s: u64,
}

/// A tombstone as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// What it says.
    pub removed: Removed,
    /// By the root key, where there was one.
    pub signature: Option<[u8; 64]>,
}

impl Removed {
    /// The bytes that are signed: six lines of text, the key's name in the second.
    fn message(&self, name: &str) -> String {
        let Head { shard, size, root } = self.head;
        let mut text = format!("interceptor tombstone v1\n{name}\n{shard} {}\n", self.segment);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{} {size} {}\n{}\n{}", self.first_seq, self.until_s, hex(&root), hex(&self.sha256));
        text
    }

    /// The signature of the root key.
    pub fn sign(&self, key: &SignerKey) -> [u8; 64] {
        key.sign_bytes(self.message(key.public().name()).as_bytes())
    }
}

impl Tombstone {
    /// From a record's payload; `None`: it is none.
    pub fn read(payload: &[u8]) -> Option<Tombstone> {
        let (mut head, mut segment, mut first_seq, mut until_s) = (None, None, None, None);
        let (mut sha256, mut signature) = (None, None);
        for one in Fields::of(payload) {
            let (number_of, value) = one.ok()?;
            match number_of {
                field::REMOVED => head = Some(decode::head(value)?),
                field::REMOVED_SEGMENT => segment = Some(number(value)?),
                field::REMOVED_FIRST => first_seq = Some(number(value)?),
                field::REMOVED_UNTIL => until_s = Some(number(value)?),
                field::REMOVED_SHA256 => sha256 = Some(value.try_into().ok()?),
                field::SIGNATURE => signature = Some(value.try_into().ok()?),
                _ => {}
            }
        }
        let removed =
            Removed { head: head?, segment: segment?, first_seq: first_seq?, sha256: sha256?, until_s: until_s? };
        Some(Tombstone { removed, signature })
    }

    /// Whether this key signed it.
    pub fn is_signed(&self, key: &VerifierKey) -> bool {
        let message = self.removed.message(key.name());
        self.signature.is_some_and(|signature| key.has_signed(message.as_bytes(), &signature))
    }
}
