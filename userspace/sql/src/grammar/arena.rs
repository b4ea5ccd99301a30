//! Where trees lie, and what is made of them: memory that is taken once for each thread.

use std::cell::{Cell, RefCell};
use std::ops::Deref;

use bumpalo::Bump;

use super::Room;

thread_local! {
    static SPARE: Cell<Option<(Bump, Vec<Room>)>> = const { Cell::new(None) };
}

/// What a thread keeps, bytes: of a statement that took more the memory is given back.
const KEPT_MAX: usize = 1 << 20;

/// Holds trees until a text is judged, and what is made of them; one that is read while another is in use gets memory of its own.
pub(crate) struct Arena {
    bump: Bump,
    /// The library's memory of each tree.
    rooms: RefCell<Vec<Room>>,
    /// About what they take.
    room_bytes: Cell<usize>,
    /// A word or number was read that the library does not make.
    is_malformed: Cell<bool>,
}

impl Arena {
    /// An empty one: the thread's, if it is free.
    pub(crate) fn take() -> Arena {
        let (bump, rooms) = SPARE.take().unwrap_or_else(|| (Bump::with_capacity(16 << 10), Vec::new()));
        Arena { bump, rooms: RefCell::new(rooms), room_bytes: Cell::new(0), is_malformed: Cell::new(false) }
    }

    /// About what all that is in it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.bump.allocated_bytes() + self.room_bytes.get()
    }

    /// All that was read of its trees so far was what the library makes.
    pub(crate) fn is_sound(&self) -> bool {
        !self.is_malformed.get()
    }

    /// Something was not.
    pub(super) fn is_unsound(&self) {
        self.is_malformed.set(true);
    }

    /// Keeps a room as long as it is there itself.
    pub(super) fn hold(&self, room: Room, bytes: usize) {
        self.rooms.borrow_mut().push(room);
        self.room_bytes.set(self.room_bytes.get() + bytes);
    }
}

impl Deref for Arena {
    type Target = Bump;

    fn deref(&self) -> &Bump {
        &self.bump
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        let mut rooms = self.rooms.take();
        rooms.clear();
        let mut bump = std::mem::take(&mut self.bump);
        bump.reset();
        if bump.allocated_bytes() <= KEPT_MAX {
            SPARE.set(Some((bump, rooms)));
        }
    }
}
