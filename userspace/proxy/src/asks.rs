//! Held statements, between the sessions of a shard and the control plane: asks go out over a bounded queue that the shard never
//! waits for, people's words come in by the mailbox and are handed to the session that waits. Who cannot be asked denies.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use session::{AskEnd, AskId, Asking, Effects, Estimate, Injected, Input, LargeVerdict, Masked, Signed, Vote};

use crate::accept::SESSION_BITS;
use crate::aside::LargeLine;
use crate::conversation::Conversation;
use crate::counters::Counters;
use crate::driver::Driver;
use crate::mailbox::{Mailbox, Message};
use crate::shard::{Shard, Stopped};

/// What may wait for the control plane, of all shards together.
pub(crate) const WAITING_MAX: usize = 1024;

/// Said to a session that found no room in the queue.
const BUSY: &str = "too many wait for one";

/// The shards' end of the queue to the control plane.
#[derive(Clone, Debug)]
pub struct AskLine(SyncSender<Asking>);

/// A line to the control plane on which so much may wait, and its end there.
pub(crate) fn ask_line(waiting: usize) -> (AskLine, Receiver<Asking>) {
    let (line, end) = sync_channel(waiting);
    (AskLine(line), end)
}

/// What found no room in the queue, by its number.
#[derive(Clone, Copy)]
enum Unserved {
    Estimate(u64),
    Cancel(u64),
    Login,
    Token,
    Judge(u64),
}

/// What a shard keeps of held statements.
pub(crate) struct Asks {
    line: AskLine,
    /// Where large statements are judged.
    large: LargeLine,
    /// The mailboxes of all shards, by their numbers: a cancel request may come to any.
    shards: Vec<Mailbox>,
    /// Sessions that wait: what for, and their places.
    waiting: HashMap<u64, (AskId, u32)>,
    /// Of them, those whose ask could not be sent.
    unheard: Vec<(u64, AskId)>,
    /// Sessions that have asked for an estimate, a cancel or a verdict, and their places.
    served: HashMap<u64, u32>,
    /// Those whose question for one could not be sent.
    unserved: Vec<(u64, Unserved)>,
    /// The id of the next ask.
    next: Option<AskId>,
}

impl Asks {
    pub(crate) fn new(line: AskLine, large: LargeLine, shards: Vec<Mailbox>) -> Asks {
        Asks {
            line,
            large,
            shards,
            waiting: HashMap::new(),
            unheard: Vec::new(),
            served: HashMap::new(),
            unserved: Vec::new(),
            next: None,
        }
    }

    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether a person is asked about a statement of this session.
    pub(crate) fn waits(&self, session: u64) -> bool {
        self.waiting.contains_key(&session)
    }

    /// The id of the next ask. Without randomness there is none, and nobody can be asked.
    pub(crate) fn next_id(&mut self, driver: &mut impl Driver) -> Option<AskId> {
        if self.next.is_none() {
            let random = driver.random().ok()?;
            self.next = random.first_chunk::<8>().map(|bits| AskId::of(u64::from_le_bytes(*bits)));
        }
        self.next
    }

    /// Which shard a session is on.
    pub(crate) fn shard_of(session: u64) -> usize {
        (session >> SESSION_BITS) as usize
    }

    /// What a call says to the control plane. What is over and cannot be said is found out by whoever decides about it.
    fn say(&mut self, index: u32, session: u64, asking: Asking, counters: &Counters) {
        match &asking {
            Asking::Ask(ask) => {
                self.next = None;
                self.waiting.insert(session, (ask.id, index));
                Counters::add(&counters.held, 1);
                let id = ask.id;
                if self.line.0.try_send(asking).is_err() {
                    self.unheard.push((session, id));
                }
                return;
            }
            Asking::Over(id, _) => {
                if self.waiting.get(&session).is_some_and(|(known, _)| known == id) {
                    self.waiting.remove(&session);
                }
            }
            Asking::Estimate(ask) => {
                self.served.insert(session, index);
                let unserved = Unserved::Estimate(ask.number);
                if self.line.0.try_send(asking).is_err() {
                    self.unserved.push((session, unserved));
                }
                return;
            }
            Asking::Cancel(ask) => {
                self.served.insert(session, index);
                let unserved = Unserved::Cancel(ask.number);
                if self.line.0.try_send(asking).is_err() {
                    self.unserved.push((session, unserved));
                }
                return;
            }
            Asking::Login(_) => {
                self.served.insert(session, index);
                if self.line.0.try_send(asking).is_err() {
                    self.unserved.push((session, Unserved::Login));
                }
                return;
            }
            Asking::Token(_) => {
                self.served.insert(session, index);
                if self.line.0.try_send(asking).is_err() {
                    self.unserved.push((session, Unserved::Token));
                }
                return;
            }
            Asking::Revealing(_) => {
                self.served.insert(session, index);
            }
            Asking::Counted(..) | Asking::RevealOver(..) => {}
        }
        if self.line.0.try_send(asking).is_err() {
            Counters::add(&counters.asks_untold, 1);
        }
    }
}

impl<D: Driver, C: Conversation> Shard<D, C> {
    /// What a call has to say of held statements. Its records are written.
    pub(crate) fn say_asking(&mut self, index: u32, effects: &mut Effects) {
        if effects.asking.is_empty() && effects.cancel_held.is_none() && effects.judge.is_none() {
            return;
        }
        let session = self.links.at(index).conversation.opened().id;
        for asking in effects.asking.drain(..) {
            self.asks.say(index, session, asking, &self.parts.counters);
        }
        if let Some(ask) = effects.judge.take() {
            let number = ask.number;
            self.asks.served.insert(session, index);
            if !self.asks.large.send(ask) {
                self.asks.unserved.push((session, Unserved::Judge(number)));
            }
        }
        if let Some(session) = effects.cancel_held.take() {
            let shard = self.asks.shards.get(Asks::shard_of(session));
            if shard.is_none_or(|shard| shard.send(Message::CancelHeld { session }).is_err()) {
                Counters::add(&self.parts.counters.asks_untold, 1);
            }
        }
    }

    /// The session is over. One that was ended in the middle of a call had no time to say what becomes of its ask.
    pub(crate) fn waits_no_more(&mut self, index: u32) {
        let session = self.links.at(index).conversation.opened().id;
        self.asks.served.remove(&session);
        if let Some((ask, _)) = self.asks.waiting.remove(&session) {
            self.asks.say(index, session, Asking::Over(ask, AskEnd::Closed), &self.parts.counters);
        }
    }

    /// A person's word. Whoever waits no more says so by the queue.
    pub(crate) fn vote(&mut self, session: u64, vote: Box<Vote>) -> Result<(), Stopped> {
        match self.asks.waiting.get(&session) {
            Some((_, index)) => self.tell(*index, Input::Vote(vote)),
            None => {
                let gone = Asking::Over(vote.ask, AskEnd::Gone);
                self.asks.say(0, session, gone, &self.parts.counters);
                Ok(())
            }
        }
    }

    /// A cancel request for what waits.
    pub(crate) fn cancel_held(&mut self, session: u64) -> Result<(), Stopped> {
        match self.asks.waiting.get(&session) {
            Some((_, index)) => self.tell(*index, Input::CancelHeld),
            None => Ok(()),
        }
    }

    /// The control plane has too many asks already.
    pub(crate) fn unheard(&mut self, session: u64, ask: AskId) -> Result<(), Stopped> {
        self.asks.unheard.push((session, ask));
        Ok(())
    }

    /// The planner's word. Whoever waits no more does not hear it.
    pub(crate) fn estimated(&mut self, session: u64, number: u64, estimate: Option<Estimate>) -> Result<(), Stopped> {
        match self.asks.served.get(&session) {
            Some(index) => self.tell(*index, Input::Estimated { number, estimate }),
            None => Ok(()),
        }
    }

    /// The verdict on a large statement. Whoever waits no more does not hear it.
    pub(crate) fn judged(&mut self, session: u64, number: u64, verdict: Option<LargeVerdict>) -> Result<(), Stopped> {
        match self.asks.served.get(&session) {
            Some(index) => self.tell(*index, Input::Judged { number, verdict }),
            None => Ok(()),
        }
    }

    /// The cancel is over. Whoever has left does not hear it.
    pub(crate) fn cancel_is_over(&mut self, session: u64, number: u64) -> Result<(), Stopped> {
        match self.asks.served.get(&session) {
            Some(index) => self.tell(*index, Input::CancelIsOver(number)),
            None => Ok(()),
        }
    }

    /// The login of a session. Whoever waits no more does not hear it.
    pub(crate) fn given(&mut self, session: u64, login: Result<Arc<Injected>, Box<Masked>>) -> Result<(), Stopped> {
        match self.asks.served.get(&session) {
            Some(index) => self.tell(*index, Input::Given(login)),
            None => Ok(()),
        }
    }

    /// The token of a session's job. Whoever waits no more does not hear it.
    pub(crate) fn identified(&mut self, session: u64, token: Result<Arc<Signed>, Box<Masked>>) -> Result<(), Stopped> {
        match self.asks.served.get(&session) {
            Some(index) => self.tell(*index, Input::Identified(token)),
            None => Ok(()),
        }
    }

    /// A reviewer ends what a session is shown. One that has left is shown nothing.
    pub(crate) fn end_reveal(&mut self, session: u64, ask: AskId) -> Result<(), Stopped> {
        match self.asks.served.get(&session) {
            Some(index) => self.tell(*index, Input::EndReveal(ask)),
            None => Ok(()),
        }
    }

    /// Whose ask found no room in the queue is told: between calls, since one call must not begin within another.
    pub(crate) fn deny_unheard(&mut self) -> Result<(), Stopped> {
        while let Some((session, unserved)) = self.asks.unserved.pop() {
            match unserved {
                Unserved::Estimate(number) => self.estimated(session, number, None)?,
                Unserved::Cancel(number) => self.cancel_is_over(session, number)?,
                Unserved::Login => self.given(session, Err(Box::new(Masked::literal(BUSY))))?,
                Unserved::Token => self.identified(session, Err(Box::new(Masked::literal(BUSY))))?,
                Unserved::Judge(number) => self.judged(session, number, None)?,
            }
        }
        while let Some((session, ask)) = self.asks.unheard.pop() {
            if let Some((_, index)) = self.asks.waiting.get(&session) {
                Counters::add(&self.parts.counters.asks_unheard, 1);
                self.tell(*index, Input::Unheard(ask))?;
            }
        }
        Ok(())
    }
}
