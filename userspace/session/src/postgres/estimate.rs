//! A statement that waits for the planner's estimate: a rule asks for it, or a person is to be asked and should know. It stays in front
//! of the agent's inbox, as a held one does, for a bounded time; then its rows are unknown, which counts as too many.
//!
//! Planning runs functions: those that claim to be immutable, and those that are stable, over constants. On our own connection they
//! would run with our login's rights and not with the agent's, and the estimate, or whether it is over a bound, would tell what they
//! read. So only a statement is explained that names no function but the server's own, and none that reads elsewhere; what else may
//! reach one (operators, casts, views, policies) the login's question finds out, in the same transaction.

use sql::{ColumnRef, CopySource, Name, Object, Prepared, Statement};
use wire::postgres::frontend::Bind;

use super::judge::Verdict;
use super::{Connection, Cx};
use crate::verdicts::{Judged, Why};
use crate::{Asking, Estimate, EstimateAsk};

/// What was asked of the statement in front of the inbox.
#[derive(Debug)]
pub(super) struct Estimating {
    number: u64,
    due_ns: u64,
    /// Of one that was answered, or that nobody waits for any more: what was said, if anything was.
    answer: Option<Option<Estimate>>,
}

impl Estimating {
    /// Nothing is to be done but wait.
    pub(super) fn waits(&self) -> bool {
        self.answer.is_none()
    }

    pub(super) fn due_ns(&self) -> Option<u64> {
        self.answer.is_none().then_some(self.due_ns)
    }
}

/// Longer texts are not explained: nobody gains from planning them twice.
const TEXT_MAX: usize = 64 << 10;
/// Parameters of more bytes neither.
const VALUES_MAX: usize = 256 << 10;

impl Connection {
    /// The verdict with the estimate where that matters; `None`: it is waited for, and the frame stays where it is.
    pub(super) fn estimated(
        &mut self,
        values: Option<(&Bind<'_>, &[u8])>,
        verdict: Verdict,
        cx: &mut Cx<'_, '_>,
    ) -> Option<Verdict> {
        let may_lift = verdict.judged.wants_estimate
            && verdict.refusal.as_ref().is_some_and(|refusal| matches!(refusal.why, Why::Blocked | Why::Held));
        if !verdict.refuses() || !(may_lift || verdict.is_held()) {
            return Some(verdict);
        }
        let asked = self.estimating.as_ref().map(|asked| asked.waits());
        let waits = asked.unwrap_or_else(|| self.ask_estimate(values, &verdict, cx));
        self.agent.waiting |= waits;
        (!waits).then(|| self.with_estimate(verdict, cx))
    }

    /// Would it, at best, go on, or be held? Then it is not refused before its values are known.
    pub(super) fn may_be_lifted(&self, verdict: &Verdict, cx: &mut Cx<'_, '_>) -> bool {
        let is_long = verdict.judged.text.len() > TEXT_MAX;
        if is_long || !verdict.judged.wants_estimate || !self.open.database.estimates || !verdict.refuses() {
            return false;
        }
        let judged = self.judge_estimated(&verdict.judged, 0, cx);
        let least = self.judge_here(judged, None, cx);
        !least.refuses() || least.is_held()
    }

    /// What is expected of the statement at hand.
    pub(super) fn estimate(&self) -> Option<Estimate> {
        self.estimating.as_ref().and_then(|asked| asked.answer.flatten())
    }

    fn with_estimate(&self, verdict: Verdict, cx: &mut Cx<'_, '_>) -> Verdict {
        match self.estimate() {
            Some(estimate) if verdict.judged.wants_estimate => {
                let judged = self.judge_estimated(&verdict.judged, estimate.rows, cx);
                self.judge_here(judged, None, cx)
            }
            _ => verdict,
        }
    }

    /// False: it cannot be asked for.
    fn ask_estimate(&mut self, values: Option<(&Bind<'_>, &[u8])>, verdict: &Verdict, cx: &mut Cx<'_, '_>) -> bool {
        let judged = &verdict.judged;
        if !self.open.database.estimates || !self.schemas.is_sure() || !self.is_explicable(judged) {
            return false;
        }
        let body = values.and_then(|(bind, body)| body.get(bind.portal.len() + bind.statement.len() + 2..));
        let legible = judged.text.is_ascii() || !judged.is_latin1();
        if judged.text.len() > TEXT_MAX || body.is_some_and(|body| body.len() > VALUES_MAX) || !legible {
            return false;
        }
        let Some(text) = planned_text(judged) else { return false };
        self.served += 1;
        let due_ns = cx.now.mono_ns.saturating_add(cx.shared.limits.estimate_ms.saturating_mul(1_000_000));
        cx.out.asking.push(Asking::Estimate(Box::new(EstimateAsk {
            number: self.served,
            session: self.open.id,
            database: self.open.database.name.clone(),
            origin: self.open.origin,
            dbname: self.startup.dbname.to_string(),
            schemas: std::sync::Arc::clone(self.schemas.current()),
            text: text.to_owned(),
            values: body.map(Box::from),
            until_ns: due_ns,
        })));
        self.estimating = Some(Box::new(Estimating { number: self.served, due_ns, answer: None }));
        true
    }

    /// Whether planning it runs nothing of anybody's, as far as its text tells.
    fn is_explicable(&self, judged: &Judged) -> bool {
        let (Some(schema), [statement]) = (&self.catalog.schema, judged.statements.as_slice()) else { return false };
        let told = statement
            .lineage
            .as_ref()
            .is_some_and(|lineage| lineage.elsewhere.is_empty() && lineage.unknown.is_empty());
        let own = |name: &str| !schema.functions(name).is_empty();
        let calls = statement.pairs.iter().any(|pair| match &pair.object {
            Object::Function(name) => own(&name.name) || !sql::is_catalog_function(&name.name),
            Object::None | Object::Table(_) => false,
        });
        // `t.f` calls f(t) where t has no such column.
        let applies = statement.columns.iter().any(|column| match column {
            ColumnRef::Named { name, .. } => own(name),
            ColumnRef::All { .. } => false,
        });
        // What a temporary table hides from us is not what would be read.
        let hidden = statement.pairs.iter().any(|pair| match &pair.object {
            Object::Table(name) => {
                let own = Name { schema: Some("pg_temp".to_owned()), name: name.name.clone() };
                schema.relation(&own, &[]).is_some()
            }
            Object::None | Object::Function(_) => false,
        });
        told && !hidden && !schema.is_partial && !calls && !applies && is_planned(statement)
    }

    pub(super) fn was_estimated(&mut self, number: u64, estimate: Option<Estimate>) {
        if let Some(asked) = &mut self.estimating
            && asked.number == number
            && asked.waits()
        {
            asked.answer = Some(estimate);
        }
    }

    /// Nobody has answered in time.
    pub(super) fn estimate_is_late(&mut self) {
        if let Some(asked) = &mut self.estimating
            && asked.waits()
        {
            asked.answer = Some(None);
        }
    }
}

/// What is to be planned: the statement, or the query of a COPY, which EXPLAIN does not take.
fn planned_text(judged: &Judged) -> Option<&str> {
    let statement = judged.statements.first()?;
    let text = judged.text.get(judged.span(0)?)?;
    if statement.copy.is_none() { Some(text) } else { text.get(sql::copied_query(text)?) }
}

/// EXPLAIN takes it, or the query that it copies, and it stands for itself.
fn is_planned(statement: &Statement) -> bool {
    let is_query = statement.copy.as_ref().is_none_or(|copy| matches!(copy.source, CopySource::Query));
    let planned = ["select", "insert", "update", "delete", "merge", "declare", "copy-out"];
    let only = statement.kinds.iter().all(|kind| planned.contains(&kind.as_str()) || kind.as_str() == "function-call");
    let names = |prepared: &Prepared| !matches!(prepared, Prepared::Declare { .. });
    only && is_query && !statement.prepared.iter().any(names)
}
