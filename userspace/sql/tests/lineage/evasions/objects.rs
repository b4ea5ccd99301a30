//! Ways round through objects and sessions: views, functions, tables that are made, cursors.

use crate::words::check;

#[test]
fn indirection() {
    check(&[
        // ind-view
        (r#"SELECT reference FROM v_payments"#, r#"reference <- payments.pan"#),
        // ind-temp-view
        (
            r#"CREATE TEMP VIEW payments AS SELECT id, translate(pan,'0123456789','abcdefghij') AS pan FROM public.payments; SELECT pan FROM payments"#,
            r#"pg_temp.payments.pan gets payments.pan lossy; quotes / pan <- payments.pan lossy"#,
        ),
        // ind-cte
        (
            r#"WITH a AS (SELECT pan x FROM payments), b AS (SELECT reverse(x) y FROM a) SELECT y FROM b"#,
            r#"y <- payments.pan lossy; other payments.pan; quotes"#,
        ),
        // ind-cte-recursive
        (
            r#"WITH RECURSIVE r(i,s,o) AS (SELECT 1, pan, '' FROM payments WHERE id=1 UNION ALL SELECT i+1, s, o||chr(ascii(substr(s,i,1))+49) FROM r WHERE i<=length(s)) SELECT o FROM r ORDER BY i DESC LIMIT 1"#,
            r#"o <- payments.pan lossy; where payments.pan; other payments.pan; quotes"#,
        ),
        // ind-subquery-scalar
        (
            r#"SELECT (SELECT reverse(pan) FROM payments WHERE id=t.id) FROM tickets t"#,
            r#"reverse <- payments.pan lossy; quotes"#,
        ),
        // ind-lateral
        (
            r#"SELECT f FROM tickets t, LATERAL (SELECT reverse(pan) f FROM payments p WHERE p.id=t.id) s"#,
            r#"f <- payments.pan lossy; other payments.pan; quotes"#,
        ),
        // ind-union
        (
            r#"SELECT customer FROM payments WHERE false UNION ALL SELECT reverse(pan) FROM payments"#,
            r#"customer <- payments.pan lossy; quotes"#,
        ),
        // ind-values-subselect
        (r#"VALUES ((SELECT reverse(pan) FROM payments WHERE id=1))"#, r#"column1 <- payments.pan lossy; quotes"#),
        // ind-sql-function
        (
            r#"CREATE FUNCTION f() RETURNS SETOF text LANGUAGE sql AS 'select reverse(pan) from payments'; SELECT * FROM f()"#,
            r#"unknown form CREATE FUNCTION / unknown function f; open at 0"#,
        ),
        // ind-sql-function-atomic
        (
            r#"CREATE FUNCTION g() RETURNS SETOF text LANGUAGE sql BEGIN ATOMIC SELECT reverse(pan) FROM payments; END; SELECT g()"#,
            r#"unknown form CREATE FUNCTION with a body of its own / unknown function g"#,
        ),
        // ind-plpgsql-execute
        (
            r#"CREATE FUNCTION h(t text) RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE 'select reverse(p'||'an) from pay'||t; END $$; SELECT h('ments')"#,
            r#"unknown form CREATE FUNCTION / unknown function h"#,
        ),
        // ind-temp-function
        (
            r#"CREATE FUNCTION pg_temp.f() RETURNS SETOF text LANGUAGE sql AS 'select reverse(pan) from payments'; SELECT pg_temp.f()"#,
            r#"unknown form CREATE FUNCTION / unknown function pg_temp.f"#,
        ),
        // ind-domain-check
        (
            r#"CREATE FUNCTION lk(text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '%', reverse($1); RETURN true; END $$; CREATE DOMAIN dd AS text CHECK (lk(VALUE)); SELECT count(pan::dd) FROM payments WHERE id<=2"#,
            r#"unknown form CREATE FUNCTION / unknown function lk; unknown form which values the check of a domain asks / count <- payments.pan predicate; where payments.pan; quotes"#,
        ),
        // ind-execute-only
        (
            r#"PREPARE q2(int) AS SELECT pan FROM payments WHERE id=$1; EXECUTE q2(3)"#,
            r#"pan <- payments.pan / pan <- payments.pan"#,
        ),
        // ind-matview
        (
            r#"CREATE MATERIALIZED VIEW mv AS SELECT reverse(pan) v FROM payments; SELECT v FROM mv"#,
            r#"mv.v gets payments.pan lossy; quotes / v <- payments.pan lossy"#,
        ),
        // ind-trigger
        (
            r#"CREATE TABLE bait(x int); CREATE FUNCTION tf() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '%', (SELECT reverse(pan) FROM payments WHERE id=2); RETURN NEW; END $$; CREATE TRIGGER tg BEFORE INSERT ON bait FOR EACH ROW EXECUTE FUNCTION tf(); INSERT INTO bait VALUES (1)"#,
            r#"clean / unknown form CREATE FUNCTION / unknown function tf / clean"#,
        ),
        // ind-rule
        (
            r#"CREATE TABLE bait2(x int); CREATE RULE rr AS ON INSERT TO bait2 DO INSTEAD SELECT reverse(pan) FROM payments; INSERT INTO bait2 VALUES (1)"#,
            r#"clean / unknown form CREATE RULE / clean"#,
        ),
    ]);
}

#[test]
fn copies() {
    check(&[
        // cpy-temp-table
        (
            r#"CREATE TEMP TABLE t1 AS SELECT pan AS a FROM payments; SELECT a FROM t1"#,
            r#"pg_temp.t1.a gets payments.pan / a <- payments.pan"#,
        ),
        // cpy-ctas-later-session
        (
            r#"CREATE TABLE t2b AS SELECT pan AS a FROM payments; SELECT reverse(a) FROM t2b"#,
            r#"t2b.a gets payments.pan / reverse <- payments.pan lossy; quotes"#,
        ),
        // cpy-large-object
        (
            r#"SELECT lo_from_bytea(990001, string_agg(convert_to(reverse(pan),'UTF8'),'\x0a')) FROM payments; SELECT encode(lo_get(990001),'escape')"#,
            r#"lo_from_bytea <- payments.pan lossy; other payments.pan; elsewhere lo_from_bytea; unknown function lo_from_bytea; quotes / elsewhere lo_get"#,
        ),
        // cpy-guc
        (
            r#"SELECT set_config('my.x', reverse(pan), false) FROM payments WHERE id=2; SHOW my.x"#,
            r#"set_config <- payments.pan lossy; other payments.pan; unknown function set_config; quotes / clean"#,
        ),
        // cpy-guc-current-setting
        (
            r#"SELECT count(set_config('my.y', reverse(pan), false)) FROM payments WHERE id=2; SELECT current_setting('my.y')"#,
            r#"count <- payments.pan predicate; where payments.pan; other payments.pan; unknown function set_config; quotes / clean"#,
        ),
        // cpy-application-name-rev
        (
            r#"SELECT count(set_config('application_name', translate(pan,'0123456789','abcdefghij'), false)) FROM payments WHERE id=1"#,
            r#"count <- payments.pan predicate; where payments.pan; other payments.pan; unknown function set_config; quotes"#,
        ),
        // cpy-timezone
        (
            r#"SELECT count(set_config('TimeZone','<'||translate(substr(pan,1,10),'0123456789','abcdefghij')||'>0',false)) FROM payments WHERE id=1"#,
            r#"count <- payments.pan predicate; where payments.pan; other payments.pan; unknown function set_config; quotes"#,
        ),
        // cpy-search-path-status
        (
            r#"SELECT set_config('search_path', reverse(pan), false) FROM payments WHERE id=2; SHOW search_path"#,
            r#"set_config <- payments.pan lossy; other payments.pan; unknown function set_config; quotes / clean"#,
        ),
        // cpy-notify
        (
            r#"LISTEN ch; SELECT pg_notify('ch', reverse(pan)) FROM payments WHERE id<=2"#,
            r#"clean / pg_notify <- payments.pan lossy; other payments.pan; unknown function pg_notify; quotes"#,
        ),
        // cpy-security-label-role
        (
            r#"DO $$ BEGIN EXECUTE format('ALTER ROLE agent SET application_name = %L', (SELECT reverse(pan) FROM payments WHERE id=2)); END $$; SELECT setconfig FROM pg_db_role_setting"#,
            r#"unknown form DO / clean"#,
        ),
    ]);
}

#[test]
fn cursors() {
    check(&[
        // cur-fetch
        (
            r#"BEGIN; DECLARE c1 CURSOR FOR SELECT pan FROM payments; FETCH ALL c1; COMMIT"#,
            r#"clean / pan <- payments.pan / pan <- payments.pan / clean"#,
        ),
        // cur-hold
        (
            r#"DECLARE c4 CURSOR WITH HOLD FOR SELECT left(pan,8), right(pan,8) FROM payments; FETCH 3 c4"#,
            r#"left <- payments.pan lossy; right <- payments.pan lossy; quotes / left <- payments.pan lossy; right <- payments.pan lossy; quotes"#,
        ),
        // cur-refcursor-fn
        (
            r#"BEGIN; CREATE FUNCTION rc() RETURNS refcursor LANGUAGE plpgsql AS $$ DECLARE c refcursor := 'cz'; BEGIN OPEN c FOR SELECT reverse(pan) FROM payments; RETURN c; END $$; SELECT rc(); FETCH ALL cz; COMMIT"#,
            r#"clean / unknown form CREATE FUNCTION / unknown function rc / unknown form FETCH from an unknown cursor / clean"#,
        ),
        // cur-move-count
        (
            r#"BEGIN; DECLARE c5 SCROLL CURSOR FOR SELECT 1 FROM payments WHERE pan LIKE '4%'; MOVE ALL c5; COMMIT"#,
            r#"clean / where payments.pan; quotes / quotes / clean"#,
        ),
    ]);
}
