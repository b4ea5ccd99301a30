//! The server's own log (`log_statement = all`) against the record: each text that it executed was decided, as often as it ran.
//!
//! Texts are compared by their ASCII letters alone: digits are masked in the record.

use std::collections::HashMap;

use anyhow::{Context, Result};
use serde_json::Value;

/// Unjudged statements among those that the server executed, in percent: above it the comparison fails.
const UNJUDGED_PERCENT_MAX: f64 = 0.5;
const KEY_LETTERS: usize = 200;

/// Stands for every call by OID: the log names the function, the record the OID or the function.
const FASTPATH: &str = "fastpath function call";
/// The words with which our own statements begin.
const OWN: &str = "/* interceptor */";

#[derive(Debug, Default)]
struct Decisions {
    judged: usize,
    unjudged: usize,
    reason: String,
}

/// What the server's log and the record say of each other.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    executed: usize,
    own: usize,
    decided: usize,
    parses: usize,
    refused: usize,
    undecided: Vec<String>,
    unjudged: usize,
    /// Unjudged, and the server did not execute it either.
    rejected: usize,
    reasons: HashMap<String, usize>,
}

impl Coverage {
    /// `log`: what the server wrote while the agents worked; `export`: `audit export --json`.
    pub(super) fn of(log: &str, export: &str) -> Result<Coverage> {
        let mut coverage = Coverage::default();
        let mut decisions = coverage.decisions(export)?;
        for text in executed(log) {
            if text.starts_with(OWN) {
                coverage.own += 1;
                continue;
            }
            coverage.executed += 1;
            match decisions.get_mut(&key(text)) {
                Some(known) if known.judged > 0 => known.judged -= 1,
                Some(known) if known.unjudged > 0 => {
                    known.unjudged -= 1;
                    coverage.unjudged += 1;
                    *coverage.reasons.entry(known.reason.clone()).or_default() += 1;
                }
                _ => coverage.undecided.push(key(text)),
            }
        }
        coverage.rejected = decisions.values().map(|left| left.unjudged).sum();
        Ok(coverage)
    }

    /// Decisions on what was to run and went on, by text.
    fn decisions(&mut self, export: &str) -> Result<HashMap<String, Decisions>> {
        let mut decisions: HashMap<String, Decisions> = HashMap::new();
        for line in export.lines().filter(|line| line.contains("\"decision\"")) {
            let record: Value = serde_json::from_str(line).context("audit export --json: a line is no JSON")?;
            let word = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
            if word("type") != "decision" {
                continue;
            }
            match (word("request"), word("verdict")) {
                ("query" | "execute" | "function-call", "block" | "hold") => self.refused += 1,
                ("query" | "execute" | "function-call", verdict) => {
                    self.decided += 1;
                    let text = if word("request") == "function-call" { FASTPATH } else { word("text") };
                    let known = decisions.entry(key(text)).or_default();
                    if verdict == "unjudged" {
                        known.unjudged += 1;
                        known.reason = word("reason").to_owned();
                    } else {
                        known.judged += 1;
                    }
                }
                _ => self.parses += 1,
            }
        }
        Ok(decisions)
    }

    fn unjudged_percent(&self) -> f64 {
        100.0 * self.unjudged as f64 / self.executed.max(1) as f64
    }

    /// Every executed text has its decision, and few were unjudged.
    pub(super) fn holds(&self) -> bool {
        self.executed > 0 && self.undecided.is_empty() && self.unjudged_percent() <= UNJUDGED_PERCENT_MAX
    }

    pub(super) fn print(&self) {
        println!(
            "    the server executed {} texts of the agents ({} more were ours); decided and sent on: {}, refused: {}, Parse alone: {}",
            self.executed, self.own, self.decided, self.refused, self.parses
        );
        println!(
            "    executed without a decision: {}; executed unjudged: {} ({:.2} %); unjudged that the server rejected too: {}",
            self.undecided.len(),
            self.unjudged,
            self.unjudged_percent(),
            self.rejected
        );
        for text in self.undecided.iter().take(5) {
            println!("      without a decision: {text}");
        }
        let mut reasons: Vec<_> = self.reasons.iter().collect();
        reasons.sort_by(|one, other| other.1.cmp(one.1).then(one.0.cmp(other.0)));
        for (reason, count) in reasons.iter().take(8) {
            println!("      unjudged: {count} x {reason}");
        }
    }
}

/// The texts that the log says were executed. An entry's further lines begin with a tab.
fn executed(log: &str) -> impl Iterator<Item = &str> {
    let mut rest = log;
    std::iter::from_fn(move || {
        loop {
            if rest.is_empty() {
                return None;
            }
            let mut end = rest.find('\n').map_or(rest.len(), |at| at + 1);
            while rest[end..].starts_with('\t') {
                end += rest[end..].find('\n').map_or(rest.len() - end, |at| at + 1);
            }
            let (entry, behind) = rest.split_at(end);
            rest = behind;
            if let Some(text) = text_of(entry) {
                return Some(text);
            }
        }
    })
}

/// `… LOG:  statement: TEXT`, `… LOG:  execute NAME: TEXT`, `… LOG:  fastpath function call: "NAME" (OID N)`.
fn text_of(entry: &str) -> Option<&str> {
    let (_, said) = entry.split_once(" LOG:  ")?;
    if said.starts_with("fastpath function call: ") {
        return Some(FASTPATH);
    }
    said.strip_prefix("statement: ").or_else(|| said.strip_prefix("execute ")?.split_once(": ").map(|(_, text)| text))
}

fn key(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphabetic).take(KEY_LETTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "t [1] a LOG:  statement: SELECT 1\nt [1] a ERROR:  no\nt [1] a STATEMENT:  SELECT 2\n\
t [1] a LOG:  execute s/p: SELECT\n\t4\nt [1] a LOG:  statement: /* interceptor */ SELECT 9\n\
t [1] a LOG:  fastpath function call: \"f\" (OID 7)\nt [1] a LOG:  statement: SELEC\n";

    fn decision(request: &str, verdict: &str, text: &str) -> String {
        format!(
            "{{\"type\":\"decision\",\"request\":\"{request}\",\"verdict\":\"{verdict}\",\"text\":\"{text}\",\"reason\":\"r\"}}\n"
        )
    }

    #[test]
    fn each_text_in_the_log_needs_a_decision() {
        let mut export = decision("query", "allow", "SELECT 1") + &decision("parse", "allow", "SELECT\\n4");
        let missing = |export: &str| Coverage::of(LOG, export).map(|c| (c.executed, c.own, c.undecided.len())).ok();
        assert_eq!(missing(&export), Some((4, 1, 3)));
        export += &decision("execute", "would-block", "SELECT\\n4");
        export += &decision("function-call", "unjudged", "function call of OID 7");
        assert_eq!(missing(&export), Some((4, 1, 1)));
        export += &decision("query", "block", "SELEC");
        assert_eq!(missing(&export), Some((4, 1, 1)), "what was refused was not to run");
        export += &decision("query", "unjudged", "SELEC");
        let whole = Coverage::of(LOG, &export).unwrap_or_default();
        assert_eq!((whole.undecided.len(), whole.unjudged, whole.holds()), (0, 2, false), "half of it is unjudged");
    }
}
