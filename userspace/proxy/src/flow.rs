//! Bytes in, bytes out: one receive and one send in flight per side, and no receive before the last one's bytes are sent.

use session::Input;
use uring::{Completion, Direction, Errno, Op, PIECES_MAX, Socket};

use crate::accept::failure;
use crate::conversation::Conversation;
use crate::counters::Counters;
use crate::driver::Driver;
use crate::latency::Stage;
use crate::link::{Phase, Shutdown, Side};
use crate::shard::{Shard, Stopped};
use crate::token::Task;

impl<D: Driver, C: Conversation> Shard<D, C> {
    /// Submits an operation of a link and counts it.
    pub(crate) fn submit(&mut self, index: u32, task: Task, op: Op<'_>) {
        self.links.at(index).operations += 1;
        self.parts.driver.submit(task.token(index), op);
    }

    /// Arms a receive where one should be in flight.
    pub(crate) fn receive_more(&mut self, index: u32, side: Side) {
        let link = self.links.at(index);
        if !link.wants_bytes(side) {
            return;
        }
        let half = link.half(side);
        let Some(socket) = half.socket else { return };
        half.receiving = true;
        self.submit(index, Task::Receive(side), Op::Recv { socket });
    }

    pub(crate) fn received(&mut self, index: u32, side: Side, completion: Completion) -> Result<(), Stopped> {
        let link = self.links.at(index);
        link.operations -= 1;
        link.half(side).receiving = false;
        let phase = link.phase;
        let (result, buffer) = (completion.result, completion.buffer);
        if result == Err(Errno::CANCELED) {
            // It stood behind a send that did not take all. What is left to send brings the next receive.
            self.receive_more(index, side);
            self.settle(index);
            return Ok(());
        }
        if result == Err(Errno::NO_BUFFERS) && matches!(phase, Phase::Open | Phase::Lingering) {
            Counters::add(&self.parts.counters.starved, 1);
            self.links.at(index).half(side).starved = true;
            self.starved.push_back((index, side));
            return Ok(());
        }
        match (phase, buffer, result) {
            (Phase::Open, Some(buffer), Ok(len)) => {
                let counters = &self.parts.counters;
                let counter = match side {
                    Side::Agent => &counters.from_agents,
                    Side::Database => &counters.from_databases,
                };
                Counters::add(counter, u64::from(len));
                self.feed(index, side, buffer, len)
            }
            (_, Some(buffer), _) => {
                // The session is over: nobody reads these bytes.
                self.parts.driver.release(buffer);
                self.receive_more(index, side);
                self.settle(index);
                Ok(())
            }
            (Phase::Open, None, result) => self.read_ended(index, side, result),
            (_, None, _) => {
                self.links.at(index).half(side).read_done = true;
                if phase == Phase::Lingering && side == Side::Agent {
                    return self.end(index);
                }
                self.settle(index);
                Ok(())
            }
        }
    }

    /// A side of an open session sent its last byte, or broke.
    fn read_ended(&mut self, index: u32, side: Side, result: Result<u32, Errno>) -> Result<(), Stopped> {
        let half = self.links.at(index).half(side);
        half.read_done = true;
        match (side, result) {
            (Side::Agent, Ok(_)) => self.tell(index, Input::AgentClosed),
            (Side::Database, Ok(_)) => self.tell(index, Input::DatabaseClosed),
            // A reset: there is nobody to tell anything.
            (Side::Agent, Err(_)) => {
                Counters::add(&self.parts.counters.aborted, 1);
                self.end(index)
            }
            (Side::Database, Err(errno)) => {
                self.stop_writing(index, Side::Database);
                self.tell(index, Input::DatabaseFailed(failure(errno)))
            }
        }
    }

    /// Sends what may leave now, in one operation.
    pub(crate) fn send_more(&mut self, index: u32, side: Side) {
        let synced_seq = self.parts.journal.synced_seq();
        let link = self.links.at(index);
        if !matches!(link.phase, Phase::Open | Phase::Closing) {
            return;
        }
        let half = link.half(side);
        let Some(socket) = half.socket else { return };
        if !half.connected || half.sending {
            return;
        }
        if half.outgoing.is_empty() {
            if half.shutdown == Shutdown::Wanted {
                if half.tls.as_ref().is_some_and(|leg| leg.speaks()) {
                    self.say_goodbye(index, side);
                    return self.send_more(index, side);
                }
                let half = self.links.at(index).half(side);
                half.shutdown = Shutdown::Done;
                self.parts.driver.shutdown(socket, Direction::Write);
            }
            return;
        }
        let ready = half.outgoing.iter().take_while(|outgoing| outgoing.after_seq <= synced_seq).take(PIECES_MAX);
        self.pieces.clear();
        self.pieces.extend(ready.map(|outgoing| outgoing.piece.clone()));
        if self.pieces.is_empty() {
            return;
        }
        half.sending = true;
        self.leaves(index, side);
        let then = self.receive_after(index, side);
        let pieces = std::mem::take(&mut self.pieces);
        match then {
            None => self.submit(index, Task::Send(side), Op::Send { socket, pieces: &pieces }),
            Some((other, from)) => {
                let link = self.links.at(index);
                link.half(other).receiving = true;
                link.operations += 1;
                let received = Task::Receive(other).token(index);
                self.submit(index, Task::Send(side), Op::SendThenRecv { to: socket, pieces: &pieces, from, received });
            }
        }
        self.pieces = pieces;
    }

    /// Stages that end with the send that is being put together.
    fn leaves(&mut self, index: u32, to: Side) {
        let link = self.links.at(index);
        if to == Side::Agent && link.accepted_ns > 0 {
            self.leaving.push((Stage::FirstByte, std::mem::take(&mut link.accepted_ns)));
        }
        for outgoing in link.half(to).outgoing.iter().take(self.pieces.len()) {
            let turn = self.turns.at(outgoing.turn);
            if turn.came_ns == 0 {
                continue;
            }
            let stage = match (turn.from, to) {
                (Some(Side::Agent), Side::Database) => Stage::ToDatabase,
                (Some(Side::Database), Side::Agent) => Stage::ToAgent,
                _ => continue,
            };
            self.leaving.push((stage, std::mem::take(&mut turn.came_ns)));
        }
    }

    /// The side that may be read as soon as what was just put into `pieces` is sent: that is all that is left of its last chunk.
    /// The kernel goes on with it then, and the loop does not come round first.
    fn receive_after(&mut self, index: u32, to: Side) -> Option<(Side, Socket)> {
        let link = self.links.at(index);
        let sent = self.pieces.len();
        let turn = link.half(to).outgoing.get(sent - 1)?.turn;
        let of_turn =
            link.half(to).outgoing.iter().take(sent).rev().take_while(|outgoing| outgoing.turn == turn).count();
        let place = self.turns.at(turn);
        let side = place.from.filter(|_| place.left as usize == of_turn)?;
        if !link.will_want_bytes(side) {
            return None;
        }
        link.half(side).socket.map(|socket| (side, socket))
    }

    pub(crate) fn sent(&mut self, index: u32, side: Side, result: Result<u32, Errno>) -> Result<(), Stopped> {
        let link = self.links.at(index);
        link.operations -= 1;
        link.half(side).sending = false;
        match result {
            Ok(count) if count > 0 => {
                let counters = &self.parts.counters;
                let counter = match side {
                    Side::Agent => &counters.to_agents,
                    Side::Database => &counters.to_databases,
                };
                Counters::add(counter, u64::from(count));
                self.consume(index, side, count);
            }
            // A database that takes no more bytes may still have sent its reason: it is read on, to its end.
            Ok(_) | Err(_) => self.stop_writing(index, side),
        }
        if side == Side::Agent && self.links.at(index).half(side).write_done {
            Counters::add(&self.parts.counters.aborted, 1);
            return self.end(index);
        }
        self.go_on(index)
    }

    /// Drops `count` sent bytes from the front of what goes to this side.
    fn consume(&mut self, index: u32, side: Side, count: u32) {
        let mut left = count;
        while left > 0 {
            let half = self.links.at(index).half(side);
            let Some(front) = half.outgoing.front_mut() else { panic!("more bytes sent than queued") };
            let part = left.min(front.piece.len());
            front.piece.advance(part);
            front.opens = false;
            left -= part;
            if front.piece.is_empty() {
                let turn = front.turn;
                half.outgoing.pop_front();
                self.piece_done(index, turn);
            }
        }
        self.links.at(index).half(side).give_back(&mut self.queues);
    }

    pub(crate) fn piece_done(&mut self, index: u32, turn: u32) {
        let place = self.turns.at(turn);
        place.left -= 1;
        if place.left == 0 {
            self.end_turn(index, turn);
        }
    }

    /// The side takes no more bytes: what was on its way to it is dropped.
    pub(crate) fn stop_writing(&mut self, index: u32, side: Side) {
        let half = self.links.at(index).half(side);
        half.write_done = true;
        if half.sending {
            return; // The pieces in flight are dropped when the send comes back.
        }
        while let Some(outgoing) = self.links.at(index).half(side).outgoing.pop_front() {
            self.piece_done(index, outgoing.turn);
        }
        self.links.at(index).half(side).give_back(&mut self.queues);
    }

    /// After anything that may have made room: sends and reads what is possible, and takes the next step of an end.
    pub(crate) fn go_on(&mut self, index: u32) -> Result<(), Stopped> {
        for side in Side::BOTH {
            if self.links.get(index).is_none() {
                return Ok(());
            }
            let half = self.links.at(index).half(side);
            if half.write_done && !half.outgoing.is_empty() {
                self.stop_writing(index, side);
            }
            self.send_more(index, side);
            self.receive_more(index, side);
        }
        let link = self.links.at(index);
        let deaf = Side::BOTH.into_iter().all(|side| link.half(side).read_done);
        if link.phase == Phase::Open && deaf && link.is_sent() {
            // Nothing can come any more and nothing is left to send: the session is over, whether it said so or not.
            self.begin_close(index);
        }
        self.close_on(index)
    }
}
