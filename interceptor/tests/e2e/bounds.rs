//! `rows_over` with a real server: no row more leaves, what runs is cancelled there, and the connection goes on.

use crate::stage::Stage;

const POLICY: &str = r#"
[[rule]]
name = "few rows"
action = "allow"
rows_over = 100
"#;

#[test]
fn at_the_bound_the_server_stops_and_the_connection_lives() {
    let Some(stage) = Stage::set("", POLICY) else { return };
    let script = "SELECT pg_backend_pid() AS before \\gset
SELECT n FROM generate_series(1, 100) n;
SELECT n FROM generate_series(1, 101) n;
SELECT generate_series(1, 100000000) AS n, pg_sleep(0.00001);
COPY (SELECT generate_series(1, 100000000)) TO STDOUT;
BEGIN;
SELECT generate_series(1, 100000000);
ROLLBACK;
SELECT pg_backend_pid() = :before AS same;
";
    let answer = stage.script(script);
    assert_eq!(answer.err.matches("54000").count(), 4, "{}", answer.err);
    assert!(answer.err.contains("more than 100 rows"), "{}", answer.err);
    assert!(answer.out.trim_end().ends_with("ROLLBACK\nt"), "{}", answer.out);
    assert_eq!(answer.out.lines().filter(|line| *line == "100").count(), 2, "100 rows leave of the first, and of COPY");
    assert!(!answer.out.lines().any(|line| line == "101"), "the next row leaves never");
    assert!(stage.database.log().contains("canceling statement due to user request"), "the server was told");
    let outcomes: Vec<String> = stage.record().into_iter().filter(|line| line.contains("it was cancelled")).collect();
    assert_eq!(outcomes.len(), 4, "{outcomes:?}");
    assert!(outcomes.iter().all(|line| line.contains("\"rows\":100")), "the record says how many left: {outcomes:?}");
}
