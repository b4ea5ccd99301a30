//! Estimates of the real planner, on a login of our own: rules that ask for them, reviewers who are told.

use serde_json::Value;

use crate::stage::{CARDS, Stage, login, postgres_bin, with_login};
use crate::stand::Folder;

const POLICY: &str = r#"
[[rule]]
name = "any"
action = "allow"

[[rule]]
name = "large reads"
statements = ["select"]
estimated_rows_over = 10_000
action = "hold"
expires = "1s"
message = "more than ten thousand rows"
"#;
const REVIEWER: &str = "[[reviewer]]\nname = \"ann\"\nuser = \"root\"\n";
const LARGE: &str = "SELECT count(*) FROM generate_series(1,3000) a, generate_series(1,300) b";
const SMALL: &str = "SELECT count(*) FROM generate_series(1,30)";

/// A role of ours that must prove its password, and the rights that OPERATING.md lists.
fn stage() -> Option<(Stage, Folder)> {
    stage_under(POLICY)
}

fn stage_under(policy: &str) -> Option<(Stage, Folder)> {
    let folder = Folder::new("login").expect("a folder");
    let stage = Stage::before(&format!("{}{REVIEWER}", login(&folder)), policy, with_login)?;
    stage.database.sql("postgres", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO interceptor_ro").expect("granted");
    Some((stage, folder))
}

/// The last held statement, whatever came of it.
fn last(stage: &Stage) -> Value {
    let output = stage.service.verb("approvals list").arg("--json").output().expect("the verb starts");
    let listing: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    listing["over"].as_array().and_then(|over| over.first().cloned()).unwrap_or_default()
}

#[test]
fn a_rule_asks_and_a_reviewer_is_told() {
    let Some((stage, _folder)) = stage() else { return };
    stage.ask(SMALL).says("30");
    stage.ask("SELECT customer FROM payments WHERE id = 1").says("Ada Alder");
    stage.ask(LARGE).refused("42501");
    let held = last(&stage);
    assert_eq!(held["estimate"]["rows"], 900_000, "{held}");
    let id = held["id"].as_str().unwrap_or_default().to_owned();
    let shown = stage.service.verb("approvals show").arg(&id).output().expect("the verb starts");
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("at most 900000 rows in a step"), "{shown}");
    let record = stage.record();
    assert!(record.iter().any(|line| line.contains("\"ask\"") && line.contains("\"estimated_rows\":900000")));

    // Values of the extended protocol's parameters count.
    let script = Folder::new("script").expect("a folder");
    let file = script.path().join("script.sql");
    std::fs::write(&file, "SELECT count(*) FROM generate_series(1, :n);\n").expect("written");
    let pgbench = |rows: &str| {
        let (port, file, rows) = (stage.database.port.to_string(), file.display().to_string(), format!("n={rows}"));
        let bin = postgres_bin().join("pgbench").display().to_string();
        let args = [
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-U",
            "app",
            "-n",
            "-M",
            "extended",
            "-t",
            "1",
            "-D",
            &rows,
            "-f",
            &file,
            "postgres",
        ];
        stage.service.exec("reconciler", &bin, &args).output().expect("pgbench starts")
    };
    assert!(pgbench("500").status.success());
    let large = pgbench("500000");
    assert!(String::from_utf8_lossy(&large.stderr).contains("more than ten thousand rows"), "it is held");
    assert_eq!(last(&stage)["estimate"]["rows"], 500_000);
    // Nothing but plans was asked for, in transactions that change nothing.
    let log = stage.database.log();
    let ours: Vec<&str> = log.lines().filter(|line| line.contains("interceptor_ro") && line.contains("LOG:")).collect();
    assert!(!ours.is_empty() && ours.iter().all(|line| !line.contains("ANALYZE")), "{ours:?}");
}

#[test]
fn what_could_run_with_our_rights_is_not_planned_and_a_dead_login_is_no_estimate() {
    let Some((stage, _folder)) = stage() else { return };
    stage.ask(SMALL).says("30");
    let as_app =
        |sql: &str| stage.database.sql("postgres", &format!("SET SESSION AUTHORIZATION app; {sql}")).expect("made");
    // The agent may not read it and our login may: the estimate must not tell.
    as_app(
        "CREATE FUNCTION told() RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT length(pan) FROM public.payments LIMIT 1); END'",
    );
    stage.ask("SELECT 1 FROM generate_series(1, 30) LIMIT told()").refused("42501");
    assert!(last(&stage)["estimate"].is_null());
    stage.ask(SMALL).says("30");
    // An operator's function is named nowhere in a text: while there is one that is no superuser's nothing is planned.
    as_app(
        "CREATE FUNCTION same(int, int) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT true'; CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = same)",
    );
    stage.ask(SMALL).refused("42501");
    as_app("DROP OPERATOR === (int, int)");
    stage.ask(SMALL).says("30");

    stage.database.sql("postgres", "ALTER ROLE interceptor_ro NOLOGIN; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'interceptor_ro'").expect("turned off");
    stage.ask(SMALL).refused("42501");
    stage.ask("UPDATE plain SET note = 'x' WHERE id = 1").says("UPDATE 0");
    stage.ask(SMALL).refused("42501");
    assert!(stage.service.log().contains("[database.login] has no connection"), "{}", stage.service.log());
}

const SENSITIVE: &str = "[[sensitive]]\ncolumns = [\"public.payments.pan\"]\nkind = \"pan\"\n";

/// What `explain` prints is what a session answers.
#[test]
fn explain_says_what_an_agent_will_be_told() {
    let Some((stage, folder)) = stage_under(&format!("{SENSITIVE}{POLICY}")) else { return };
    stage.database.sql("postgres", "CREATE VIEW v AS SELECT id, pan AS ref FROM payments").expect("made");
    stage.database.sql("postgres", "GRANT SELECT ON v TO app").expect("granted");
    let constant = "CREATE VIEW one AS SELECT id FROM tickets WHERE note = '4111 1111 1111 1111'";
    stage.database.sql("postgres", constant).expect("made");
    let saved = folder.path().join("schema").display().to_string();
    let explain = |schema: &str, sql: &str| {
        let mut verb = stage.service.verb("explain --agent reconciler --database payments --dbname postgres");
        let output =
            verb.args(["--schema", schema, "--save", &saved, "--json", sql]).output().expect("the verb starts");
        let said: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code(), said)
    };
    for sql in ["SELECT reverse(ref) FROM v", "SELECT id FROM v WHERE ref LIKE '4%'", "SELECT nothing FROM nowhere"] {
        let (code, said) = explain("live", sql);
        let answer = stage.ask(sql);
        assert_eq!(code, Some(1), "{sql}: {said}");
        for (key, heading) in [("message", "ERROR:"), ("detail", "DETAIL:"), ("hint", "HINT:")] {
            let words = said[key].as_str().unwrap_or_default();
            let line = answer.err.lines().find(|line| line.starts_with(heading)).unwrap_or_default();
            assert!(
                !words.is_empty() && line.ends_with(words),
                "{sql}: {key} `{words}`, the agent saw: {}",
                answer.err
            );
        }
    }
    // What an agent has copied is known to both.
    stage.database.sql("postgres", "GRANT INSERT ON plain TO interceptor_ro").expect("granted");
    stage.ask("INSERT INTO plain SELECT id, pan FROM payments").says("INSERT 0 5");
    let (code, said) = explain("live", "SELECT reverse(note) FROM plain");
    assert_eq!((code, stage.ask("SELECT reverse(note) FROM plain").ok), (Some(1), false), "{said}");
    let (_, live) = explain("live", "SELECT id, ref FROM v LIMIT 1");
    let parts = &live["statements"][0]["parts"];
    assert_eq!((&parts[0]["fate"], &parts[1]["fate"]), (&Value::from("passes"), &Value::from("masked")), "{live}");
    assert!(parts[1]["reason"].as_str().is_some_and(|reason| reason.contains("public.payments.pan")), "{live}");
    let (_, file) = explain(&saved, "SELECT id, ref FROM v LIMIT 1");
    assert_eq!(file, live);
    let written = std::fs::read_to_string(&saved).expect("saved");
    assert!(written.contains("tickets") && CARDS.iter().all(|card| !written.contains(card)), "a card was written");
}
