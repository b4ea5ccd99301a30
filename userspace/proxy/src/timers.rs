//! When sessions want to be woken: one heap per shard, and one entry per session that counts.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// "Never", as a time.
pub(crate) const NEVER: u64 = u64::MAX;

/// The heap. A session keeps the time of the entry that counts for it (`armed_at`); an entry with another time is stale and is
/// dropped when its time comes. A later wish does not touch the heap: the entry fires early, and is then set anew. So a
/// deadline that moves with each message costs nothing.
#[derive(Default)]
pub(crate) struct Timers(BinaryHeap<Reverse<(u64, u32)>>);

impl Timers {
    /// The session wants to be woken at `at_ns`; `armed_at` is its entry that counts.
    pub(crate) fn want(&mut self, link: u32, at_ns: u64, armed_at: &mut u64) {
        if at_ns < *armed_at {
            *armed_at = at_ns;
            self.0.push(Reverse((at_ns, link)));
        }
    }

    /// When the next entry fires.
    pub(crate) fn next_ns(&self) -> u64 {
        self.0.peek().map_or(NEVER, |Reverse((at_ns, _))| *at_ns)
    }

    /// An entry whose time has come: its time and its session.
    pub(crate) fn pop(&mut self, now_ns: u64) -> Option<(u64, u32)> {
        if self.next_ns() > now_ns {
            return None;
        }
        self.0.pop().map(|Reverse(entry)| entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_wish_adds_no_entry_and_an_earlier_one_fires_first() {
        let mut timers = Timers::default();
        let mut armed = NEVER;
        timers.want(7, 100, &mut armed);
        timers.want(7, 200, &mut armed);
        timers.want(7, 50, &mut armed);
        assert_eq!((armed, timers.next_ns(), timers.0.len()), (50, 50, 2));
        assert_eq!(timers.pop(49), None);
        assert_eq!(timers.pop(50), Some((50, 7)));
        assert_eq!(timers.pop(100), Some((100, 7)));
        assert_eq!(timers.pop(u64::MAX - 1), None);
    }
}
