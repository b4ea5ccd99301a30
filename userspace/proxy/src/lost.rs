//! The end of a shard whose record is lost: what was not sent yet never leaves, and each agent that stands between two messages is told why.

use session::{Effects, Input, RecordId, Shared};

use crate::conversation::Conversation;
use crate::driver::Driver;
use crate::link::{Phase, Shutdown, Side};
use crate::shard::Shard;
use crate::token::Task;

/// A few bytes for each agent find room in their sockets at once, or not at all.
const LAST_WORDS_NS: u64 = 100_000_000;

impl<D: Driver, C: Conversation> Shard<D, C> {
    /// Tells all agents that can be told, and waits until that is sent, for a moment. Nothing is read any more.
    pub(crate) fn last_words(&mut self) {
        let until_ns = self.parts.driver.mono_ns() + LAST_WORDS_NS;
        let (mut unsent, mut next) = (0, self.links.next(0));
        while let Some(index) = next {
            unsent += u32::from(self.say_lost(index));
            next = self.links.next(index + 1);
        }
        let mut completions = std::mem::take(&mut self.completions);
        while unsent > 0 && self.parts.driver.mono_ns() < until_ns {
            if self.parts.driver.complete(until_ns, &mut completions).is_err() {
                break;
            }
            for completion in completions.drain(..) {
                let (task, index) = Task::of(completion.token);
                // Sends of before are counted by nobody: their agents were not told.
                if task == Task::Send(Side::Agent)
                    && let Some(link) = self.links.get(index)
                    && std::mem::take(&mut link.told_lost)
                {
                    unsent -= 1;
                }
            }
        }
        self.completions = completions;
    }

    /// True: it is on its way.
    fn say_lost(&mut self, index: u32) -> bool {
        let link = self.links.at(index);
        let half = link.half(Side::Agent);
        let deaf = half.socket.is_none() || half.write_done || half.shutdown == Shutdown::Done;
        if link.phase != Phase::Open || deaf || link.half(Side::Agent).sending || !link.stands_between_messages() {
            return false;
        }
        self.forget_unsent(index);
        let mut effects = Effects::default();
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
        let link = self.links.at(index);
        link.conversation.handle(Input::RecordLost, self.now, &mut shared, &mut effects);
        // What it would record is lost as the rest is.
        effects.to_database.clear();
        effects.secure = None;
        self.queue_behind(index, None, &mut effects, [0, 0]);
        self.send_more(index, Side::Agent);
        let link = self.links.at(index);
        link.told_lost = link.half(Side::Agent).sending;
        link.told_lost
    }

    fn forget_unsent(&mut self, index: u32) {
        for side in Side::BOTH {
            // What a send in flight names stays until the driver ends.
            if self.links.at(index).half(side).sending {
                continue;
            }
            while let Some(outgoing) = self.links.at(index).half(side).outgoing.pop_front() {
                self.piece_done(index, outgoing.turn);
            }
        }
    }
}
