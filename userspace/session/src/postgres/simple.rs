//! Query and FunctionCall: judged whole, run whole.

use std::sync::Arc;

use sql::Prepared;
use wire::postgres::frontend::{FunctionCall, Query};
use wire::postgres::{Format, FrontendTag};

use super::frontend::Sent;
use super::judge::{Verdict, prepares};
use super::queue::{Request, Run};
use super::{Connection, Cx, Fatal, Step};
use crate::verdicts::{Judged, Refusal, Why};

impl Connection {
    pub(super) fn query(&mut self, sent: Sent<'_>, cx: &mut Cx<'_, '_>) -> Step {
        let text = Query::parse(sent.body()).map_err(Fatal::of_agent)?.text;
        if text.len() > cx.shared.limits.statement {
            return self.refuse_too_long(FrontendTag::Query, cx);
        }
        let verdict = self.judge(text, cx);
        if let Some(refusal) = self.no_room(&verdict, cx) {
            return self.refuse_query("query", &Verdict { refusal: Some(refusal), forwarded: false, ..verdict }, cx);
        }
        if verdict.refuses() {
            return self.refuse_query("query", &verdict, cx);
        }
        let run = self.decided("query", &verdict, cx);
        self.statement_goes_on(&verdict, cx);
        // The server drops both before it looks at the text.
        self.statements.drop_unnamed();
        self.portals.close(b"");
        self.queue.push(Request::Query(run));
        sent.forward(cx);
        Ok(())
    }

    /// A call of a function by its OID. Which function that is only the catalog knows, so `enforce` refuses it.
    pub(super) fn function_call(&mut self, sent: Sent<'_>, cx: &mut Cx<'_, '_>) -> Step {
        let call = FunctionCall::parse(sent.body()).map_err(Fatal::of_agent)?;
        let (oid, binary) = (call.function, call.result_format == Format::Binary);
        let text = format!("function call of OID {oid}");
        let judged = self.judge_text(text.as_bytes(), cx);
        let refusal = Refusal::new(
            Why::Unjudged,
            "a function call by OID cannot be judged",
            "call the function in a SELECT instead",
        );
        let verdict = Verdict { judged, inner: None, refusal: Some(refusal), forwarded: self.observes() };
        if verdict.refuses() {
            return self.refuse_query("function-call", &verdict, cx);
        }
        let run = self.decided("function-call", &verdict, cx);
        self.statement_goes_on(&verdict, cx);
        self.queue.push(Request::Function(run));
        self.database.result.clear();
        // The result's type is not told: unknown types are read by their shape.
        self.database.result.push(super::rewrite::Column { type_oid: 0, binary, whole: None });
        sent.forward(cx);
        Ok(())
    }

    /// The decision is recorded; the statement may go.
    pub(super) fn decided(&mut self, request: &'static str, verdict: &Verdict, cx: &mut Cx<'_, '_>) -> Run {
        let record = self.record_decision(request, verdict, cx);
        cx.out.durable |= verdict.changes_data();
        Run {
            judged: Some(Arc::clone(&verdict.judged)),
            inner: verdict.inner.clone(),
            record,
            started_ns: cx.now.mono_ns,
        }
    }

    /// What it may change in the session holds from now on.
    pub(super) fn statement_goes_on(&mut self, verdict: &Verdict, _cx: &mut Cx<'_, '_>) {
        let judged = &verdict.judged;
        if !judged.has_effects && !judged.changes_catalog {
            return;
        }
        let user = self.login.database_user.as_ref().map_or(self.startup.user.as_str(), |user| user.as_str());
        self.schemas.may_change(judged, user);
        self.names_may_change(judged, _cx);
    }

    /// PREPARE and DECLARE name something from now on, if the server takes them.
    fn names_may_change(&mut self, judged: &Arc<Judged>, cx: &mut Cx<'_, '_>) {
        let seq = self.queue.next_seq();
        let new: Vec<(Vec<u8>, Arc<Judged>)> = prepares(judged, usize::MAX)
            .map(|(name, inner)| (name.as_bytes().to_vec(), inner.as_bytes().to_vec()))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|(name, inner)| (name, self.judge_text(&inner, cx)))
            .collect();
        for (name, inner) in new {
            self.statements.add(&name, seq, &inner);
        }
        for statement in &judged.statements {
            for prepared in &statement.prepared {
                if let Prepared::Declare { name } = prepared {
                    self.portals.open(name.as_bytes(), seq, true, Some(Arc::clone(judged)), None);
                }
            }
        }
    }

    /// The statement is done: what it named stands, what it dropped is gone. After an error both stay possible.
    pub(super) fn names_changed(&mut self, judged: &Judged, seq: u64) {
        for prepared in judged.statements.iter().flat_map(|statement| &statement.prepared) {
            match prepared {
                Prepared::Prepare { name, .. } => self.statements.confirm(name.as_bytes(), seq),
                Prepared::Deallocate { name: Some(name) } => self.statements.close(name.as_bytes(), seq),
                Prepared::Deallocate { name: None } => self.statements.close_all(seq),
                Prepared::Close { name: Some(name) } => self.portals.close(name.as_bytes()),
                Prepared::Close { name: None } => self.portals.close_all(seq),
                Prepared::Execute { .. } | Prepared::Declare { .. } | Prepared::Fetch { .. } => {}
            }
        }
    }

    /// More named statements or cursors than the session may have.
    fn no_room(&self, verdict: &Verdict, cx: &Cx<'_, '_>) -> Option<Refusal> {
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

/// Over a bound nothing is evicted: the agent is told.
pub(super) fn too_many() -> Refusal {
    Refusal::new(Why::Firm, "too many prepared statements or portals in one session", "close those that are not needed")
        .with_code(*b"54000")
}
