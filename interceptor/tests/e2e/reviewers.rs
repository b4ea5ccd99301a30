//! What reviewers do beside deciding: end a session, and use the JSON API with a token.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::holds::browse;
use crate::stage::{Answer, POLICY, Stage};
use crate::stand::{Service, free_port};

/// The tests run as root, and that is who reviews in them.
const REVIEWER: &str = "[[reviewer]]\nname = \"ann\"\nuser = \"root\"\n";
const PATIENCE: Duration = Duration::from_secs(60);

fn open(service: &Service) -> Vec<Value> {
    let output = service.verb("sessions open").arg("--json").output().expect("the verb starts");
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

#[test]
fn a_reviewer_ends_a_session() {
    let Some(stage) = Stage::set_beside("", REVIEWER, POLICY) else { return };
    let mut psql = stage.agent(&["-v", "VERBOSITY=verbose", "-f", "-"]);
    psql.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = psql.spawn().expect("psql starts");
    let mut script = child.stdin.take().expect("piped");
    std::io::Write::write_all(&mut script, b"SELECT 1;\n").expect("psql reads");
    let start = Instant::now();
    // One that is ended while it logs in is told so, too; psql shows no SQLSTATE then.
    while !stage.record().iter().any(|line| line.contains("\"type\":\"outcome\"")) {
        assert!(start.elapsed() < PATIENCE, "psql runs nothing:\n{}", stage.service.log());
    }
    let session = loop {
        if let Some(one) = open(&stage.service).pop() {
            break one;
        }
        assert!(start.elapsed() < PATIENCE, "no session is open:\n{}", stage.service.log());
    };
    assert_eq!((&session["agent"], &session["executable"]), (&"reconciler".into(), &"psql".into()));
    let id = session["id"].as_str().expect("a name").to_owned();
    let kill = |id: &str, reason: &str| {
        let mut verb = stage.service.verb("sessions kill");
        Answer::of(verb.args([id, "--reason", reason]).output().expect("the verb starts"))
    };
    assert!(!kill("0.9999", "x").ok && !kill(&id, " ").ok, "none of this name, and no reason");
    let killed = kill(&id, "it leaks");
    assert!(killed.ok, "{}{}", killed.out, killed.err);
    let start = Instant::now();
    while !open(&stage.service).is_empty() {
        assert!(start.elapsed() < PATIENCE, "it is open all the same");
    }
    let _ = std::io::Write::write_all(&mut script, b"SELECT 2;\n");
    drop(script);
    let told = Answer::of(child.wait_with_output().expect("psql ends"));
    assert!(!told.ok && told.err.contains("57P01") && told.err.contains("by ann: it leaks"), "{}", told.err);
    assert!(!kill(&id, "again").ok, "it is over");
    let record = stage.record();
    let ended = |line: &&String| line.contains("\"type\":\"session-end\"") && line.contains("by ann: it leaks");
    assert_eq!(record.iter().filter(ended).count(), 1);
    stage.ask("SELECT 1").says("1");
}

#[test]
fn a_session_that_is_ended_leaves_nothing_running_in_the_database() {
    let policy = POLICY.to_owned()
        + "\n[[rule]]\nname = \"sleep\"\nstatements = [\"select\", \"function-call\"]\nfunctions = [\"pg_catalog.pg_sleep\"]\naction = \"allow\"\n";
    let Some(stage) = Stage::set_beside("", REVIEWER, &policy) else { return };
    let mut psql = stage.agent(&["-v", "VERBOSITY=verbose", "-c", "SELECT pg_catalog.pg_sleep(3600) /* long */"]);
    let child = psql.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("psql starts");
    let running = |expected: &str| {
        let start = Instant::now();
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND query LIKE '%long%'";
        while stage.database.sql("postgres", sql).expect("it answers").trim() != expected {
            assert!(start.elapsed() < PATIENCE, "not {expected} of it run:\n{}", stage.service.log());
        }
    };
    running("1");
    let id = open(&stage.service).pop().and_then(|one| one["id"].as_str().map(str::to_owned)).expect("it is open");
    let mut kill = stage.service.verb("sessions kill");
    assert!(kill.args([&id, "--reason", "it runs for an hour"]).output().expect("the verb starts").status.success());
    running("0");
    let told = Answer::of(child.wait_with_output().expect("psql ends"));
    assert!(!told.ok && told.err.contains("57P01"), "{}", told.err);
    assert!(
        stage.database.log().contains("canceling statement due to user request"),
        "by a cancel, and not by a broken pipe"
    );
}

#[test]
fn a_reviewer_sees_what_rules_decided_and_what_a_session_did() {
    let address = format!("127.0.0.1:{}", free_port().expect("a port"));
    let tables = format!("{REVIEWER}\n[admin]\nlisten = \"{address}\"\n");
    let Some(stage) = Stage::set_beside("record = \"results\"\n", &tables, POLICY) else { return };
    let mut verb = stage.service.verb("approvals token");
    let token = Answer::of(verb.args(["--scope", "read", "--for", "e2e"]).output().expect("the verb starts"));
    let read = |path: &str| -> Value {
        let token = token.out.trim();
        let answer = browse(
            &address,
            &format!(
                "GET /api/v1/{path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
            ),
        );
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        serde_json::from_str(body).unwrap_or_default()
    };
    let mut psql = stage.agent(&["-v", "VERBOSITY=verbose", "-f", "-"]);
    psql.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = psql.spawn().expect("psql starts");
    let mut script = child.stdin.take().expect("piped");
    std::io::Write::write_all(&mut script, b"SELECT pan FROM payments WHERE id = 1;\nDROP TABLE payments;\n")
        .expect("psql reads");
    let hits = |rule: &str| {
        let book = read("policy");
        let rule = book["rules"].as_array().into_iter().flatten().find(|one| one["name"] == rule).cloned();
        rule.and_then(|rule| rule["hits"].as_u64())
    };
    let start = Instant::now();
    while hits("no schema") != Some(1) {
        assert!(start.elapsed() < PATIENCE, "it is never blocked:\n{}", stage.service.log());
    }
    assert_eq!((hits("read"), hits("write plain"), hits("nothing")), (Some(1), Some(0), None));
    let id = open(&stage.service).pop().and_then(|one| one["id"].as_str().map(str::to_owned)).expect("it is open");
    let timeline = read(&format!("sessions/{id}"));
    let moments = timeline["moments"].as_array().cloned().unwrap_or_default();
    let place =
        |what: &str| moments.iter().position(|one| one["what"].as_str().is_some_and(|said| said.starts_with(what)));
    let places = ["session-start", "login", "allow", "1 rows in", "block"].map(place);
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?} {timeline}");
    assert_eq!((&timeline["agent"], &timeline["left_off"]), (&"reconciler".into(), &0.into()));
    let received: Vec<&Value> = moments.iter().map(|one| &one["received"]).filter(|one| one.is_object()).collect();
    let lines = json!([{ "columns": ["pan"] }, { "row": ["411111******1111"] }, { "said": "SELECT 1" }]);
    assert_eq!(received, [&json!({ "lines": lines, "more": 0 })], "what came back, as it came back");
    assert!(read("sessions/0.999999")["error"].is_string());
    drop(script);
    child.wait_with_output().expect("psql ends");
    let read_by = |line: &&String| line.contains("\"type\":\"reading\"") && line.contains("\"operator\":\"ann\"");
    assert_eq!(stage.record().iter().filter(read_by).count(), 2, "that it was read is in the record");
}

#[test]
fn a_token_reads_until_another_key() {
    let address = format!("127.0.0.1:{}", free_port().expect("a port"));
    let tables = format!("{REVIEWER}\n[admin]\nlisten = \"{address}\"\n");
    let Some(mut stage) = Stage::set_beside("", &tables, POLICY) else { return };
    let mut verb = stage.service.verb("approvals token");
    let token = Answer::of(verb.args(["--scope", "read", "--for", "e2e"]).output().expect("the verb starts"));
    assert!(token.ok, "{}", token.err);
    let read = || {
        browse(
            &address,
            &format!(
                "GET /api/v1/status HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
                token.out.trim()
            ),
        )
    };
    assert!(read().starts_with("HTTP/1.1 200"));
    stage.service.stop("TERM").expect("stopped");
    stage.service.run().expect("started again");
    assert!(read().starts_with("HTTP/1.1 200"), "the key stays");
    stage.service.stop("TERM").expect("stopped");
    std::fs::remove_file(stage.service.state().join("api-token.key")).expect("it was there");
    stage.service.run().expect("started again");
    assert!(read().starts_with("HTTP/1.1 401"), "another key ends every token");
}
