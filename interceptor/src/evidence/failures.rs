//! Failures of controls (PCI DSS v4.0.1 10.7.2, 10.7.3): each with its start, its end and its cause, by the records that say so.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};

use super::Pack;
use super::catalogue::Asked;
use crate::record::figures::{Of, Span, each};
use crate::ship::OVER;

/// So many are told.
const FAILURES_MAX: usize = 10_000;
/// What a failure is told by.
const TYPES: &str = "type=canary|attach|detach|service-start|service-stop|recovered|reading|alert|checkpoint";

/// One side of a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) time: String,
    /// The record that says so.
    pub(super) record: String,
}

impl Moment {
    fn of(record: &Value) -> Moment {
        let word = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
        Moment { time: word("time"), record: word("record") }
    }
}

/// A control that did not work for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) control: String,
    pub(super) start: Moment,
    /// `None`: none is recorded.
    pub(super) end: Option<Moment>,
    pub(super) cause: String,
}

impl Failure {
    /// How long it was, in seconds.
    pub(super) fn seconds(&self) -> Option<i64> {
        let second = |moment: &Moment| policy::instant(&format!("{}Z", moment.time.get(..19)?));
        Some(second(self.end.as_ref()?)? - second(&self.start)?)
    }

    /// What prints the records that tell of it.
    pub(super) fn command(&self, config: &Path) -> String {
        let ends = self.end.iter().map(|end| end.record.as_str());
        let mut records: Vec<&str> = std::iter::once(self.start.record.as_str()).chain(ends).collect();
        records.dedup();
        let want = format!("record={}", records.join("|"));
        Asked::new("", "", &[&want], Of::Count).command(Span::ALL, config).replace(" --count", " --json")
    }

    fn value(&self, config: &Path) -> Value {
        let moment = |moment: &Moment| json!({ "time": moment.time, "record": moment.record });
        json!({
            "control": self.control, "start": moment(&self.start), "end": self.end.as_ref().map(moment),
            "seconds": self.seconds(), "cause": self.cause, "command": self.command(config),
        })
    }
}

/// All of the time, the oldest first.
pub(super) fn put(pack: &mut Pack, config: &Path, folders: &[PathBuf], span: Span) -> Result<Vec<Failure>> {
    let asked = Asked::new("", "", &[TYPES], Of::Count);
    let (figure, command) = (asked.figure()?, asked.command(span, config).replace(" --count", " --json"));
    let mut told = Vec::new();
    let mut before: HashMap<String, Value> = HashMap::new();
    each(folders, span, |record| {
        let series = series(record);
        if record["type"] == "recovered" {
            // It was killed after the last record that it wrote.
            let last = before.get(&series).cloned().unwrap_or_else(|| record.clone());
            told.push((last, Some(record.clone())));
        } else if figure.admits(record) {
            told.push((record.clone(), None));
        }
        before.insert(series, json!({ "time": record["time"], "record": record["record"] }));
    })?;
    let failures = failures(told);
    let content: Vec<Value> = failures.iter().map(|failure| failure.value(config)).collect();
    pack.put_json("control-failures.json", "10.7.2, 10.7.3", &command, &content.into())?;
    Ok(failures)
}

fn series(record: &Value) -> String {
    record["record"].as_str().and_then(|name| name.split_once('-')).map_or_else(String::new, |(of, _)| of.to_owned())
}

/// Of records that tell of a control, and of recoveries, each behind the last record before it.
fn failures(mut told: Vec<(Value, Option<Value>)>) -> Vec<Failure> {
    told.sort_by(|one, other| one.0["time"].as_str().cmp(&other.0["time"].as_str()));
    let mut open: BTreeMap<String, Failure> = BTreeMap::new();
    let mut over: Vec<Failure> = Vec::new();
    for (record, recovered) in told {
        if let Some(recovered) = recovered {
            let cause = "killed, or a power cut: the start is the last record before it".to_owned();
            let control = format!("recording (series {})", series(&recovered));
            over.push(Failure { control, start: Moment::of(&record), end: Some(Moment::of(&recovered)), cause });
            continue;
        }
        match change(&record) {
            Some(Change::Fails { control, cause }) => {
                let failure = Failure { control: control.clone(), start: Moment::of(&record), end: None, cause };
                open.entry(control).or_insert(failure);
            }
            Some(Change::Works { control }) => {
                if let Some(mut failure) = open.remove(&control) {
                    failure.end = Some(Moment::of(&record));
                    over.push(failure);
                }
            }
            None => {}
        }
    }
    over.extend(open.into_values());
    over.sort_by(|one, other| one.start.time.cmp(&other.start.time));
    over.truncate(FAILURES_MAX);
    over
}

enum Change {
    Fails { control: String, cause: String },
    Works { control: String },
}

/// What a record says of a control.
fn change(record: &Value) -> Option<Change> {
    let word = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
    let fails = |control: &str, cause: String| Some(Change::Fails { control: control.to_owned(), cause });
    let works = |control: &str| Some(Change::Works { control: control.to_owned() });
    let is_done = record["stage"] == "done" && record["success"] != false;
    match record["type"].as_str()? {
        "canary" if record["success"] == false => fails("redirection", word("message")),
        "canary" => works("redirection"),
        "detach" if is_done => fails("the kernel half", format!("removed by {}", word("operator"))),
        "attach" if is_done => works("the kernel half"),
        "service-stop" => {
            let why = [word("message"), word("cause")].into_iter().find(|why| !why.is_empty()).unwrap_or_default();
            fails("the service (agents are refused)", format!("stopped {why}").trim_end().to_owned())
        }
        "service-start" => works("the service (agents are refused)"),
        "reading" if word("object") == "audit verify" && record["success"] == false => {
            fails("the record is whole", word("message"))
        }
        "reading" if word("object") == "audit verify" => works("the record is whole"),
        "checkpoint" if record["clock_synced"] == false => {
            fails("the clock", "the kernel's clock follows no source of time".to_owned())
        }
        "checkpoint" if record["clock_synced"] == true => works("the clock"),
        "alert" if word("object") == "anchor" || word("object").starts_with("sink ") => {
            let (control, message) = (word("object"), word("message"));
            if message.starts_with(OVER) { works(&control) } else { fails(&control, message) }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(of: &[(&str, &str, Value)]) -> Vec<(Value, Option<Value>)> {
        of.iter()
            .map(|(time, name, more)| {
                let mut record = json!({ "time": format!("2026-01-01T00:{time}.000000000Z"), "record": name });
                for (key, value) in more.as_object().unwrap() {
                    record[key] = value.clone();
                }
                (record, None)
            })
            .collect()
    }

    #[test]
    fn a_failure_has_a_start_an_end_and_a_cause() {
        let canary = |success: bool, message: &str| json!({ "type": "canary", "success": success, "message": message });
        let clock = |synced: bool| json!({ "type": "checkpoint", "clock_synced": synced });
        let sink = |message: &str| json!({ "type": "alert", "object": "sink siem", "message": message });
        type Records = Vec<(&'static str, &'static str, Value)>;
        type Expected = Vec<(&'static str, Option<i64>, &'static str)>;
        let cases: [(Records, Expected); 6] = [
            (vec![], vec![]),
            (
                vec![("01:00", "9-1", canary(false, "lost")), ("01:30", "9-2", canary(true, ""))],
                vec![("redirection", Some(30), "lost")],
            ),
            // Told again while it lasts: one failure, from the first on.
            (
                vec![
                    ("01:00", "9-1", clock(true)),
                    ("02:00", "9-2", clock(false)),
                    ("03:00", "9-3", clock(false)),
                    ("04:00", "9-4", clock(true)),
                ],
                vec![("the clock", Some(120), "the kernel's clock follows no source of time")],
            ),
            (vec![("01:00", "9-1", sink("refused"))], vec![("sink siem", None, "refused")]),
            // Series by series, and told in the order of time.
            (
                vec![("05:00", "9-2", sink("over: it has caught up")), ("01:00", "0-1", sink("refused"))],
                vec![("sink siem", Some(240), "refused")],
            ),
            (
                vec![
                    ("01:00", "9-1", json!({ "type": "service-stop" })),
                    ("01:05", "9-2", json!({ "type": "service-start" })),
                    ("01:06", "9-3", json!({ "type": "detach", "stage": "done", "operator": "root" })),
                    ("01:07", "9-4", json!({ "type": "attach", "stage": "begins" })),
                    ("01:08", "9-5", json!({ "type": "attach", "stage": "done" })),
                ],
                vec![
                    ("the service (agents are refused)", Some(5), "stopped"),
                    ("the kernel half", Some(2), "removed by root"),
                ],
            ),
        ];
        for (records, expected) in cases {
            let found = failures(told(&records));
            let found: Vec<_> = found.iter().map(|f| (f.control.as_str(), f.seconds(), f.cause.as_str())).collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn its_command_names_its_records() {
        let found = failures(told(&[
            ("01:00", "9-1", json!({ "type": "canary", "success": false })),
            ("01:30", "9-2", json!({ "type": "canary", "success": true })),
        ]));
        assert!(found[0].command(Path::new("/x")).ends_with("--where 'record=9-1|9-2' --json"));
    }
}
