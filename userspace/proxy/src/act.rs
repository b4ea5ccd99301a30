//! What one call of a session asked for, carried out: records first, then pieces, then the rest.

use session::{Effects, Finish, Input, Piece, RecordId, Secure, Shared};
use uring::{BufferId, HEADROOM, StagedId};

use crate::conversation::Conversation;
use crate::counters::Counters;
use crate::driver::Driver;
use crate::journal::RecordFailure;
use crate::latency::Stage;
use crate::link::{Outgoing, Phase, Shutdown, Side, Staged, Turn};
use crate::settings::Durability;
use crate::shard::{Shard, Stopped, Waiting};
use crate::slow::Slow;
use crate::timers::NEVER;

/// The chunk that a call was given.
#[derive(Clone, Copy)]
pub(crate) struct Chunk {
    pub(crate) side: Side,
    pub(crate) memory: Memory,
    /// Where it starts in its memory: held bytes lie in a buffer's headroom.
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Where a chunk lies.
#[derive(Clone, Copy)]
pub(crate) enum Memory {
    /// As it was received.
    Buffer(BufferId),
    /// In [`Shard::plain`], decrypted.
    Plain,
}

impl<D: Driver, C: Conversation> Shard<D, C> {
    /// Gives the session `len` bytes that one side sent, behind those that it held back.
    pub(crate) fn feed(&mut self, index: u32, side: Side, buffer: BufferId, len: u32) -> Result<(), Stopped> {
        let end = HEADROOM + len as usize;
        let link = self.links.at(index);
        assert!(!link.half(side).busy, "a side was read before what came of its last chunk was sent");
        if link.half(side).tls.is_some() {
            return self.feed_secured(index, side, buffer, len);
        }
        let bytes = self.parts.driver.buffer(buffer);
        let start = link.half(side).place_held(bytes, &mut self.holds);
        let chunk = Chunk { side, memory: Memory::Buffer(buffer), start, end };
        self.call(index, Some(chunk), None)
    }

    /// Gives the session what was decrypted.
    pub(crate) fn feed_plain(&mut self, index: u32, side: Side) -> Result<(), Stopped> {
        let chunk = Chunk { side, memory: Memory::Plain, start: 0, end: self.plain.len() };
        self.call(index, Some(chunk), None)
    }

    /// Tells the session of something that brings no bytes; nothing happens when it is over.
    pub(crate) fn tell(&mut self, index: u32, input: Input<'static>) -> Result<(), Stopped> {
        if self.links.at(index).phase != Phase::Open {
            return Ok(());
        }
        self.call(index, None, Some(input))
    }

    fn call(&mut self, index: u32, chunk: Option<Chunk>, input: Option<Input<'static>>) -> Result<(), Stopped> {
        let mut effects = std::mem::take(&mut self.effects);
        effects.clear();
        if !std::mem::replace(&mut self.now_is_fresh, false) {
            self.now.mono_ns = self.parts.driver.mono_ns();
        }
        let now = self.now;
        self.parts.journal.prepare(now)?;
        let link = self.links.at(index);
        let mut shared = Shared {
            policy: &self.parts.policy,
            statements: &mut self.statements,
            catalogs: &mut self.catalogs,
            cancels: &*self.parts.cancels,
            next_record: RecordId { shard: self.parts.shard, seq: self.parts.journal.next_seq() },
            next_ask: self.asks.next_id(&mut self.parts.driver),
            room: if link.turned_away { 0 } else { self.parts.journal.room(self.owed) },
            results: &self.results,
            card_key: &self.parts.card_key,
            limits: &self.parts.limits,
        };
        let input = match (chunk, input) {
            (Some(Chunk { side, memory, start, end }), _) => {
                let bytes = match memory {
                    Memory::Buffer(buffer) => &mut self.parts.driver.buffer(buffer)[start..end],
                    Memory::Plain => &mut self.plain[start..end],
                };
                match side {
                    Side::Agent => Input::FromAgent(bytes),
                    Side::Database => Input::FromDatabase(bytes),
                }
            }
            (None, Some(input)) => input,
            (None, None) => return Ok(()),
        };
        self.opens = link.conversation.is_between_messages();
        link.conversation.handle(input, now, &mut shared, &mut effects);
        self.now.mono_ns = self.parts.driver.mono_ns();
        if let Some(chunk) = chunk {
            self.spent(index, chunk.side, self.now.mono_ns - now.mono_ns);
        }
        self.ended(index, &effects);
        let done = self.act(index, chunk, &mut effects);
        self.effects = effects;
        done
    }

    /// A call on a chunk took so long.
    fn spent(&mut self, index: u32, side: Side, took_ns: u64) {
        let spent = &mut self.links.at(index).spent;
        let stage = match side {
            Side::Agent => {
                spent.judged_ns += took_ns;
                Stage::Judge
            }
            Side::Database => {
                spent.masked_ns += took_ns;
                Stage::Mask
            }
        };
        self.parts.counters.latencies.record(stage, took_ns);
    }

    /// Statements that came to their outcome in a call.
    fn ended(&mut self, index: u32, effects: &Effects) {
        for ended in &effects.ended {
            let link = self.links.at(index);
            let spent = std::mem::take(&mut link.spent);
            let counters = &self.parts.counters;
            counters.latencies.record(Stage::Statement, ended.duration_ns);
            if !self.parts.slow.is_slow(ended.duration_ns) {
                continue;
            }
            Counters::add(&counters.slow, 1);
            let session = link.conversation.opened().id;
            let slow = Slow { session, decision: ended.decision, duration_ns: ended.duration_ns, spent };
            if !self.parts.slow.tell(slow) {
                Counters::add(&counters.slow_untold, 1);
            }
        }
    }

    fn act(&mut self, index: u32, chunk: Option<Chunk>, effects: &mut Effects) -> Result<(), Stopped> {
        let recorded = self.record(index, effects)?;
        if recorded && !(effects.results.is_empty() && effects.blocks.is_empty()) {
            self.say_results(effects)?;
        }
        Counters::add(&self.parts.counters.refused_statements, u64::from(effects.unrecorded));
        if effects.blocked > 0 {
            Counters::add(&self.parts.counters.blocked, u64::from(effects.blocked));
        }
        if effects.wrong_placeholders > 0 {
            Counters::add(&self.parts.counters.wrong_placeholders, u64::from(effects.wrong_placeholders));
        }
        if effects.masked > 0 {
            Counters::add(&self.parts.counters.masked, effects.masked);
        }
        let kept = effects.tainted.is_empty() || self.parts.tainted.keep(&effects.tainted).is_ok();
        if !recorded || !kept || effects.finish == Finish::Abort {
            self.release_chunk(chunk);
            Counters::add(&self.parts.counters.aborted, 1);
            return self.end(index);
        }
        self.say_asking(index, effects);
        if let (Some(Secure::AgentAtOnce), Some(Chunk { side, memory: Memory::Buffer(buffer), start, end })) =
            (effects.secure.take_if(|secure| *secure == Secure::AgentAtOnce), chunk)
        {
            // Nothing of the chunk was read as it is: it is the first of TLS.
            if self.secure(index, Secure::AgentAtOnce) {
                return self.feed_secured(index, side, buffer, (end - start) as u32);
            }
            self.release_chunk(chunk);
            return self.end(index);
        }
        if let Some(Chunk { side, memory, start, end }) = chunk {
            let bytes = match memory {
                Memory::Buffer(buffer) => &self.parts.driver.buffer(buffer)[start..end],
                Memory::Plain => &self.plain[start..end],
            };
            self.links.at(index).half(side).hold(bytes, effects.hold, &mut self.holds);
        }
        self.queue(index, chunk, effects);
        if effects.secure.is_some_and(|secure| !self.secure(index, secure)) {
            return self.end(index);
        }
        let link = self.links.at(index);
        link.read_agent = effects.read_agent;
        link.deadline_ns = effects.deadline.unwrap_or(NEVER);
        self.timers.want(index, link.deadline_ns, &mut link.armed_at_ns);
        match effects.finish {
            Finish::No | Finish::Abort => {}
            Finish::ShutdownDatabase => link.half(Side::Database).want_shutdown(),
            Finish::ShutdownAgent => link.half(Side::Agent).want_shutdown(),
            Finish::Close => self.begin_close(index),
        }
        if effects.connect {
            self.connect(index)?;
        }
        self.go_on(index)
    }

    /// Writes the records of the call. False: the session asked for more room than it was given, and nothing of the call may leave.
    fn record(&mut self, index: u32, effects: &Effects) -> Result<bool, Stopped> {
        let now = self.now;
        let link = self.links.at(index);
        let owes = link.conversation.owes();
        let owed = self.owed - link.owes + owes;
        let session = link.conversation.opened().id;
        for (kind, payload) in link.conversation.records(effects) {
            match self.parts.journal.append(kind, session, now, payload, owed) {
                Ok(_) => {}
                Err(RecordFailure::Full | RecordFailure::Unfit) => return Ok(false),
                Err(failure) => return Err(failure.into()),
            }
        }
        (link.owes, self.owed) = (owes, owed);
        Ok(true)
    }

    /// Queues the pieces, behind the disk where they must wait for it.
    fn queue(&mut self, index: u32, chunk: Option<Chunk>, effects: &mut Effects) {
        let last_seq = self.parts.journal.last_seq();
        let strict = self.parts.durability == Durability::Strict;
        let agent_waits = strict && !effects.to_agent.is_empty();
        let database_waits = effects.durable && !effects.to_database.is_empty();
        let waits = |waits: bool| if waits { last_seq } else { 0 };
        self.queue_behind(index, chunk, effects, [waits(agent_waits), waits(database_waits)]);
        if (agent_waits || database_waits) && last_seq > self.parts.journal.synced_seq() {
            Counters::add(&self.parts.counters.waited_for_disk, 1);
            self.parts.journal.want_sync();
            self.waiting.push_back(Waiting { seq: last_seq, link: index, since_ns: self.now.mono_ns });
        }
    }

    /// Queues the pieces for either side behind a record each, and gives their memory to a turn.
    pub(crate) fn queue_behind(
        &mut self,
        index: u32,
        chunk: Option<Chunk>,
        effects: &mut Effects,
        [agent_seq, database_seq]: [u64; 2],
    ) {
        let buffer = chunk.and_then(|chunk| match chunk.memory {
            Memory::Buffer(buffer) => Some(buffer),
            Memory::Plain => None,
        });
        let turn = self.turns.insert(Turn {
            from: chunk.map(|chunk| chunk.side),
            buffer,
            staged: Staged::default(),
            left: 0,
            came_ns: if chunk.is_some() { self.reaped_ns } else { 0 },
        });
        // What is encrypted first: it is read where the call left it, and staging takes that away.
        let mut left = self.queue_encrypted(index, Side::Agent, chunk, effects, (turn, agent_seq));
        left += self.queue_encrypted(index, Side::Database, chunk, effects, (turn, database_seq));
        let place = self.stage(chunk, effects, turn);
        left += self.queue_side(index, Side::Agent, &effects.to_agent, place, agent_seq);
        left += self.queue_side(index, Side::Database, &effects.to_database, place, database_seq);
        self.turns.at(turn).left = left;
        if let Some(chunk) = chunk {
            self.links.at(index).half(chunk.side).busy = left > 0;
        }
        if left == 0 {
            self.end_turn(index, turn);
        }
    }

    /// A side under TLS. What cannot be encrypted, before the handshake's end or behind the last words, is not sent.
    fn queue_encrypted(
        &mut self,
        index: u32,
        side: Side,
        chunk: Option<Chunk>,
        effects: &mut Effects,
        (turn, after_seq): (u32, u64),
    ) -> u32 {
        let half = self.links.at(index).half(side);
        if half.tls.is_none() {
            return 0;
        }
        let deaf = half.write_done || half.shutdown == Shutdown::Done;
        let encrypted = !deaf && self.encrypt(index, side, chunk, effects);
        match side {
            Side::Agent => effects.to_agent.clear(),
            Side::Database => effects.to_database.clear(),
        }
        if !encrypted {
            return 0;
        }
        let len = self.cipher.len() as u32;
        let staged = self.parts.driver.stage(&mut self.cipher);
        self.turns.at(turn).staged.push(staged);
        let piece = uring::Piece::Staged(staged, 0..len);
        self.links.at(index).half(side).queue(&mut self.queues).push_back(Outgoing {
            piece,
            turn,
            after_seq,
            opens: false,
        });
        1
    }

    /// Gives the memory of the call to its turn, as far as pieces name it.
    fn stage(&mut self, chunk: Option<Chunk>, effects: &mut Effects, turn: u32) -> Place {
        let mut stage = |bytes: &mut Vec<u8>, staged: &mut Staged| {
            let id = self.parts.driver.stage(bytes);
            staged.push(id);
            id
        };
        let mut names = effects.to_agent.iter().chain(&effects.to_database);
        let decrypted = matches!(chunk, Some(Chunk { memory: Memory::Plain, .. }));
        let plain = decrypted && names.clone().any(|piece| matches!(piece, Piece::Chunk(_)));
        let own = names.any(|piece| matches!(piece, Piece::Own(_)));
        let staged = &mut self.turns.at(turn).staged;
        Place {
            chunk,
            own: own.then(|| stage(&mut effects.own, staged)),
            plain: plain.then(|| stage(&mut self.plain, staged)),
            turn,
        }
    }

    fn release_chunk(&mut self, chunk: Option<Chunk>) {
        if let Some(Chunk { memory: Memory::Buffer(buffer), .. }) = chunk {
            self.parts.driver.release(buffer);
        }
    }

    fn queue_side(&mut self, index: u32, side: Side, pieces: &[Piece], place: Place, after_seq: u64) -> u32 {
        let half = self.links.at(index).half(side);
        if pieces.iter().all(is_empty) || half.write_done || half.shutdown == Shutdown::Done {
            return 0;
        }
        let before = half.outgoing.len();
        let filled = pieces.iter().filter(|piece| !is_empty(piece));
        let mut opens = self.opens && side == Side::Agent;
        half.queue(&mut self.queues).extend(filled.map(|piece| Outgoing {
            piece: place.of(piece),
            turn: place.turn,
            after_seq,
            opens: std::mem::take(&mut opens),
        }));
        (half.outgoing.len() - before) as u32
    }

    /// All pieces of a turn are sent, or dropped: its memory goes back, and the side that its chunk came from may be read again.
    pub(crate) fn end_turn(&mut self, index: u32, turn: u32) {
        let Turn { from, buffer, staged, left, came_ns: _ } = self.turns.remove(turn);
        assert!(left == 0, "a turn ended before its pieces");
        if let Some(buffer) = buffer {
            self.parts.driver.release(buffer);
        }
        for staged in staged.iter() {
            self.parts.driver.unstage(staged);
        }
        if let Some(side) = from {
            self.links.at(index).half(side).busy = false;
            self.receive_more(index, side);
        }
    }
}

fn is_empty(piece: &Piece) -> bool {
    let (Piece::Chunk(range) | Piece::Own(range)) = piece;
    range.is_empty()
}

/// Where the pieces of one call point to.
#[derive(Clone, Copy)]
struct Place {
    chunk: Option<Chunk>,
    own: Option<StagedId>,
    /// The chunk, where it was decrypted.
    plain: Option<StagedId>,
    turn: u32,
}

impl Place {
    /// A session's piece in the driver's terms. A range outside the call's own bytes is a bug of the session.
    fn of(&self, piece: &Piece) -> uring::Piece {
        match (piece, self.chunk) {
            (Piece::Chunk(range), Some(chunk)) => {
                let start = chunk.start as u32;
                assert!(range.start <= range.end && start + range.end <= chunk.end as u32, "a piece outside its chunk");
                let range = start + range.start..start + range.end;
                match (chunk.memory, self.plain) {
                    (Memory::Buffer(buffer), _) => uring::Piece::Buffer(buffer, range),
                    (Memory::Plain, Some(plain)) => uring::Piece::Staged(plain, range),
                    (Memory::Plain, None) => panic!("decrypted bytes that are not staged"),
                }
            }
            (Piece::Own(range), _) => match self.own {
                Some(own) => uring::Piece::Staged(own, range.clone()),
                None => panic!("a piece of bytes that the call does not have"),
            },
            (Piece::Chunk(_), None) => panic!("a piece of bytes that the call does not have"),
        }
    }
}
