//! PostgreSQL, protocol 3.0 and 3.2; TLS is the shard's, when it begins is said in `tls`. One connection pair, phase by phase:
//!
//! Startup (`startup`) → Connecting → Login (`login`) → our own catalog query (`catalog`) → Ready → Closing.
//!
//! The agent's frames are read in `frontend`, judged in `judge`, refused in `refuse`; the database's are streamed through the maskers
//! in `backend` and understood in `answers`, in the order of the one `queue`.

mod answers;
mod backend;
mod budget;
mod bulk;
mod cancel;
pub(crate) mod catalog;
mod content;
mod copy;
mod cut;
mod estimate;
mod extended;
mod frontend;
mod hold;
mod identity;
mod inject;
mod judge;
mod large;
mod left_off;
mod login;
mod messages;
mod names;
mod parameters;
mod placeholder;
mod portals;
mod queue;
pub(crate) mod received;
mod record;
mod refuse;
mod remember;
mod reveal;
pub mod rewrite;
mod room;
mod sasl;
mod schemas;
mod scram;
pub(crate) mod settings;
mod simple;
mod startup;
mod statements;
mod tls;

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use pan::Masked;
use wire::postgres::backend::TransactionStatus;
use wire::postgres::encode;

use crate::catalogs::Catalog;
use crate::{AskEnd, Effects, Failure, Finish, Input, Mode, Now, Open, Shared, Signed};
use catalog::OwnQuery;
use messages::ErrorText;
use portals::Portals;
use queue::Queue;
use record::{Ending, Journal, Tally};
use schemas::Schemas;
use statements::Statements;

/// What one call works with, beside the session's own state.
pub(crate) struct Cx<'a, 's> {
    pub(crate) now: Now,
    pub(crate) shared: &'a mut Shared<'s>,
    pub(crate) out: &'a mut Effects,
}

impl Cx<'_, '_> {
    fn wall_s(&self) -> i64 {
        i64::try_from(self.now.wall_ns / 1_000_000_000).unwrap_or(i64::MAX)
    }
}

/// Where the session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No startup packet yet.
    Startup,
    /// The agent is to show that it knows the placeholder of its login.
    Checking,
    /// The database is being dialled.
    Connecting,
    /// Authentication, up to the first ReadyForQuery.
    Login,
    /// Statements.
    Ready,
    /// A cancel request was passed on; the database will close.
    Cancelling,
    /// Nothing more is read or sent.
    Closed,
}

/// Why the session must end now.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fatal {
    code: &'static [u8; 5],
    message: Masked,
    hint: &'static str,
}

impl Fatal {
    fn new(code: &'static [u8; 5], message: &'static str) -> Fatal {
        Fatal { code, message: Masked::literal(message), hint: "" }
    }

    fn said(code: &'static [u8; 5], message: &str) -> Fatal {
        Fatal { code, message: Masked::of(message), hint: "" }
    }

    fn hint(mut self, hint: &'static str) -> Fatal {
        self.hint = hint;
        self
    }

    /// The agent's bytes are not the protocol's.
    fn agent(message: &'static str) -> Fatal {
        Fatal::new(b"08P01", message)
    }

    /// The database's bytes are not what can be understood, and so not masked.
    fn database(message: &'static str) -> Fatal {
        Fatal::new(b"08P01", message)
            .hint("the database sent what the interceptor cannot read; nothing of it was passed on")
    }
}

type Step = Result<(), Fatal>;

/// The whole state of one session.
pub(crate) struct Connection {
    open: Open,
    phase: Phase,
    began: Option<Now>,
    agent: frontend::Agent,
    startup: startup::Startup,
    login: login::Login,
    tls: tls::Legs,
    database: backend::Database,
    queue: Queue,
    statements: Statements,
    portals: Portals,
    schemas: Schemas,
    catalog: Arc<Catalog>,
    content: content::Content,
    /// Where the columns of this session are counted.
    place: Option<u32>,
    own: OwnQuery,
    budget: budget::Budget,
    tally: Tally,
    /// Status of the last ReadyForQuery.
    status: TransactionStatus,
    /// A statement of the open transaction touched a sensitive column: what the transaction says until its end may quote it (a
    /// deferred constraint at COMMIT, a cursor's FETCH).
    tainted: bool,
    stopping: bool,
    /// When the open transaction's first statement went on.
    transaction_since_ns: Option<NonZeroU64>,
    /// The statement in front of the agent's inbox waits for a person.
    hold: Option<Box<hold::Hold>>,
    /// What a token says of the agent.
    who: identity::Who,
    /// Clear values are shown, or people were asked for them.
    reveal: Option<Box<reveal::Reveal>>,
    /// It waits for the planner's estimate, or has it.
    estimating: Option<Box<estimate::Estimating>>,
    /// It is large and waits for its verdict, or has it.
    judging: Option<Box<large::Judging>>,
    /// The statement in front has sent as many rows as may leave.
    cut: Option<Box<cut::Cut>>,
    /// Estimates and cancels that were asked for: each has its number.
    served: u64,
    /// Flush was sent in front of request number so (the largest: never), for what a held statement waits for.
    flushed: u64,
    /// Whether `hold` is: for the sessions that bring cancel requests.
    held: Arc<AtomicBool>,
    /// What passes to the agent, where results are kept.
    receiving: Option<Box<received::Receiving>>,
    /// Statements under way of which that is kept.
    kept_runs: u32,
    /// The record had no room for its start: it is told so once it names itself, and leaves no record.
    turned_away: bool,
    ended: Ending,
    journal: Journal,
}

impl Connection {
    pub(crate) fn new(open: Open) -> Connection {
        let who = identity::Who::of_kernel(&open.subject.policy);
        Connection {
            open,
            who,
            phase: Phase::Startup,
            began: None,
            agent: frontend::Agent::default(),
            startup: startup::Startup::default(),
            login: login::Login::default(),
            tls: tls::Legs::default(),
            database: backend::Database::default(),
            queue: Queue::default(),
            statements: Statements::default(),
            portals: Portals::default(),
            schemas: Schemas::default(),
            catalog: Arc::default(),
            content: content::Content::default(),
            place: None,
            own: OwnQuery::default(),
            budget: budget::Budget::default(),
            tally: Tally::default(),
            status: TransactionStatus::Idle,
            tainted: false,
            stopping: false,
            transaction_since_ns: None,
            hold: None,
            reveal: None,
            estimating: None,
            judging: None,
            cut: None,
            served: 0,
            flushed: u64::MAX,
            held: Arc::default(),
            receiving: None,
            kept_runs: 0,
            turned_away: false,
            ended: Ending::default(),
            journal: Journal::default(),
        }
    }

    pub(crate) fn signed(&self) -> Option<(&Arc<Signed>, bool)> {
        self.who.shown()
    }

    pub(crate) fn open(&self) -> &Open {
        &self.open
    }

    pub(crate) fn handle(&mut self, input: Input<'_>, cx: &mut Cx<'_, '_>) {
        if self.began.is_none() {
            self.began = Some(cx.now);
            self.record_start(cx);
            if let Some(signed) = self.open.signed.take().filter(|_| !self.turned_away)
                && let Err(fatal) = self.is_signed(signed, cx)
            {
                self.fail(&fatal, cx);
            }
        }
        if self.phase == Phase::Closed {
            cx.out.finish = Finish::Close;
            return;
        }
        self.learn_content(cx);
        self.rules_ask(cx);
        self.reveal_is_due(cx);
        match input {
            Input::FromDatabase(chunk) => {
                self.step(Input::FromDatabase(&mut *chunk), cx);
                self.receive(chunk, cx);
            }
            input => {
                self.step(input, cx);
                self.receive(&[], cx);
            }
        }
        cx.out.read_agent = self.reads_agent(cx);
        cx.out.deadline = self.deadline(cx);
    }

    fn step(&mut self, input: Input<'_>, cx: &mut Cx<'_, '_>) {
        let step = self.identity_is_due(cx).and_then(|()| self.input(input, cx)).and_then(|()| self.settle(cx));
        if let Err(fatal) = step {
            self.fail(&fatal, cx);
        }
    }

    fn input(&mut self, input: Input<'_>, cx: &mut Cx<'_, '_>) -> Step {
        match input {
            Input::FromAgent(chunk) => self.agent_bytes(chunk, cx),
            Input::FromDatabase(chunk) => self.database_bytes(chunk, cx),
            Input::AgentClosed => {
                self.agent.closed = true;
                Ok(())
            }
            Input::DatabaseClosed => {
                self.end("the database closed the connection", cx);
                Ok(())
            }
            Input::DatabaseConnected => self.connected(cx),
            Input::AgentSecured(secured) => self.agent_secured(secured),
            Input::AgentInsecure(why) => {
                self.end(why, cx);
                self.ended.orderly = false;
                Ok(())
            }
            Input::DatabaseSecured(secured) => self.database_secured(secured, cx),
            Input::DatabaseFailed(failure) => Err(unreachable_database(failure)),
            Input::Deadline => self.overdue(cx),
            Input::Vote(vote) => {
                self.voted(*vote, cx);
                Ok(())
            }
            Input::Unheard(ask) => {
                self.unheard(ask, cx);
                Ok(())
            }
            Input::Estimated { number, estimate } => {
                self.was_estimated(number, estimate, cx);
                Ok(())
            }
            Input::Judged { number, verdict } => {
                self.was_judged(number, verdict);
                Ok(())
            }
            Input::Given(login) => self.is_given(login, cx),
            Input::Identified(token) => self.is_identified(token, cx),
            Input::CancelIsOver(number) => {
                self.cancel_is_over(number);
                Ok(())
            }
            Input::CancelHeld => {
                self.hold_is_over(AskEnd::Cancelled);
                Ok(())
            }
            Input::EndReveal(ask) => {
                if self.shows() == Some(ask) {
                    self.reveal_ends("a reviewer ended it", cx);
                }
                Ok(())
            }
            Input::RecordLost => {
                self.record_lost(cx);
                Ok(())
            }
            Input::End(why) => {
                self.abandon_held(cx);
                if self.phase == Phase::Ready && !self.queue.is_idle() {
                    // The server finds out that nobody listens when it has rows to send, and a statement may run for hours before.
                    self.cancel_what_runs(cx);
                }
                let words = format!("terminating connection due to administrator command: {}", why.as_str());
                Err(Fatal::said(b"57P01", &words))
            }
            Input::Signed(signed) => self.is_signed(signed, cx),
            Input::Stop => {
                self.stopping = true;
                self.hold_is_over(AskEnd::Stopping);
                Ok(())
            }
        }
    }

    /// What may follow once an input is worked off: agent bytes that waited, the agent's end, the service's end.
    fn settle(&mut self, cx: &mut Cx<'_, '_>) -> Step {
        if self.agent.closed && self.hold.is_some() {
            self.abandon_held(cx);
        }
        self.drain_inbox(cx)?;
        if self.phase == Phase::Closed {
            return Ok(());
        }
        // A cancel request that was not sent yet still goes on, with TLS in front of it where that shall be; then its agent's end.
        let unsent = self.phase == Phase::Cancelling
            && self.startup.opening.as_ref().is_some_and(|opening| !opening.cancel.is_empty());
        if self.agent.closed && !self.agent.shut && !unsent && !self.holds_agent_back(cx) {
            self.agent.shut = true;
            match self.phase {
                Phase::Startup | Phase::Checking | Phase::Connecting => self.end("the agent closed the connection", cx),
                Phase::Login | Phase::Ready | Phase::Cancelling => cx.out.finish = Finish::ShutdownDatabase,
                Phase::Closed => {}
            }
        }
        if self.stopping && self.may_stop() {
            return Err(Fatal::new(b"57P01", "terminating connection due to administrator command")
                .hint("the interceptor is being stopped"));
        }
        Ok(())
    }

    fn may_stop(&self) -> bool {
        self.phase != Phase::Ready
            || (self.hold.is_none()
                && self.queue.is_idle()
                && self.status == TransactionStatus::Idle
                && self.database.at_boundary())
    }

    /// Ends the session with an error of our own. Inside a message of the database there is no place for one: then it just ends.
    fn fail(&mut self, fatal: &Fatal, cx: &mut Cx<'_, '_>) {
        if self.phase == Phase::Closed {
            return;
        }
        if matches!(self.phase, Phase::Checking | Phase::Connecting | Phase::Login) {
            self.record_login(Some(*fatal.code), Some(&fatal.message), cx);
        }
        if self.database.at_boundary() {
            self.say(fatal, cx);
        }
        if fatal.code == b"57P01" && self.phase == Phase::Ready {
            let mark = cx.out.mark();
            encode::terminate(&mut cx.out.own);
            cx.out.database_own(mark);
        }
        self.ended = Ending {
            cause: fatal.message.clone(),
            code: Some(*fatal.code),
            orderly: fatal.code == b"57P01",
            ..Ending::default()
        };
        self.phase = Phase::Closed;
        cx.out.hold = 0;
        cx.out.finish = Finish::Close;
    }

    fn say(&self, fatal: &Fatal, cx: &mut Cx<'_, '_>) {
        if self.phase == Phase::Cancelling {
            return; // a cancel request has no answer
        }
        let mark = cx.out.mark();
        let error = ErrorText {
            severity: b"FATAL",
            severity_word: b"FATAL",
            code: fatal.code,
            message: fatal.message.as_str(),
            detail: "",
            hint: fatal.hint,
        };
        if messages::error(&mut cx.out.own, &error).is_ok() {
            cx.out.agent_own(mark);
        }
    }

    /// See [`Input::RecordLost`]. What the session queued before is forgotten, so its own place in a message says nothing.
    fn record_lost(&mut self, cx: &mut Cx<'_, '_>) {
        let lost = Fatal::new(
            crate::verdicts::DISK_FULL,
            "the record of this session cannot be written to disk; nothing more is forwarded",
        )
        .hint("the interceptor's host needs its operator: see `interceptor status`");
        self.say(&lost, cx);
        self.end("the record cannot be written to disk", cx);
        self.ended.orderly = false;
    }

    /// Whether the agent, once it has read all that it was sent, stands between two messages.
    pub(crate) fn is_between_messages(&self) -> bool {
        self.database.at_boundary()
    }

    fn end(&mut self, why: &'static str, cx: &mut Cx<'_, '_>) {
        self.ended = Ending { cause: Masked::literal(why), code: self.ended.code, orderly: true, told: false };
        self.phase = Phase::Closed;
        cx.out.hold = 0;
        cx.out.finish = Finish::Close;
    }

    fn deadline(&self, cx: &Cx<'_, '_>) -> Option<u64> {
        let reveal = self.reveal.as_ref().map(|reveal| reveal.until_ns).filter(|until_ns| *until_ns != u64::MAX);
        let identity = self.identity_due_ns(cx);
        if self.wakes_for_room() {
            Some(cx.now.mono_ns)
        } else {
            self.due_ns(cx).into_iter().chain(reveal).chain(identity).min()
        }
    }

    /// When what is under way has taken too long.
    fn due_ns(&self, cx: &Cx<'_, '_>) -> Option<u64> {
        let after = |from_ns: u64, ms: u64| from_ns.saturating_add(ms.saturating_mul(1_000_000));
        match self.phase {
            Phase::Startup | Phase::Checking | Phase::Connecting | Phase::Login | Phase::Cancelling => {
                self.began.map(|began| after(began.mono_ns, cx.shared.limits.login_ms))
            }
            Phase::Ready => match self.own.silent_since_ns() {
                Some(since_ns) => Some(after(since_ns, cx.shared.limits.catalog_ms)),
                None => {
                    if let Some(due_ns) = self.cut.as_ref().and_then(|cut| cut.due_ns()) {
                        return Some(due_ns);
                    }
                    if let Some(due_ns) = self.judging.as_ref().and_then(|judging| judging.due_ns()) {
                        return Some(due_ns);
                    }
                    let estimate = self.estimating.as_ref().and_then(|asked| asked.due_ns());
                    estimate.or_else(|| self.hold.as_ref().and_then(|hold| hold.due_ns()))
                }
            },
            Phase::Closed => None,
        }
    }

    fn overdue(&mut self, cx: &mut Cx<'_, '_>) -> Step {
        match self.due_ns(cx) {
            Some(at) if cx.now.mono_ns >= at => match self.phase {
                Phase::Ready if self.own.silent_since_ns().is_none() => {
                    if self.cut.as_ref().is_some_and(|cut| cut.due_ns().is_some()) {
                        self.cancel_is_late();
                        return Ok(());
                    }
                    if self.judging.as_ref().is_some_and(|judging| judging.waits()) {
                        self.judgement_is_late();
                        return Ok(());
                    }
                    if self.estimating.as_ref().is_some_and(|asked| asked.waits()) {
                        self.estimate_is_late();
                        return Ok(());
                    }
                    self.hold_is_over(AskEnd::Expired);
                    Ok(())
                }
                Phase::Ready => {
                    Err(Fatal::new(b"57P03", "the database did not answer the interceptor's catalog query in time"))
                }
                Phase::Startup => Err(Fatal::new(b"08P01", "no complete startup packet in time")),
                _ => Err(Fatal::new(b"57P03", "the login took too long")),
            },
            _ => Ok(()),
        }
    }

    /// The last record, and the end of the cancel key.
    pub(crate) fn close(&mut self, cx: &mut Cx<'_, '_>) {
        if let Some(issued) = self.login.issued.take() {
            cx.shared.cancels.forget(&issued);
        }
        if self.began.is_some() {
            self.hold_closes(cx);
            self.reveal_ends("the session ended", cx);
            self.abandon_runs(cx);
            self.record_end(cx);
        }
        self.phase = Phase::Closed;
    }

    fn observes(&self) -> bool {
        self.open.database.mode == Mode::Observe
    }

    /// Rows pass unmasked only where the configuration says so, and only while observing.
    fn masks(&self) -> bool {
        self.open.database.mask || !self.observes()
    }
}

fn unreachable_database(failure: Failure) -> Fatal {
    let message = match failure {
        Failure::Refused => "the database refused the connection",
        Failure::Unreachable => "the database cannot be reached",
        Failure::TimedOut => "the database did not answer",
        Failure::Exhausted => "too many connections",
        Failure::Insecure(why) => {
            return Fatal::new(b"08001", why)
                .hint("nothing was sent to the database: see `tls` of it in the interceptor's configuration");
        }
    };
    Fatal::new(b"57P03", message)
}
