//! Maskers that no session of a shard needs at the moment. One is a good half KiB: an idle session has none, and none is made for a message.

use super::BodyMask;

/// Maskers that are kept; a session needs one only while a message of its own is cut by a chunk's end.
const KEPT: usize = 64;

/// The unused ones.
#[derive(Debug, Default)]
#[allow(clippy::vec_box)] // the box is what moves in and out of a session
pub struct Spare(Vec<Box<BodyMask>>);

impl Spare {
    /// One for rows.
    pub(in crate::postgres) fn lend_row(&mut self) -> Box<BodyMask> {
        match self.0.pop() {
            // It ended with its last body, and begins afresh.
            Some(mask) if matches!(*mask, BodyMask::Row(_)) => mask,
            Some(mut mask) => {
                *mask = BodyMask::row();
                mask
            }
            None => Box::new(BodyMask::row()),
        }
    }

    /// This one.
    pub(in crate::postgres) fn lend(&mut self, fresh: BodyMask) -> Box<BodyMask> {
        match self.0.pop() {
            Some(mut mask) => {
                *mask = fresh;
                mask
            }
            None => Box::new(fresh),
        }
    }

    /// Its body has ended.
    pub(in crate::postgres) fn take_back(&mut self, mask: Box<BodyMask>) {
        if self.0.len() < KEPT {
            self.0.push(mask);
        }
    }
}
