//! The sample policy that `install` ships, against what drivers and tools really send.

use policy::{Action, Names, Policy, Question, Subject, judge};

const SAMPLE: &str = include_str!("../../../systemd/policy.toml");
const PSQL: &str = include_str!("../testdata/psql.sql");
const PG_DUMP: &str = include_str!("../testdata/pg_dump.sql");

const DUMP: &str = r#"
[[rule]]
name       = "dump"
statements = ["read", "copy-out", "lock"]
tables     = ["public.*"]
action     = "allow"
"#;

fn load(text: &str) -> Policy {
    match Policy::parse(text, &Names::default()) {
        Ok(policy) => policy,
        Err(error) => panic!("{error}"),
    }
}

/// What is refused of the statements in `text`, with the reason.
fn refused(policy: &Policy, text: &str) -> Vec<String> {
    let subject = Subject { agent: "reconciler".to_owned(), groups: Vec::new(), signed: None };
    let schemas = ["public".to_owned()];
    let statements = match sql::analyze(text, &sql::Limits::default()) {
        Ok(analysis) => analysis.statements,
        Err(refusal) => return vec![format!("{refusal}: {text}")],
    };
    statements
        .iter()
        .filter_map(|statement| {
            let question = Question {
                subject: &subject,
                database: "payments",
                statement,
                schemas: &schemas,
                schema: None,
                estimated_rows: None,
                wall_s: 0,
            };
            let verdict = judge(policy, question);
            (verdict.action != Action::Allow).then(|| format!("{}: {text}", verdict.sentence(&question)))
        })
        .collect()
}

fn all_pass(policy: &Policy, texts: &str) {
    let texts: Vec<&str> = texts.split("-- @\n").skip(1).collect();
    assert!(texts.len() > 20, "the test data is there");
    let refused: Vec<String> = texts.iter().flat_map(|text| refused(policy, text)).collect();
    assert!(refused.is_empty(), "{} of {}:\n{}", refused.len(), texts.len(), refused.join("\n"));
}

#[test]
fn psql_describes() {
    all_pass(&load(SAMPLE), PSQL);
}

#[test]
fn pg_dump_dumps() {
    all_pass(&load(&format!("{SAMPLE}{DUMP}")), PG_DUMP);
}

#[test]
fn the_examples_in_comments_are_valid() {
    let text: Vec<&str> = SAMPLE
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(example) if !example.starts_with(' ') => example,
            _ => line,
        })
        .collect();
    let names = Names {
        agents: vec!["reconciler".to_owned(), "backup".to_owned()],
        groups: vec!["payments-agents".to_owned()],
        databases: vec!["payments".to_owned()],
        ..Names::default()
    };
    let policy = Policy::parse(&text.join("\n"), &names).unwrap();
    assert_eq!(policy.rules(), 13);
}

#[test]
fn what_drivers_do_passes_and_the_rest_does_not() {
    let policy = load(SAMPLE);
    for text in [
        "SELECT 1",
        "select version()",
        "SELECT * FROM payments JOIN public.customers USING (id)",
        "BEGIN; SET LOCAL statement_timeout = 1; SHOW server_version; COMMIT; ROLLBACK",
        "PREPARE p AS SELECT * FROM payments; EXECUTE p; DEALLOCATE p",
        "DECLARE c CURSOR FOR SELECT * FROM payments; FETCH 5 FROM c; CLOSE c",
        "EXPLAIN ANALYZE SELECT * FROM payments",
        "LISTEN x; NOTIFY x; UNLISTEN *; DISCARD ALL",
        "SELECT * FROM pg_type; SELECT * FROM information_schema.columns",
        "SELECT set_config('a.b', 'x', false)",
    ] {
        assert_eq!(refused(&policy, text), Vec::<String>::new(), "{text}");
    }
    for text in [
        "SELECT * FROM other",
        "SELECT * FROM secret.payments",
        "SELECT * FROM pg_stats",
        "SELECT * FROM pg_catalog.pg_authid",
        "SELECT pg_read_file('x')",
        "SELECT * FROM payments FOR UPDATE",
        "COPY payments TO STDOUT",
        "WITH d AS (DELETE FROM payments RETURNING *) SELECT * FROM d",
        "EXPLAIN ANALYZE DELETE FROM payments",
        "PREPARE p AS DELETE FROM payments",
        "SET ROLE postgres",
        "SELECT set_config('role', 'postgres', false)",
        "CREATE TEMP TABLE x AS SELECT * FROM payments",
        "DROP TABLE payments",
        "DO $$ BEGIN END $$",
        "CALL p()",
        "LOAD 'x'",
        "VACUUM payments",
    ] {
        assert_eq!(refused(&policy, text).len(), 1, "{text}");
    }
}
