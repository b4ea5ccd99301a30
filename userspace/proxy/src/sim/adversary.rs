//! A conversation whose effects are as odd as the seam allows, and whose streams can still be checked byte for byte.
//!
//! To the database goes every byte of the agent, changed by [`changed`]; to the agent every byte of the database, changed too, and
//! between them replies of our own, told apart by their upper bit. Random: what is held back, how the stream is cut into pieces,
//! which of them are copies in `own`, records, durability, pauses of the agent, deadlines, ends.

use std::cell::RefCell;
use std::rc::Rc;

use audit::RecordType;
use session::{
    AgentTls, Ask, AskEnd, AskId, Asking, Effects, Finish, HOLD_MAX, Input, Now, Open, Piece, Secure, Shared,
};

use super::ledger::{Gate, Ledger};
use super::secure::{ASKS, GRANTS};
use crate::conversation::Conversation;
use crate::link::Side;

/// What passing through a session does to a byte; it keeps the upper bit clear.
pub(super) fn changed(byte: u8) -> u8 {
    byte ^ 0x2A
}

/// The `n`-th reply of our own to an agent.
pub(super) fn reply(n: u64) -> u8 {
    0x80 | (n % 127) as u8
}

/// What an agent is told whose record is lost; no reply.
pub(super) const LOST: u8 = 0xff;

const END: &[u8] = b"end";
/// What a record takes beside its payload.
const FRAME: usize = audit::segment::FRAME_LEN + 7;

/// An agent that has said nothing by then is ended.
const LOGIN_NS: u64 = 10_000_000_000;

pub(super) struct Adversary {
    opened: Open,
    ledger: Rc<RefCell<Ledger>>,
    connected: bool,
    connecting: bool,
    agent_closed: bool,
    database_closed: bool,
    /// Bytes of the agent that came before the database was there.
    early: Vec<u8>,
    to_database: u64,
    to_agent: u64,
    replies: u64,
    held: [usize; 2],
    paused: bool,
    /// The record had no room: nothing goes to the database any more.
    refusing: bool,
    records: Vec<(u8, Vec<u8>)>,
    asked: Option<AskId>,
    login_until_ns: Option<u64>,
    /// The agent's leg, and the database's.
    legs: [Leg; 2],
}

/// Whether a leg has come to its TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leg {
    Due,
    /// The database was asked for it.
    Asked,
    Began,
    /// It has, or it is to be plain.
    Stands,
}

impl Conversation for Adversary {
    fn open(opened: Open) -> Adversary {
        let leg = |tls: bool| if tls { Leg::Due } else { Leg::Stands };
        let legs = [leg(opened.database.agent_tls != AgentTls::Disable), leg(opened.database.database_tls)];
        Adversary {
            legs,
            opened,
            ledger: Ledger::current(),
            connected: false,
            connecting: false,
            agent_closed: false,
            database_closed: false,
            early: Vec::new(),
            to_database: 0,
            to_agent: 0,
            replies: 0,
            held: [0; 2],
            paused: false,
            refusing: false,
            records: Vec::new(),
            asked: None,
            login_until_ns: None,
        }
    }

    fn handle(&mut self, input: Input<'_>, now: Now, shared: &mut Shared<'_>, out: &mut Effects) {
        let ledger = Rc::clone(&self.ledger);
        let mut ledger = ledger.borrow_mut();
        // The journal's own records, roots and seals, take numbers between calls.
        assert!(ledger.scarce || shared.next_record.seq > ledger.last_seq, "the shard lost count of its records");
        ledger.last_seq = shared.next_record.seq - 1;
        self.draw_records(shared.room, &mut ledger);
        let login_until_ns = *self.login_until_ns.get_or_insert(now.mono_ns + LOGIN_NS);
        let is_lost = matches!(input, Input::RecordLost);
        self.input(input, &mut ledger, out);
        self.asks(shared.next_ask, &mut ledger, out);
        let sent: u64 = out.to_database.iter().map(length).sum();
        out.durable = sent > 0 && self.legs[1] == Leg::Stands && ledger.rng.once_in(4);
        ledger.durable_calls += u64::from(out.durable);
        if self.legs[1] == Leg::Stands {
            self.gate(Side::Database, self.to_database - sent, sent, out.durable, &mut ledger);
        }
        if self.legs[0] == Leg::Stands && !is_lost {
            let sent = out.to_agent.iter().map(length).sum();
            self.gate(Side::Agent, self.to_agent, sent, ledger.strict, &mut ledger);
            self.to_agent += sent;
        }
        self.paused = !self.agent_closed && ledger.rng.once_in(12);
        out.read_agent = !self.paused && (self.connected || !self.connecting);
        let asked_for = self.paused || ledger.rng.once_in(8);
        // A session that pauses its agent wants to be woken, or nobody would ever go on.
        out.deadline = asked_for.then(|| now.mono_ns + ledger.rng.skewed(20_000_000) as u64);
        if !self.connecting {
            out.deadline = Some(out.deadline.unwrap_or(login_until_ns).min(login_until_ns));
            if now.mono_ns >= login_until_ns && out.secure.is_none() {
                out.finish = Finish::Close;
                if self.opened.database.agent_tls != AgentTls::Disable {
                    // Where the wire holds little a handshake takes its time.
                    ledger.late += 1;
                    ledger.spoiled.push(self.agent());
                }
            }
        }
        if ledger.aborts && ledger.rng.once_in(60) {
            out.finish = Finish::Abort;
            ledger.spoiled.push(self.agent());
        }
    }

    fn records<'a>(&'a self, _out: &'a Effects) -> impl Iterator<Item = (u8, &'a [u8])> {
        self.records.iter().map(|(kind, payload)| (*kind, &payload[..]))
    }

    fn owes(&self) -> usize {
        // Its last record; one that was never called has none to come.
        if self.login_until_ns.is_some() { END.len() + FRAME } else { 0 }
    }

    fn close(&mut self, _now: Now, shared: &mut Shared<'_>, out: &mut Effects) {
        if let Some(ask) = self.asked {
            self.over(ask, AskEnd::Closed, out);
        }
        let mut ledger = self.ledger.borrow_mut();
        assert!(ledger.scarce || shared.next_record.seq > ledger.last_seq);
        ledger.last_seq = shared.next_record.seq - 1;
        assert!(!ledger.closed.contains(&self.opened.id), "a session was closed twice");
        ledger.closed.push(self.opened.id);
        ledger.last_seq += 1;
        self.records.clear();
        self.records.push((RecordType::SessionEnd.code(), END.to_vec()));
    }

    fn is_between_messages(&self) -> bool {
        true
    }

    fn opened(&self) -> &Open {
        &self.opened
    }
}

impl Adversary {
    /// The records of this call. What has no room is not written by one that obeys, and then nothing more goes to the database.
    fn draw_records(&mut self, room: usize, ledger: &mut Ledger) {
        self.records.clear();
        for _ in 0..ledger.rng.skewed(3) {
            let payload = vec![0x5A; 500 + ledger.rng.skewed(500)];
            self.records.push((RecordType::Decision.code(), payload));
        }
        let first = self.login_until_ns.is_none();
        let owed = if first { END.len() + FRAME } else { 0 };
        let need: usize = owed + self.records.iter().map(|(_, payload)| payload.len() + FRAME).sum::<usize>();
        if need > room && (first || ledger.obeys) {
            self.records.clear();
            if !std::mem::replace(&mut self.refusing, true) {
                ledger.refusing += 1;
                ledger.spoiled.push(self.agent());
            }
        }
        ledger.last_seq += self.records.len() as u64;
        if !self.records.is_empty() {
            ledger.last_own_seq = ledger.last_seq;
        }
    }

    /// What leaves by this call waits for its records.
    fn gate(&self, side: Side, from: u64, bytes: u64, on_disk: bool, ledger: &mut Ledger) {
        let seq = ledger.last_own_seq.min(ledger.last_seq);
        if bytes > 0 {
            ledger.gates.entry((self.agent(), side)).or_default().push(Gate { from, seq, on_disk });
        }
    }

    fn agent(&self) -> usize {
        usize::from(self.opened.origin.port())
    }

    fn input(&mut self, input: Input<'_>, ledger: &mut Ledger, out: &mut Effects) {
        match input {
            Input::FromAgent(bytes) if self.legs[0] != Leg::Stands => {
                assert_eq!(self.legs[0], Leg::Due, "bytes of a handshake");
                self.legs[0] = Leg::Began;
                if bytes == [ASKS] {
                    say(GRANTS, &mut out.own, &mut out.to_agent);
                    out.secure = Some(Secure::Agent);
                } else {
                    out.secure = Some(Secure::AgentAtOnce);
                }
            }
            Input::FromDatabase(bytes) if self.legs[1] != Leg::Stands => {
                assert!(self.legs[1] == Leg::Asked && bytes == [GRANTS], "bytes of a handshake");
                self.legs[1] = Leg::Began;
                out.secure = Some(Secure::Database);
            }
            Input::Estimated { .. }
            | Input::Judged { .. }
            | Input::CancelIsOver(_)
            | Input::Given(_)
            | Input::Identified(_)
            | Input::EndReveal(_)
            | Input::Signed(_) => {
                unreachable!("nobody asks for one here")
            }
            Input::DatabaseConnected if self.legs[1] == Leg::Due => {
                if ledger.rng.once_in(2) {
                    self.legs[1] = Leg::Asked;
                    say(ASKS, &mut out.own, &mut out.to_database);
                } else {
                    self.legs[1] = Leg::Began;
                    out.secure = Some(Secure::Database);
                }
            }
            Input::FromAgent(bytes) => {
                assert!(!self.agent_closed, "bytes after the end");
                let done = self.change(0, bytes, ledger, out);
                if self.refusing {
                    out.connect = !std::mem::replace(&mut self.connecting, true);
                } else if self.connected {
                    self.to_database += done.len() as u64;
                    pieces(done, ledger, &mut out.own, &mut out.to_database);
                } else {
                    self.early.extend_from_slice(done);
                    out.connect = !std::mem::replace(&mut self.connecting, true);
                }
                self.replies(ledger, out);
            }
            Input::FromDatabase(bytes) => {
                assert!(self.connected && !self.database_closed, "bytes of no database");
                let done = self.change(1, bytes, ledger, out);
                self.replies(ledger, out);
                pieces(done, ledger, &mut out.own, &mut out.to_agent);
                self.replies(ledger, out);
            }
            Input::AgentSecured(secured) => {
                assert!(std::mem::replace(&mut self.legs[0], Leg::Stands) == Leg::Began && !secured.suite.is_empty());
            }
            Input::DatabaseConnected | Input::DatabaseSecured(_) => {
                assert!(matches!(std::mem::replace(&mut self.legs[1], Leg::Stands), Leg::Began | Leg::Stands));
                self.connected = true;
                if self.agent_closed {
                    out.finish = Finish::ShutdownDatabase;
                }
                if self.refusing {
                    return;
                }
                let start = out.own.len() as u32;
                out.own.extend_from_slice(&self.early);
                out.to_database.push(Piece::Own(start..out.own.len() as u32));
                self.to_database += self.early.len() as u64;
                self.early = Vec::new();
            }
            Input::AgentClosed => {
                self.agent_closed = true;
                // A leg that has not come to its TLS is not ended: what it is to carry was not said yet.
                let stands = self.legs[1] == Leg::Stands;
                out.finish = match self.database_closed || !self.connecting {
                    true => Finish::Close,
                    false if stands => Finish::ShutdownDatabase,
                    false => Finish::No,
                };
            }
            Input::DatabaseClosed => {
                self.database_closed = true;
                out.finish = if self.agent_closed { Finish::Close } else { Finish::ShutdownAgent };
            }
            Input::AgentInsecure(_) | Input::DatabaseFailed(_) | Input::End(_) | Input::Stop => {
                ledger.spoiled.push(self.agent());
                self.replies(ledger, out);
                out.finish = Finish::Close;
            }
            Input::RecordLost => {
                if self.legs[0] == Leg::Stands {
                    say(LOST, &mut out.own, &mut out.to_agent);
                }
                out.finish = Finish::Close;
            }
            Input::Deadline => self.replies(ledger, out),
            Input::Vote(vote) => self.over(vote.ask, AskEnd::Approved, out),
            Input::Unheard(ask) => self.over(ask, AskEnd::Unheard, out),
            Input::CancelHeld => {
                if let Some(ask) = self.asked {
                    self.over(ask, AskEnd::Cancelled, out);
                }
            }
        }
    }

    /// Changes the bytes that are new and passes all but a few at the end, which come back.
    fn change<'a>(&mut self, side: usize, bytes: &'a mut [u8], ledger: &mut Ledger, out: &mut Effects) -> &'a mut [u8] {
        assert!(bytes.len() >= self.held[side], "held bytes did not come back");
        bytes[self.held[side]..].iter_mut().for_each(|byte| *byte = changed(*byte));
        // A stream ends with a byte that is never held back, as a message's end is.
        let last = bytes.last().is_some_and(|byte| changed(*byte) == super::peer::LAST);
        let hold = if last { 0 } else { ledger.rng.skewed(HOLD_MAX.min(bytes.len())) };
        self.held[side] = hold;
        out.hold = hold;
        let done = bytes.len() - hold;
        &mut bytes[..done]
    }

    /// Asks a person now and then, and gives up on it now and then.
    fn asks(&mut self, next_ask: Option<AskId>, ledger: &mut Ledger, out: &mut Effects) {
        match (self.asked, next_ask) {
            (Some(ask), _) if ledger.rng.once_in(20) => self.over(ask, AskEnd::Expired, out),
            (None, Some(id)) if ledger.rng.once_in(10) => {
                self.asked = Some(id);
                ledger.asked += 1;
                out.asking.push(Asking::Ask(Box::new(self.ask(id))));
            }
            _ => {}
        }
        if ledger.rng.once_in(100) {
            out.cancel_held = Some(self.opened.id - 1);
        }
    }

    fn ask(&self, id: AskId) -> Ask {
        let nothing = || session::Masked::literal("");
        Ask {
            id,
            estimate: None,
            session: self.opened.id,
            subject: self.opened.subject.clone(),
            agent_address: self.opened.agent_address,
            database: String::new(),
            dbname: nothing(),
            database_user: nothing(),
            application: nothing(),
            request: "query",
            text: nothing(),
            redacted: false,
            kinds: Vec::new(),
            tables: Vec::new(),
            sensitive: Vec::new(),
            parameters: Vec::new(),
            in_transaction: false,
            transaction_since_s: None,
            rows_bound: None,
            binding: [0; 32],
            terms: Vec::new(),
            policy: String::new(),
            record: session::RecordId { shard: 0, seq: 1 },
            asked_s: 0,
            expires_s: 0,
        }
    }

    /// Also of an ask that is not this session's.
    fn over(&mut self, ask: AskId, end: AskEnd, out: &mut Effects) {
        let own = self.asked == Some(ask);
        self.asked = self.asked.filter(|_| !own);
        out.asking.push(Asking::Over(ask, if own { end } else { AskEnd::Gone }));
    }

    fn replies(&mut self, ledger: &mut Ledger, out: &mut Effects) {
        if !ledger.rng.once_in(5) || self.legs[0] != Leg::Stands {
            return;
        }
        let start = out.own.len() as u32;
        for _ in 0..ledger.rng.skewed(300) {
            out.own.push(reply(self.replies));
            self.replies += 1;
        }
        out.to_agent.push(Piece::Own(start..out.own.len() as u32));
    }
}

/// One plain byte of ours.
fn say(byte: u8, own: &mut Vec<u8>, to: &mut Vec<Piece>) {
    let start = own.len() as u32;
    own.push(byte);
    to.push(Piece::Own(start..start + 1));
}

/// Cuts a run of the chunk into pieces, some of them copies of our own.
fn pieces(done: &[u8], ledger: &mut Ledger, own: &mut Vec<u8>, to: &mut Vec<Piece>) {
    let mut at = 0;
    while at < done.len() {
        let rest = done.len() - at;
        let len = if ledger.rng.once_in(3) { rest } else { ledger.rng.skewed(rest - 1) + 1 };
        if len < 2000 && ledger.rng.once_in(3) {
            let start = own.len() as u32;
            own.extend_from_slice(&done[at..at + len]);
            to.push(Piece::Own(start..own.len() as u32));
        } else {
            to.push(Piece::Chunk(at as u32..(at + len) as u32));
        }
        at += len;
    }
}

fn length(piece: &Piece) -> u64 {
    let (Piece::Chunk(range) | Piece::Own(range)) = piece;
    u64::from(range.end - range.start)
}
