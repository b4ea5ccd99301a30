//! Clear values, for a while: `SET interceptor.reveal = 'reason'` is held like any statement, goes to the server as it is once people have
//! agreed, and from its success on the columns that were named are shown clear to the statements that come after.
//!
//! A column is shown where its identity is the server's own word (table and attribute of RowDescription), where it is one of those that people
//! agreed to, by number, and where nothing says that more than its own value is in it. All else stays masked: expressions, COPY, results of
//! functions, errors.
//!
//! What a statement is shown is decided with it: its record names the approval, and is on disk before it goes to the database. What is shown
//! ends by its time, by RESET, SET, DISCARD, by a rollback of the SET, by another policy, by a reviewer, by the session's end; rows that come
//! after are masked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use audit::{Event, NAME_MAX};
use pan::Masked;
use policy::{Question, REVEAL_COLUMNS_MAX};
use sql::matches;

use super::judge::Verdict;
use super::queue::{Request, Run};
use super::{Connection, Cx};
use crate::approval::Revealing;
use crate::catalogs::{Treatment, is_secret, treatment_of};
use crate::verdicts::{Judged, Refusal, Why};
use crate::{AskId, Asking, RecordId};

/// What people were asked for, or have agreed to.
#[derive(Debug)]
pub(super) struct Reveal {
    pub(super) id: AskId,
    plan: Plan,
    /// Values of each column that the statement in front was shown.
    shown: Arc<[AtomicU64]>,
    totals: Vec<u64>,
    stage: Stage,
    /// The version of the policy that it is of.
    policy: String,
    pub(super) until_ns: u64,
}

/// Where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The SET, which is this request, is at the server.
    Asked(u64),
    /// It has succeeded; its transaction may still be rolled back.
    Tentative,
    /// It holds.
    Firm,
}

/// What would be shown.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) rule: String,
    /// The agent's own words.
    reason: Masked,
    pub(super) lasts_s: u32,
    pub(super) columns: Vec<Column>,
}

/// A column of the catalog.
#[derive(Debug)]
pub(super) struct Column {
    table: u32,
    number: i16,
    pub(super) name: Masked,
    /// As policy names it. What is treated more strictly holds more than its own values.
    treatment: Treatment,
}

impl Plan {
    /// What people agree to.
    pub(super) fn words(&self) -> Masked {
        let columns: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        Masked::of(&format!("clear values of {} for {} seconds at most", columns.join(", "), self.lasts_s))
    }
}

impl Reveal {
    fn is_active(&self) -> bool {
        !matches!(self.stage, Stage::Asked(_))
    }

    /// The place among its columns of one that a result has and that is masked in this way.
    pub(super) fn place(&self, table: u32, number: i16, treatment: Treatment) -> Option<u8> {
        let is = |column: &Column| (column.table, column.number, column.treatment) == (table, number, treatment);
        self.plan.columns.iter().position(is).and_then(|place| u8::try_from(place).ok()).filter(|_| self.is_active())
    }

    /// Where what is shown is counted.
    pub(super) fn counts(&self) -> &Arc<[AtomicU64]> {
        &self.shown
    }

    /// The longest record that counts what is shown, beside its actor.
    fn record_max(&self) -> usize {
        self.plan.columns.len() * (NAME_MAX + 3)
    }
}

/// Before people are asked, and when they have agreed.
impl Connection {
    /// What the text asks to be shown; `None`: nothing.
    pub(super) fn plan_of_reveal(&self, judged: &Judged, cx: &Cx<'_, '_>) -> Option<Result<Plan, Refusal>> {
        let question = |statement| Question {
            subject: self.who.subject(),
            database: &self.open.database.name,
            statement,
            schemas: self.schemas.current(),
            schema: None,
            estimated_rows: None,
            wall_s: cx.wall_s(),
        };
        let asked = judged.statements.iter().find_map(|one| policy::reveal(cx.shared.policy, &question(one)))?;
        let refused =
            |why: &str| Refusal::new(Why::Blocked, why, "clear values are asked for by a statement of its own");
        Some(match asked {
            Err(why) => Err(refused(&why.to_string())),
            Ok(_) if judged.statements.len() != 1 => {
                Err(refused("SET interceptor.reveal stands among other statements"))
            }
            Ok((reveal, reason)) => {
                let columns = self.columns_of(reveal, cx);
                match columns.len() {
                    0 => Err(refused("none of the columns to be shown is in this database, or none may be")),
                    1..=REVEAL_COLUMNS_MAX => Ok(Plan {
                        rule: reveal.terms.rule.clone(),
                        reason: Masked::of(&reason),
                        lasts_s: reveal.lasts_s,
                        columns,
                    }),
                    _ => Err(refused("more columns would be shown than people can agree to at a time")),
                }
            }
        })
    }

    /// By table and number. Check values, track data and secrets are shown to nobody.
    fn columns_of(&self, reveal: &policy::Reveal, cx: &Cx<'_, '_>) -> Vec<Column> {
        let (policy, database) = (cx.shared.policy, self.open.database.name.as_str());
        let never = |schema: &str, table: &str, column: &str| {
            policy
                .sensitive(database)
                .filter(|one| is_secret(one))
                .any(|one| matches(&one.schema, schema) && matches(&one.table, table) && matches(&one.column, column))
        };
        let mut found = Vec::new();
        for table in self.catalog.tables() {
            for column in &table.columns {
                let (schema, name) = (&table.schema, &table.name);
                if reveal.shows(schema, name, &column.name) && !never(schema, name, &column.name) {
                    found.push(Column {
                        table: table.oid,
                        number: column.number,
                        name: Masked::of(&format!("{schema}.{name}.{}", column.name)),
                        treatment: treatment_of(policy, database, schema, name, &column.name),
                    });
                }
            }
        }
        found
    }

    /// The statement goes on: it ends what is shown, or has people's word to begin.
    pub(super) fn reveal_changes(&mut self, verdict: &Verdict, seq: u64, cx: &mut Cx<'_, '_>) {
        let ends = |judged: &Judged| judged.statements.iter().any(policy::ends_reveal);
        if !ends(&verdict.judged) {
            return;
        }
        self.reveal_ends("the agent ended it", cx);
        let Some(id) = verdict.approval else { return };
        let Some(Ok(plan)) = self.plan_of_reveal(&verdict.judged, cx) else { return };
        self.reveal = Some(Box::new(Reveal {
            id,
            shown: plan.columns.iter().map(|_| AtomicU64::new(0)).collect(),
            totals: vec![0; plan.columns.len()],
            plan,
            stage: Stage::Asked(seq),
            policy: cx.shared.policy.version().to_owned(),
            until_ns: u64::MAX,
        }));
    }
}

/// While it lasts.
impl Connection {
    /// The approval under which a statement that goes on now is shown clear values.
    pub(super) fn shows(&self) -> Option<AskId> {
        self.reveal.as_ref().filter(|reveal| reveal.is_active()).map(|reveal| reveal.id)
    }

    /// Before every input: its time is over, or its policy.
    pub(super) fn reveal_is_due(&mut self, cx: &mut Cx<'_, '_>) {
        let Some(reveal) = &self.reveal else { return };
        if reveal.is_active() && cx.now.mono_ns >= reveal.until_ns {
            self.reveal_ends("its time is over", cx);
        } else if reveal.policy != cx.shared.policy.version() {
            self.reveal_ends("the policy has changed", cx);
        }
    }

    /// Request `seq` is done: was it the SET?
    pub(super) fn reveal_begins(&mut self, seq: u64, failed: bool, cx: &mut Cx<'_, '_>) {
        let Some(reveal) = self.reveal.as_mut().filter(|reveal| reveal.stage == Stage::Asked(seq)) else { return };
        if failed {
            self.reveal = None;
            return;
        }
        let lasts_ns = u64::from(reveal.plan.lasts_s) * 1_000_000_000;
        let until_s = cx.now.wall_ns.saturating_add(lasts_ns) / 1_000_000_000;
        reveal.until_ns = cx.now.mono_ns.saturating_add(lasts_ns);
        reveal.stage = Stage::Tentative;
        let columns: Vec<Masked> = reveal.plan.columns.iter().map(|column| column.name.clone()).collect();
        let (id, rule) = (Masked::of(reveal.id.as_str()), Masked::of(&reveal.plan.rule));
        let reason = reveal.plan.reason.clone();
        cx.out.asking.push(Asking::Revealing(Box::new(Revealing {
            id: reveal.id,
            session: self.open.id,
            agent: self.open.subject.policy.agent.clone(),
            database: self.open.database.name.clone(),
            rule: reveal.plan.rule.clone(),
            reason: reason.clone(),
            columns: columns.clone(),
            until_s,
        })));
        let number = self.number();
        cx.record(&Event::Reveal(audit::Revealing {
            actor: self.journal.actor(),
            reveal: (&id).into(),
            rule: (&rule).into(),
            justification: (&reason).into(),
            columns: &columns,
            until_s,
            number,
        }));
    }

    /// A transaction is over, and all of it stands.
    pub(super) fn reveal_is_firm(&mut self) {
        if let Some(reveal) = self.reveal.as_mut().filter(|reveal| reveal.stage == Stage::Tentative) {
            reveal.stage = Stage::Firm;
        }
    }

    /// Something was rolled back, which may have been the SET.
    pub(super) fn reveal_may_be_undone(&mut self, cx: &mut Cx<'_, '_>) {
        if self.reveal.as_ref().is_some_and(|reveal| reveal.stage == Stage::Tentative) {
            self.reveal_ends("its transaction was rolled back", cx);
        }
    }

    /// What the statement in front was shown up to now.
    fn record_front_shown(&mut self, cx: &mut Cx<'_, '_>) {
        let front = self.queue.front().and_then(Request::run).filter(|run| run.is_shown);
        if let Some(decision) = front.map(|run| run.record) {
            self.record_shown_by(decision, cx);
        }
    }

    /// What the statement was shown.
    pub(super) fn record_shown(&mut self, run: &Run, cx: &mut Cx<'_, '_>) {
        if run.is_shown {
            self.record_shown_by(run.record, cx);
        }
    }

    fn record_shown_by(&mut self, decision: RecordId, cx: &mut Cx<'_, '_>) {
        let Some(reveal) = &mut self.reveal else { return };
        let mut counts = Vec::new();
        for ((count, total), column) in reveal.shown.iter().zip(&mut reveal.totals).zip(&reveal.plan.columns) {
            let count = count.swap(0, Ordering::Relaxed);
            *total += count;
            if count > 0 {
                counts.push((column.name.clone(), count));
            }
        }
        if counts.is_empty() {
            return;
        }
        let id = Masked::of(reveal.id.as_str());
        let number = self.number();
        cx.record(&Event::Revealed(audit::Revealed {
            actor: self.journal.actor(),
            decision,
            reveal: (&id).into(),
            counts: &counts,
            number,
        }));
    }

    /// From here on all is masked.
    pub(super) fn reveal_ends(&mut self, cause: &'static str, cx: &mut Cx<'_, '_>) {
        if self.reveal.is_none() {
            return;
        }
        self.database.result.hide();
        self.portals.hide();
        self.record_front_shown(cx);
        let Some(reveal) = self.reveal.take().filter(|reveal| reveal.is_active()) else { return };
        let counts: Vec<(Masked, u64)> =
            reveal.plan.columns.iter().map(|column| column.name.clone()).zip(reveal.totals.iter().copied()).collect();
        let id = Masked::of(reveal.id.as_str());
        let number = self.number();
        cx.record(&Event::RevealOver(audit::RevealOver {
            actor: self.journal.actor(),
            reveal: (&id).into(),
            cause,
            counts: &counts,
            number,
        }));
        cx.out.asking.push(Asking::RevealOver(reveal.id, cause));
    }

    /// Bytes of records that are owed for it beside their actors: its beginning and its end, and what each statement under way is shown.
    pub(super) fn owed_for_reveal(&self, actor: usize, plain: usize) -> usize {
        let Some(reveal) = &self.reveal else { return 0 };
        let begins =
            if reveal.is_active() { 0 } else { audit::JUSTIFICATION_MAX + actor + plain + reveal.record_max() };
        begins + (1 + self.queue.runs_shown()) * (actor + plain + reveal.record_max())
    }
}
