//! `check --policy NEW --against LOG`: recorded statements, judged again by another policy. What differs is counted by the rules that
//! decided then and now; a segment of the record is in memory at a time, and nothing of a statement is printed.
//!
//! Judged is what the record has: the text, without the catalog of its time. So conditions on columns, rows and estimates count as they do
//! where nothing is known: as met by a block or hold, and not by an allow. What was refused by something else than a rule is not compared.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use audit::segment::{frames, parse_file_name};
use audit::{RecordType, show};
use policy::{Action, Policy, Question, Subject};
use serde::Serialize;
use serde_json::Value;

use crate::config::Config;
use crate::record::segments;

/// How one statement was, or is, judged.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Judgement {
    /// `allow`, `hold` or `block`.
    pub verdict: &'static str,
    /// The rule that decided; none: no rule allows it.
    pub rule: Option<String>,
}

/// Statements whose verdict would change in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// As recorded.
    pub was: Judgement,
    /// By the policy at hand.
    pub would_be: Judgement,
    /// How many.
    pub count: u64,
    /// The first of them.
    pub first: String,
}

/// What came of it.
#[derive(Debug, Default, Serialize)]
pub struct Backtest {
    /// The version of the policy at hand.
    pub policy: String,
    /// Recorded decisions.
    pub decisions: u64,
    /// Of them, those that could be judged again.
    pub compared: u64,
    /// Of these, those whose verdict would be another.
    pub changed: u64,
    /// By the rules, the most frequent first.
    pub changes: Vec<Change>,
    /// How often each rule of the policy at hand decides.
    pub rules: BTreeMap<String, u64>,
    /// Those that could not be judged again, by the reason.
    pub not_compared: BTreeMap<&'static str, u64>,
}

/// Runs it over the segments in a folder, or over one segment.
pub fn run(config: &Config, policy: &Policy, log: &Path, schemas: &[String]) -> Result<Backtest> {
    let files = if log.is_dir() { segments(&[log.to_path_buf()])? } else { vec![log.to_path_buf()] };
    let mut test = Test { config, policy, schemas, found: Backtest::default(), changes: BTreeMap::new() };
    for file in files {
        let name = file.file_name().and_then(|name| name.to_str()).and_then(parse_file_name);
        let (shard, _) = name.with_context(|| format!("{} is no segment of a record (*.seg)", file.display()))?;
        let bytes = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let decides = [RecordType::Decision.code(), RecordType::Ask.code()];
        for frame in frames(&bytes).filter(|frame| decides.contains(&frame.kind)) {
            test.decision(&show::json(shard, &frame), frame.stamp.wall_ns / 1_000_000_000);
        }
    }
    Ok(test.finish())
}

type Key = (Judgement, Judgement);

struct Test<'a> {
    config: &'a Config,
    policy: &'a Policy,
    schemas: &'a [String],
    found: Backtest,
    changes: BTreeMap<Key, (u64, String)>,
}

impl Test<'_> {
    fn decision(&mut self, record: &Value, wall_s: u64) {
        let text = |key: &str| record.get(key).and_then(Value::as_str);
        // What a person let go on was asked about by a record of its own.
        if text("reason") == Some("approved by a person") {
            return;
        }
        self.found.decisions += 1;
        let judged = recorded(record).and_then(|was| Ok((was, self.judged(record, wall_s)?)));
        match judged {
            Err(why) => *self.found.not_compared.entry(why).or_default() += 1,
            Ok((was, would_be)) => {
                self.found.compared += 1;
                let rule = would_be.rule.as_deref().unwrap_or("(no rule)").to_owned();
                *self.found.rules.entry(rule).or_default() += 1;
                if was.verdict != would_be.verdict {
                    self.found.changed += 1;
                    let first = || text("record").unwrap_or_default().to_owned();
                    self.changes.entry((was, would_be)).or_insert_with(|| (0, first())).0 += 1;
                }
            }
        }
    }

    /// By the policy at hand, at the time of the record.
    fn judged(&self, record: &Value, wall_s: u64) -> Result<Judgement, &'static str> {
        let text = |key: &str| record.get(key).and_then(Value::as_str).unwrap_or_default();
        let (sql, agent, database) = (text("text"), text("agent"), text("database"));
        if record.get("text_bytes").and_then(Value::as_u64) != Some(sql.len() as u64)
            && record.get("redacted").is_none()
        {
            return Err("the text was kept in part");
        }
        let agent = self.config.agent(agent).ok_or("the configuration does not have the agent")?;
        self.config.database(database).ok_or("the configuration does not have the database")?;
        let subject = Subject { agent: agent.name.clone(), groups: agent.groups.clone(), signed: None };
        let analysis = sql::analyze(sql, &sql::Limits::default()).map_err(|_| "the text, as it was kept, is no SQL")?;
        let mut strictest: Option<(Action, Option<String>)> = None;
        for statement in &analysis.statements {
            let question = Question {
                subject: &subject,
                database,
                statement,
                schemas: self.schemas,
                schema: None,
                estimated_rows: None,
                wall_s: i64::try_from(wall_s).unwrap_or(i64::MAX),
            };
            let verdict = policy::judge(self.policy, question);
            if strictest.as_ref().is_none_or(|(action, _)| verdict.action > *action) {
                strictest = Some((verdict.action, verdict.rule.map(str::to_owned)));
            }
        }
        // An empty text is allowed by nobody's rule.
        let (action, rule) = strictest.unwrap_or((Action::Allow, None));
        let verdict = match action {
            Action::Allow => "allow",
            Action::Hold => "hold",
            Action::Block => "block",
        };
        Ok(Judgement { verdict, rule })
    }

    fn finish(mut self) -> Backtest {
        let change = |((was, would_be), (count, first))| Change { was, would_be, count, first };
        self.found.changes = self.changes.into_iter().map(change).collect();
        self.found.changes.sort_by_key(|change| std::cmp::Reverse(change.count));
        self.found.policy = self.policy.version().to_owned();
        self.found
    }
}

/// As the record has it, where a rule, or that there was none, decided.
fn recorded(record: &Value) -> Result<Judgement, &'static str> {
    let text = |key: &str| record.get(key).and_then(Value::as_str);
    let rule = text("rule").map(str::to_owned);
    let verdict = match text("verdict") {
        Some("allow") => "allow",
        Some("hold") => "hold",
        Some("block" | "would-block") => "block",
        _ => return Err("it was not judged by the policy of its time"),
    };
    let by_none = text("reason").is_some_and(|reason| reason.starts_with("no rule of the policy allows"));
    match verdict {
        "block" if rule.is_none() && !by_none => Err("it was refused by something else than a rule"),
        _ => Ok(Judgement { verdict, rule }),
    }
}

impl Backtest {
    /// For a person.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let said = |judged: &Judgement| match &judged.rule {
            Some(rule) => format!("{} by `{rule}`", judged.verdict),
            None => format!("{} by no rule", judged.verdict),
        };
        // Written to a String: cannot fail.
        let _ = writeln!(
            out,
            "{} decisions, {} compared with policy {}: {} would change",
            self.decisions, self.compared, self.policy, self.changed
        );
        for change in &self.changes {
            let (was, would_be) = (said(&change.was), said(&change.would_be));
            let _ = writeln!(out, "{:>9}  {was} -> {would_be}, first {}", change.count, change.first);
        }
        for (why, count) in &self.not_compared {
            let _ = writeln!(out, "{count:>9}  not compared: {why}");
        }
        for (rule, count) in &self.rules {
            let _ = writeln!(out, "{count:>9}  decided by {rule}");
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "[[database]]\nname = \"payments\"\nprotocol = \"postgres\"\naddresses = [\"127.0.0.1:5432\"]\n[[agent]]\nname = \"reconciler\"\n";
    const POLICY: &str = "[[rule]]\nname = \"read\"\nstatements = [\"select\"]\naction = \"allow\"\n[[rule]]\nname = \"no deletes\"\nstatements = [\"delete\"]\naction = \"block\"\n";

    fn record(verdict: &str, rule: &str, text: &str) -> Value {
        let mut record = serde_json::json!({
            "record": "0-7", "verdict": verdict, "agent": "reconciler", "database": "payments", "text": text, "text_bytes": text.len(),
        });
        match rule.split_once(':') {
            Some((key, value)) => record[key] = value.into(),
            None => record["rule"] = rule.into(),
        }
        record
    }

    #[test]
    fn what_would_change_is_counted_by_rule_and_what_cannot_be_told_by_reason() {
        let config = Config::parse(CONFIG).unwrap();
        let names = policy::Names {
            agents: vec!["reconciler".into()],
            databases: vec!["payments".into()],
            ..Default::default()
        };
        let policy = Policy::parse(POLICY, &names).unwrap();
        let mut test = Test {
            config: &config,
            policy: &policy,
            schemas: &["public".to_owned()],
            found: Backtest::default(),
            changes: BTreeMap::new(),
        };
        for (verdict, rule, text) in [
            ("allow", "read", "SELECT 1"),
            ("allow", "all", "DELETE FROM t"),
            ("allow", "all", "DELETE FROM t WHERE id = 1"),
            ("would-block", "reason:no rule of the policy allows update on t", "UPDATE t SET a = 1"),
            ("block", "reason:no rule of the policy allows select on t", "SELECT * FROM t"),
            ("block", "reason:a column of the result derives from a sensitive column", "SELECT reverse(pan) FROM t"),
            ("allow", "read", "SELECT 411111******"),
            ("unjudged", "reason:x", "SELECT"),
            ("allow", "reason:approved by a person", "DELETE FROM t"),
        ] {
            test.decision(&record(verdict, rule, text), 0);
        }
        let found = test.finish();
        assert_eq!((found.decisions, found.compared, found.changed), (8, 5, 3));
        let said = found.text();
        for line in [
            "        2  allow by `all` -> block by `no deletes`, first 0-7",
            "        1  block by no rule -> allow by `read`, first 0-7",
            "        1  not compared: it was refused by something else than a rule",
            "        1  not compared: the text, as it was kept, is no SQL",
            "        1  not compared: it was not judged by the policy of its time",
            "        2  decided by read",
        ] {
            assert!(said.contains(line), "{line}\n{said}");
        }
        assert!(!said.contains("SELECT"), "no statement is printed");
    }
}
