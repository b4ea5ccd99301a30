//! What a shard asks of a session. [`Session`] is the one that serves; the shard's own tests put an adversary in its place, whose
//! effects are as odd as the seam allows, which no well-behaved session's would be.

use std::sync::Arc;

use session::{Effects, Input, Now, Open, Session, Shared, Signed};

/// See [`Session`].
pub trait Conversation {
    /// A session that has seen nothing yet.
    fn open(open: Open) -> Self;
    /// One event.
    fn handle(&mut self, input: Input<'_>, now: Now, shared: &mut Shared<'_>, out: &mut Effects);
    /// The records of the call that `out` is the answer to: each one's type and payload.
    fn records<'a>(&'a self, out: &'a Effects) -> impl Iterator<Item = (u8, &'a [u8])>;
    /// Bytes of records that it will write whatever happens: the shard keeps room for them.
    fn owes(&self) -> usize;
    /// Whether all that its agent was sent, with what is on its way, ends with a whole message.
    fn is_between_messages(&self) -> bool;
    /// The session is over.
    fn close(&mut self, now: Now, shared: &mut Shared<'_>, out: &mut Effects);
    /// What the session was opened with.
    fn opened(&self) -> &Open;
    /// The token of its agent's job, and whether it is one that the agent may have.
    fn signed(&self) -> Option<(&Arc<Signed>, bool)> {
        None
    }
}

impl Conversation for Session {
    fn open(open: Open) -> Session {
        Session::new(open)
    }

    fn handle(&mut self, input: Input<'_>, now: Now, shared: &mut Shared<'_>, out: &mut Effects) {
        Session::handle(self, input, now, shared, out);
    }

    fn records<'a>(&'a self, out: &'a Effects) -> impl Iterator<Item = (u8, &'a [u8])> {
        out.records.iter()
    }

    fn owes(&self) -> usize {
        Session::owes(self)
    }

    fn is_between_messages(&self) -> bool {
        Session::is_between_messages(self)
    }

    fn close(&mut self, now: Now, shared: &mut Shared<'_>, out: &mut Effects) {
        Session::close(self, now, shared, out);
    }

    fn opened(&self) -> &Open {
        Session::open(self)
    }

    fn signed(&self) -> Option<(&Arc<Signed>, bool)> {
        Session::signed(self)
    }
}
