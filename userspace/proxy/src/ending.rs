//! How a session leaves: in order (its last pieces, then a linger), or at once; and how its place becomes free.

use session::{Effects, Input, RecordId, Shared};
use uring::{Direction, Op};

use crate::conversation::Conversation;
use crate::counters::Counters;
use crate::driver::Driver;
use crate::link::{Phase, Side};
use crate::shard::{Shard, Stopped};
use crate::timers::NEVER;
use crate::token::Task;

impl<D: Driver, C: Conversation> Shard<D, C> {
    /// A wake-up of a session: the earliest of its three times has come.
    pub(crate) fn timer_fired(&mut self, index: u32, now_ns: u64) -> Result<(), Stopped> {
        let link = self.links.at(index);
        if matches!(link.phase, Phase::Ending | Phase::Closed) {
            return Ok(());
        }
        if link.end_by_ns <= now_ns {
            Counters::add(&self.parts.counters.aborted, 1);
            return self.end(index);
        }
        if link.connect_by_ns <= now_ns {
            self.connect_timed_out(index);
        }
        let link = self.links.at(index);
        if link.deadline_ns <= now_ns {
            link.deadline_ns = NEVER;
            self.tell(index, Input::Deadline)?;
        }
        Ok(())
    }

    /// The session is over once its pieces are sent.
    pub(crate) fn begin_close(&mut self, index: u32) {
        let until_ns = self.now.mono_ns + self.parts.shard_limits.linger.as_nanos() as u64;
        let link = self.links.at(index);
        link.phase = Phase::Closing;
        link.deadline_ns = NEVER;
        link.end_by_ns = link.end_by_ns.min(until_ns);
        self.timers.want(index, link.end_by_ns, &mut link.armed_at_ns);
        Side::BOTH.into_iter().for_each(|side| self.say_goodbye(index, side));
    }

    /// The next step of an end in order, where it is time for it.
    pub(crate) fn close_on(&mut self, index: u32) -> Result<(), Stopped> {
        let link = self.links.at(index);
        if link.phase != Phase::Closing || !link.is_sent() {
            self.settle(index);
            return Ok(());
        }
        link.phase = Phase::Lingering;
        if link.half(Side::Agent).read_done {
            return self.end(index);
        }
        self.shut(index, Side::Database, Direction::Both);
        // Closing with unread bytes would reset the connection, and a reset may overtake our last words on their way to the
        // agent's program: say that no more comes, and read its bytes away until it closes too.
        self.shut(index, Side::Agent, Direction::Write);
        self.receive_more(index, Side::Agent);
        Ok(())
    }

    /// Ends the session now: its last record, sockets in use shut down, and its place free when all operations came back.
    pub(crate) fn end(&mut self, index: u32) -> Result<(), Stopped> {
        if matches!(self.links.at(index).phase, Phase::Ending | Phase::Closed) {
            self.settle(index);
            return Ok(());
        }
        let link = self.links.at(index);
        link.phase = Phase::Ending;
        // Nothing wakes it any more but its operations, which the shutdowns bring back.
        (link.deadline_ns, link.connect_by_ns, link.end_by_ns) = (NEVER, NEVER, NEVER);
        self.handshake_over(index);
        let recorded = self.last_record(index);
        for side in Side::BOTH {
            // What is not in use is closed at once.
            if self.links.at(index).half(side).in_use() {
                self.shut(index, side, Direction::Both);
            }
        }
        self.settle(index);
        recorded
    }

    fn last_record(&mut self, index: u32) -> Result<(), Stopped> {
        let now = self.now;
        self.parts.journal.prepare(now)?;
        let mut effects = Effects::default();
        let link = self.links.at(index);
        let mut shared = Shared {
            policy: &self.parts.policy,
            statements: &mut self.statements,
            catalogs: &mut self.catalogs,
            cancels: &*self.parts.cancels,
            next_record: RecordId { shard: self.parts.shard, seq: self.parts.journal.next_seq() },
            next_ask: None,
            room: 0,
            results: &self.results,
            card_key: &self.parts.card_key,
            limits: &self.parts.limits,
        };
        link.conversation.close(now, &mut shared, &mut effects);
        let session = link.conversation.opened().id;
        for (kind, payload) in link.conversation.records(&effects) {
            self.parts.journal.append_last(kind, session, now, payload)?;
        }
        self.owed -= std::mem::take(&mut link.owes);
        self.say_results(&mut effects)?;
        self.say_asking(index, &mut effects);
        self.waits_no_more(index);
        Ok(())
    }

    fn shut(&mut self, index: u32, side: Side, direction: Direction) {
        let half = self.links.at(index).half(side);
        let Some(socket) = half.socket else { return };
        if half.connected {
            self.parts.driver.shutdown(socket, direction);
        } else {
            self.parts.driver.submit(Task::Discard.token(0), Op::Cancel { token: Task::Connect.token(index) });
        }
    }

    /// Frees what an ended session holds once none of its operations is in flight.
    pub(crate) fn settle(&mut self, index: u32) {
        let link = self.links.at(index);
        if link.operations > 0 {
            return;
        }
        match link.phase {
            Phase::Open | Phase::Closing | Phase::Lingering => {}
            Phase::Ending => {
                link.phase = Phase::Closed;
                self.stop_writing(index, Side::Agent);
                self.stop_writing(index, Side::Database);
                for side in Side::BOTH {
                    if let Some(socket) = self.links.at(index).half(side).socket.take() {
                        self.submit(index, Task::Close(side), Op::Close { socket });
                    }
                }
                self.settle(index);
            }
            Phase::Closed => self.free(index),
        }
    }

    pub(crate) fn closed(&mut self, index: u32, _side: Side) -> Result<(), Stopped> {
        self.links.at(index).operations -= 1;
        self.settle(index);
        Ok(())
    }

    fn free(&mut self, index: u32) {
        let link = self.links.remove(index);
        let agent = &link.conversation.opened().subject.policy.agent;
        if let Some(count) = self.per_agent.get_mut(agent) {
            *count -= 1;
            if *count == 0 {
                self.per_agent.remove(agent);
            }
        }
    }
}
