//! What a session asks of the catalog, while other sessions change it: nobody is refused for that.

use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::stage::Stage;
use crate::stand::Folder;

const POLICY: &str = r#"
[[sensitive]]
columns = ["public.payments.pan"]
kind = "pan"

[[rule]]
name = "any"
action = "allow"
"#;

/// Views by the dozen come and go, each transaction holding their locks while our question looks at them.
#[test]
fn a_session_that_creates_and_drops_refuses_nobody() {
    let Some(stage) = Stage::set("", POLICY) else { return };
    let create: String = (0..20).map(|n| format!("CREATE VIEW churn_{n} AS SELECT id, pan FROM payments; ")).collect();
    let drop: String = (0..20).map(|n| format!("DROP VIEW churn_{n}; ")).collect();
    let folder = Folder::new("churn").expect("a folder");
    let script = folder.path().join("churn.sql");
    let round = format!("{create}\nBEGIN;\n{drop}\nCOMMIT;\n");
    std::fs::write(&script, round.repeat(6_000)).expect("written");
    let mut churn = stage.database.psql("postgres").arg("-f").arg(&script).spawn().expect("psql starts");

    // What changes objects has the catalog asked for again before the next statement.
    let round = "CREATE TABLE own(id int);\nDROP TABLE own;\nSELECT count(*) AS asked FROM payments;\n";
    let answer = stage.script(&round.repeat(150));
    assert!(churn.try_wait().expect("known").is_none(), "the other session was at it all the time");
    churn.kill().expect("killed");
    churn.wait().expect("ended");
    assert_eq!((answer.err.matches("ERROR").count(), answer.out.matches('5').count()), (0, 150), "{}", answer.err);
}

/// A lock on what a view is over, as a migration holds it, delays the question and ends no session.
#[test]
fn a_session_that_holds_a_lock_refuses_only_who_reads_what_it_locks() {
    let Some(stage) = Stage::set("", POLICY) else { return };
    stage
        .database
        .sql("postgres", "CREATE VIEW v AS SELECT id, note FROM plain; GRANT SELECT ON v TO app")
        .expect("made");
    let mut holder =
        stage.database.psql("postgres").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("psql starts");
    let mut says = holder.stdin.take().expect("piped");
    writeln!(says, "BEGIN; LOCK TABLE plain IN ACCESS EXCLUSIVE MODE;").expect("said");
    let held = "SELECT count(*) > 0 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted AND relation = 'plain'::regclass";
    while stage.database.sql("postgres", held).expect("asked").trim() != "t" {}
    stage.ask("SELECT count(*) FROM payments").says("5");
    stage.ask("SELECT count(*) FROM v").refused("42501");
    drop(says); // its transaction ends with it
    holder.wait().expect("ended");
    // What was answered without definitions serves for two seconds.
    let begun = Instant::now();
    while !stage.ask("SELECT count(*) FROM v").ok {
        assert!(begun.elapsed() < Duration::from_secs(60), "the view is known again");
    }
}
