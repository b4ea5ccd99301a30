//! Text -> effects. One line per case: `kind object`, `-` for none, `f()` for a function; several statements by ` ; `.

use sql::{ColumnRef, Limits, Name, Object, Refusal, Statement, analyze};

fn one(statement: &Statement) -> String {
    let mut words: Vec<String> = statement
        .pairs
        .iter()
        .map(|pair| match &pair.object {
            Object::None => format!("{} -", pair.kind),
            Object::Table(name) => format!("{} {name}", pair.kind),
            Object::Function(name) => format!("{} {name}()", pair.kind),
        })
        .collect();
    words.sort();
    words.join(", ")
}

fn effects(text: &str) -> String {
    match analyze(text, &Limits::default()) {
        Ok(analysis) => analysis.statements.iter().map(one).collect::<Vec<_>>().join(" ; "),
        Err(refusal) => format!("{refusal:?}"),
    }
}

fn check(cases: &[(&str, &str)]) {
    let wrong: Vec<String> = cases
        .iter()
        .map(|(text, expected)| (text, expected, effects(text)))
        .filter(|(_, expected, found)| found != *expected)
        .map(|(text, expected, found)| format!("{text}\n  expected {expected}\n  found    {found}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing() {
    check(&[("", ""), ("  ;; ", ""), ("-- only a comment", ""), ("/* /* nested */ */;", "")]);
}

#[test]
fn queries() {
    check(&[
        ("SELECT 1", "select -"),
        ("SELECT count(*), lower(a), now() FROM public.t", "select public.t"),
        ("TABLE t", "select t"),
        ("VALUES (1), (2)", "select -"),
        ("SELECT * FROM a JOIN s.b USING (id), LATERAL (SELECT * FROM c) x", "select a, select c, select s.b"),
        (
            "SELECT (SELECT max(x) FROM a) FROM b WHERE EXISTS (TABLE c) ORDER BY (SELECT 1 FROM d)",
            "select a, select b, select c, select d",
        ),
        (
            "SELECT 1 FROM a GROUP BY x HAVING (SELECT true FROM b) LIMIT (SELECT 1 FROM c)",
            "select a, select b, select c",
        ),
        (
            "SELECT sum(x) FILTER (WHERE y IN (SELECT y FROM f)) OVER (ORDER BY (SELECT 1 FROM w)) FROM a",
            "select a, select f, select w",
        ),
        (
            "SELECT 1 FROM a UNION SELECT 2 FROM b EXCEPT (SELECT 3 FROM c INTERSECT SELECT 4 FROM d)",
            "select a, select b, select c, select d",
        ),
        ("SELECT CASE WHEN EXISTS (SELECT FROM a) THEN 1 ELSE (SELECT 1 FROM b) END", "select a, select b"),
        (
            "SELECT ARRAY(SELECT x FROM a), ROW((SELECT 1 FROM b)), COALESCE((SELECT 1 FROM c), 1)",
            "select a, select b, select c",
        ),
        ("SELECT * INTO n FROM o", "create-table n, select o"),
        ("SELECT * INTO TEMP n FROM o", "create-table pg_temp.n, select o"),
        ("SELECT * FROM \"Weird.Name\".\"T\"", "select Weird.Name.T"),
        ("SELECT U&\"d\\0061ta\".x FROM U&\"d\\0061ta\"", "select data"),
        ("SELECT * FROM t TABLESAMPLE bernoulli (1)", "select t"),
        ("SELECT * FROM t TABLESAMPLE system_rows (1)", "function-call system_rows(), select t"),
        ("SELECT * FROM XMLTABLE('/a' PASSING (SELECT x FROM t) COLUMNS a int)", "select t"),
        ("SELECT * FROM JSON_TABLE((SELECT j FROM t), '$' COLUMNS (a int))", "select t"),
        ("SELECT * FROM generate_series(1, (SELECT max(i) FROM t)) g", "select t"),
        (
            "SELECT extract(year FROM now()), CURRENT_USER, position('a' IN 'b'), CAST(1 AS text), 'a' LIKE 'b' ESCAPE 'c'",
            "select -",
        ),
    ]);
}

#[test]
fn common_table_expressions() {
    check(&[
        ("WITH d AS (DELETE FROM p RETURNING *) SELECT * FROM d", "delete p, select p"),
        ("WITH d AS (DELETE FROM p) SELECT 1", "delete p, select -"),
        ("WITH x AS (SELECT * FROM a) SELECT * FROM x", "select a"),
        // Its own name inside is the table outside; with RECURSIVE it is itself.
        ("WITH x AS (SELECT * FROM x) SELECT * FROM x", "select x"),
        ("WITH RECURSIVE x AS (SELECT 1 UNION ALL SELECT * FROM x) SELECT * FROM x", "select -"),
        // A name is visible to what follows only.
        ("WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a, b", "select b"),
        ("WITH RECURSIVE a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a, b", "select -"),
        // A schema means a table.
        ("WITH x AS (SELECT 1) SELECT * FROM public.x", "select public.x"),
        // The scope ends with its query.
        ("SELECT * FROM (WITH x AS (SELECT 1) SELECT * FROM x) y, x", "select x"),
        ("(WITH x AS (SELECT 1) SELECT * FROM x) UNION SELECT * FROM x", "select x"),
        ("WITH x AS (SELECT 1) SELECT * FROM (WITH y AS (SELECT * FROM x) SELECT * FROM y) z", "select -"),
        ("WITH x AS (SELECT 1) INSERT INTO x SELECT * FROM x", "insert x"),
        ("WITH x AS (SELECT * FROM s) UPDATE t SET a = x.a FROM x", "select s, update t"),
        ("WITH x AS (SELECT 1) DELETE FROM t USING x", "delete t"),
        (
            "WITH a AS (WITH b AS (UPDATE t SET x = 1 RETURNING x) SELECT * FROM b) SELECT * FROM a",
            "select t, update t",
        ),
    ]);
}

#[test]
fn changes() {
    check(&[
        ("INSERT INTO t VALUES (1)", "insert t"),
        ("INSERT INTO t DEFAULT VALUES", "insert t"),
        ("INSERT INTO t SELECT * FROM s", "insert t, select s"),
        ("INSERT INTO t VALUES ((SELECT pan FROM p)) RETURNING id", "insert t, select p, select t"),
        (
            "INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = (SELECT 1 FROM s)",
            "insert t, select s, update t",
        ),
        ("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", "insert t"),
        ("UPDATE t SET a = 1", "update t"),
        ("UPDATE t SET (a, b) = (SELECT 1, 2 FROM s) FROM u WHERE t.x = u.x", "select s, select u, update t"),
        ("DELETE FROM t1 USING t2 WHERE t1.a = t2.a", "delete t1, select t2"),
        ("DELETE FROM ONLY t WHERE a IN (SELECT a FROM s) RETURNING *", "delete t, select s, select t"),
        (
            "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (1)",
            "delete t, insert t, merge t, select s",
        ),
        (
            "MERGE INTO t USING (SELECT * FROM s) x ON true WHEN MATCHED AND EXISTS (TABLE q) THEN UPDATE SET a = 1",
            "merge t, select q, select s, update t",
        ),
        ("TRUNCATE a, s.b CASCADE", "truncate a, truncate s.b"),
        ("LOCK TABLE a IN SHARE MODE", "lock a"),
    ]);
}

#[test]
fn row_locks() {
    check(&[
        ("SELECT * FROM t FOR UPDATE", "lock t, select t"),
        ("SELECT * FROM a, b JOIN c USING (x) FOR SHARE OF c", "lock c, select a, select b, select c"),
        ("SELECT * FROM a x, b FOR UPDATE OF x NOWAIT", "lock a, select a, select b"),
        ("SELECT * FROM (SELECT * FROM a) s FOR UPDATE", "lock a, select a"),
        ("SELECT 1 FOR UPDATE", "lock -, select -"),
    ]);
}

#[test]
fn copies() {
    check(&[
        ("COPY t TO STDOUT", "copy-out t, select t"),
        ("COPY t (a) FROM STDIN WHERE a > (1)", "copy-in t, insert t"),
        ("COPY (SELECT * FROM a JOIN b USING (x)) TO STDOUT", "copy-out a, copy-out b, select a, select b"),
        ("COPY (SELECT 1) TO STDOUT", "copy-out -, select -"),
        ("COPY (DELETE FROM t RETURNING *) TO STDOUT", "copy-out t, delete t, select t"),
        ("COPY t TO '/tmp/x'", "copy-file t, select t"),
        ("COPY t FROM '/etc/passwd'", "copy-file t, insert t"),
        ("COPY t TO PROGRAM 'cat'", "copy-program t, select t"),
        ("COPY (SELECT 1) TO PROGRAM 'cat'", "copy-program -, select -"),
    ]);
}

#[test]
fn functions() {
    check(&[
        ("SELECT pg_read_file('/etc/passwd')", "function-call pg_read_file(), select -"),
        (
            "SELECT pg_catalog.pg_read_file('x'), pg_catalog.lower('x')",
            "function-call pg_catalog.pg_read_file(), select -",
        ),
        ("SELECT public.lower('x')", "function-call public.lower(), select -"),
        ("SELECT query_to_xml('DELETE FROM t', true, true, '')", "function-call query_to_xml(), select -"),
        (
            "SELECT table_to_xml('t', true, true, ''), database_to_xml(true, true, '')",
            "function-call database_to_xml(), function-call table_to_xml(), select -",
        ),
        ("SELECT * FROM dblink('x', 'y') AS t(a int)", "function-call dblink(), select -"),
        ("SELECT lo_get(1), lo_import('x')", "function-call lo_get(), function-call lo_import(), select -"),
        (
            "SELECT ts_stat('SELECT 1'), ts_rewrite('a', 'SELECT 1')",
            "function-call ts_rewrite(), function-call ts_stat(), select -",
        ),
        (
            "SELECT nextval('s'), pg_sleep(1), pg_terminate_backend(1)",
            "function-call nextval(), function-call pg_sleep(), function-call pg_terminate_backend(), select -",
        ),
        ("SELECT 1 FROM t WHERE leak(pan)", "function-call leak(), select t"),
        ("SELECT 1 OPERATOR(evil.+) 2", "function-call evil.+(), select -"),
        ("SELECT 1 OPERATOR(pg_catalog.+) 2", "select -"),
        ("SELECT 1 FROM t ORDER BY a USING OPERATOR(evil.<)", "function-call evil.<(), select t"),
        ("SELECT pg_notify('c', 'x')", "notify -, select -"),
        ("CALL s.p((SELECT 1 FROM t))", "call s.p(), select t"),
        ("DO $$ BEGIN DELETE FROM t; END $$", "do -"),
        ("SELECT pg_stat_get_activity(1)", "function-call pg_stat_get_activity(), select -"),
        ("UPDATE t SET a = f()", "function-call f(), update t"),
        ("SELECT * FROM ROWS FROM (f(), generate_series(1, 2))", "function-call f(), select -"),
    ]);
}

#[test]
fn carried_statements() {
    check(&[
        ("EXPLAIN SELECT * FROM t", "explain -, explain t"),
        ("EXPLAIN DELETE FROM t USING u", "explain -, explain t, explain u"),
        ("EXPLAIN (ANALYZE) DELETE FROM t", "delete t, explain -, explain t"),
        ("EXPLAIN ANALYZE SELECT 1", "explain -, select -"),
        ("EXPLAIN (ANALYZE false, VERBOSE) DELETE FROM t", "explain -, explain t"),
        ("EXPLAIN (ANALYZE false, ANALYZE true) DELETE FROM t", "delete t, explain -, explain t"),
        ("EXPLAIN (ANALYZE 0) DELETE FROM t", "explain -, explain t"),
        ("EXPLAIN SELECT f(1) FROM t", "explain -, explain t, function-call f()"),
        ("EXPLAIN EXECUTE p", "execute -, explain -"),
        (
            "EXPLAIN ANALYZE CREATE TABLE n AS SELECT * FROM o",
            "create-table n, explain -, explain n, explain o, select o",
        ),
        ("PREPARE p AS DELETE FROM t WHERE id = $1", "delete t, prepare -"),
        ("EXECUTE p(1)", "execute -"),
        ("EXECUTE p(pg_read_file('x'))", "execute -, function-call pg_read_file()"),
        ("DEALLOCATE ALL", "deallocate -"),
        ("DECLARE c CURSOR FOR SELECT * FROM t", "declare -, select t"),
        ("DECLARE c CURSOR WITH HOLD FOR SELECT * FROM t FOR UPDATE", "declare -, lock t, select t"),
        ("FETCH ALL FROM c", "fetch -"),
        ("MOVE 1 IN c", "fetch -"),
        ("CLOSE c", "close -"),
        ("UPDATE t SET a = 1 WHERE CURRENT OF c", "update t"),
    ]);
}

#[test]
fn session_statements() {
    check(&[
        ("SET a.b = 1", "set -"),
        ("SET ROLE postgres", "set-role -"),
        ("SET role = 'postgres'", "set-role -"),
        ("RESET ROLE", "set-role -"),
        ("SET SESSION AUTHORIZATION dba", "set-role -"),
        ("SET LOCAL SESSION AUTHORIZATION DEFAULT", "set-role -"),
        ("SELECT set_config('role', 'dba', false)", "select -, set-role -"),
        ("SELECT pg_catalog.set_config('search_path', '', false)", "select -, set -"),
        ("SELECT set_config(a, b, false) FROM t", "select t, set-role -"),
        ("RESET ALL", "reset -"),
        ("SHOW ALL", "show -"),
        ("DISCARD ALL", "discard -"),
        (
            "BEGIN ISOLATION LEVEL SERIALIZABLE; SAVEPOINT a; ROLLBACK TO a; COMMIT",
            "transaction - ; transaction - ; transaction - ; transaction -",
        ),
        ("SET TRANSACTION READ ONLY", "transaction -"),
        ("SET CONSTRAINTS ALL DEFERRED", "transaction -"),
        ("LISTEN c; UNLISTEN *; NOTIFY c, 'x'", "listen - ; listen - ; notify -"),
        ("LOAD 'x'", "load -"),
        ("VACUUM (ANALYZE) t", "analyze t, vacuum t"),
        ("VACUUM", "vacuum -"),
        ("ANALYZE t (a)", "analyze t"),
        ("REINDEX TABLE t; CLUSTER t USING i; CHECKPOINT", "maintenance t ; maintenance t ; maintenance -"),
    ]);
}

#[test]
fn definitions() {
    check(&[
        ("CREATE TABLE s.t (a int DEFAULT f(), b int REFERENCES u)", "create-table s.t, function-call f(), select u"),
        ("CREATE TEMP TABLE t (LIKE o)", "create-table pg_temp.t, select o"),
        ("CREATE TABLE n AS SELECT * FROM o", "create-table n, select o"),
        ("CREATE TABLE n AS EXECUTE p", "create-table n, execute -"),
        ("CREATE VIEW v AS SELECT pan AS x FROM p", "create-view v, select p"),
        ("CREATE MATERIALIZED VIEW v AS SELECT * FROM p", "create-materialized-view v, select p"),
        ("REFRESH MATERIALIZED VIEW v", "refresh v"),
        ("CREATE INDEX ON t (f(a)) WHERE b", "create-index t, function-call f()"),
        ("CREATE RULE r AS ON INSERT TO t DO ALSO DELETE FROM u", "create-rule t, delete u"),
        ("CREATE TRIGGER g BEFORE INSERT ON t EXECUTE FUNCTION f()", "create-trigger t, function-call f()"),
        ("CREATE FUNCTION s.f() RETURNS int LANGUAGE sql AS 'DELETE FROM t'", "create-function s.f()"),
        ("CREATE FUNCTION f() RETURNS int RETURN (SELECT 1 FROM t)", "create-function f(), select t"),
        ("CREATE PROCEDURE p() BEGIN ATOMIC DELETE FROM t; END", "create-procedure p(), delete t"),
        ("CREATE SCHEMA s CREATE TABLE t (a int) GRANT SELECT ON t TO x", "create-schema -, create-table t, grant t"),
        ("CREATE ROLE r SUPERUSER", "create-role -"),
        ("CREATE USER u; ALTER USER u PASSWORD 'x'; DROP USER u", "create-role - ; alter-role - ; drop-role -"),
        ("CREATE DATABASE d; DROP DATABASE d", "create-database - ; drop-database -"),
        ("CREATE EXTENSION dblink", "create-extension -"),
        (
            "CREATE SEQUENCE q; ALTER SEQUENCE q RESTART; DROP SEQUENCE q",
            "create-sequence q ; alter-sequence q ; drop-sequence q",
        ),
        ("CREATE TYPE t AS ENUM ('a')", "create-type -"),
        ("CREATE TYPE t AS (a int)", "create-type -"),
        ("CREATE DOMAIN d AS int CHECK (f(VALUE))", "create-domain -, function-call f()"),
        ("CREATE AGGREGATE a (int) (sfunc = f, stype = int)", "create-aggregate -"),
        ("CREATE OPERATOR + (leftarg = int, rightarg = int, function = f)", "create-operator -"),
        ("CREATE POLICY p ON t USING (f(a))", "create-policy t, function-call f()"),
        ("CREATE PUBLICATION p FOR TABLE t", "create-publication -, select t"),
        ("CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p", "create-subscription -"),
        ("CREATE FOREIGN TABLE t (a int) SERVER s", "create-foreign-table t"),
        ("IMPORT FOREIGN SCHEMA a FROM SERVER s INTO b", "create-foreign-table -"),
        (
            "CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE USER MAPPING FOR u SERVER s",
            "create-server - ; create-user-mapping -",
        ),
        (
            "CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION f()",
            "create-event-trigger -, function-call f()",
        ),
        ("CREATE STATISTICS s ON a, b FROM t", "create-statistics -, select t"),
        ("CREATE CAST (a AS b) WITH FUNCTION f(a)", "create-cast -"),
        ("CREATE TEXT SEARCH CONFIGURATION c (COPY = simple)", "create-text-search -"),
        ("CREATE COLLATION c FROM \"C\"", "create-collation -"),
        ("CREATE TABLESPACE t LOCATION '/x'", "create-tablespace -"),
        ("CREATE LANGUAGE l HANDLER h", "create-language -"),
        ("ALTER TABLE t ADD COLUMN a int DEFAULT f(), DROP COLUMN b", "alter-table t, function-call f()"),
        ("ALTER TABLE t RENAME COLUMN a TO b", "alter-table t"),
        ("ALTER TABLE t REPLICA IDENTITY FULL, INHERIT p", "alter-table t, select p"),
        ("ALTER TABLE t RENAME TO u", "alter-table t"),
        ("ALTER TABLE t ATTACH PARTITION p DEFAULT", "alter-table p, alter-table t"),
        ("ALTER VIEW v RENAME TO w", "alter-view v"),
        ("ALTER INDEX i RENAME TO j", "alter-index i"),
        ("ALTER TABLE t SET SCHEMA s", "alter-table t"),
        ("ALTER FUNCTION f() OWNER TO x", "alter-function f()"),
        ("ALTER FUNCTION f() SET search_path = x", "alter-function f()"),
        ("ALTER ROLE r SET role = 'x'", "alter-role -"),
        ("ALTER DATABASE d SET x.y = 1", "alter-database -"),
        ("ALTER SYSTEM SET archive_command = 'x'", "alter-system -"),
        ("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO x", "alter-default-privileges -"),
        ("ALTER LARGE OBJECT 1 OWNER TO x", "alter-large-object -"),
        ("DROP TABLE a, s.b CASCADE", "drop-table a, drop-table s.b"),
        (
            "DROP VIEW v; DROP INDEX i; DROP MATERIALIZED VIEW m; DROP FOREIGN TABLE f",
            "drop-view v ; drop-index i ; drop-materialized-view m ; drop-foreign-table f",
        ),
        (
            "DROP FUNCTION s.f(int); DROP PROCEDURE p; DROP AGGREGATE a(int)",
            "drop-function s.f() ; drop-procedure p() ; drop-aggregate a()",
        ),
        (
            "DROP TRIGGER g ON s.t; DROP RULE r ON t; DROP POLICY p ON t",
            "drop-trigger s.t ; drop-rule t ; drop-policy t",
        ),
        (
            "DROP SCHEMA s; DROP TYPE t; DROP EXTENSION e; DROP OPERATOR + (int, int)",
            "drop-schema - ; drop-type - ; drop-extension - ; drop-operator -",
        ),
        ("DROP OWNED BY x; REASSIGN OWNED BY x TO y", "drop-owned - ; alter-owned -"),
        ("GRANT SELECT (pan) ON t, s.u TO x", "grant s.u, grant t"),
        ("REVOKE ALL ON ALL TABLES IN SCHEMA s FROM x", "revoke -"),
        ("GRANT EXECUTE ON FUNCTION f() TO x", "grant f()"),
        ("GRANT a TO b; REVOKE a FROM b", "grant - ; revoke -"),
        (
            "COMMENT ON TABLE t IS 'x'; COMMENT ON COLUMN s.t.a IS 'x'; COMMENT ON ROLE r IS 'x'",
            "comment t ; comment s.t ; comment -",
        ),
        ("SECURITY LABEL ON TABLE t IS 'x'", "alter-table t"),
    ]);
}

#[test]
fn refusals_quote_nothing() {
    for (text, message, cursor) in [
        ("SELEC 1", "syntax error", 1),
        ("SELECT '4111111111111111' x y", "syntax error", 29),
        ("SELECT 'ä' 4111111111111111", "syntax error", 12),
        ("SELECT '4111111111111111", "unterminated quoted string", 8),
        ("SELECT 4111111111111111abc", "trailing junk after numeric literal", 8),
        ("SELECT 1 FROM", "syntax error at end of input", 14),
        ("CREATE TABLE t (a int) WITH (oids = \"4111111111111111\" x)", "syntax error", 56),
        ("SELECT E'\\u4111111111111111\\uD800'", "invalid Unicode surrogate pair", 34),
        ("GRANT \"4111111111111111\" ON t TO x, nobody GRANTED BY \"4111111111111111\" !", "syntax error", 74),
        ("SELECT 1\0", "the text contains a NUL byte", 0),
    ] {
        match analyze(text, &Limits::default()) {
            Err(Refusal::Syntax { message: found, cursor: at }) => {
                assert!(!found.contains("4111"), "a message quotes the text");
                assert_eq!((found.as_str(), at), (message, cursor), "{}", text.len());
            }
            other => panic!("{} bytes: {:?}", text.len(), other.map(|_| ())),
        }
    }
}

#[test]
fn statements_have_their_bytes() {
    let text = "  SELECT 1 ; -- c\n /* x */ UPDATE ä SET a = ';' -- tail\n;;DELETE FROM t";
    let spans: Vec<&str> = analyze(text, &Limits::default())
        .unwrap()
        .statements
        .iter()
        .map(|statement| &text[statement.span.clone()])
        .collect();
    assert_eq!(spans, ["SELECT 1", "UPDATE ä SET a = ';'", "DELETE FROM t"]);
}

/// Before PostgreSQL 16 it is a name.
#[test]
fn system_user_may_be_a_table_or_a_column() {
    let of = |text: &str| analyze(text, &Limits::default()).unwrap().statements.remove(0);
    let named = |name: &str| ColumnRef::Named { qualifier: None, name: name.into() };
    assert!(of("SELECT system_user FROM t").columns.contains(&named("system_user")));
    let table = Object::Table(Name::new(None, "system_user"));
    assert!(of("SELECT * FROM system_user").pairs.iter().any(|pair| pair.object == table));
}
