//! `rows_over`: at the bound no row more leaves, the server is asked to cancel the statement, and the agent gets an error in its place;
//! the connection goes on.
//!
//! The cancel goes by a connection of its own (protocol-flow, "Canceling Requests in Progress"), which somebody else makes. What the
//! server sends of the statement meanwhile is dropped, however much it is. It may be done before the cancel comes: then the error takes
//! the place of its CommandComplete. The agent's next frames wait until the cancel has been worked off, so that it hits no other statement.

use std::num::NonZeroU64;

use wire::postgres::backend::Report;

use super::backend::Frame;
use super::messages::{self, ErrorText};
use super::queue::{Request, Run};
use super::{Connection, Cx, Fatal, Step};
use crate::{Asking, CancelAsk};

/// The statement in front has sent as many rows as may leave.
#[derive(Debug)]
pub(super) struct Cut {
    most: u64,
    /// A person agreed to so many, and to no more.
    approved: bool,
    number: u64,
    /// The cancel is under way until then at the latest.
    cancelling_until_ns: Option<u64>,
    /// The agent was told.
    told: bool,
    /// Nothing of the statement is to come any more.
    ended: bool,
}

impl Cut {
    /// What comes belongs to the statement that was cut.
    pub(super) fn drops(&self) -> bool {
        !self.ended
    }

    pub(super) fn due_ns(&self) -> Option<u64> {
        self.cancelling_until_ns
    }
}

/// `program_limit_exceeded`
const CODE: [u8; 5] = *b"54000";
/// What the outcome's record says.
pub(super) fn cause(run: &Run) -> &'static str {
    if is_approved(run) {
        "more rows than were approved; it was cancelled"
    } else {
        "more rows than rows_over lets leave; it was cancelled"
    }
}

/// The bound is that of an approval.
fn is_approved(run: &Run) -> bool {
    run.rows_bound.is_some() && run.rows_bound.map(NonZeroU64::get) == run.rows_over()
}

impl Connection {
    /// So many rows of the statement in front may leave.
    pub(super) fn rows_over(&self) -> Option<u64> {
        self.queue.front().and_then(Request::run).and_then(Run::rows_over)
    }

    /// A row begins that may not leave: from here on none does.
    pub(super) fn cut_at_the_bound(&mut self, cx: &mut Cx<'_, '_>) -> Step {
        let Some(most) = self.rows_over().filter(|_| self.cut.is_none()) else { return Ok(()) };
        let earlier = match self.queue.front() {
            Some(Request::Execute { slot, .. }) => self.portals.get(*slot).map_or(0, |slot| slot.sent.into()),
            _ => 0,
        };
        if u64::saturating_add(earlier, self.tally.rows_seen) < most {
            return Ok(());
        }
        let approved = self.queue.front().and_then(Request::run).is_some_and(is_approved);
        if !self.queue.front_is_alone() {
            // What is behind it runs at the server whatever the agent is told: its answers would have no place.
            return Err(Fatal::said(&CODE, &message(most, approved)).hint(HINT));
        }
        let cancelling_until_ns = self.cancel_what_runs(cx);
        self.cut =
            Some(Box::new(Cut { most, approved, number: self.served, cancelling_until_ns, told: false, ended: false }));
        Ok(())
    }

    /// Asks for a cancel of the statement that the server works on. When it is over at the latest; `None`: the database gave no key for it.
    pub(super) fn cancel_what_runs(&mut self, cx: &mut Cx<'_, '_>) -> Option<u64> {
        self.served += 1;
        let target = self.login.issued.as_ref().and_then(|issued| cx.shared.cancels.find(issued))?;
        let until_ns = cx.now.mono_ns.saturating_add(cx.shared.limits.cancel_ms.saturating_mul(1_000_000));
        cx.out.asking.push(Asking::Cancel(Box::new(CancelAsk {
            number: self.served,
            session: self.open.id,
            database: self.open.database.name.clone(),
            origin: target.origin,
            key: target.key,
            until_ns,
        })));
        Some(until_ns)
    }

    /// The server has ended the statement, by an error or because it was done.
    pub(super) fn cut_ends(&mut self, frame: &Frame<'_>, cx: &mut Cx<'_, '_>) -> Step {
        let lost =
            frame.kind() == b'E' && Report::parse(frame.body()).map_err(Fatal::of_database)?.ends_the_connection();
        let Some(cut) = self.cut.as_mut() else { return Ok(()) };
        if lost {
            cut.ended = true;
            return self.rejected_otherwise(frame, cx);
        }
        if std::mem::replace(&mut cut.told, true) {
            return Ok(());
        }
        let text = message(cut.most, cut.approved);
        let error = ErrorText {
            severity: b"ERROR",
            severity_word: b"ERROR",
            code: &CODE,
            message: &text,
            detail: "",
            hint: HINT,
        };
        let mark = cx.out.mark();
        messages::error(&mut cx.out.own, &error)?;
        cx.out.agent_own(mark);
        let extended = self.queue.front().is_some_and(Request::is_extended);
        self.errored(CODE, cx);
        if extended {
            self.cut_is_over();
        }
        Ok(())
    }

    /// Nothing of it comes any more.
    pub(super) fn cut_is_over(&mut self) {
        if let Some(cut) = &mut self.cut {
            cut.ended = true;
        }
        self.settle_cut();
    }

    /// The cancel was worked off, or has failed.
    pub(super) fn cancel_is_over(&mut self, number: u64) {
        if let Some(cut) = self.cut.as_mut().filter(|cut| cut.number == number) {
            cut.cancelling_until_ns = None;
        }
        self.settle_cut();
    }

    /// Nobody has said so in time.
    pub(super) fn cancel_is_late(&mut self) {
        if let Some(cut) = &mut self.cut {
            cut.cancelling_until_ns = None;
        }
        self.settle_cut();
    }

    fn settle_cut(&mut self) {
        self.cut = self.cut.take().filter(|cut| !cut.ended || cut.cancelling_until_ns.is_some());
    }
}

fn message(most: u64, approved: bool) -> String {
    if approved {
        return format!("more than {most} rows: the approval was given for no more than that");
    }
    format!("more than {most} rows: the rule that allows the statement lets no more of it leave")
}

const HINT: &str = "ask for fewer rows, with LIMIT or a narrower condition";
