//! A statement that waits for the planner's estimate: a rule asks for it, or a person is to be asked and should know. It stays in front
//! of the agent's inbox, as a held one does, for a bounded time; then its rows are unknown, which counts as too many.
//!
//! Planning runs functions: those that claim to be immutable, and those that are stable, over constants. On our own connection they
//! would run with our login's rights and not with the agent's, and the estimate, or whether it is over a bound, would tell what they
//! read. So only a statement is explained that names no function but the server's own, and none that reads elsewhere; what else may
//! reach one (operators, casts, views, policies) the login's question finds out, in the same transaction.

use std::sync::Arc;

use sql::{ColumnRef, CopySource, Name, Object, Prepared, Statement};
use wire::postgres::frontend::Bind;

use super::judge::{Verdict, prepares};
use super::{Connection, Cx};
use crate::verdicts::{Judged, Why};
use crate::{Asking, Estimate, EstimateAsk};

/// What was asked of the statement in front of the inbox.
#[derive(Debug)]
pub(super) struct Estimating {
    number: u64,
    due_ns: u64,
    /// What is still to be asked of the same frame: statements of one text, or the texts that an EXECUTE may run.
    rest: Vec<EstimateAsk>,
    /// The most that was said of those before.
    most: Option<Estimate>,
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
/// Texts of more statements neither.
const TEXTS_MAX: usize = 8;
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
        let may_lift = (verdict.judged.wants_estimate || verdict.inner.wants_estimate)
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
            Some(estimate) if verdict.judged.wants_estimate || verdict.inner.wants_estimate => {
                let judged = self.judge_estimated(&verdict.judged, estimate.rows, cx);
                self.judge_here(judged, None, cx)
            }
            _ => verdict,
        }
    }

    /// False: it cannot be asked for.
    fn ask_estimate(&mut self, values: Option<(&Bind<'_>, &[u8])>, verdict: &Verdict, cx: &mut Cx<'_, '_>) -> bool {
        let judged = &verdict.judged;
        if !self.open.database.estimates || !self.schemas.is_sure() {
            return false;
        }
        let body = values.and_then(|(bind, body)| body.get(bind.portal.len() + bind.statement.len() + 2..));
        let Some(texts) = self.planned(judged, cx) else { return false };
        let bytes: usize = texts.iter().map(String::len).sum();
        let has_values = body.is_some_and(|body| body.len() > VALUES_MAX || texts.len() > 1);
        if texts.is_empty() || bytes > TEXT_MAX || has_values {
            return false;
        }
        self.served += 1;
        let due_ns = cx.now.mono_ns.saturating_add(cx.shared.limits.estimate_ms.saturating_mul(1_000_000));
        let ask = |text: String| EstimateAsk {
            number: self.served,
            session: self.open.id,
            database: self.open.database.name.clone(),
            origin: self.open.origin,
            dbname: self.startup.dbname.to_string(),
            schemas: Arc::clone(self.schemas.current()),
            text,
            values: body.map(Box::from),
            until_ns: due_ns,
        };
        let mut rest: Vec<EstimateAsk> = texts.into_iter().map(ask).collect();
        let Some(first) = rest.pop() else { return false };
        cx.out.asking.push(Asking::Estimate(Box::new(first)));
        self.estimating = Some(Box::new(Estimating { number: self.served, due_ns, rest, most: None, answer: None }));
        true
    }

    /// What is to be planned of a text; `None`: it, or a part of it, cannot be. Behind a statement that makes something the next may mean it.
    fn planned(&self, judged: &Arc<Judged>, cx: &mut Cx<'_, '_>) -> Option<Vec<String>> {
        let mut texts = Vec::new();
        for (at, statement) in judged.statements.iter().enumerate() {
            let is_alone = judged.statements.len() == 1;
            if statement.transaction.is_some() && !is_alone {
                continue;
            }
            let mut ran = false;
            for prepared in &statement.prepared {
                let Prepared::Execute { name } = prepared else { continue };
                ran = true;
                for version in self.statements.find(name.as_bytes()) {
                    let inner = self.judge_version(version, cx);
                    if inner.statements.len() != 1 {
                        return None;
                    }
                    texts.push(self.explicable(&inner, 0, true)?);
                }
                if prepares(judged, at).any(|(_, text, _)| text == name) {
                    return None;
                }
            }
            if !ran {
                texts.push(self.explicable(judged, at, is_alone)?);
            }
        }
        (texts.len() <= TEXTS_MAX).then_some(texts)
    }

    fn explicable(&self, judged: &Judged, at: usize, is_alone: bool) -> Option<String> {
        let statement = judged.statements.get(at)?;
        let legible = judged.text.is_ascii() || !judged.is_latin1();
        let text = planned_text(judged, judged.text.get(judged.span(at)?)?, statement, is_alone)?;
        (legible && self.is_explicable(statement, is_alone)).then(|| text.to_owned())
    }

    /// Whether planning it runs nothing of anybody's, as far as its text tells.
    fn is_explicable(&self, statement: &Statement, is_alone: bool) -> bool {
        let Some(schema) = &self.catalog.schema else { return false };
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
                let own = Name::new(Some("pg_temp"), &name.name);
                schema.relation(&own, &[]).is_some()
            }
            Object::None | Object::Function(_) => false,
        });
        told && !hidden && !schema.is_partial && !calls && !applies && is_planned(statement, is_alone)
    }

    pub(super) fn was_estimated(&mut self, number: u64, estimate: Option<Estimate>, cx: &mut Cx<'_, '_>) {
        let Some(asked) = self.estimating.as_mut().filter(|asked| asked.number == number && asked.waits()) else {
            return;
        };
        let Some(estimate) = estimate else {
            asked.answer = Some(None);
            return;
        };
        let known = asked.most.unwrap_or(estimate);
        let most = Estimate { rows: known.rows.max(estimate.rows), cost: known.cost.max(estimate.cost) };
        asked.most = Some(most);
        match asked.rest.pop() {
            Some(next) => cx.out.asking.push(Asking::Estimate(Box::new(next))),
            None => asked.answer = Some(Some(most)),
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

/// What is to be planned: the statement, or the query of a COPY, of a view that is made, or of a PREPARE, which EXPLAIN does not take.
fn planned_text<'a>(judged: &'a Judged, text: &'a str, statement: &Statement, is_alone: bool) -> Option<&'a str> {
    let prepared = statement.prepared.iter().find_map(|prepared| match prepared {
        Prepared::Prepare { inner, .. } => Some(inner),
        _ => None,
    });
    if let Some(inner) = prepared {
        return judged.text.get(inner.clone());
    }
    match statement.copy {
        Some(_) => text.get(sql::copied_query(text)?),
        None if is_alone && makes_view(statement) => text.get(sql::defining_query(text)?),
        None => Some(text),
    }
}

fn makes_view(statement: &Statement) -> bool {
    statement.kinds.iter().any(|kind| kind.as_str() == "create-view")
}

/// EXPLAIN takes it, or its query, and it stands for itself.
fn is_planned(statement: &Statement, is_alone: bool) -> bool {
    const PLANNED: [&str; 7] = ["select", "insert", "update", "delete", "merge", "declare", "copy-out"];
    const MADE: [&str; 4] = ["create-table", "create-view", "create-materialized-view", "prepare"];
    let is_query = statement.copy.as_ref().is_none_or(|copy| matches!(copy.source, CopySource::Query));
    let only = statement
        .kinds
        .iter()
        .map(|kind| kind.as_str())
        .all(|kind| PLANNED.contains(&kind) || kind == "function-call" || is_alone && MADE.contains(&kind));
    let names = |prepared: &Prepared| !matches!(prepared, Prepared::Declare { .. } | Prepared::Prepare { .. });
    only && is_query && statement.settings.is_empty() && !statement.prepared.iter().any(names)
}
