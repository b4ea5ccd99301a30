//! Settings, prepared names, COPY details, columns, flags, limits and redaction.

use sql::{
    ColumnRef, CopyDirection, CopyEnd, CopyFormat, CopySource, Limits, Prepared, Refusal, Scope, SettingValue,
    Statement, Transaction, analyze, redact,
};

fn only(text: &str) -> Statement {
    let Ok(sql::Analysis { mut statements, .. }) = analyze(text, &Limits::default()) else { panic!("{text}: refused") };
    assert_eq!(statements.len(), 1, "{text}");
    statements.remove(0)
}

fn settings(text: &str) -> Vec<String> {
    only(text)
        .settings
        .iter()
        .map(|setting| {
            let value = match &setting.value {
                SettingValue::Known(words) => words.join("|"),
                SettingValue::Default => "DEFAULT".to_owned(),
                SettingValue::Unknown => "?".to_owned(),
            };
            let scope = match setting.scope {
                Scope::Session => "",
                Scope::Local => " local",
                Scope::Stored => " stored",
            };
            format!("{}={value}{scope}", setting.name)
        })
        .collect()
}

#[test]
fn settings_by_every_way() {
    for (text, expected) in [
        ("SET Standard_Conforming_Strings = off", &["standard_conforming_strings=off"][..]),
        ("SET LOCAL a.b TO 'x'", &["a.b=x local"]),
        ("SET search_path = a, \"B\", 'c,d'", &["search_path=a|B|c,d"]),
        ("SET SCHEMA 'x'", &["search_path=x"]),
        ("SET NAMES 'LATIN1'", &["client_encoding=LATIN1"]),
        ("SET TIME ZONE INTERVAL '1' HOUR", &["timezone=?"]),
        ("SET a.b TO DEFAULT", &["a.b=DEFAULT"]),
        ("SET a.b FROM CURRENT", &["a.b=?"]),
        ("SET work_mem = -1", &["work_mem=-1"]),
        ("SET x.y = 0", &["x.y=0"]),
        ("SET x.y = 1.5", &["x.y=1.5"]),
        ("SET x.y = ''", &["x.y="]),
        ("RESET client_encoding", &["client_encoding=DEFAULT"]),
        ("RESET ALL", &["*=DEFAULT"]),
        ("SET ROLE NONE", &["role=none"]),
        ("RESET SESSION AUTHORIZATION", &["session_authorization=DEFAULT"]),
        ("SELECT set_config('Search_Path', 'a, \"B\"', true)", &["search_path=a|B local"]),
        ("SELECT set_config('x' || 'y', $1, false)", &["=?"]),
        ("SELECT pg_catalog.set_config('client_encoding'::text, 'UTF8', false)", &["client_encoding=UTF8"]),
        ("SELECT set_config(name, 'x', false) FROM pg_settings WHERE name = 'a.b'", &["a.b=x"]),
        ("SELECT set_config(name, 'x', false) FROM pg_settings WHERE name <> 'a.b'", &["=x"]),
        ("SELECT set_config(name, 'x', false) FROM pg_settings WHERE name = 'a.b' OR true", &["=x"]),
        ("SELECT set_config(setting, 'x', false) FROM pg_settings WHERE name = 'a.b'", &["=x"]),
        ("SELECT (SELECT set_config(name, 'x', false) FROM t) FROM pg_settings WHERE name = 'a.b'", &["=x"]),
        ("SELECT set_config(name, 'x', false) FROM pg_settings JOIN t ON true WHERE name = 'a.b'", &["=x"]),
        ("UPDATE t SET a = set_config('role', b, false)", &["role=?"]),
        (
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY",
            &["transaction_isolation=serializable local", "transaction_read_only=1 local"],
        ),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", &["default_transaction_read_only=1"]),
        ("SET TRANSACTION SNAPSHOT 'x'", &[]),
        ("ALTER ROLE r SET search_path = a", &["search_path=a stored"]),
        ("ALTER DATABASE d RESET ALL", &["*=DEFAULT stored"]),
        ("ALTER SYSTEM SET x.y = 1", &["x.y=1 stored"]),
        (
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET backslash_quote = on AS 'x'",
            &["backslash_quote=on stored"],
        ),
        ("ALTER FUNCTION f() SET a.b = 1", &["a.b=1 stored"]),
        ("DISCARD ALL", &["*=DEFAULT", "session_authorization=DEFAULT", "role=DEFAULT"]),
        ("DISCARD PLANS", &[]),
        ("EXPLAIN SELECT set_config('a.b', 'x', false)", &[]),
        ("PREPARE p AS SELECT set_config('a.b', 'x', false)", &["a.b=x"]),
    ] {
        assert_eq!(settings(text), expected, "{text}");
    }
}

#[test]
fn names_of_statements_and_cursors() {
    let name = || "a".to_owned();
    for (text, expected) in [
        ("PREPARE a AS SELECT 1", Prepared::Prepare { name: name(), inner: 13..21 }),
        ("EXECUTE a", Prepared::Execute { name: name() }),
        ("EXPLAIN ANALYZE EXECUTE a", Prepared::Execute { name: name() }),
        ("CREATE TABLE t AS EXECUTE a", Prepared::Execute { name: name() }),
        ("DEALLOCATE PREPARE \"a\"", Prepared::Deallocate { name: Some(name()) }),
        ("DEALLOCATE ALL", Prepared::Deallocate { name: None }),
        ("DECLARE A CURSOR FOR SELECT 1", Prepared::Declare { name: name() }),
        ("FETCH a", Prepared::Fetch { name: name() }),
        ("CLOSE a", Prepared::Close { name: Some(name()) }),
        ("CLOSE ALL", Prepared::Close { name: None }),
    ] {
        assert_eq!(only(text).prepared, [expected], "{text}");
    }
}

#[test]
fn prepared_statements_have_their_bytes() {
    for (text, expected) in [
        ("BEGIN; PREPARE p AS SELECT 1 AS x ; COMMIT", "SELECT 1 AS x"),
        ("/* AS */ PREPARE \"as\" (numeric(1, 2), int) /* AS x */ AS -- AS\n DELETE FROM t;", "DELETE FROM t"),
        ("PREPARE ä AS TABLE ö", "TABLE ö"),
    ] {
        let statements = analyze(text, &Limits::default()).unwrap().statements;
        let inner: Vec<&str> = statements
            .iter()
            .flat_map(|statement| &statement.prepared)
            .filter_map(|prepared| match prepared {
                Prepared::Prepare { inner, .. } => text.get(inner.clone()),
                _ => None,
            })
            .collect();
        assert_eq!(inner, [expected], "{text}");
    }
}

#[test]
fn copy_details() {
    let copy = only("COPY s.t (a, b) TO STDOUT WITH (FORMAT csv, HEADER, NULL 'x', FORCE_QUOTE (a))").copy.unwrap();
    assert_eq!((copy.direction, copy.end, copy.format), (CopyDirection::Out, CopyEnd::Client, CopyFormat::Csv));
    assert!(
        matches!(&copy.source, CopySource::Table { name, columns } if name.to_string() == "s.t" && columns == &["a", "b"])
    );
    assert_eq!(copy.option("null"), Some(&["x".to_owned()][..]));
    assert_eq!(copy.option("header"), Some(&[][..]));
    assert_eq!(copy.option("force_quote"), Some(&["a".to_owned()][..]));
    assert_eq!(copy.option("delimiter"), None);
    for (text, direction, end, format) in [
        ("COPY t FROM STDIN", CopyDirection::In, CopyEnd::Client, CopyFormat::Text),
        ("COPY BINARY t FROM STDIN", CopyDirection::In, CopyEnd::Client, CopyFormat::Binary),
        ("COPY t TO STDOUT CSV HEADER", CopyDirection::Out, CopyEnd::Client, CopyFormat::Csv),
        ("COPY t TO STDOUT (FORMAT binary)", CopyDirection::Out, CopyEnd::Client, CopyFormat::Binary),
        ("COPY t TO STDOUT (FORMAT xml)", CopyDirection::Out, CopyEnd::Client, CopyFormat::Unknown),
        ("COPY (SELECT 1) TO '/x'", CopyDirection::Out, CopyEnd::File, CopyFormat::Text),
        ("COPY t FROM PROGRAM 'x'", CopyDirection::In, CopyEnd::Program, CopyFormat::Text),
    ] {
        let copy = only(text).copy.unwrap();
        assert_eq!((copy.direction, copy.end, copy.format), (direction, end, format), "{text}");
    }
}

/// `q.c` for a named column, `*` or `q.*` for all.
fn columns(text: &str) -> Vec<String> {
    let mut words: Vec<String> = only(text)
        .columns
        .iter()
        .map(|column| match column {
            ColumnRef::Named { qualifier: Some(qualifier), name } => format!("{qualifier}.{name}"),
            ColumnRef::Named { qualifier: None, name } => name.to_string(),
            ColumnRef::All { of: Some(of) } => format!("{of}.*"),
            ColumnRef::All { of: None } => "*".to_owned(),
        })
        .collect();
    words.sort();
    words
}

#[test]
fn columns_wherever_they_are_named() {
    for (text, expected) in [
        ("SELECT pan AS x FROM t", &["pan"][..]),
        ("SELECT 1 FROM t WHERE substr(t.pan, 1) = 'x' ORDER BY cvv", &["cvv", "t.pan"]),
        ("SELECT * FROM t", &["*"]),
        ("SELECT t.* FROM t", &["t.*"]),
        ("TABLE t", &["*"]),
        ("SELECT p FROM payments p", &["p", "p.*"]),
        ("SELECT to_jsonb(payments) FROM payments", &["payments", "payments.*", "to_jsonb"]),
        (
            "SELECT payments.text, p.row_to_json FROM payments, q p",
            &["p.*", "p.row_to_json", "payments.*", "payments.text"],
        ),
        ("SELECT (x).pan, (x).* FROM t x", &["*", "pan", "x", "x.*"]),
        ("SELECT pan(payments) FROM payments", &["pan", "payments", "payments.*"]),
        ("SELECT 1 FROM a JOIN b USING (pan)", &["pan"]),
        ("SELECT 1 FROM a NATURAL JOIN b", &["*"]),
        ("INSERT INTO t (a, pan) SELECT 1, 2", &["t.a", "t.pan"]),
        ("INSERT INTO t VALUES (1)", &["t.*"]),
        ("UPDATE t SET pan = 1 WHERE id = 2", &["id", "t.pan"]),
        ("COPY t TO STDOUT", &["t.*"]),
        ("COPY t (pan) TO STDOUT", &["t.pan"]),
        ("CREATE INDEX ON t (pan)", &["pan"]),
        ("ALTER TABLE t ALTER pan TYPE text", &["pan"]),
        ("ALTER TABLE t RENAME pan TO x", &["pan", "x"]),
        ("CREATE TABLE t (pan text, UNIQUE (cvv))", &["cvv", "pan"]),
        ("GRANT SELECT (pan) ON t TO x", &["pan"]),
        ("ANALYZE t (pan)", &["pan"]),
        ("COMMENT ON COLUMN t.pan IS 'x'", &["pan"]),
    ] {
        assert_eq!(columns(text), expected, "{text}");
    }
}

#[test]
fn flags() {
    // text, changes data, changes the catalog, depends on search_path
    for (text, data, catalog, path) in [
        ("SELECT 1", false, false, false),
        ("SELECT * FROM s.t", false, false, false),
        ("SELECT * FROM t", false, false, true),
        ("SELECT lower('x')", false, false, true),
        ("SELECT s.f()", true, true, false),
        ("INSERT INTO s.t VALUES (1)", true, false, false),
        ("WITH d AS (DELETE FROM s.t) SELECT 1", true, false, false),
        ("PREPARE p AS DELETE FROM s.t", true, false, false),
        ("EXECUTE p", false, false, false),
        ("SELECT * FROM s.t FOR UPDATE", false, false, false),
        ("SET a.b = 1", false, false, false),
        ("SET ROLE x", false, false, false),
        ("BEGIN", false, false, false),
        ("NOTIFY x", true, false, false),
        ("COPY s.t TO STDOUT", false, false, false),
        ("COPY s.t FROM STDIN", true, false, false),
        ("COPY s.t TO PROGRAM 'x'", true, false, false),
        ("CREATE TABLE s.t ()", true, true, false),
        ("SELECT 1 INTO s.t", true, true, false),
        ("EXPLAIN CREATE TABLE s.t AS SELECT 1", false, false, false),
        ("EXPLAIN ANALYZE DELETE FROM s.t", true, false, false),
        ("GRANT USAGE ON SCHEMA s TO x", true, true, false),
        ("DO 'x'", true, true, false),
        ("TRUNCATE s.t", true, false, false),
    ] {
        let statement = only(text);
        assert_eq!(
            (statement.changes_data, statement.changes_catalog, statement.search_path_sensitive),
            (data, catalog, path),
            "{text}"
        );
    }
    assert_eq!(only("START TRANSACTION").transaction, Some(Transaction::Begin));
    assert_eq!(only("END").transaction, Some(Transaction::Commit));
    assert_eq!(only("ROLLBACK TO a").transaction, Some(Transaction::RollbackTo));
    assert_eq!(only("PREPARE TRANSACTION 'x'").transaction, Some(Transaction::Prepare));
}

#[test]
fn limits_refuse() {
    let limits = Limits { bytes: 20, statements: 2, ..Limits::default() };
    assert_eq!(analyze("SELECT 1234567890123", &limits).map(|_| ()), Ok(()));
    assert_eq!(analyze("SELECT 12345678901234", &limits), Err(Refusal::TooLong));
    assert_eq!(analyze("BEGIN;BEGIN", &limits).map(|_| ()), Ok(()));
    assert_eq!(analyze("BEGIN;BEGIN;BEGIN", &limits), Err(Refusal::TooMany));
    let limits = Limits { tree_bytes: 100, ..Limits::default() };
    assert_eq!(analyze("SELECT 1, 2, 3", &limits), Err(Refusal::TooLong));
}

/// Every way to nest, 200,000 deep, on a thread with half a megabyte of stack: refused, nothing overflows.
#[test]
fn depth_is_refused_not_overflowed() {
    let deep = |open: &str, middle: &str, close: &str, times: usize| {
        format!("SELECT {}{middle}{}", open.repeat(times), close.repeat(times))
    };
    let shapes = [
        ("(", "1", ")"),
        ("(SELECT ", "1", ")"),
        ("- ", "a", ""),
        ("NOT ", "true", ""),
        ("", "1", "+1"),
        ("", "1", " UNION SELECT 1"),
        ("ARRAY[", "1", "]"),
        ("f(", "1", ")"),
        ("CASE WHEN true THEN ", "1", " END"),
        ("", "a", "[1]"),
        ("", "1", "::int"),
        ("", "1", " IS NULL"),
        ("1 IN (", "1", ")"),
        ("* FROM (SELECT ", "1", ") x"),
    ];
    let limits = Limits { bytes: 8 << 20, tree_bytes: 1 << 30, ..Limits::default() };
    let run = move || {
        for (open, middle, close) in shapes {
            for times in [50, 100, 200, 300, 400, 500, 600, 1_000, 5_000, 20_000, 200_000] {
                match analyze(&deep(open, middle, close, times), &limits) {
                    Ok(_) => assert!(times < 200_000 || close == "[1]", "{open}{close} {times}: accepted"),
                    Err(Refusal::TooDeep) => assert!(times > 50, "{open}{close} {times}: too deep"),
                    Err(other) => panic!("{open}{close} {times}: {other:?}"),
                }
            }
        }
    };
    std::thread::Builder::new().stack_size(512 << 10).spawn(run).unwrap().join().unwrap();
}

#[test]
fn redaction() {
    for (text, expected) in [
        ("SELECT a, 'x', 12, 1.5 FROM t -- secret", "SELECT a, ?, ?, ? FROM t"),
        ("SELECT E'\\'x' || $q$a$q$ || U&'x' UESCAPE '!'", "SELECT ? || ? || ? UESCAPE ?"),
        ("SELECT B'01', X'ff', $1", "SELECT ?, ?, $1"),
        ("SELECT 'a'\n  'b'", "SELECT ?"),
        ("/* 4111 */ SELECT \"col 1\" /* x */", "SELECT \"col 1\""),
        ("SELECT 0x1F, 1_000, .5e3", "SELECT ?, ?, ?"),
        ("SELECT 'open", "[text that cannot be scanned]"),
        ("DO $$ DELETE FROM t WHERE a = 4111 $$", "DO ?"),
        ("SELECT 1 + -2", "SELECT ? + -?"),
    ] {
        assert_eq!(redact(text).as_str(), expected, "{text}");
    }
}
