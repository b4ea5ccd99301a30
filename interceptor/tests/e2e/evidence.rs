//! The evidence pack of a real stand: every number in it is what its printed command prints, and a changed file shows.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::chromium::Browser;
use crate::stage::{CARDS, POLICY, Stage, binary, login, with_login};
use crate::stand::{Folder, succeed};

fn json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    serde_json::from_str(&text).expect("JSON")
}

/// What a printed command says, of this program.
fn answer(command: &str) -> String {
    let command = command.replacen("interceptor", &binary().display().to_string(), 1);
    let output = succeed(Command::new("sh").args(["-c", &command])).expect("the printed command runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What the command prints, as the pack has it.
fn printed(command: &str) -> Value {
    let text = answer(command);
    if command.contains("--distinct") {
        let each = text.lines().filter_map(|line| line.split_once('\t'));
        return each
            .map(|(count, value)| (value.to_owned(), count.parse::<u64>().expect("a number").into()))
            .collect::<serde_json::Map<_, _>>()
            .into();
    }
    text.trim().parse::<u64>().expect("a number").into()
}

#[test]
fn every_number_of_the_pack_is_what_its_command_prints() {
    let approved = "[approved]\nby = [\"ann\", \"bob\"]\nreason = \"CHG-7\"\n";
    let passwords = Folder::new("evidence-login").expect("a folder");
    let Some(stage) = Stage::before(&login(&passwords), &format!("{approved}{POLICY}"), with_login) else { return };
    stage.ask("SELECT pan FROM payments ORDER BY id LIMIT 2").holds_no_card();
    stage.ask("DROP TABLE payments").refused("42501");
    stage.ask("SELECT count(*) FROM payments").says("5");
    // The pack ends at the last whole second before it is made.
    std::thread::sleep(std::time::Duration::from_millis(2200));
    let folder = Folder::new("evidence").expect("a folder");
    let out = folder.path().join("pack");
    let mut verb = stage.service.verb("evidence");
    let made = succeed(verb.args(["--from", "2020-01-01", "--to", "2099-12-31", "--out"]).arg(&out)).expect("made");
    let said = String::from_utf8_lossy(&made.stdout).into_owned();

    let figures = json(&out.join("figures.json"));
    let figures = figures["content"].as_array().expect("figures");
    assert!(figures.len() > 30, "{}", figures.len());
    for figure in figures {
        let command = figure["command"].as_str().expect("a command");
        assert_eq!(printed(command), figure["value"], "{command}");
    }
    let value =
        |title: &str| &figures.iter().find(|f| f["title"] == title).unwrap_or_else(|| panic!("{title}"))["value"];
    assert_eq!(value("refused statements"), 1);
    assert_eq!(
        value("statements whose results held card data").as_u64().unwrap_or(0)
            + value("statements whose results held named sensitive columns").as_u64().unwrap_or(0),
        1
    );
    assert_eq!(
        value("values masked by content").as_u64().unwrap_or(0)
            + value("values masked since policy names their column").as_u64().unwrap_or(0),
        2
    );
    assert_eq!(value("decisions by agent")["reconciler"], 3);
    assert_eq!(value("reconciler on payments: kinds of statements that did not")["drop-table"], 1);

    // What the catalog gives the agent's role, and what it did of that.
    assert_eq!(value("app on payments/postgres may SELECT public.payments"), 2);
    assert_eq!(value("app on payments/postgres may TRUNCATE public.payments"), 0);
    assert_eq!(value("app on payments/postgres may DELETE public.plain"), 0);
    assert_eq!(value("reconciler by the rule write plain: decisions that name it"), 0);
    let rights = json(&out.join("access-rights.json"));
    assert!(rights["content"]["catalogs"][0]["privileges"].as_u64().is_some_and(|count| count > 10), "{rights}");

    // Each file's own command runs too, and those of the lines in it.
    let failures = json(&out.join("control-failures.json"));
    for failure in failures["content"].as_array().expect("failures") {
        let command = failure["command"].as_str().expect("a command");
        let told = answer(command);
        assert!(told.contains(failure["start"]["record"].as_str().expect("a record")), "{command}: {told}");
    }

    // The six fields of 10.2.2 in every sample, and populations before them.
    let sample = json(&out.join("samples/10.2.1.4-refused-statements.json"));
    assert_eq!(sample["content"]["population"]["records"], 1);
    for field in ["user", "type", "time", "outcome", "origination", "resource"] {
        assert!(
            sample["content"]["samples"][0]["pci"][field].as_str().is_some_and(|word| !word.is_empty()),
            "{field}: {sample}"
        );
    }
    let populations = json(&out.join("populations.json"));
    assert_eq!(populations["content"]["agents"], serde_json::json!(["reconciler"]));
    assert_eq!(
        populations["content"]["rules that decided nothing in this time"],
        serde_json::json!(["write plain", "sessions"])
    );

    let policies = &json(&out.join("policy-approvers.json"))["content"];
    assert_eq!(
        (&policies[0]["approved by"], &policies[0]["reason"]),
        (&"ann, bob".into(), &"CHG-7".into()),
        "{policies}"
    );
    assert_eq!(
        policies[0]["put in force by"].as_str().and_then(|by| by.split(',').next()),
        Some("start of the service")
    );
    assert_eq!(value("policies put in force by who approved them, as their files say")["ann, bob"], 1);

    let negative = json(&out.join("integrity-negative.json"));
    assert_eq!(negative["content"]["before the change"]["verdict"], "whole", "{negative}");
    assert_eq!(negative["content"]["after the change"]["verdict"], "tampered", "{negative}");
    assert!(std::fs::read_to_string(out.join("integrity.txt")).expect("there").starts_with("whole"));
    let coverage = &json(&out.join("coverage.json"))["content"];
    assert!(coverage["redirected"].as_u64().is_some_and(|count| count >= 3), "{coverage}");
    assert_eq!(
        coverage["seen"].as_u64(),
        Some(coverage["redirected"].as_u64().unwrap_or(0) + coverage["refused"].as_u64().unwrap_or(0))
    );

    // Every file has its hash in the index, and the index has its in the record.
    let index = json(&out.join("index.json"));
    for file in index["files"].as_object().expect("files").values().flat_map(|files| files.as_array().expect("a list"))
    {
        let name = out.join(file["file"].as_str().expect("a name"));
        let sum = succeed(Command::new("sha256sum").arg(&name)).expect("a sum");
        assert!(
            String::from_utf8_lossy(&sum.stdout).starts_with(file["sha256"].as_str().expect("a hash")),
            "{}",
            name.display()
        );
        let text = std::fs::read_to_string(&name).expect("text");
        assert!(!text.to_lowercase().contains("compliant"), "{}", name.display());
        assert!(CARDS.iter().all(|card| !text.contains(card)), "a card is in {}", name.display());
    }
    let hash = said.trim().rsplit(' ').next().expect("a hash").to_owned();
    assert!(stage.record().iter().any(|line| line.contains("evidence made") && line.contains(&hash[..32])), "{said}");
    // A folder that is there is never written into.
    assert!(!verb.status().expect("runs").success());
}

/// In Chromium, from its folder: all of it is there, and nothing is asked for elsewhere. `cargo xtask nightly page`.
#[test]
#[ignore = "nightly"]
fn the_pack_opens_in_a_browser() {
    let Some(stage) = Stage::usual() else { return };
    let Some(browser) = Browser::open(true) else { return };
    stage.ask("SELECT pan FROM payments ORDER BY id LIMIT 2").holds_no_card();
    stage.ask("DROP TABLE payments").refused("42501");
    std::thread::sleep(std::time::Duration::from_millis(2200));
    let folder = Folder::new("evidence").expect("a folder");
    let out = folder.path().join("pack");
    let mut verb = stage.service.verb("evidence");
    succeed(verb.args(["--from", "2020-01-01", "--to", "2099-12-31", "--out"]).arg(&out)).expect("made");

    let address = |name: &str| format!("file://{}/{name}", out.display());
    browser.go(&address("index.html"));
    browser.find("#populations");
    let drawn = browser.run(
        "return [...document.querySelectorAll('svg rect')].filter(bar => bar.getBoundingClientRect().width >= 1).length",
    );
    assert!(drawn.as_u64().is_some_and(|bars| bars > 10), "bars of the charts: {drawn}");
    let wide = browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth");
    assert_eq!(wide, 0, "a line is wider than the screen");
    browser.picture("evidence.png");
    let links = browser.run("return [...document.querySelectorAll('a')].map(link => link.href)");
    let links: Vec<&str> = links.as_array().expect("links").iter().filter_map(Value::as_str).collect();
    assert!(links.len() > 20, "{links:?}");
    for link in &links {
        browser.go(link);
        let length = browser.run("return document.body.innerText.length");
        assert!(length.as_u64().is_some_and(|length| length > 0), "{link} is empty");
        assert_eq!(
            browser.run("return document.contentType !== 'text/html' || location.href.endsWith('.html')"),
            true,
            "{link}"
        );
    }
    let elsewhere: Vec<String> =
        browser.requests().into_iter().filter(|asked| !asked.starts_with(&address(""))).collect();
    assert!(elsewhere.is_empty(), "asked for elsewhere: {elsewhere:?}");
    assert_eq!(browser.console(), [""; 0], "the console");
}

#[test]
fn the_public_schema_takes_every_record_of_a_service() {
    let Some(stage) = Stage::usual() else { return };
    stage.ask("SELECT pan FROM payments ORDER BY id LIMIT 2").holds_no_card();
    stage.ask("DROP TABLE payments").refused("42501");
    stage.ask("SELECT 1 / 0").refused("22012");
    let folder = Folder::new("ocsf").expect("a folder");
    let (events, check) = (folder.path().join("events.json"), folder.path().join("check.py"));
    let exported = succeed(stage.service.verb("audit export").arg("--ocsf")).expect("exported");
    std::fs::write(&events, &exported.stdout).expect("written");
    for name in ["check.py", "schema-1.5.0.json"] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../userspace/audit/ocsf").join(name);
        std::fs::copy(from, folder.path().join(name)).expect("copied");
    }
    let said = succeed(Command::new("python3").arg("-B").arg(check).arg(&events)).expect("the schema takes them");
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains(" 0 not as OCSF 1.5.0 has them"), "{said}");
    let text = String::from_utf8_lossy(&exported.stdout).into_owned();
    for class in ["3002", "6002", "6005"] {
        assert!(text.contains(&format!("\"class_uid\":{class},")), "no event of {class}");
    }
}
