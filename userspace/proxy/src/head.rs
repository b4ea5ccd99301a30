//! How far a shard's record is on disk, for whoever signs it: size and root of its tree.

use std::sync::{Mutex, PoisonError};

/// The newest state of a shard's tree that is on disk.
#[derive(Debug, Default)]
pub struct DurableHead(Mutex<Option<audit::Head>>);

impl DurableHead {
    /// The state; `None` before the first record is on disk.
    pub fn get(&self) -> Option<audit::Head> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Twice a second from the shard, which does not wait: a reader that looks at this moment sees the state before.
    pub fn tell(&self, head: audit::Head) {
        if let Ok(mut known) = self.0.try_lock() {
            *known = Some(head);
        }
    }
}
