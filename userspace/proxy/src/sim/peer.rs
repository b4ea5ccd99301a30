//! The other ends of the shard's sockets: an agent or a database that sends one stream, reads another, and ends.

use super::rng::Rng;

/// The last byte of every stream, and only that.
pub(super) const LAST: u8 = 0x7F;

/// What a peer does wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Manners {
    /// Resets the connection some time.
    pub(super) resets: bool,
    /// Reads nothing for a long while.
    pub(super) sleeps: bool,
    /// Never says a word.
    pub(super) silent: bool,
}

#[derive(Debug)]
pub(super) struct Peer {
    sends: Vec<u8>,
    sent: usize,
    pub(super) got: Vec<u8>,
    pub(super) got_end: bool,
    said_end: bool,
    manners: Manners,
    pub(super) next_ns: u64,
    sleeps_until_ns: u64,
    reset_after: usize,
}

/// What a peer does in one step.
pub(super) enum Step {
    Wait,
    Send(Vec<u8>),
    End,
    Reset,
}

impl Peer {
    pub(super) fn new(rng: &mut Rng, len: usize, manners: Manners) -> Peer {
        let mut sends: Vec<u8> = (0..len.saturating_sub(1)).map(|_| (rng.next() % 0x7F) as u8).collect();
        sends.push(LAST);
        Peer {
            reset_after: rng.below(len + 1),
            sends,
            sent: 0,
            got: Vec::new(),
            got_end: false,
            said_end: false,
            manners,
            next_ns: 0,
            sleeps_until_ns: 0,
        }
    }

    pub(super) fn stream(&self) -> &[u8] {
        &self.sends
    }

    pub(super) fn manners(&self) -> Manners {
        self.manners
    }

    /// How many bytes of those that wait for it it reads now.
    pub(super) fn reads(&mut self, rng: &mut Rng, waiting: usize, now_ns: u64) -> usize {
        if now_ns < self.sleeps_until_ns {
            return 0;
        }
        if self.manners.sleeps && rng.once_in(20) {
            self.sleeps_until_ns = now_ns + rng.below(2_000_000_000) as u64;
            return 0;
        }
        if rng.once_in(2) { waiting } else { rng.skewed(waiting) }
    }

    /// The next step; `room` bytes fit on the wire.
    pub(super) fn step(&mut self, rng: &mut Rng, room: usize, now_ns: u64) -> Step {
        self.next_ns = now_ns + if rng.once_in(3) { 0 } else { rng.skewed(3_000_000) as u64 } + 1000;
        if self.manners.silent {
            self.next_ns = now_ns + 500_000_000;
            return Step::Wait;
        }
        if self.manners.resets && self.sent >= self.reset_after {
            return Step::Reset;
        }
        if self.sent == self.sends.len() {
            // It only reads from here on: it need not look as often.
            self.next_ns = (now_ns + rng.skewed(10_000_000) as u64 + 100_000).max(self.sleeps_until_ns);
            return if std::mem::replace(&mut self.said_end, true) { Step::Wait } else { Step::End };
        }
        let len = rng.skewed(room.min(self.sends.len() - self.sent));
        let bytes = self.sends[self.sent..self.sent + len].to_vec();
        self.sent += len;
        Step::Send(bytes)
    }
}
