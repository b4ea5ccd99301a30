//! The verdict on a text, with what only this session knows: named statements, COPY's columns, whether the catalog is known.

use std::num::NonZeroU64;
use std::sync::Arc;

use audit::ParametersPart;
use sql::{CopyDirection, CopyEnd, CopySource, Prepared, Statement};

use super::large::stale;
use super::settings::Encoding;
use super::statements::Version;
use super::{Connection, Cx};
use crate::AskId;
use crate::derived::{self, Derived};
use crate::large::LARGE;
use crate::verdicts::{Asked, Inner, Judged, Refusal, Why};

/// What becomes of a statement.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) judged: Arc<Judged>,
    /// What an EXECUTE runs.
    pub(super) inner: Inner,
    pub(super) refusal: Option<Refusal>,
    /// `observe`: it goes on all the same.
    pub(super) forwarded: bool,
    /// It is held, and only read by the server now: a person is asked before it is planned.
    pub(super) later: bool,
    /// It was held, and may go on under this approval.
    pub(super) approval: Option<AskId>,
    /// So many rows may leave under it.
    pub(super) rows_bound: Option<NonZeroU64>,
    /// It is shown clear values under this approval.
    pub(super) under: Option<AskId>,
    /// What its record says of the values that it is bound to.
    pub(super) bound: Option<Arc<ParametersPart>>,
}

impl Verdict {
    /// Of a text in itself.
    pub(super) fn of(judged: Arc<Judged>, refusal: Option<Refusal>) -> Verdict {
        Verdict {
            judged,
            inner: Inner::default(),
            refusal,
            forwarded: false,
            later: false,
            approval: None,
            rows_bound: None,
            under: None,
            bound: None,
        }
    }

    pub(super) fn refuses(&self) -> bool {
        self.refusal.is_some() && !self.forwarded && !self.later
    }

    /// A person may let it go on.
    pub(super) fn is_held(&self) -> bool {
        self.refuses() && self.refusal.as_ref().is_some_and(|refusal| refusal.why == Why::Held)
    }

    /// Refused, and nothing lifts that.
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        self.refusal = Some(refusal);
        self.forwarded = false;
    }

    pub(super) fn changes_data(&self) -> bool {
        self.judged.changes_data || self.inner.changes_data
    }
}

impl Connection {
    /// The text alone, in the encoding that it came in: policy and settings.
    fn judge_bytes(&self, bytes: &[u8], latin1: bool, estimated_rows: Option<u64>, cx: &mut Cx<'_, '_>) -> Arc<Judged> {
        let asked = self.asked_of(bytes, latin1, estimated_rows, cx);
        if bytes.len() <= LARGE || estimated_rows.is_some() {
            return cx.shared.statements.judge(cx.shared.policy, asked);
        }
        // Where nobody can wait for it: it is known, or refused.
        let known = cx.shared.statements.known(cx.shared.policy, &asked);
        known.unwrap_or_else(|| Arc::new(Judged::unread(cx.shared.policy, &asked, stale())))
    }

    /// What is asked of a text here and now.
    pub(super) fn asked_of<'a, 'b: 'a>(
        &'a self,
        bytes: &'a [u8],
        latin1: bool,
        estimated_rows: Option<u64>,
        cx: &Cx<'_, 'b>,
    ) -> Asked<'a> {
        Asked {
            bytes,
            latin1,
            subject: self.who.subject(),
            database: &self.open.database.name,
            schemas: self.schemas.current(),
            sure: self.schemas.is_sure(),
            temporary_at: self.schemas.temporary_at(),
            catalog: &self.catalog,
            wall_s: cx.wall_s(),
            limit: cx.shared.limits.statement,
            card_key: Some(cx.shared.card_key),
            estimated_rows,
        }
    }

    /// A text of ours, or a part of one that was read: UTF-8 whatever the session's encoding is.
    pub(super) fn judge_words(&self, text: &str, cx: &mut Cx<'_, '_>) -> Arc<Judged> {
        self.judge_bytes(text.as_bytes(), false, None, cx)
    }

    /// A text that was judged before, now. It is read as it was when it came, whatever the session's encoding is by now.
    pub(super) fn judge_again(&self, judged: &Judged, cx: &mut Cx<'_, '_>) -> Arc<Judged> {
        self.judge_bytes(judged.bytes(), judged.is_latin1(), judged.estimated_rows, cx)
    }

    /// The same text, of which so many rows are expected.
    pub(super) fn judge_estimated(&self, judged: &Judged, rows: u64, cx: &mut Cx<'_, '_>) -> Arc<Judged> {
        self.judge_bytes(judged.bytes(), judged.is_latin1(), Some(rows), cx)
    }

    /// A prepared text, now: the verdict that it came with, where all that it was taken under still holds.
    pub(super) fn judge_version(&self, version: &Version, cx: &mut Cx<'_, '_>) -> Arc<Judged> {
        let judged = &version.judged;
        if version.stamp.is(cx.shared.policy, self.schemas.epoch(), self.catalog.version, self.who.epoch)
            && judged.is_valid(cx.wall_s())
        {
            return Arc::clone(judged);
        }
        self.judge_again(judged, cx)
    }

    /// What the agent has just sent.
    pub(super) fn judge(&self, bytes: &[u8], cx: &mut Cx<'_, '_>) -> Verdict {
        let judged = self.judge_bytes(bytes, self.login.encoding == Encoding::Latin1, None, cx);
        self.judge_sent(judged, bytes, cx)
    }

    /// The same, of a text that is judged.
    pub(super) fn judge_sent(&self, judged: Arc<Judged>, bytes: &[u8], cx: &mut Cx<'_, '_>) -> Verdict {
        let unread = (self.encoding_is_unsure() && !bytes.is_ascii()).then(|| {
            let message = "client_encoding may be changing: a statement beyond ASCII cannot be read";
            Refusal::new(Why::Unjudged, message, WAIT)
        });
        self.judge_here(judged, unread, cx)
    }

    /// A judged text in this session; `unread`: why it may say something else than was judged.
    pub(super) fn judge_here(&self, judged: Arc<Judged>, unread: Option<Refusal>, cx: &mut Cx<'_, '_>) -> Verdict {
        let refusal = unread.or_else(|| judged.refusal.clone());
        let mut verdict = Verdict::of(judged, refusal);
        if self.login.misreads {
            let message = "standard_conforming_strings is off: the statement cannot be read as the server does";
            verdict.refusal = Some(Refusal::new(Why::Unjudged, message, ""));
        }
        let open = |verdict: &Verdict| verdict.refusal.as_ref().is_none_or(|refusal| refusal.why == Why::Held);
        if open(&verdict) && verdict.judged.has_effects {
            self.resolve_executes(&mut verdict, cx);
            self.resolve_cursors(&mut verdict);
        }
        if open(&verdict) {
            let judged = &verdict.judged;
            let asks = verdict.inner.asks().filter(|_| !self.budget.may_probe(cx)).cloned();
            let now =
                asks.or_else(|| judged.derived.as_ref().and_then(|derived| self.refused_now(judged, derived, cx)));
            verdict.refusal = Refusal::stronger(verdict.refusal.take(), now);
        }
        // What cannot be masked is refused also where the verdict alone would let it go on.
        if open(&verdict) || self.observes() {
            let copies = 0..verdict.judged.statements.len();
            let copy = copies.into_iter().find_map(|at| self.refused_copy(&verdict.judged, at));
            verdict.refusal = copy.or(verdict.refusal);
        }
        // A token says nothing of what a statement does: it comes last, and nothing lifts it.
        verdict.refusal = self.token_refusal(cx).or(verdict.refusal);
        verdict.forwarded = self.observes() && verdict.refusal.as_ref().is_some_and(|refusal| refusal.why != Why::Firm);
        if self.asks_catalog() && self.masks() && !self.catalog.is_of(cx.shared.policy) {
            verdict.refusal = Some(self.unknown_catalog());
            verdict.forwarded = false;
        }
        verdict
    }

    /// EXECUTE runs what its name stands for: every text that it may be is judged now.
    fn resolve_executes(&self, verdict: &mut Verdict, cx: &mut Cx<'_, '_>) {
        let judged = Arc::clone(&verdict.judged);
        for (at, statement) in judged.statements.iter().enumerate() {
            for prepared in &statement.prepared {
                let Prepared::Execute { name } = prepared else { continue };
                let mut known = false;
                for version in self.statements.find(name.as_bytes()) {
                    known = true;
                    let inner = self.judge_version(version, cx);
                    self.runs_too(verdict, &self.with_rows(inner, cx), cx);
                }
                // PREPARE in front of it in the same text.
                for (_, text, inner) in prepares(&judged, at) {
                    if text == name {
                        known = true;
                        let inner = self.judge_words(inner, cx);
                        self.runs_too(verdict, &self.with_rows(inner, cx), cx);
                    }
                }
                if !known {
                    let message = format!("prepared statement \"{name}\" does not exist");
                    let refusal = Refusal::new(Why::Unjudged, &message, "").with_code(*b"26000");
                    verdict.refusal = Refusal::stronger(verdict.refusal.take(), Some(refusal));
                }
            }
        }
    }

    /// What an EXECUTE runs, judged by what was expected of the statement in front of the inbox.
    fn with_rows(&self, inner: Arc<Judged>, cx: &mut Cx<'_, '_>) -> Arc<Judged> {
        match self.estimate() {
            Some(estimate) if inner.wants_estimate => self.judge_estimated(&inner, estimate.rows, cx),
            _ => inner,
        }
    }

    fn runs_too(&self, verdict: &mut Verdict, inner: &Arc<Judged>, cx: &Cx<'_, '_>) {
        let now = inner.derived.as_ref().and_then(|derived| self.refused_now(inner, derived, cx));
        let inner_refusal = Refusal::stronger(inner.refusal.clone(), now);
        verdict.refusal = Refusal::stronger(verdict.refusal.take(), inner_refusal);
        verdict.inner.add(inner, 0);
    }

    /// What a verdict that is kept cannot know: what the open transaction has changed, what the agent has left of its questions, and
    /// whether there is room to remember what is written where.
    fn refused_now(&self, judged: &Judged, derived: &Derived, cx: &Cx<'_, '_>) -> Option<Refusal> {
        if let Some(why) = self.schemas.doubts(judged) {
            return Some(derived::unknown(&why));
        }
        let uses = |name: &str| judged.statements.iter().any(|statement| derived::reads(statement, name));
        // A COMMIT must pass whatever others do.
        if !judged.statements.iter().all(derived::uses_nothing) && self.catalog.is_behind(uses) {
            return Some(derived::unknown("what another session has changed since the transaction began"));
        }
        // It would wait, and find what is set up by then. A temporary relation is this session's alone.
        let filled = || derived.statements.iter().flat_map(|of| &of.fills);
        let lasting = || filled().filter(|filled| filled.schema.as_deref() != Some("pg_temp"));
        if lasting().next().is_some() && self.catalog.is_changing(|name| lasting().any(|one| one.table == name)) {
            return Some(derived::unknown("what an open transaction makes of the table that is filled"));
        }
        if derived.probing.is_some() && !self.budget.may_probe(cx) {
            return derived.probing.clone();
        }
        if derived.may_quote && !self.budget.may_err(cx) {
            return Some(derived::no_errors_left());
        }
        let fills = filled().count();
        (!cx.shared.catalogs.taints.has_room(fills)).then(derived::no_taints_left)
    }

    /// FETCH reads what its cursor was declared, or bound, for.
    fn resolve_cursors(&self, verdict: &mut Verdict) {
        let judged = Arc::clone(&verdict.judged);
        for (at, statement) in judged.statements.iter().enumerate() {
            for prepared in &statement.prepared {
                let Prepared::Fetch { name } = prepared else { continue };
                let before = judged.statements.iter().enumerate().take(at);
                let mut known = false;
                for (part, _) in before.filter(|(_, earlier)| declares(earlier, name)) {
                    verdict.inner.add(&judged, part);
                    known = true;
                }
                if let Some(slot) = self.portals.find(name.as_bytes()).and_then(|slot| self.portals.get(slot)) {
                    verdict.inner.join(&slot.inner);
                    if let Some(judged) = slot.judged.as_ref().filter(|_| !slot.is_declared()) {
                        verdict.inner.add(judged, 0);
                    }
                    known = true;
                }
                if !known && self.catalog.guards {
                    let message = format!("cursor \"{name}\" does not exist");
                    let hint = "only cursors that this session has declared are read";
                    let refusal = Refusal::new(Why::Unjudged, &message, hint).with_code(*b"34000");
                    verdict.refusal = Refusal::stronger(verdict.refusal.take(), Some(refusal));
                }
            }
        }
    }

    /// COPY to the agent is masked by the positions of the sensitive columns; where they cannot be told it is refused.
    fn refused_copy(&self, judged: &Judged, at: usize) -> Option<Refusal> {
        let copy = judged.statements.get(at)?.copy.as_ref()?;
        if copy.direction == CopyDirection::In || copy.end != CopyEnd::Client || !self.masks() {
            return None;
        }
        match self.copy_plan(judged, at) {
            Ok(_) => None,
            Err(message) => {
                let hint = match copy.source {
                    CopySource::Query => "select the rows, or copy the table with a list of columns",
                    CopySource::Table { .. } => "copy the table in text, CSV or binary format with the usual options",
                };
                Some(Refusal::new(Why::Firm, message, hint))
            }
        }
    }
}

fn declares(statement: &Statement, cursor: &str) -> bool {
    statement.prepared.iter().any(|prepared| matches!(prepared, Prepared::Declare { name } if name == cursor))
}

/// What helps while the encoding may be changing.
pub(super) const WAIT: &str = "wait for the answer first";

/// The statements that the first `before` ones prepare: by which one, name, and inner text as it will be kept.
pub(super) fn prepares(judged: &Judged, before: usize) -> impl Iterator<Item = (usize, &str, &str)> {
    judged.statements.iter().enumerate().take(before).flat_map(move |(part, statement)| {
        statement.prepared.iter().filter_map(move |prepared| match prepared {
            Prepared::Prepare { name, inner } => Some((part, name.as_str(), judged.text.get(inner.clone())?)),
            _ => None,
        })
    })
}
