//! A pack of a small record: whole, its commands known, nothing in it from elsewhere.

use std::fs;
use std::path::{Path, PathBuf};

use audit::{Event, Operator};
use clap::Parser as _;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{hex, make};
use crate::cli::Cli;
use crate::config::Config;
use crate::search::tests::{Record, Told};

const CONFIG: &str = "[[database]]\nname = \"payments\"\nprotocol = \"postgres\"\naddresses = [\"127.0.0.1:5432\"]\n\
[[agent]]\nname = \"reconciler\"\n[[agent]]\nname = \"idle\"\n";
const POLICY: &str = "[[rule]]\nname = \"agents read\"\nagents = [\"reconciler\"]\nstatements = [\"select\"]\naction = \"allow\"\n\
[[rule]]\nname = \"agents write\"\nstatements = [\"write\"]\naction = \"allow\"\n";

struct Stand {
    record: Record,
    config: PathBuf,
    out: PathBuf,
}

impl Stand {
    fn new(name: &str) -> Stand {
        Stand::with(name, "")
    }

    /// Something of each of 10.2.1.1 to .7, and a control that failed for a second; more lines for the configuration.
    fn with(name: &str, lines: &str) -> Stand {
        let mut record = Record::new(name, 1);
        let operator = Operator { name: "service".into(), uid: 0, pid: 1 };
        record.begins(0, 1, "reconciler");
        record.statement(0, 1, &Told::allowed("SELECT pan FROM payments", 3, 3));
        record.statement(0, 1, &Told::refused("DROP TABLE payments"));
        for kinds in [["create-table"], ["grant"]] {
            record.statement(0, 1, &Told::allowed("of the kind", 0, 0).of(&kinds));
        }
        let start = Event::ServiceStart {
            operator,
            version: "0",
            kernel: "6.1".into(),
            policy: "ab12".into(),
            approved: None,
            success: true,
            message: None,
        };
        record.write(0, 0, &start);
        record.write(0, 0, &Event::Reading { operator, object: "sessions list".into(), success: true, message: None });
        for (success, message) in [(false, "lost"), (true, "again")] {
            record.write(
                0,
                0,
                &Event::Canary { operator, object: "canary".into(), success, message: Some(message.into()) },
            );
        }
        record.segments();
        let folder = record.folder.with_extension("beside");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        let (config, policy) = (folder.join("it's.toml"), folder.join("policy.toml"));
        fs::write(&policy, POLICY).unwrap();
        let service = format!(
            "[service]\nstate_dir = \"{}\"\nrun_dir = \"{}\"\npolicy = \"{}\"\n",
            record.folder.display(),
            folder.display(),
            policy.display()
        );
        fs::write(&config, service + CONFIG + lines).unwrap();
        let out = folder.join("pack");
        // Not `evidence`: a process sets its masked format once.
        make(&Config::load(&config).unwrap(), &config, "2025-01-01", "2099-12-31", &out).unwrap();
        Stand { record, config, out }
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_str(&fs::read_to_string(self.out.join(name)).unwrap()).unwrap()
    }

    fn value(&self, title: &str) -> Value {
        let figures = self.json("figures.json");
        let known = figures["content"].as_array().unwrap().iter().find(|figure| figure["title"] == title);
        known.unwrap_or_else(|| panic!("{title}"))["value"].clone()
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(crate::host_record::folder(&self.record.folder));
        let _ = fs::remove_dir_all(self.config.parent().unwrap());
    }
}

/// Every file below a folder, by its name in it.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// The words of a command as a shell reads them: single quotes alone are used.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut signs = command.chars();
    while let Some(sign) = signs.next() {
        match sign {
            '\'' => is_quoted = !is_quoted,
            '\\' if !is_quoted => word.extend(signs.next()),
            ' ' if !is_quoted => words.push(std::mem::take(&mut word)),
            other => word.push(other),
        }
    }
    words.push(word);
    words
}

/// All commands in a file of the pack.
fn commands(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| match value {
            Value::String(command) if name == "command" || name == "counted by" => found.push(command.clone()),
            other => commands(other, found),
        }),
        Value::Array(list) => list.iter().for_each(|value| commands(value, found)),
        _ => {}
    }
}

#[test]
fn the_index_names_every_file_and_each_is_what_it_says() {
    let stand = Stand::new("evidence-index");
    let index = stand.json("index.json");
    let listed = index["files"].as_object().unwrap().values().flat_map(|files| files.as_array().unwrap());
    let mut names = vec!["index.json".to_owned()];
    for file in listed {
        let name = file["file"].as_str().unwrap();
        let bytes = fs::read(stand.out.join(name)).unwrap();
        assert_eq!(hex(&Sha256::digest(&bytes)), file["sha256"].as_str().unwrap(), "{name}");
        assert_eq!(bytes.len() as u64, file["bytes"].as_u64().unwrap(), "{name}");
        names.push(name.to_owned());
    }
    names.sort();
    assert_eq!(files(&stand.out), names);
    for name in &names {
        let text = fs::read_to_string(stand.out.join(name)).unwrap();
        assert!(!text.to_lowercase().contains("compliant"), "{name}");
    }
}

#[test]
fn this_program_knows_every_command_of_the_pack() {
    let stand = Stand::new("evidence-commands");
    let mut told = Vec::new();
    for name in files(&stand.out).iter().filter(|name| name.ends_with(".json")) {
        commands(&stand.json(name), &mut told);
    }
    assert!(told.len() > 60, "{}", told.len());
    let mut kinds = std::collections::BTreeSet::new();
    for command in told {
        let words = words(&command);
        if words[0] == "interceptor" {
            Cli::try_parse_from(&words).unwrap_or_else(|why| panic!("{command}: {why}"));
            assert!(command.contains("it'\\''s.toml"), "not of this configuration: {command}");
            kinds.insert(words[1].clone());
        } else {
            assert!(["cat", "timedatectl"].contains(&words[0].as_str()), "{command}");
        }
    }
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["audit", "check", "evidence", "status"]);
}

#[test]
fn the_page_has_its_charts_and_nothing_from_elsewhere() {
    let stand = Stand::new("evidence-page");
    let page = fs::read_to_string(stand.out.join("index.html")).unwrap();
    assert!(page.matches("<svg").count() >= 10 && page.matches("<rect").count() >= 10, "charts");
    for outside in ["http:", "https:", "//", "<script", "<link", "<img", "url(", "@import", "javascript:"] {
        let at = page.find(outside);
        assert!(at.is_none(), "{outside}: {:?}", at.and_then(|at| page.get(at.saturating_sub(60)..at + 60)));
    }
    let known = files(&stand.out);
    for link in page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(known.iter().any(|name| name == link), "{link} is no file of the pack");
    }
    let (populations, figures) = (page.find("id=\"populations\""), page.find("id=\"r10.2.1.1\""));
    assert!(populations.is_some() && populations < figures, "populations come first");
}

#[test]
fn each_requirement_has_samples_with_all_six_fields() {
    let stand = Stand::new("evidence-samples");
    for requirement in ["10.2.1.1", "10.2.1.2", "10.2.1.3", "10.2.1.4", "10.2.1.5", "10.2.1.6", "10.2.1.7"] {
        let begins = format!("samples/{requirement}-");
        let mut count = 0;
        for name in files(&stand.out).iter().filter(|name| name.starts_with(&begins)) {
            let sample = stand.json(name);
            let records = sample["content"]["samples"].as_array().unwrap();
            assert!(records.len() as u64 <= sample["content"]["population"]["records"].as_u64().unwrap(), "{name}");
            for record in records {
                for field in ["user", "type", "time", "outcome", "origination", "resource"] {
                    let word = record["pci"][field].as_str().unwrap_or_default();
                    assert!(!word.is_empty(), "{name}: no {field} in {record}");
                }
            }
            count += records.len();
        }
        assert!(count > 0, "no sample of {requirement}");
    }
}

#[test]
fn what_failed_and_what_was_never_used_is_told() {
    let stand = Stand::new("evidence-rights");
    let failures = &stand.json("control-failures.json")["content"];
    let told = |name: &str| failures[0][name].clone();
    assert_eq!((told("control"), told("seconds"), told("cause")), ("redirection".into(), 1.into(), "lost".into()));
    assert!(failures[0]["end"]["record"].is_string() && failures.as_array().unwrap().len() == 1, "{failures}");

    assert_eq!(stand.value("idle by the rule agents write: decisions that name it"), 0);
    assert_eq!(stand.value("reconciler by the rule agents read: decisions that name it"), 3);
    let rights = &stand.json("access-rights.json")["content"];
    let never = rights["never used"].as_array().unwrap();
    assert_eq!(never.len(), 2, "{rights}");
    assert!(rights["catalogs"][0]["not read"].as_str().unwrap().contains("[database.login]"), "{rights}");
}

#[test]
fn integrity_says_whether_anybody_elsewhere_could_tell() {
    for (lines, is_told) in crate::config::lead_off() {
        let stand = Stand::with("evidence-here-alone", &lines);
        let integrity = fs::read_to_string(stand.out.join("integrity.txt")).unwrap();
        let told = integrity.lines().filter(|line| line.starts_with("WARNING: neither an [anchor] nor a [[sink]]"));
        assert_eq!(told.count() == 1, is_told, "{lines}: {integrity}");
    }
}
