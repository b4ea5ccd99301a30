//! The verdict on a text, with what only this session knows: named statements, COPY's columns, whether the catalog is known.

use std::sync::Arc;

use sql::{CopyDirection, CopyEnd, CopySource, Prepared, Statement};

use super::settings::Encoding;
use super::statements::Version;
use super::{Connection, Cx};
use crate::AskId;
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
}

impl Verdict {
    /// Of a text in itself.
    pub(super) fn of(judged: Arc<Judged>, refusal: Option<Refusal>) -> Verdict {
        Verdict { judged, inner: Inner::default(), refusal, forwarded: false, later: false, approval: None }
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
    fn judge_bytes(&self, bytes: &[u8], latin1: bool, cx: &mut Cx<'_, '_>) -> Arc<Judged> {
        let asked = Asked {
            bytes,
            latin1,
            subject: &self.open.subject.policy,
            database: &self.open.database.name,
            schemas: self.schemas.current(),
            wall_s: cx.wall_s(),
            limit: cx.shared.limits.statement,
        };
        cx.shared.statements.judge(cx.shared.policy, asked)
    }

    /// A text of ours, or a part of one that was read: UTF-8 whatever the session's encoding is.
    pub(super) fn judge_words(&self, text: &str, cx: &mut Cx<'_, '_>) -> Arc<Judged> {
        self.judge_bytes(text.as_bytes(), false, cx)
    }

    /// A text that was judged before, now. It is read as it was when it came, whatever the session's encoding is by now.
    pub(super) fn judge_again(&self, judged: &Judged, cx: &mut Cx<'_, '_>) -> Arc<Judged> {
        self.judge_bytes(judged.bytes(), judged.is_latin1(), cx)
    }

    /// A prepared text, now: the verdict that it came with, where all that it was taken under still holds.
    pub(super) fn judge_version(&self, version: &Version, cx: &mut Cx<'_, '_>) -> Arc<Judged> {
        let judged = &version.judged;
        if version.stamp.is(cx.shared.policy, self.schemas.epoch()) && judged.is_valid(cx.wall_s()) {
            return Arc::clone(judged);
        }
        self.judge_again(judged, cx)
    }

    /// What the agent has just sent.
    pub(super) fn judge(&self, bytes: &[u8], cx: &mut Cx<'_, '_>) -> Verdict {
        let judged = self.judge_bytes(bytes, self.login.encoding == Encoding::Latin1, cx);
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
        }
        // What cannot be masked is refused also where the verdict alone would let it go on.
        if open(&verdict) || self.observes() {
            let copy = verdict.judged.statements.iter().find_map(|statement| self.refused_copy(statement));
            verdict.refusal = copy.or(verdict.refusal);
        }
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
                    verdict.refusal = Refusal::stronger(verdict.refusal.take(), inner.refusal.clone());
                    verdict.inner.add(&inner);
                }
                // PREPARE in front of it in the same text.
                for (_, text, inner) in prepares(&judged, at) {
                    if text == name {
                        known = true;
                        let inner = self.judge_words(inner, cx);
                        verdict.refusal = Refusal::stronger(verdict.refusal.take(), inner.refusal.clone());
                        verdict.inner.add(&inner);
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

    /// COPY to the agent is masked by the positions of the sensitive columns; where they cannot be told it is refused.
    fn refused_copy(&self, statement: &Statement) -> Option<Refusal> {
        let copy = statement.copy.as_ref()?;
        if copy.direction == CopyDirection::In || copy.end != CopyEnd::Client || !self.masks() {
            return None;
        }
        match self.copy_plan(statement) {
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
