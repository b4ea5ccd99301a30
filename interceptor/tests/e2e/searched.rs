//! How values are searched: the masked format, a column's mode, an operator's patterns, and what is seen in columns.

use std::time::{Duration, Instant};

use crate::stage::{POLICY, Stage};
use crate::stand::succeed;

/// The deployment's format is not the usual one, and has a prefix of its own.
const CONFIG: &str = "[masking]\nformat = \"last4\"\n[[masking.prefix]]\ndigits = \"7000\"\nlengths = [16]\n";

const SEARCHED: &str = r#"
[[scan]]
columns = ["public.plain.note"]
mode = "strict"

[[pattern]]
name = "staff"
regex = '\bEMP-\d{6}\b'
"#;

fn columns(stage: &Stage) -> String {
    let output = succeed(stage.service.verb("status").arg("--columns")).expect("status --columns");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn format_mode_and_patterns_are_what_the_operator_wrote() {
    let Some(stage) = Stage::set(CONFIG, &format!("{POLICY}{SEARCHED}")) else { return };
    let check = succeed(&mut stage.service.verb("check")).expect("check");
    let check = String::from_utf8_lossy(&check.stdout);
    for word in ["the last four digits stay", "prefix     7000", "public.plain.note", "times the card scan"] {
        assert!(check.contains(word), "{check}");
    }
    // A number of the operator's own range that passes the check digit; nobody's.
    stage
        .database
        .sql("postgres", "INSERT INTO tickets VALUES (3, '7000000000000005 of EMP-123456'), (4, 'x4111111111111111'); INSERT INTO plain VALUES (1, 'x4111111111111111')")
        .expect("inserted");
    stage.ask("SELECT note FROM tickets WHERE id = 3").says("************0005 of **********");
    stage.ask("SELECT note FROM tickets WHERE id = 1").says("paid with **** **** **** 1111, please refund");
    stage.ask("SELECT pan FROM payments WHERE id = 1").says("************1111");
    // A letter in front: balanced lets it pass, strict does not.
    stage.ask("SELECT note FROM tickets WHERE id = 4").says("x4111111111111111");
    stage.ask("SELECT note FROM plain").holds_no_card();
    let error = stage.ask("SELECT note::int FROM tickets WHERE id = 3");
    assert!(error.err.contains("of **********") && !error.err.contains("123456"), "{}", error.err);
    // A reload does not change the format, and says so.
    let config = std::fs::read_to_string(stage.service.config_path()).expect("the configuration");
    std::fs::write(stage.service.config_path(), config.replace("last4", "nothing")).expect("written");
    reload(&stage);
    let status =
        String::from_utf8_lossy(&succeed(&mut stage.service.verb("status")).expect("status").stdout).into_owned();
    assert!(status.contains("it takes a restart"), "{status}");
    stage.ask("SELECT pan FROM payments WHERE id = 1").says("************1111");
}

fn reload(stage: &Stage) {
    let before = stage.service.log().matches("policy reloaded").count();
    succeed(std::process::Command::new("kill").args(["-s", "HUP", &stage.service.pid().expect("runs").to_string()]))
        .expect("told");
    wait(|| stage.service.log().matches("policy reloaded").count() > before, "the policy is reloaded");
}

#[track_caller]
fn wait(until: impl Fn() -> bool, what: &str) {
    let began = Instant::now();
    while !until() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_column_of_cards_is_found_and_one_of_chance_can_be_declared_clear() {
    let Some(stage) = Stage::usual() else { return };
    // Twenty cards in a column that no rule names, and three numbers that pass for one among two thousand that do not.
    stage
        .database
        .sql(
            "postgres",
            "INSERT INTO plain SELECT n, '4111111111111111' FROM generate_series(1, 20) n; DELETE FROM tickets;
             INSERT INTO tickets SELECT n, CASE WHEN n <= 3 THEN '5555555555554444' ELSE 'order ' || n END
             FROM generate_series(1, 2000) n",
        )
        .expect("inserted");
    stage.ask("SELECT note FROM plain").holds_no_card();
    stage.ask("SELECT note FROM tickets ORDER BY id").holds_no_card();
    let findings: Vec<String> =
        stage.record().into_iter().filter(|line| line.contains("\"type\":\"finding\"")).collect();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].contains("hits=8") && findings[0].contains("OID"), "{}", findings[0]);
    wait(|| stage.service.log().contains("FINDING"), "the journal tells it");
    // The question of the shard's next session brings the names.
    let named = || {
        stage.ask("SELECT 1").says("1");
        let seen = columns(&stage);
        seen.contains("public.plain.note") && seen.contains("public.tickets.note")
    };
    wait(named, "the columns have names");
    let seen = columns(&stage);
    assert!(seen.contains("CARDS, and no rule names it"), "{seen}");
    let status =
        String::from_utf8_lossy(&succeed(&mut stage.service.verb("status")).expect("status").stdout).into_owned();
    assert!(status.contains("public.plain.note holds CARD NUMBERS"), "{status}");
    // What `status --columns` proposes is taken as it is written.
    let proposed: String =
        seen.lines().filter_map(|line| line.strip_prefix("            ")).map(|line| format!("{line}\n")).collect();
    assert!(proposed.contains("columns = ['public.tickets.note']"), "{seen}");
    stage.service.write_policy(&format!("{POLICY}\n{proposed}")).expect("written");
    reload(&stage);
    stage.ask("SELECT note FROM tickets WHERE id = 1").says("5555555555554444");
    stage.ask("SELECT note FROM plain LIMIT 1").says("411111******1111");
    succeed(stage.service.verb("audit verify").arg("--json")).expect("the record is whole");
}
