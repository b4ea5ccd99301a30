//! Parse, Bind, Describe, Execute, Close, Sync: judged at Parse, again at Bind and Execute where what the verdict depends on has
//! changed, recorded at Execute, as the server logs.

use std::sync::Arc;

use wire::postgres::FrontendTag;
use wire::postgres::frontend::{Bind, Close, Describe, Execute, Kind, Parse};

use super::frontend::Sent;
use super::hold::Held;
use super::judge::Verdict;
use super::portals::{Rows, Stamp};
use super::queue::{Request, Run};
use super::record::UNSEEN_MAX;
use super::refuse::{NO_BINARY, READ_AS_TEXT};
use super::room::Room;
use super::simple::too_many;
use super::statements::Version;
use super::{Connection, Cx, Fatal, Step, messages};
use crate::verdicts::{Inner, Judged, Refusal, Why};

impl Connection {
    pub(super) fn parse(&mut self, sent: Sent<'_>, cx: &mut Cx<'_, '_>) -> Step {
        let message = Parse::parse(sent.body()).map_err(Fatal::of_agent)?;
        let text = message.text;
        let Some(name) = self.name("parse", message.statement, cx)? else { return Ok(()) };
        if text.len() > cx.shared.limits.statement {
            return self.refuse_too_long(FrontendTag::Parse, cx);
        }
        let Some(mut verdict) = self.judge_or_wait(text, cx) else { return Ok(()) };
        if !self.statements.has_room(text.len(), cx.shared.limits) {
            verdict.refuse(too_many());
        }
        verdict.later = verdict.is_held() || self.may_be_lifted(&verdict, cx);
        if !self.finds_room(&mut verdict, false, cx) {
            return Ok(());
        }
        if verdict.refuses() {
            return self.refuse_extended("parse", message.statement, &verdict, cx);
        }
        self.record_decision("parse", &verdict, cx);
        self.statements.add(&name, (self.queue.next_seq(), 0), true, (&verdict.judged, self.stamp_now(cx)));
        let sensitive = verdict.judged.sensitive;
        self.queue.push(Request::Parse { name: Box::from(&*name), sensitive });
        sent.forward(cx);
        Ok(())
    }

    pub(super) fn bind(&mut self, sent: Sent<'_>, cx: &mut Cx<'_, '_>) -> Step {
        let message = Bind::parse(sent.body()).map_err(Fatal::of_agent)?;
        let Some(portal) = self.name("bind", message.portal, cx)? else { return Ok(()) };
        let Some(name) = self.name("bind", message.statement, cx)? else { return Ok(()) };
        let (portal, name) = (&*portal, &*name);
        let versions = self.statements.find(name);
        if self.is_undecided(versions) {
            self.agent.waiting = true;
            return Ok(());
        }
        let mut judged: Option<Arc<Judged>> = None;
        let mut inner = Inner::default();
        let (mut approval, mut rows_bound, mut bound) = (None, None, None);
        let full = self.portals.len() >= cx.shared.limits.portals && self.portals.find(portal).is_none();
        if let Some(version) = versions.last() {
            let unmaskable = self.masks() && version.is_unmaskable(&message.result_formats);
            let prepared = Arc::clone(&version.judged);
            let known = self.judge_version(version, cx);
            let verdict = self.judge_here(known, None, cx);
            let values = Some((&message, sent.body()));
            let Some(mut verdict) = self.estimated(values, verdict, cx) else { return Ok(()) };
            verdict.bound = self.bound(message.written(), &verdict.judged, &verdict.inner, cx);
            if unmaskable {
                verdict.refuse(no_binary());
            }
            if full {
                verdict.refuse(too_many());
            }
            let moved = self.masks() && verdict.judged.places(0) != prepared.places(0);
            if moved && verdict.refusal.as_ref().is_none_or(|refusal| refusal.why == Why::Held) {
                verdict.refusal = Some(other_columns());
                verdict.forwarded = self.observes();
            }
            if self.is_about_a_hold(&verdict) {
                if self.waits_for_a_person(Held::bind(&sent, &message), &mut verdict, cx) {
                    return Ok(());
                }
                cx.out.durable |= verdict.approval.is_some();
            }
            if verdict.refuses() && !self.finds_room(&mut verdict, false, cx) {
                return Ok(());
            }
            self.hold_ends(&verdict, cx);
            if verdict.refuses() {
                return self.refuse_extended("bind", NOBODY, &verdict, cx);
            }
            (approval, rows_bound, bound) = (verdict.approval, verdict.rows_bound, verdict.bound);
            inner = verdict.inner;
            judged = Some(verdict.judged);
        }
        if judged.is_none() && !self.observes() {
            let name = String::from_utf8_lossy(name);
            let message = if name.is_empty() {
                "unnamed prepared statement does not exist".to_owned()
            } else {
                format!("prepared statement \"{name}\" does not exist")
            };
            return self.refuse_unresolved("bind", &message, *b"26000", cx);
        }
        if full {
            let judged = judged.unwrap_or_else(|| self.judge_words("", cx));
            let mut verdict = Verdict { inner, ..Verdict::of(judged, Some(too_many())) };
            if !self.finds_room(&mut verdict, false, cx) {
                return Ok(());
            }
            return self.refuse_extended("bind", NOBODY, &verdict, cx);
        }
        let slot = self.portals.open(portal, self.queue.next_seq(), false, judged, inner);
        self.portals.approved(slot, approval, rows_bound);
        let is_shown = self.shows().is_some();
        if let Some(slot) = self.portals.get_mut(slot) {
            slot.is_shown = is_shown;
            slot.bound = bound;
        }
        self.stamp(slot, cx);
        self.portals.retain(slot);
        self.queue.push(Request::Bind { slot });
        sent.forward(cx);
        Ok(())
    }

    /// Which text the name stands for is for the server to say, and it has not yet: an older one stands if the youngest was skipped
    /// after an error. Not so where that error would skip the user of the name too. Who waits is sure of an answer: a Sync is
    /// behind the request that made the text, or that was a Query.
    fn is_undecided(&self, versions: &[Version]) -> bool {
        let Some(youngest) = versions.last() else { return false };
        versions.len() > 1 && !youngest.holds_since(self.queue.synced()) && self.queue.waits_for(youngest.made.0)
    }

    /// What a verdict is taken under now.
    pub(super) fn stamp_now(&self, cx: &Cx<'_, '_>) -> Stamp {
        Stamp {
            policy: Some(Arc::clone(cx.shared.policy)),
            epoch: self.schemas.epoch(),
            version: self.catalog.version,
            who: self.who.epoch,
        }
    }

    fn stamp(&mut self, slot: u32, cx: &Cx<'_, '_>) {
        let stamp = self.stamp_now(cx);
        if let Some(slot) = self.portals.get_mut(slot) {
            slot.stamp = stamp;
        }
    }

    pub(super) fn describe(&mut self, sent: Sent<'_>, cx: &mut Cx<'_, '_>) -> Step {
        let Describe(target) = Describe::parse(sent.body()).map_err(Fatal::of_agent)?;
        let Some(name) = self.name("describe", target.name, cx)? else { return Ok(()) };
        let name = &*name;
        if target.kind == Kind::Statement {
            self.queue.push(Request::DescribeStatement { name: name.into() });
            sent.forward(cx);
            return Ok(());
        }
        let Some(slot) = self.portal(name, cx)? else { return Ok(()) };
        if let Some(known) = self.portals.get_mut(slot) {
            known.rows = if known.rows == Rows::Unasked { Rows::Asked } else { known.rows };
        }
        self.portals.retain(slot);
        self.queue.push(Request::DescribePortal { slot });
        sent.forward(cx);
        Ok(())
    }

    /// The slot of a portal's name; refused where there is none.
    fn portal(&mut self, name: &[u8], cx: &mut Cx<'_, '_>) -> Result<Option<u32>, Fatal> {
        if let Some(slot) = self.portals.find(name) {
            return Ok(Some(slot));
        }
        if self.observes() {
            // Opened inside the server (a function's cursor), or the server will say that it does not exist.
            return Ok(Some(self.portals.open(name, self.queue.next_seq(), true, None, Inner::default())));
        }
        let message = format!("portal \"{}\" does not exist", String::from_utf8_lossy(name));
        self.refuse_unresolved("execute", &message, *b"34000", cx)?;
        Ok(None)
    }

    pub(super) fn execute(&mut self, sent: Sent<'_>, cx: &mut Cx<'_, '_>) -> Step {
        let raw = Execute::parse(sent.body()).map_err(Fatal::of_agent)?.portal;
        let Some(name) = self.name("execute", raw, cx)? else { return Ok(()) };
        let Some(slot) = self.portal(&name, cx)? else { return Ok(()) };
        let unasked = self.portals.get(slot).is_some_and(|known| known.rows == Rows::Unasked);
        // Our Describe goes in front of it.
        let seq = self.queue.next_seq() + u64::from(unasked);
        let Some(run) = self.run_of(slot, seq, cx)? else { return Ok(()) };
        if unasked {
            let mark = cx.out.mark();
            messages::describe_portal(&mut cx.out.own, raw)?;
            cx.out.database_own(mark);
            if let Some(known) = self.portals.get_mut(slot) {
                known.rows = Rows::Asked;
            }
            self.portals.retain(slot);
            self.queue.push(Request::OwnDescribe { slot });
        }
        self.portals.retain(slot);
        self.queue.push(Request::Execute { run, slot });
        sent.forward(cx);
        Ok(())
    }

    /// The decision on running this portal now; `None`: refused.
    fn run_of(&mut self, slot: u32, seq: u64, cx: &mut Cx<'_, '_>) -> Result<Option<Run>, Fatal> {
        let Some(known) = self.portals.get(slot) else { return Ok(None) };
        let Some(judged) = known.judged.clone() else {
            return self.unseen_run(cx);
        };
        let unmaskable = self.masks() && known.rows == Rows::Known && known.columns.unmaskable().is_some();
        let holds = known.stamp.is(cx.shared.policy, self.schemas.epoch(), self.catalog.version, self.who.epoch)
            && judged.is_valid(cx.wall_s());
        let is_free = self.token_refusal(cx).is_none();
        let settled = judged.is_settled() && known.inner.spending().is_empty();
        let verdict = if holds && settled && is_free && judged.refusal.is_none() {
            Verdict { inner: known.inner.clone(), ..Verdict::of(judged, None) }
        } else {
            let judged = if holds { judged } else { self.judge_again(&judged, cx) };
            self.judge_here(judged, None, cx)
        };
        let mut verdict = verdict;
        verdict.bound = self.portals.get(slot).and_then(|known| known.bound.clone());
        if unmaskable {
            verdict.refuse(no_binary());
        } else if verdict.is_held() {
            self.covered_by_its_bind(slot, &mut verdict, cx);
        }
        if !self.finds_room(&mut verdict, true, cx) {
            return Ok(None);
        }
        if verdict.refuses() {
            self.refuse_extended("execute", NOBODY, &verdict, cx)?;
            return Ok(None);
        }
        verdict.under = self.shows().filter(|_| self.portals.get(slot).is_some_and(|known| known.is_shown));
        let run = self.decided("execute", &verdict, cx);
        self.statement_goes_on(&verdict, seq, true, cx);
        Ok(Some(run))
    }

    /// `observe`: a portal that was opened inside the server runs.
    fn unseen_run(&mut self, cx: &mut Cx<'_, '_>) -> Result<Option<Run>, Fatal> {
        let keeps = self.keeps(None, &Inner::default());
        match self.statement_room(UNSEEN_MAX, (true, keeps), false, cx) {
            Room::Here => {
                let record = self.record_unseen(cx);
                Ok(Some(Run {
                    judged: None,
                    inner: Inner::default(),
                    record,
                    started_ns: cx.now.mono_ns,
                    rows_bound: None,
                    is_shown: false,
                    is_kept: self.begins_to_keep(None, &Inner::default()),
                }))
            }
            Room::Later => Ok(None),
            Room::Nowhere => {
                self.refuse_unasked(FrontendTag::Execute, cx)?;
                Ok(None)
            }
        }
    }

    pub(super) fn close_target(&mut self, sent: Sent<'_>, cx: &mut Cx<'_, '_>) -> Step {
        let Close(target) = Close::parse(sent.body()).map_err(Fatal::of_agent)?;
        let Some(name) = self.name("close", target.name, cx)? else { return Ok(()) };
        let name = &*name;
        if target.kind == Kind::Statement {
            self.queue.push(Request::CloseStatement { name: name.into() });
        } else {
            self.portals.close(name);
            self.queue.push(Request::ClosePortal);
        }
        sent.forward(cx);
        Ok(())
    }

    pub(super) fn sync(&mut self, sent: Sent<'_>, cx: &mut Cx<'_, '_>) -> Step {
        self.agent.skipping = false;
        let in_copy = self.reads_copy();
        self.queue.push_sync(in_copy);
        sent.forward(cx);
        Ok(())
    }
}

fn no_binary() -> Refusal {
    Refusal::new(Why::Firm, NO_BINARY, READ_AS_TEXT)
}

/// Its names mean other tables than when it was parsed, and its result would be masked otherwise than it was described.
fn other_columns() -> Refusal {
    let message = "the prepared statement would read other sensitive columns than when it was prepared";
    Refusal::new(Why::Blocked, message, "prepare it anew")
}

/// A statement name that no one uses: a text that does not parse is never stored under it.
const NOBODY: &[u8] = b"interceptor";
