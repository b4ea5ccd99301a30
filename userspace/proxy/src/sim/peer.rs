//! The other ends of the shard's sockets: an agent or a database that sends one stream, reads another, and ends.

use super::rng::Rng;
use super::secure::Secure;

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
    /// Turns one bit of its TLS over.
    pub(super) corrupts: bool,
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
    /// What its stream is wrapped in.
    pub(super) tls: Option<Box<Secure>>,
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
            tls: None,
        }
    }

    /// Its stream goes through TLS.
    pub(super) fn secure(&mut self, rng: &mut Rng, mut tls: Secure) {
        tls.corrupts = self.manners.corrupts.then(|| rng.skewed(self.sends.len() + 2000));
        self.tls = Some(Box::new(tls));
    }

    /// Bytes that arrived. `told` hears of those of its stream: how much of the wire was read by then, and where they are in the stream.
    pub(super) fn takes(&mut self, bytes: &[u8], mut told: impl FnMut(u64, u64, u64)) {
        let got = &mut self.got;
        match &mut self.tls {
            None => got.extend_from_slice(bytes),
            Some(tls) => tls.takes(bytes, |taken, plain| {
                let from = got.len() as u64;
                got.extend_from_slice(plain);
                told(taken, from, got.len() as u64);
            }),
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
        if let Some(tls) = &mut self.tls {
            // What TLS itself has to say, and what of the stream is on its way.
            if let Some(bytes) = tls.sends(rng, room) {
                return Step::Send(bytes);
            }
            if !tls.is_ready() && self.got_end {
                // Nobody is left to shake hands with.
                return if std::mem::replace(&mut self.said_end, true) { Step::Wait } else { Step::End };
            }
            if !tls.is_ready() {
                let resets = self.manners.resets && rng.once_in(10);
                return if resets || tls.is_broken() && rng.once_in(40) { Step::Reset } else { Step::Wait };
            }
        }
        if self.sent == self.sends.len() {
            // It only reads from here on: it need not look as often.
            self.next_ns = (now_ns + rng.skewed(10_000_000) as u64 + 100_000).max(self.sleeps_until_ns);
            if let Some(tls) = &mut self.tls
                && !self.said_end
            {
                tls.end(rng);
                if let Some(bytes) = tls.sends(rng, room) {
                    return Step::Send(bytes);
                }
            }
            return if std::mem::replace(&mut self.said_end, true) { Step::Wait } else { Step::End };
        }
        let len = rng.skewed(room.min(self.sends.len() - self.sent));
        let bytes = self.sends[self.sent..self.sent + len].to_vec();
        self.sent += len;
        match &mut self.tls {
            Some(tls) if !bytes.is_empty() => {
                tls.say(rng, &bytes);
                tls.sends(rng, room).map_or(Step::Wait, Step::Send)
            }
            _ => Step::Send(bytes),
        }
    }
}
