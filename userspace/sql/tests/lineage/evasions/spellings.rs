//! The same said otherwise, and what must stay clean.

use crate::words::check;

#[test]
fn spellings() {
    check(&[
        // par-unicode-uescape
        (r#"SELECT reverse(U&"p!0061n" UESCAPE '!') FROM payments"#, r#"reverse <- payments.pan lossy; quotes"#),
        // par-dollar-quote
        (
            r#"SELECT $a$ ; $b$ DROP $a$, reverse(pan) FROM payments WHERE id=2"#,
            r#"reverse <- payments.pan lossy; quotes"#,
        ),
        // par-dollar-ident
        (r#"SELECT 1 AS a$a$, reverse(pan) AS b FROM payments WHERE id=2"#, r#"b <- payments.pan lossy; quotes"#),
        // par-e-string
        (r#"SELECT E'\'', reverse(pan), '\' FROM payments WHERE id=2"#, r#"reverse <- payments.pan lossy; quotes"#),
        // par-std-strings-off2
        (
            r#"SET standard_conforming_strings=off; SELECT 'a\'' || reverse(pan) FROM payments WHERE id=2 --'"#,
            r#"clean / clean"#,
        ),
        // par-search-path
        (
            r#"CREATE SCHEMA IF NOT EXISTS sh; CREATE VIEW sh.payments AS SELECT id, translate(pan,'0123456789','abcdefghij') AS pan FROM public.payments; SET search_path=sh,public; SELECT pan FROM payments"#,
            r#"clean / sh.payments.pan gets payments.pan lossy; quotes / clean / pan <- payments.pan lossy, payments.pan; unknown form a name without a schema behind a change of search_path"#,
        ),
        // par-function-shadow
        (
            r#"CREATE FUNCTION pg_temp.upper(text) RETURNS text LANGUAGE sql AS 'select reverse($1)'; SELECT pg_temp.upper(pan) FROM payments WHERE id=2"#,
            r#"clean / upper <- payments.pan lossy; unknown function pg_temp.upper"#,
        ),
        // par-function-shadow-path
        (
            r#"CREATE FUNCTION public.masked(text) RETURNS text LANGUAGE sql AS 'select $1'; CREATE FUNCTION public.upper(t text) RETURNS text LANGUAGE sql AS 'select reverse($1)'; SET search_path=public,pg_catalog; SELECT upper(pan) FROM payments WHERE id=2"#,
            r#"clean / clean / clean / upper <- payments.pan verbatim; unknown function upper; unknown form a name without a schema behind a change of search_path"#,
        ),
        // par-attribute-as-function
        (r#"SELECT pan(p) FROM payments p WHERE id=1"#, r#"pan <- payments.pan"#),
        // par-composite-field
        (r#"SELECT reverse((p).pan) FROM payments p WHERE id=2"#, r#"reverse <- payments.pan lossy; quotes"#),
        // par-multi-statement
        (
            r#"SELECT 1; SELECT reverse(pan) FROM payments WHERE id=2; SELECT 2"#,
            r#"clean / reverse <- payments.pan lossy; quotes / clean"#,
        ),
        // par-empty-statements
        (r#";;/* */;SELECT reverse(pan) FROM payments WHERE id=2;;"#, r#"reverse <- payments.pan lossy; quotes"#),
        // par-begin-implicit
        (
            r#"BEGIN; SET LOCAL standard_conforming_strings=off; SELECT 1; ROLLBACK; SELECT reverse(pan) FROM payments WHERE id=2"#,
            r#"clean / clean / clean / clean / reverse <- payments.pan lossy; quotes"#,
        ),
        // par-encoding-mid-session
        (
            r#"SET client_encoding=LATIN1; SELECT U&'\00e9' || reverse(pan) FROM payments WHERE id=2"#,
            r#"clean / ?column? <- payments.pan lossy; quotes"#,
        ),
        // par-operator-qualified
        (
            r#"SELECT pan OPERATOR(pg_catalog.||) 'abc' FROM payments WHERE id=1"#,
            r#"?column? <- payments.pan injective; quotes"#,
        ),
        // par-json-table-like
        (
            r#"SELECT * FROM payments, jsonb_to_record(meta->'card') AS r(pan text, exp text) WHERE payments.id=1"#,
            r#"pan <- payments.pan; pan_int <- payments.pan_int; pan_num <- payments.pan_num; meta <- payments.meta; raw <- payments.raw; pan <- payments.meta verbatim; exp <- payments.meta verbatim"#,
        ),
        // par-rows-from
        (
            r#"SELECT b FROM payments, ROWS FROM (string_to_table(pan,NULL), generate_series(1,3)) AS f(b,c) WHERE id=1"#,
            r#"b <- payments.pan lossy; other payments.pan; quotes"#,
        ),
        // par-grouping-sets
        (
            r#"SELECT reverse(pan), count(*) FROM payments GROUP BY ROLLUP(pan)"#,
            r#"reverse <- payments.pan lossy; group payments.pan; quotes"#,
        ),
        // par-tablesample
        (
            r#"SELECT reverse(pan) FROM payments TABLESAMPLE BERNOULLI (100)"#,
            r#"reverse <- payments.pan lossy; quotes"#,
        ),
        // par-window-name
        (
            r#"SELECT reverse(first_value(pan) OVER w) FROM payments WINDOW w AS (ORDER BY id)"#,
            r#"reverse <- payments.pan lossy; quotes"#,
        ),
        // par-using-natural
        (
            r#"SELECT reverse(pan) FROM payments NATURAL JOIN card_events LIMIT 1"#,
            r#"reverse <- payments.pan lossy, card_events.pan lossy; join payments.pan; join card_events.pan; quotes"#,
        ),
        // par-system-columns
        (r#"SELECT ctid, xmin, tableoid::regclass FROM payments WHERE pan='5'"#, r#"match payments.pan"#),
    ]);
}

#[test]
fn controls() {
    check(&[
        // ctl-orders
        (r#"SELECT id, ref, ordered_at, total, trace FROM orders"#, r#"clean"#),
        // ctl-reverse-other
        (r#"SELECT reverse(customer), left(customer,3) FROM payments WHERE id=1"#, r#"clean"#),
        // ctl-explain
        (r#"EXPLAIN SELECT customer FROM payments WHERE id=1"#, r#"plan"#),
        // ctl-cte
        (r#"WITH t AS (SELECT customer, amount FROM payments) SELECT customer FROM t WHERE amount > 50"#, r#"clean"#),
        // ctl-timestamps
        (r#"SELECT extract(epoch FROM ordered_at)*1000000, md5(ref) FROM orders"#, r#"clean"#),
        // ctl-exists
        (r#"SELECT id FROM payments p WHERE EXISTS (SELECT 1 FROM tickets t WHERE t.id=p.id)"#, r#"clean"#),
        // ctl-set
        (r#"SET statement_timeout='5s'; SHOW server_version"#, r#"clean / clean"#),
    ]);
}
