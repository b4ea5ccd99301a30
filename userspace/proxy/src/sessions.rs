//! The open sessions of a shard, for people: what they are, and the end of one.
//!
//! There is no list beside the shard's own that would have to be kept true: a shard looks through its places when it is asked.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use session::{Database, Input, Masked, Signed, Subject};

use crate::conversation::Conversation;
use crate::driver::Driver;
use crate::link::Phase;
use crate::mailbox::Whose;
use crate::shard::{Shard, Stopped};

/// Of one shard so many are told, so that to ask never costs its agents more than a moment.
const TOLD_MAX: usize = 1024;

/// An open session.
#[derive(Clone, Debug)]
pub struct LiveSession {
    /// Its number, unique in this run of the service.
    pub session: u64,
    /// Who.
    pub subject: Arc<Subject>,
    /// The agent's end of the socket.
    pub agent_address: SocketAddr,
    /// Where to.
    pub database: Arc<Database>,
    /// How long it is open, in nanoseconds.
    pub age_ns: u64,
    /// Who it is by a token, and whether that agrees with the kernel's word.
    pub signed: Option<(Arc<Signed>, bool)>,
    /// A person is asked about a statement of it.
    pub waits: bool,
}

impl<D: Driver, C: Conversation> Shard<D, C> {
    /// Whoever asked and does not take it has left.
    pub(crate) fn tell_sessions(&mut self, to: &SyncSender<Vec<LiveSession>>) {
        let mut told = Vec::new();
        let mut next = self.links.next(0);
        while let Some(index) = next.filter(|_| told.len() < TOLD_MAX) {
            let link = self.links.at(index);
            let opened = link.conversation.opened();
            if link.phase == Phase::Open {
                told.push(LiveSession {
                    session: opened.id,
                    subject: Arc::clone(&opened.subject),
                    agent_address: opened.agent_address,
                    database: Arc::clone(&opened.database),
                    age_ns: self.now.mono_ns.saturating_sub(link.opened_ns),
                    signed: link.conversation.signed().map(|(signed, agrees)| (Arc::clone(signed), agrees)),
                    waits: false,
                });
            }
            next = self.links.next(index + 1);
        }
        for session in &mut told {
            session.waits = self.asks.waits(session.session);
        }
        let _ = to.try_send(told);
    }

    /// Every open session of the job is told what its token says now. The others are looked at and not touched.
    pub(crate) fn signed(&mut self, whose: &Whose, signed: &Arc<Signed>) -> Result<(), Stopped> {
        let mut next = self.links.next(0);
        while let Some(index) = next {
            let link = self.links.at(index);
            let subject = &link.conversation.opened().subject;
            let is_its = match whose {
                Whose::Cgroup(id) => subject.cgroup == *id,
                Whose::Agent(name) => subject.policy.agent == *name,
            };
            if is_its && link.phase == Phase::Open {
                self.tell(index, Input::Signed(Arc::clone(signed)))?;
            }
            next = self.links.next(index + 1);
        }
        Ok(())
    }

    /// A person ends it. One that is over already does not hear it.
    pub(crate) fn end_session(&mut self, session: u64, why: Box<Masked>) -> Result<(), Stopped> {
        let mut next = self.links.next(0);
        while let Some(index) = next {
            let link = self.links.at(index);
            if link.conversation.opened().id == session {
                return if link.phase == Phase::Open { self.tell(index, Input::End(why)) } else { Ok(()) };
            }
            next = self.links.next(index + 1);
        }
        Ok(())
    }
}
