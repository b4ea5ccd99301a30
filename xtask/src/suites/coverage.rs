//! The server's own log (`log_statement = all`) against the record: each text that it executed was decided, as often as it ran.
//!
//! And exactly once: what the record calls successful stands in the log as often as it was decided. What failed may have failed
//! before the server logs a text (in its parser, say), and what was skipped after an error must not be there at all.
//!
//! Texts are compared by their printable ASCII characters without digits and stars: digits are masked in the record. What two texts have in
//! common is counted in the order judged, not judged, not read: what the server executes was read, if anything of that text was.

use std::collections::HashMap;

use anyhow::{Context, Result};
use serde_json::Value;

/// Texts that were not classified among those that the server executed, in percent: above it the comparison fails.
const UNCLASSIFIED_PERCENT_MAX: f64 = 0.5;
const KEY_LETTERS: usize = 300;
/// How many of those are printed, and how much of each.
const UNCLASSIFIED_SHOWN: usize = 100;
const LINE_LETTERS: usize = 100;
const REASONS_SHOWN: usize = 60;

/// Stands for every call by OID: the log names the function, the record the OID or the function.
const FASTPATH: &str = "fastpath function call";
/// What the record says of a statement that the server read over up to Sync.
const SKIPPED: &str = "skipped after an error";
/// The words with which our own statements begin.
const OWN: &str = "/* interceptor */";

#[derive(Debug, Default)]
struct Decisions {
    judged: usize,
    /// What it does is known, and something else is not.
    unjudged: usize,
    /// What it does is not known.
    unclassified: usize,
    reason: String,
    why_unclassified: String,
    /// Why it would be refused.
    would: Option<String>,
    /// Of both: those that ended well.
    succeeded: usize,
    executed: usize,
}

/// What a decision's outcome says of the server's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Succeeded,
    Failed,
    /// The server read over it.
    Skipped,
}

/// What the server's log and the record say of each other.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    executed: usize,
    own: usize,
    decided: usize,
    parses: usize,
    refused: usize,
    skipped: usize,
    undecided: Vec<String>,
    /// Decided, successful, and not in the log.
    surplus: Vec<String>,
    unjudged: usize,
    /// What the server executed of which no effect is known: texts and reasons.
    unclassified: Vec<(String, String)>,
    /// Unjudged, and the server did not execute it either.
    rejected: usize,
    reasons: HashMap<String, usize>,
    /// What a rule that allows anything would have refused all the same, of what the server executed: a false refusal.
    false_reasons: HashMap<String, usize>,
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
                Some(known) if known.judged > 0 => {
                    known.judged -= 1;
                    known.executed += 1;
                    if let Some(reason) = &known.would {
                        *coverage.false_reasons.entry(class_of(reason)).or_default() += 1;
                    }
                }
                Some(known) if known.unjudged > 0 => {
                    known.unjudged -= 1;
                    known.executed += 1;
                    coverage.unjudged += 1;
                    *coverage.reasons.entry(class_of(&known.reason)).or_default() += 1;
                }
                Some(known) if known.unclassified > 0 => {
                    known.unclassified -= 1;
                    known.executed += 1;
                    coverage.unclassified.push((line_of(text), known.why_unclassified.clone()));
                }
                _ => coverage.undecided.push(key(text)),
            }
        }
        for (text, known) in &decisions {
            for _ in known.executed..known.succeeded {
                coverage.surplus.push(text.clone());
            }
        }
        coverage.rejected = decisions.values().map(|left| left.unjudged + left.unclassified).sum();
        Ok(coverage)
    }

    /// Decisions on what was to run and went on, by text.
    fn decisions(&mut self, export: &str) -> Result<HashMap<String, Decisions>> {
        let fates = fates(export)?;
        let mut decisions: HashMap<String, Decisions> = HashMap::new();
        for record in records(export, "decision") {
            let record = record?;
            match (word(&record, "request"), word(&record, "verdict")) {
                ("query" | "execute" | "function-call", "block" | "hold") => self.refused += 1,
                (request @ ("query" | "execute" | "function-call"), verdict) => {
                    self.decided += 1;
                    let fate = fates.get(word(&record, "record")).copied().unwrap_or(Fate::Failed);
                    if fate == Fate::Skipped {
                        self.skipped += 1;
                        continue;
                    }
                    let text = if request == "function-call" { FASTPATH } else { word(&record, "text") };
                    let known = decisions.entry(key(text)).or_default();
                    // The server does not log an Execute of a text without a statement (exec_execute_message, postgres.c).
                    let empty = request == "execute" && known_kinds(&record) == 0 && verdict != "unjudged";
                    known.succeeded += usize::from(fate == Fate::Succeeded && !empty);
                    if ["would-block", "would-hold"].contains(&verdict) {
                        known.would = Some(word(&record, "reason").to_owned());
                    }
                    // `unknown` is the kind of what nobody knows the kind of.
                    if (verdict == "unjudged" && known_kinds(&record) == 0) || has_kind(&record, "unknown") {
                        known.unclassified += 1;
                        word(&record, "reason").clone_into(&mut known.why_unclassified);
                    } else if verdict == "unjudged" {
                        known.unjudged += 1;
                        word(&record, "reason").clone_into(&mut known.reason);
                    } else {
                        known.judged += 1;
                    }
                }
                _ => self.parses += 1,
            }
        }
        Ok(decisions)
    }

    fn unclassified_percent(&self) -> f64 {
        percent(self.unclassified.len(), self.executed)
    }

    /// Every executed text has its one decision, and of nearly all it is known what they do.
    pub(super) fn holds(&self) -> bool {
        self.executed > 0
            && self.undecided.is_empty()
            && self.surplus.is_empty()
            && self.unclassified_percent() <= UNCLASSIFIED_PERCENT_MAX
    }

    /// `lineage`: anything is allowed and nothing is sensitive, so every refusal is false.
    pub(super) fn print(&self, lineage: bool) {
        println!(
            "    the server executed {} texts of the agents ({} more were ours); decided and sent on: {} ({} of them the server skipped after an error), refused: {}, Parse alone: {}",
            self.executed, self.own, self.decided, self.skipped, self.refused, self.parses
        );
        println!(
            "    executed without a decision: {}; decided more often than executed: {}; unjudged that the server rejected too: {}",
            self.undecided.len(),
            self.surplus.len(),
            self.rejected
        );
        println!(
            "    classified by what they do: {} of {}; not classified: {} ({:.2} %); classified, and something else is not known: {} ({:.2} %)",
            self.executed - self.unclassified.len(),
            self.executed,
            self.unclassified.len(),
            self.unclassified_percent(),
            self.unjudged,
            percent(self.unjudged, self.executed)
        );
        for (text, reason) in self.unclassified.iter().take(UNCLASSIFIED_SHOWN) {
            println!("      not classified: {text} ({reason})");
        }
        for text in self.undecided.iter().take(5) {
            println!("      without a decision: {text}");
        }
        for text in self.surplus.iter().take(5) {
            println!("      decided too often: {text}");
        }
        print_most("not known", &self.reasons);
        if lineage {
            println!(
                "    an allow of everything would not let pass, of what the server executed: {}",
                self.false_reasons.values().sum::<usize>() + self.unjudged + self.unclassified.len()
            );
            print_most("would be refused", &self.false_reasons);
        }
    }
}

fn percent(part: usize, of: usize) -> f64 {
    100.0 * part as f64 / of.max(1) as f64
}

/// A reason without the names in it: what is counted together.
fn class_of(reason: &str) -> String {
    let reason = reason.rsplit_once(": not known: ").map_or(reason, |(_, why)| why);
    let is = |(begin, end, _): &&(&str, &str, &str)| reason.starts_with(begin) && reason.ends_with(end);
    CLASSES.iter().find(is).map_or(reason, |(_, _, class)| class).to_owned()
}

/// How reasons with names in them begin and end.
const CLASSES: &[(&str, &str, &str)] = &[
    ("what function ", " does", "what a function does"),
    ("what ", ", which the open transaction has changed", "what a relation is that the open transaction has changed"),
    ("what ", " is", "what a relation is"),
    ("which column ", " is", "which column a name is"),
    ("the statement reads what may hold the values of other tables: ", "", "reads what holds other tables' values"),
];

/// A text in one line, its digits hidden: what is printed shows no number.
fn line_of(text: &str) -> String {
    let shown = text.trim().chars().take(LINE_LETTERS);
    shown
        .map(|letter| {
            if letter.is_ascii_digit() {
                '#'
            } else if letter.is_control() {
                ' '
            } else {
                letter
            }
        })
        .collect()
}

fn print_most(what: &str, reasons: &HashMap<String, usize>) {
    let mut reasons: Vec<_> = reasons.iter().collect();
    reasons.sort_by(|one, other| other.1.cmp(one.1).then(one.0.cmp(other.0)));
    for (reason, count) in reasons.iter().take(REASONS_SHOWN) {
        println!("      {what}: {count} x {reason}");
    }
}

/// The records of one type.
fn records<'a>(export: &'a str, wanted: &'a str) -> impl Iterator<Item = Result<Value>> + 'a {
    let of_type = move |record: &Result<Value>| record.as_ref().map_or(true, |record| word(record, "type") == wanted);
    export
        .lines()
        .filter(move |line| line.contains(wanted))
        .map(|line| serde_json::from_str(line).context("audit export --json: a line is no JSON"))
        .filter(of_type)
}

fn word<'a>(record: &'a Value, name: &str) -> &'a str {
    record.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn known_kinds(record: &Value) -> usize {
    record.get("kinds").and_then(Value::as_array).map_or(0, Vec::len)
}

fn has_kind(record: &Value, wanted: &str) -> bool {
    record.get("kinds").and_then(Value::as_array).is_some_and(|kinds| kinds.iter().any(|kind| kind == wanted))
}

/// By the decision's record.
fn fates(export: &str) -> Result<HashMap<String, Fate>> {
    let mut fates = HashMap::new();
    for record in records(export, "outcome") {
        let record = record?;
        let fate = match (record.get("success").and_then(Value::as_bool), word(&record, "cause")) {
            (Some(true), _) => Fate::Succeeded,
            (_, SKIPPED) => Fate::Skipped,
            _ => Fate::Failed,
        };
        fates.insert(word(&record, "decision").to_owned(), fate);
    }
    Ok(fates)
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
    let counts = |letter: &char| letter.is_ascii_graphic() && !letter.is_ascii_digit() && *letter != '*';
    text.chars().filter(counts).take(KEY_LETTERS).collect()
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
        let whole = |export: &str| {
            let whole = Coverage::of(LOG, export).unwrap_or_default();
            let texts: Vec<String> = whole.unclassified.iter().map(|(text, _)| text.clone()).collect();
            (whole.undecided.len(), whole.unjudged, texts, whole.holds())
        };
        let unread = ["fastpath function call", "SELEC"].map(str::to_owned).to_vec();
        assert_eq!(whole(&export), (0, 0, unread.clone(), false), "half of it was not read");
        let kinds = |kinds: &str| export.replace("\"reason\"", &format!("\"kinds\":[\"{kinds}\"],\"reason\""));
        assert_eq!(whole(&kinds("select")), (0, 2, Vec::new(), true), "what it does is known");
        let all = ["SELECT #", "SELECT  #", "fastpath function call", "SELEC"].map(str::to_owned).to_vec();
        assert_eq!(whole(&kinds("unknown")), (0, 0, all, false), "`unknown` is no class");
        // The server rejected one of two that look alike: it was the one that was not read.
        let alike = decision("query", "unjudged", "SELECT 2") + &export;
        assert_eq!(whole(&alike), (0, 0, unread, false));
    }

    #[test]
    fn reasons_are_counted_without_the_names_in_them() {
        let unknown =
            |what: &str| class_of(&format!("it cannot be told where the values come from: not known: {what}"));
        assert_eq!(unknown("what function public.f does"), "what a function does");
        assert_eq!(unknown("what t is, which the open transaction has changed"), CLASSES[1].2);
        assert_eq!(unknown("CREATE RULE"), "CREATE RULE");
        assert_eq!(class_of("syntax error"), "syntax error");
    }

    #[test]
    fn each_text_has_one_decision_and_no_more() {
        let log = "t [1] a LOG:  statement: SELECT 1\n";
        let one = |number: u32, outcome: &str| {
            decision("query", "allow", "SELECT 1").replace("\"type\"", &format!("\"record\":\"0-{number}\",\"type\""))
                + &format!("{{\"type\":\"outcome\",\"decision\":\"0-{number}\",{outcome}}}\n")
        };
        let found = |export: &str| {
            Coverage::of(log, export).map(|c| (c.undecided.len(), c.surplus.len(), c.skipped, c.holds())).ok()
        };
        let (good, failed) = ("\"success\":true", "\"success\":false,\"sqlstate\":\"42601\"");
        let skipped = "\"success\":false,\"cause\":\"skipped after an error\"";
        assert_eq!(found(&one(1, good)), Some((0, 0, 0, true)));
        assert_eq!(found(&(one(1, good) + &one(2, good))), Some((0, 1, 0, false)), "one of them did not run");
        assert_eq!(found(&(one(1, good) + &one(2, failed))), Some((0, 0, 0, true)), "it failed before it was logged");
        assert_eq!(found(&(one(1, good) + &one(2, skipped))), Some((0, 0, 1, true)));
        assert_eq!(found(&one(2, skipped)), Some((1, 0, 1, false)), "the record says that it did not run");
    }
}
