//! How a connection becomes a session.

use std::net::SocketAddr;
use std::sync::Arc;

use session::{Failure, Input, NONCE_LEN, Open};
use uring::{Completion, Errno, Op, Socket};

use crate::conversation::Conversation;
use crate::counters::Counters;
use crate::driver::{Driver, RANDOM_LEN};
use crate::link::{Link, Phase, Side};
use crate::origins::Admitted;
use crate::shard::{Shard, Stopped};
use crate::timers::NEVER;
use crate::token::Task;

/// After a failed accept (no descriptors, say) the next one waits this long: failing again at once would spin.
const ACCEPT_PAUSE_NS: u64 = 50_000_000;
/// Session numbers carry the shard in their upper bits, so that they are unique in a run of the service.
pub const SESSION_BITS: u32 = 48;

impl<D: Driver, C: Conversation> Shard<D, C> {
    /// Keeps one accept in flight per listener while there is room for a handshake; what is over waits in the backlog.
    pub(crate) fn accept_more(&mut self) {
        if self.drain_until_ns.is_some() || self.handshakes >= self.parts.shard_limits.handshakes {
            return;
        }
        if self.accept_after_ns > self.now.mono_ns {
            return;
        }
        for (index, accepting) in self.accepting.iter_mut().enumerate() {
            if !*accepting {
                *accepting = true;
                let listener = self.parts.listeners[index];
                self.parts.driver.submit(Task::Accept.token(index as u32), Op::Accept { listener });
            }
        }
    }

    pub(crate) fn accepted(&mut self, index: u32, completion: Completion) -> Result<(), Stopped> {
        if let Some(accepting) = self.accepting.get_mut(index as usize) {
            *accepting = false;
        }
        let Some(socket) = completion.socket else {
            Counters::add(&self.parts.counters.accept_errors, 1);
            self.accept_after_ns = self.now.mono_ns + ACCEPT_PAUSE_NS;
            return Ok(());
        };
        Counters::add(&self.parts.counters.accepted, 1);
        match self.admit(socket) {
            Some((admitted, agent)) => self.open(socket, admitted, agent),
            None => {
                self.parts.driver.submit(Task::Discard.token(0), Op::Close { socket });
                Ok(())
            }
        }
    }

    /// Whose connection it is and from where, where there is room for it. The entry leaves the kernel map in any case.
    fn admit(&mut self, socket: Socket) -> Option<(Admitted, SocketAddr)> {
        let counters = &self.parts.counters;
        let ends = self.parts.driver.ends(socket).ok();
        let admitted = ends.and_then(|ends| Some((self.parts.origins.take(ends.peer, ends.local)?, ends.peer)));
        let Some((admitted, agent_address)) = admitted else {
            Counters::add(&counters.refused_unknown, 1);
            return None;
        };
        let agent = &admitted.subject.policy.agent;
        let limits = &self.parts.shard_limits;
        let refusal = if self.drain_until_ns.is_some() || self.links.len() >= limits.sessions as usize {
            &counters.refused_full
        } else if self.per_agent.get(agent).is_some_and(|count| *count >= limits.sessions_per_agent) {
            &counters.refused_agent
        } else {
            return Some((admitted, agent_address));
        };
        Counters::add(refusal, 1);
        None
    }

    fn open(&mut self, socket: Socket, admitted: Admitted, agent_address: SocketAddr) -> Result<(), Stopped> {
        let Ok(random) = self.parts.driver.random() else {
            // Without randomness no session can be told from another: refuse.
            Counters::add(&self.parts.counters.refused_full, 1);
            self.parts.driver.submit(Task::Discard.token(0), Op::Close { socket });
            return Ok(());
        };
        let (secret, nonces) = cut(&random);
        let nonces = admitted.database.plays_scram().then(|| Box::new(nonces));
        self.sessions_opened += 1;
        let id = u64::from(self.parts.shard) << SESSION_BITS | self.sessions_opened;
        let conversation = C::open(Open {
            id,
            subject: Arc::clone(&admitted.subject),
            signed: admitted.signed,
            agent_address,
            origin: admitted.destination,
            database: admitted.database,
            secret,
            nonces,
        });
        let agent = &admitted.subject.policy.agent;
        match self.per_agent.get_mut(agent) {
            Some(count) => *count += 1,
            None => drop(self.per_agent.insert(agent.clone(), 1)),
        }
        self.handshakes += 1;
        // What cannot be recorded gets an answer all the same: its session says why, in the database's own words.
        let turned_away = !self.parts.journal.has_room(self.owed);
        if turned_away {
            Counters::add(&self.parts.counters.refused_record, 1);
        }
        let mut link = Box::new(Link::new(conversation, admitted.tls, socket, turned_away));
        (link.accepted_ns, link.opened_ns) = (self.reaped_ns, self.now.mono_ns);
        let index = self.links.insert(link);
        // The session's first call: it records its start and answers with the deadline of the login.
        self.tell(index, Input::Deadline)
    }

    /// The session asked for its database.
    pub(crate) fn connect(&mut self, index: u32) -> Result<(), Stopped> {
        let link = self.links.at(index);
        assert!(link.half(Side::Database).socket.is_none(), "a session connects once");
        let to = link.conversation.opened().origin;
        let Ok(socket) = self.parts.driver.socket(&to) else {
            return self.connect_failed(index, Failure::Exhausted);
        };
        link.half(Side::Database).socket = Some(socket);
        link.connect_by_ns = self.now.mono_ns + self.parts.shard_limits.connect.as_nanos() as u64;
        self.timers.want(index, link.connect_by_ns, &mut link.armed_at_ns);
        self.submit(index, Task::Connect, Op::Connect { socket, to });
        Ok(())
    }

    pub(crate) fn connected(&mut self, index: u32, result: Result<u32, Errno>) -> Result<(), Stopped> {
        let link = self.links.at(index);
        link.connect_by_ns = NEVER;
        let timed_out = link.connect_timed_out;
        link.operations -= 1;
        if link.phase != Phase::Open {
            self.settle(index);
            return Ok(());
        }
        match result {
            Ok(_) if !timed_out => {
                self.links.at(index).half(Side::Database).connected = true;
                self.handshake_over(index);
                self.tell(index, Input::DatabaseConnected)
            }
            Ok(_) => self.connect_failed(index, Failure::TimedOut),
            Err(_) if timed_out => self.connect_failed(index, Failure::TimedOut),
            Err(errno) => self.connect_failed(index, failure(errno)),
        }
    }

    /// The connection did not come in time: the operation is cancelled, and its completion tells the session.
    pub(crate) fn connect_timed_out(&mut self, index: u32) {
        let link = self.links.at(index);
        link.connect_by_ns = NEVER;
        link.connect_timed_out = true;
        self.parts.driver.submit(Task::Discard.token(0), Op::Cancel { token: Task::Connect.token(index) });
    }

    fn connect_failed(&mut self, index: u32, failure: Failure) -> Result<(), Stopped> {
        Counters::add(&self.parts.counters.connect_errors, 1);
        let half = self.links.at(index).half(Side::Database);
        half.read_done = true;
        half.write_done = true;
        self.handshake_over(index);
        self.tell(index, Input::DatabaseFailed(failure))
    }

    pub(crate) fn handshake_over(&mut self, index: u32) {
        let link = self.links.at(index);
        if std::mem::replace(&mut link.handshake, false) {
            self.handshakes -= 1;
        }
    }
}

/// A session's random bytes: its secret, and its nonces.
fn cut(random: &[u8; RANDOM_LEN]) -> ([u8; 32], [[u8; NONCE_LEN]; 2]) {
    let mut bytes = random.iter().copied();
    let mut take = || bytes.next().unwrap_or_default();
    (std::array::from_fn(|_| take()), std::array::from_fn(|_| std::array::from_fn(|_| take())))
}

/// What an error of the connection to the database means.
pub(crate) fn failure(errno: Errno) -> Failure {
    match errno {
        Errno::REFUSED | Errno::RESET | Errno::BROKEN_PIPE => Failure::Refused,
        Errno::TIMED_OUT | Errno::CANCELED => Failure::TimedOut,
        Errno::TOO_MANY_FILES => Failure::Exhausted,
        _ => Failure::Unreachable,
    }
}
