//! What an approval that covers further runs is bound to: a digest of the exact bytes and of all that decides what they mean. It stays in
//! memory: a plain hash of a statement that names a card could be searched for.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::verdicts::Judged;

/// Collects the parts, each with its length in front.
pub(super) struct Binding(Sha256);

impl Binding {
    /// Of this text, and those that its EXECUTEs run.
    pub(super) fn of(texts: &[Arc<Judged>]) -> Binding {
        let mut binding = Binding(Sha256::new());
        binding.number(texts.len() as u64);
        for text in texts {
            binding.bytes(text.bytes());
            binding.number(u64::from(text.is_latin1()));
        }
        binding
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    pub(super) fn number(&mut self, number: u64) {
        self.0.update(number.to_be_bytes());
    }

    pub(super) fn digest(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}
