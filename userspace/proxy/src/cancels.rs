use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use session::{CancelTarget, Cancels, Key};

/// The issued cancel keys of all shards. Behind a lock, because a cancel request may land on any shard; it is taken at login, at
/// a session's end, and by cancel requests, never on the path of a statement. Bounded by the sessions: each registers one key.
#[derive(Debug, Default)]
pub(crate) struct Registry(Mutex<HashMap<Key, CancelTarget>>);

impl Registry {
    fn keys(&self) -> MutexGuard<'_, HashMap<Key, CancelTarget>> {
        // No code can panic while it holds the lock, and a map of keys has no invariant to break.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cancels for Registry {
    fn register(&self, issued: Key, target: CancelTarget) {
        self.keys().insert(issued, target);
    }

    fn find(&self, issued: &Key) -> Option<CancelTarget> {
        self.keys().get(issued).cloned()
    }

    fn forget(&self, issued: &Key) {
        self.keys().remove(issued);
    }
}
