//! Query and FunctionCall: judged whole, run whole.

use std::num::NonZeroU64;
use std::sync::Arc;

use sql::Prepared;
use wire::postgres::frontend::{FunctionCall, Query};
use wire::postgres::{Format, FrontendTag};

use super::frontend::Sent;
use super::hold::Held;
use super::judge::{Verdict, prepares};
use super::queue::{Request, Run};
use super::{Connection, Cx, Fatal, Step};
use crate::verdicts::{Inner, Judged, Refusal, Why};

impl Connection {
    pub(super) fn query(&mut self, sent: Sent<'_>, cx: &mut Cx<'_, '_>) -> Step {
        let text = Query::parse(sent.body()).map_err(Fatal::of_agent)?.text;
        if self.queue.is_in_pipeline() {
            return Err(Fatal::agent("a Query among messages of the extended protocol that no Sync has ended"));
        }
        if text.len() > cx.shared.limits.statement {
            return self.refuse_too_long(FrontendTag::Query, cx);
        }
        let Some(verdict) = self.judge_or_wait(text, cx) else { return Ok(()) };
        let Some(mut verdict) = self.estimated(None, verdict, cx) else { return Ok(()) };
        if let Some(refusal) = self.too_many_names(&verdict, cx) {
            verdict.refuse(refusal);
        }
        if self.is_about_a_hold(&verdict) && self.waits_for_a_person(Held::query(&sent), &mut verdict, cx) {
            return Ok(());
        }
        if !self.finds_room(&mut verdict, true, cx) {
            return Ok(());
        }
        self.hold_ends(&verdict, cx);
        if verdict.refuses() {
            return self.refuse_query("query", &verdict, cx);
        }
        verdict.under = self.shows();
        let run = self.decided("query", &verdict, cx);
        self.statement_goes_on(&verdict, self.queue.next_seq(), false, cx);
        self.portals.close(b"");
        self.queue.push(Request::Query(run));
        sent.forward(cx);
        Ok(())
    }

    /// A call of a function by its OID. Those of large objects, which libpq calls so, have OIDs that no database changes: they are
    /// judged as a SELECT of them. Which function any other OID is only the catalog knows, so `enforce` refuses it.
    pub(super) fn function_call(&mut self, sent: Sent<'_>, cx: &mut Cx<'_, '_>) -> Step {
        let call = FunctionCall::parse(sent.body()).map_err(Fatal::of_agent)?;
        let (oid, binary) = (call.function, call.result_format == Format::Binary);
        let mut verdict = match LARGE_OBJECTS.iter().find(|(known, _)| *known == oid) {
            Some((_, name)) => {
                let judged = self.judge_words(&format!("SELECT pg_catalog.{name}()"), cx);
                self.judge_here(judged, None, cx)
            }
            None => {
                let judged = self.judge_words(&format!("function call of OID {oid}"), cx);
                let refusal = Refusal::new(
                    Why::Unjudged,
                    "a function call by OID cannot be judged",
                    "call the function in a SELECT instead",
                );
                Verdict { forwarded: self.observes(), ..Verdict::of(judged, Some(refusal)) }
            }
        };
        verdict.bound = self.bound(call.written(), &verdict.judged, &verdict.inner, cx);
        if verdict.is_held() {
            let message = "a function call by OID cannot be held for approval";
            verdict.refuse(Refusal::new(Why::Firm, message, "call the function in a SELECT instead"));
        }
        if !self.finds_room(&mut verdict, true, cx) {
            return Ok(());
        }
        if verdict.refuses() {
            return self.refuse_query("function-call", &verdict, cx);
        }
        let run = self.decided("function-call", &verdict, cx);
        cx.out.durable = true;
        self.queue.push(Request::Function { run, binary });
        sent.forward(cx);
        Ok(())
    }

    /// The decision is recorded; the statement may go.
    pub(super) fn decided(&mut self, request: &'static str, verdict: &Verdict, cx: &mut Cx<'_, '_>) -> Run {
        let record = self.record_decision(request, verdict, cx);
        cx.out.durable |= verdict.changes_data() || verdict.approval.is_some() || verdict.under.is_some();
        self.transaction_since_ns = self.transaction_since_ns.or(NonZeroU64::new(cx.now.mono_ns));
        Run {
            judged: Some(Arc::clone(&verdict.judged)),
            inner: verdict.inner.clone(),
            record,
            started_ns: cx.now.mono_ns,
            rows_bound: verdict.rows_bound,
            is_shown: verdict.under.is_some(),
            is_kept: self.begins_to_keep(Some(&verdict.judged), &verdict.inner),
        }
    }

    /// What it may change in the session holds from now on.
    /// `seq` is the request's number; `extended`: if it fails, what follows it up to Sync is skipped.
    pub(super) fn statement_goes_on(&mut self, verdict: &Verdict, seq: u64, extended: bool, cx: &mut Cx<'_, '_>) {
        let judged = &verdict.judged;
        self.login.unsettled |= judged.changes_encoding;
        if !judged.is_settled() {
            self.remember(judged, cx);
        }
        verdict.inner.spending().iter().for_each(|judged| self.remember(judged, cx));
        if !judged.has_effects && !judged.changes_catalog {
            return;
        }
        self.reveal_changes(verdict, seq, cx);
        let user = self.login.database_user.as_ref().map_or(&*self.startup.user, |user| user.as_str());
        let (taints, open) = (&cx.shared.catalogs.taints, &self.open);
        self.schemas.may_change(judged, user, || taints.changes(&open.database.name, &self.startup.dbname));
        self.names_may_change(verdict, seq, extended, cx);
    }

    /// PREPARE and DECLARE name something from now on, if the server takes them.
    fn names_may_change(&mut self, verdict: &Verdict, seq: u64, extended: bool, cx: &mut Cx<'_, '_>) {
        let judged = &verdict.judged;
        for (part, name, inner) in prepares(judged, usize::MAX) {
            let inner = self.judge_words(inner, cx);
            self.statements.add(name.as_bytes(), (seq, part), extended, (&inner, self.stamp_now(cx)));
        }
        for (at, statement) in judged.statements.iter().enumerate() {
            for prepared in &statement.prepared {
                let Prepared::Declare { name } = prepared else { continue };
                let mut inner = Inner::default();
                inner.add(judged, at);
                // Where the server does not take it the older one lives on.
                if let Some(older) = self.portals.find(name.as_bytes()).and_then(|slot| self.portals.get(slot)) {
                    inner.join(&older.inner);
                    if let Some(judged) = older.judged.as_ref().filter(|_| !older.is_declared()) {
                        inner.add(judged, 0);
                    }
                }
                let slot = self.portals.open(name.as_bytes(), seq, true, Some(Arc::clone(judged)), inner);
                self.portals.approved(slot, verdict.approval, verdict.rows_bound);
            }
        }
    }

    /// The request is done, its first `done` statements with success: what they named stands, what they dropped is gone. Neither
    /// PREPARE nor DEALLOCATE is undone by a transaction's end.
    pub(super) fn names_changed(&mut self, judged: &Judged, seq: u64, done: usize) {
        for (part, statement) in judged.statements.iter().enumerate() {
            let made = (seq, part);
            for prepared in &statement.prepared {
                match prepared {
                    Prepared::Prepare { name, .. } if part >= done => self.statements.undo(name.as_bytes(), made),
                    _ if part >= done => {}
                    Prepared::Prepare { name, .. } => self.statements.confirm(name.as_bytes(), made),
                    Prepared::Deallocate { name: Some(name) } => self.statements.close(name.as_bytes(), made),
                    Prepared::Deallocate { name: None } => self.statements.close_all(made),
                    Prepared::Close { name: Some(name) } => self.portals.close(name.as_bytes()),
                    Prepared::Close { name: None } => self.portals.close_all(seq),
                    Prepared::Execute { .. } | Prepared::Declare { .. } | Prepared::Fetch { .. } => {}
                }
            }
        }
    }

    /// More named statements or cursors than the session may have.
    fn too_many_names(&self, verdict: &Verdict, cx: &Cx<'_, '_>) -> Option<Refusal> {
        if !verdict.judged.has_effects {
            return None;
        }
        let full =
            verdict.judged.statements.iter().flat_map(|statement| &statement.prepared).any(|prepared| match prepared {
                Prepared::Prepare { inner, .. } => !self.statements.has_room(inner.len(), cx.shared.limits),
                Prepared::Declare { .. } => self.portals.len() >= cx.shared.limits.portals,
                _ => false,
            });
        full.then(too_many)
    }
}

/// What libpq's `lo_initialize` looks up (src/interfaces/libpq/fe-lobj.c), by the OIDs of src/include/catalog/pg_proc.dat.
const LARGE_OBJECTS: [(u32, &str); 13] = [
    (715, "lo_create"),
    (952, "lo_open"),
    (953, "lo_close"),
    (954, "loread"),
    (955, "lowrite"),
    (956, "lo_lseek"),
    (957, "lo_creat"),
    (958, "lo_tell"),
    (964, "lo_unlink"),
    (1004, "lo_truncate"),
    (3170, "lo_lseek64"),
    (3171, "lo_tell64"),
    (3172, "lo_truncate64"),
];

/// Over a bound nothing is evicted: the agent is told.
pub(super) fn too_many() -> Refusal {
    Refusal::new(Why::Firm, "too many prepared statements or portals in one session", "close those that are not needed")
        .with_code(*b"54000")
}
