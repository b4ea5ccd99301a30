//! Where trees lie: memory that is taken once for each thread, since a statement's tree is some 40 times as long as its text.

use std::cell::Cell;
use std::ops::Deref;

use bumpalo::Bump;

thread_local! {
    static SPARE: Cell<Option<Bump>> = const { Cell::new(None) };
}

/// What a thread keeps, bytes: of a statement that took more the memory is given back.
const KEPT_MAX: usize = 1 << 20;

/// An empty arena; a tree that is read while another is in use gets one of its own.
pub(crate) struct Arena(Bump);

impl Arena {
    /// The thread's, if it is free.
    pub(crate) fn take() -> Arena {
        Arena(SPARE.take().unwrap_or_else(|| Bump::with_capacity(16 << 10)))
    }
}

impl Deref for Arena {
    type Target = Bump;

    fn deref(&self) -> &Bump {
        &self.0
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        let mut arena = std::mem::take(&mut self.0);
        arena.reset();
        if arena.allocated_bytes() <= KEPT_MAX {
            SPARE.set(Some(arena));
        }
    }
}
