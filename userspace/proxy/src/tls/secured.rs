//! TLS in the shard: between what is received and the session, and between the session and what is sent.

use session::{Effects, Failure, Input, Piece, Secure};
use uring::{BufferId, HEADROOM};

use super::{Leg, words};
use crate::act::{Chunk, Memory};
use crate::conversation::Conversation;
use crate::counters::Counters;
use crate::driver::Driver;
use crate::link::{Outgoing, Phase, Shutdown, Side, Staged, Turn};
use crate::shard::{Shard, Stopped};

/// Answers of TLS itself that may wait for a peer that does not read. No handshake has so many flights.
const REPLIES_MAX: usize = 64;

impl<D: Driver, C: Conversation> Shard<D, C> {
    /// A leg turns to TLS. False: it cannot, and the session must not go on.
    pub(crate) fn secure(&mut self, index: u32, secure: Secure) -> bool {
        let link = self.links.at(index);
        let origin = link.conversation.opened().origin.ip();
        let (side, leg) = match secure {
            Secure::Agent | Secure::AgentAtOnce => (Side::Agent, link.tls.agent.as_ref().map(Leg::of_agent)),
            Secure::Database => (Side::Database, link.tls.database.as_ref().map(|tls| Leg::of_database(tls, origin))),
        };
        let Some(Ok(mut leg)) = leg else { return false };
        let mut hello = Vec::new();
        if leg.begin(&mut hello).is_err() {
            return false;
        }
        link.half(side).tls = Some(Box::new(leg));
        self.queue_reply(index, side, hello)
    }

    /// Bytes of TLS: the session is given what they hold.
    pub(crate) fn feed_secured(&mut self, index: u32, side: Side, buffer: BufferId, len: u32) -> Result<(), Stopped> {
        let mut plain = std::mem::take(&mut self.plain);
        plain.clear();
        let half = self.links.at(index).half(side);
        half.take_held(&mut plain, &mut self.holds);
        let held = plain.len();
        let Some(leg) = &mut half.tls else { return Ok(()) };
        let bytes = &mut self.parts.driver.buffer(buffer)[HEADROOM..HEADROOM + len as usize];
        let mut reply = Vec::new();
        let worked = leg.receive(bytes, &mut plain, &mut reply);
        let secured = worked.is_ok().then(|| leg.newly_secured()).flatten();
        let peer_closed = leg.peer_closed;
        // What the session held back waits on, where nothing came behind it.
        let brought = plain.len() > held;
        if !brought {
            half.hold(&plain, held, &mut self.holds);
        }
        self.plain = plain;
        self.parts.driver.release(buffer);
        if !self.queue_reply(index, side, reply) {
            Counters::add(&self.parts.counters.aborted, 1);
            return self.end(index);
        }
        if let Err(error) = worked {
            return self.insecure(index, side, &error);
        }
        if let Some(secured) = secured {
            // No receive is armed before what came with the handshake's end is worked off too.
            self.links.at(index).half(side).busy = brought;
            self.tell(
                index,
                match side {
                    Side::Agent => Input::AgentSecured(secured),
                    Side::Database => Input::DatabaseSecured(secured),
                },
            )?;
        }
        if brought && self.is_open(index) {
            self.feed_plain(index, side)?;
        } else if let Some(link) = self.links.get(index) {
            link.half(side).busy = false;
        }
        if peer_closed && self.is_open(index) {
            return self.peer_closed(index, side);
        }
        if self.links.get(index).is_some() { self.go_on(index) } else { Ok(()) }
    }

    fn is_open(&mut self, index: u32) -> bool {
        self.links.get(index).is_some_and(|link| link.phase == Phase::Open)
    }

    /// The end of TLS is the end of what the peer sends; what follows is not read.
    fn peer_closed(&mut self, index: u32, side: Side) -> Result<(), Stopped> {
        let half = self.links.at(index).half(side);
        if std::mem::replace(&mut half.read_done, true) {
            return self.go_on(index);
        }
        self.tell(
            index,
            match side {
                Side::Agent => Input::AgentClosed,
                Side::Database => Input::DatabaseClosed,
            },
        )
    }

    /// TLS broke. Its alert is on its way; the session knows what else is to be said, and to whom.
    fn insecure(&mut self, index: u32, side: Side, error: &rustls::Error) -> Result<(), Stopped> {
        Counters::add(&self.parts.counters.insecure, 1);
        self.tell(
            index,
            match side {
                Side::Agent => Input::AgentInsecure(words::agent(error)),
                Side::Database => Input::DatabaseFailed(Failure::Insecure(words::database(error))),
            },
        )
    }

    /// Queues bytes of TLS's own. False: the peer has not read those before, as no honest one would.
    fn queue_reply(&mut self, index: u32, side: Side, mut reply: Vec<u8>) -> bool {
        let half = self.links.at(index).half(side);
        if reply.is_empty() || half.write_done || half.shutdown == Shutdown::Done {
            return true;
        }
        if half.outgoing.len() >= REPLIES_MAX {
            return false;
        }
        let len = reply.len() as u32;
        let staged = self.parts.driver.stage(&mut reply);
        let turn =
            self.turns.insert(Turn { from: None, buffer: None, staged: Staged::of(staged), left: 1, came_ns: 0 });
        let piece = uring::Piece::Staged(staged, 0..len);
        self.links.at(index).half(side).queue(&mut self.queues).push_back(Outgoing {
            piece,
            turn,
            after_seq: 0,
            opens: false,
        });
        true
    }

    /// Says to the peer that no more comes, in TLS's own words, behind all that is on its way to it.
    pub(crate) fn say_goodbye(&mut self, index: u32, side: Side) {
        let mut goodbye = Vec::new();
        if let Some(leg) = &mut self.links.at(index).half(side).tls {
            leg.close(&mut goodbye);
        }
        self.queue_reply(index, side, goodbye);
    }

    /// Encrypts the pieces of a call for a side, as one, into [`Shard::cipher`]. False: there is nothing to send, or it cannot be.
    pub(crate) fn encrypt(&mut self, index: u32, side: Side, chunk: Option<Chunk>, effects: &Effects) -> bool {
        self.cipher.clear();
        let pieces = match side {
            Side::Agent => &effects.to_agent,
            Side::Database => &effects.to_database,
        };
        let bytes = match chunk {
            Some(Chunk { memory: Memory::Buffer(buffer), start, end, .. }) => {
                &self.parts.driver.buffer(buffer)[start..end]
            }
            Some(Chunk { memory: Memory::Plain, .. }) => &self.plain,
            None => &[],
        };
        let of = |piece: &Piece| match piece {
            Piece::Chunk(range) => &bytes[range.start as usize..range.end as usize],
            Piece::Own(range) => &effects.own[range.start as usize..range.end as usize],
        };
        let Some(leg) = self.links.at(index).half(side).tls.as_mut().filter(|leg| leg.speaks()) else { return false };
        let encrypted = match pieces.as_slice() {
            [] => return false,
            [piece] => leg.encrypt(of(piece), &mut self.cipher),
            many => {
                self.gathered.clear();
                many.iter().for_each(|piece| self.gathered.extend_from_slice(of(piece)));
                leg.encrypt(&self.gathered, &mut self.cipher)
            }
        };
        // A key that may encrypt no more: what was to be said is not, and the leg is closed.
        encrypted.is_ok() && !self.cipher.is_empty()
    }
}
