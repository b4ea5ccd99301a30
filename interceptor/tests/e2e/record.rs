//! What the record says of what was done, held against the server's own log.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::health::no_session_is_left;
use crate::stage::{Answer, CARDS, POLICY, Stage, postgres_bin};
use crate::stand::{Folder, succeed};

#[test]
fn every_statement_of_the_servers_log_has_one_decision() {
    let Some(stage) = Stage::usual() else { return };
    stage.ask("SELECT 17 AS first_marker");
    stage.ask("DROP TABLE payments");
    stage.script("BEGIN;\nSELECT 18 AS second_marker;\nCOMMIT;\n");
    let decisions: Vec<String> = stage.record().into_iter().filter(|l| l.contains("\"decision\"")).collect();
    for marker in ["first_marker", "second_marker"] {
        let executed = stage.database.log().lines().filter(|l| l.contains("statement: ") && l.contains(marker)).count();
        let recorded = decisions.iter().filter(|l| l.contains(marker)).count();
        assert_eq!((executed, recorded), (1, 1), "{marker}");
    }
    assert!(
        decisions.iter().any(|l| l.contains("drop-table") && l.contains("block")),
        "the refusal is not in the record"
    );
}

#[test]
fn the_record_holds_no_card_and_says_who() {
    let Some(stage) = Stage::usual() else { return };
    stage.ask("SELECT customer FROM payments WHERE pan = '4111111111111111'");
    let record = stage.record().join("\n");
    for card in CARDS {
        assert!(!record.contains(card), "a card is in the record");
    }
    assert!(record.contains("reconciler") && record.contains("psql"), "agent and executable are missing");
}

#[test]
fn verify_passes_and_names_the_first_bad_record_of_a_changed_copy() {
    let Some(mut stage) = Stage::usual() else { return };
    stage.ask("SELECT customer FROM payments");
    stage.service.stop("TERM").expect("stopped");
    succeed(&mut stage.service.verb("audit verify")).expect("whole");

    let copy = Folder::new("copy").expect("a folder");
    succeed(Command::new("cp").arg("-r").arg(stage.service.state()).arg(copy.path())).expect("copied");
    let state = copy.path().join("state");
    let changed = change_one_byte(&state);
    let verdict = stage.service.verb("audit verify").arg(&state).output().expect("runs");
    let said = String::from_utf8_lossy(&verdict.stdout).into_owned() + &String::from_utf8_lossy(&verdict.stderr);
    assert_eq!(verdict.status.code(), Some(1), "{said}");
    assert!(changed && said.contains("record"), "{said}");
    stage.service.run().expect("started again");
}

#[test]
fn a_backtest_reads_the_record_and_is_in_it() {
    let Some(stage) = Stage::usual() else { return };
    stage.ask("SELECT customer FROM payments");
    let log = stage.service.state().display().to_string();
    let output = stage.service.verb("check").args(["--against", &log]).output().expect("the verb starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("decisions"), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let read = |line: &String| line.contains("\"reading\"") && line.contains("check --against");
    assert_eq!(stage.record().iter().filter(|line| read(line)).count(), 1);
}

fn change_one_byte(state: &std::path::Path) -> bool {
    let mut folders = vec![state.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("readable").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let mut bytes = std::fs::read(&path).expect("readable");
            if let Some(at) = bytes.windows(8).position(|w| w == b"customer") {
                bytes[at] = b'C';
                std::fs::write(&path, bytes).expect("written");
                return true;
            }
        }
    }
    false
}

#[test]
fn sessions_are_listed_shown_searched_and_played_again() {
    let Some(stage) = Stage::usual() else { return };
    stage.script(
        "SELECT count(*) FROM payments;\nSELECT pan FROM payments ORDER BY id LIMIT 2;\nDROP TABLE payments;\n",
    );
    let verb = |words: &str, more: &[&str]| {
        let output = stage.service.verb(words).args(more).output().expect("runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), text, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let json = |words: &str, more: &[&str]| -> Vec<serde_json::Value> {
        let (_, out, err) = verb(words, &[more, &["--json"]].concat());
        out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}{err}"))).collect()
    };

    no_session_is_left(&stage);
    let sessions = json("sessions list", &[]);
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    let one = &sessions[0];
    assert_eq!((one["agent"].as_str(), one["user"].as_str()), (Some("reconciler"), Some("app")));
    assert_eq!((&one["statements"], &one["refused"], &one["masked"]), (&3.into(), &1.into(), &2.into()));
    let id = one["session"].as_str().expect("an id");

    let shown = json("sessions show", &[id]);
    let kinds: Vec<&str> = shown.iter().filter_map(|record| record["type"].as_str()).collect();
    assert_eq!((kinds.first(), kinds.last()), (Some(&"session-start"), Some(&"session-end")), "{kinds:?}");
    let played = verb("sessions replay", &[id, "--speed", "1000"]);
    assert_eq!((played.0, played.1.lines().count()), (Some(0), shown.len()), "{}", played.2);

    let found = json("sessions search", &["agent:reconciler table:payments masked:>0 since:1h"]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["text"], "SELECT pan FROM payments ORDER BY id LIMIT 2;");
    assert_eq!((&found[0]["outcome"]["rows"], &found[0]["session_record"]), (&2.into(), &id.into()));
    let dropped = json("sessions search", &["verdict:blocked", "drop"]);
    assert_eq!((dropped.len(), &dropped[0]["kinds"][0]), (1, &"drop-table".into()));
    let none = verb("sessions search", &["nothing-of-the-kind"]);
    assert_eq!((none.0, none.1.as_str()), (Some(1), ""));
    let unclear = verb("sessions search", &["agnt:reconciler"]);
    assert!(unclear.0 == Some(1) && unclear.2.contains("did you mean `agent`?"), "{}", unclear.2);
    // Hostile to the index's own syntax.
    for hostile in ["\"", "NEAR(a b)", "agent:\"x\" OR 1", "{agent} : x", "* ^ a", "a\"b\"c", "') --", "col:x"] {
        let (status, _, err) = verb("sessions search", &[hostile]);
        assert!(status == Some(0) || status == Some(1), "{hostile}: {err}");
        assert!(!err.contains("syntax") && !err.contains("no such column"), "{hostile}: {err}");
    }

    // Whoever searched is found, and the index is made anew from the segments alone.
    let readings = json("sessions search", &["type:reading masked", "--limit", "2"]);
    assert_eq!(readings[1]["object"], "sessions search agent:reconciler table:payments masked:>0 since:1h");
    assert_eq!(verb("sessions index", &["--rebuild"]).0, Some(0));
    assert_eq!(json("sessions search", &["agent:reconciler table:payments masked:>0 since:1h"]), found);
    for answer in [verb("sessions show", &[id]).1, verb("sessions search", &["select"]).1] {
        Answer { out: answer, err: String::new(), ok: true }.holds_no_card();
    }
}

/// A number in a text and, bound by another client, as a parameter: who knows it finds both, and nothing else has it.
#[test]
fn what_touched_a_card_is_found_by_its_token() {
    // A number of an issuer that only this deployment knows.
    const ISSUED: &str = "7000000000000005";
    let config = "record = \"results\"\n[[masking.prefix]]\ndigits = \"7000\"\nlengths = [16]\n";
    let Some(stage) = Stage::set(config, POLICY) else { return };
    let card = CARDS[0];
    stage.ask(&format!("SELECT '{card}', 'in a text'"));
    stage.ask(&format!("SELECT '{ISSUED}'"));
    stage.ask("SELECT '4111111111111112', 'no card'");
    let script = Folder::new("bound").expect("a folder");
    let file = script.path().join("bound.sql");
    std::fs::write(&file, format!("\\set card {card}\nSELECT :card, 'as a parameter';\n")).expect("written");
    let port = stage.database.port.to_string();
    let args = ["-n", "-t", "1", "-M", "extended", "-f", &file.display().to_string(), "-h", "127.0.0.1", "-p", &port];
    let pgbench = postgres_bin().join("pgbench").display().to_string();
    let args = [&args[..], &["-U", "app", "postgres"]].concat();
    Answer::of(stage.service.exec("reconciler", &pgbench, &args).output().expect("pgbench starts")).holds_no_card();
    no_session_is_left(&stage);

    let token = |number: &str| {
        let mut verb = stage.service.verb("audit token");
        let mut child = verb.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("runs");
        let written = child.stdin.take().expect("piped").write_all(number.as_bytes());
        written.expect("it reads");
        Answer::of(child.wait_with_output().expect("ends"))
    };
    let (of_card, spaced) = (token(card), token("4111 1111 1111 1111\n"));
    assert!(of_card.ok && of_card.out == spaced.out && of_card.out.trim().len() == 40, "{}", of_card.err);
    let none = token("4111111111111112");
    assert!(!none.ok && none.err.contains("no card number") && !none.err.contains("1111"), "{}", none.err);
    let search = |words: &str| {
        let output = stage.service.verb("sessions search").args([words, "--json"]).output().expect("runs");
        Answer::of(output)
    };
    let found = search(&format!("card:{} type:decision", of_card.out.trim()));
    found.holds_no_card();
    let mut texts: Vec<String> = found
        .out
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .map(|record| format!("{} {}", record["request"].as_str().unwrap_or_default(), record["parameters"]))
        .collect();
    texts.sort();
    assert_eq!(texts, ["execute [\"411111******1111\"]", "query null"], "{}", found.err);
    let issued = token(ISSUED);
    assert!(issued.ok, "{}", issued.err);
    assert_eq!(search(&format!("card:{} type:decision", issued.out.trim())).out.lines().count(), 1);
    // Of a number itself nothing is found, and it is not repeated.
    let typed = search(&format!("card:{card}"));
    assert!(!typed.ok && typed.err.contains("audit token"), "{}", typed.err);
    typed.holds_no_card();
    assert!(stage.record().iter().any(|line| line.contains("a card's token")), "who asked is in the record");
}
