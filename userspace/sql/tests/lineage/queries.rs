//! Statements, and what each tells of the columns that matter.

use crate::words::check;

#[test]
fn from_items_and_their_names() {
    check(&[
        (
            "SELECT * FROM payments",
            "pan <- payments.pan; pan_int <- payments.pan_int; pan_num <- payments.pan_num; meta <- payments.meta; raw <- payments.raw",
        ),
        (
            "SELECT p.* FROM payments p",
            "pan <- payments.pan; pan_int <- payments.pan_int; pan_num <- payments.pan_num; meta <- payments.meta; raw <- payments.raw",
        ),
        (
            "SELECT customer, p.* FROM payments p JOIN tickets t ON t.id = p.id",
            "pan <- payments.pan; pan_int <- payments.pan_int; pan_num <- payments.pan_num; meta <- payments.meta; raw <- payments.raw",
        ),
        ("SELECT x FROM (SELECT pan AS x, id FROM payments) s", "x <- payments.pan"),
        ("SELECT s.x FROM (SELECT pan, id FROM payments) s(x, y)", "x <- payments.pan"),
        ("SELECT y FROM (SELECT pan, id FROM payments) s(x, y)", "clean"),
        ("SELECT a.note FROM tickets a, payments b", "clean"),
        (
            "SELECT (SELECT x FROM (SELECT 1 AS pan) a, (SELECT pan AS x FROM tickets) b) FROM payments",
            "x <- payments.pan",
        ),
        (
            "SELECT (SELECT 1 FROM (SELECT 1 AS pan) a, tickets b JOIN tickets c ON pan LIKE '4%') FROM payments",
            "where payments.pan; quotes",
        ),
        ("SELECT (SELECT pan FROM pg_class LIMIT 1) FROM payments", "pan <- payments.pan"),
        ("SELECT relname, pan FROM pg_class, payments", "pan <- payments.pan"),
        (
            "SELECT *, pan FROM pg_class, payments",
            "pan <- payments.pan; pan_int <- payments.pan_int; pan_num <- payments.pan_num; meta <- payments.meta; raw <- payments.raw; pan <- payments.pan; open at 0",
        ),
    ]);
}

#[test]
fn rows_and_fields() {
    check(&[
        (
            "SELECT payments FROM payments",
            "payments <- payments.pan verbatim, payments.pan_int verbatim, payments.pan_num verbatim, payments.meta verbatim, payments.raw verbatim",
        ),
        ("SELECT (payments).customer FROM payments", "clean"),
        ("SELECT (payments).pan FROM payments", "pan <- payments.pan"),
        (
            "SELECT (p).* FROM payments p",
            "pan <- payments.pan; pan_int <- payments.pan_int; pan_num <- payments.pan_num; meta <- payments.meta; raw <- payments.raw",
        ),
        ("SELECT (s.r).pan FROM (SELECT p AS r FROM payments p) s", "pan <- payments.pan"),
        ("SELECT (s.r).customer FROM (SELECT p AS r FROM payments p) s", "clean"),
        (
            "SELECT p.text FROM payments p",
            "text <- payments.pan verbatim, payments.pan_int verbatim, payments.pan_num verbatim, payments.meta verbatim, payments.raw verbatim",
        ),
        (
            "SELECT p.upper FROM payments p",
            "upper <- payments.pan verbatim, payments.pan_int verbatim, payments.pan_num verbatim, payments.meta verbatim, payments.raw verbatim",
        ),
        (
            "SELECT p::text FROM payments p",
            "p <- payments.pan verbatim, payments.pan_int verbatim, payments.pan_num verbatim, payments.meta verbatim, payments.raw verbatim",
        ),
        ("SELECT to_json(p)->>'customer' FROM payments p", "clean"),
        (
            "SELECT to_jsonb(p) - 'pan' FROM payments p",
            "?column? <- payments.pan injective, payments.pan_int injective, payments.pan_num injective, payments.meta injective, payments.raw injective; quotes",
        ),
    ]);
}

#[test]
fn what_tells_only_whether_there_is_a_value() {
    check(&[
        ("SELECT count(*), count(pan), count(p) FROM payments p", "clean"),
        ("SELECT count(DISTINCT pan) FROM payments", "group payments.pan"),
        (
            "SELECT count(substring(pan from '^4')) FROM payments",
            "count <- payments.pan predicate; where payments.pan; quotes",
        ),
        ("SELECT id FROM payments WHERE pan IS NOT NULL", "clean"),
        ("SELECT id FROM payments WHERE substring(pan from '^4') IS NOT NULL", "where payments.pan; quotes"),
        ("SELECT id FROM payments WHERE nullif(pan, '5') IS NULL", "match payments.pan"),
    ]);
}

#[test]
fn choices() {
    check(&[
        ("SELECT pan LIKE '4%' AS x FROM payments", "x <- payments.pan predicate; where payments.pan; quotes"),
        ("SELECT coalesce(pan, '') FROM payments", "coalesce <- payments.pan verbatim"),
        ("SELECT greatest(pan, '5') FROM payments", "greatest <- payments.pan verbatim; case payments.pan"),
        ("SELECT CASE WHEN id > 1 THEN pan ELSE 'x' END FROM payments", "case <- payments.pan verbatim"),
        (
            "SELECT CASE pan WHEN '5' THEN 1 ELSE 2 END FROM payments",
            "case <- payments.pan predicate; match payments.pan",
        ),
        (
            "SELECT CASE WHEN pan = $1 THEN customer END FROM payments",
            "case <- payments.pan predicate; match payments.pan",
        ),
    ]);
}

#[test]
fn predicates_and_matches() {
    check(&[
        ("SELECT id FROM payments WHERE pan = $1", "match payments.pan"),
        ("SELECT id FROM payments WHERE pan IN ($1, $2)", "match payments.pan"),
        ("SELECT id FROM payments WHERE pan = ANY($1)", "match payments.pan"),
        ("SELECT id FROM payments WHERE pan = ANY(ARRAY['5', $2])", "match payments.pan"),
        (
            "SELECT id FROM payments WHERE pan IN (SELECT pan FROM card_events)",
            "join payments.pan; join card_events.pan",
        ),
        ("SELECT id FROM payments WHERE id IN (SELECT n FROM card_events)", "clean"),
        ("SELECT id FROM payments WHERE pan = id::text", "where payments.pan; quotes"),
        ("SELECT id FROM payments WHERE (pan, id) = ($1, $2)", "where payments.pan; quotes"),
        ("SELECT id FROM payments WHERE NOT pan = $1 OR id = 3", "match payments.pan"),
        (
            "SELECT id FROM payments WHERE EXISTS (SELECT 1 FROM card_events e WHERE e.pan = payments.pan)",
            "join payments.pan; join card_events.pan",
        ),
        ("SELECT a.id FROM payments a JOIN card_events b ON a.pan = b.pan", "join payments.pan; join card_events.pan"),
        (
            "SELECT a.id FROM payments a LEFT JOIN tickets b ON a.id = b.id AND a.pan > 'x'",
            "where payments.pan; quotes",
        ),
    ]);
}

#[test]
fn orders_and_groups() {
    check(&[
        ("SELECT id FROM payments ORDER BY pan", "order payments.pan"),
        ("SELECT id, pan FROM payments ORDER BY 2", "pan <- payments.pan; order payments.pan"),
        ("SELECT id, pan FROM payments ORDER BY 1", "pan <- payments.pan"),
        ("SELECT customer AS pan FROM payments ORDER BY pan", "clean"),
        ("SELECT pan AS x FROM payments ORDER BY x", "x <- payments.pan; order payments.pan"),
        ("SELECT customer AS pan, count(*) FROM payments GROUP BY pan", "group payments.pan"),
        ("SELECT DISTINCT pan FROM payments", "pan <- payments.pan; group payments.pan"),
        ("SELECT DISTINCT customer FROM payments", "clean"),
        ("SELECT DISTINCT ON (pan) id FROM payments", "group payments.pan"),
        ("SELECT DISTINCT ON (id) pan FROM payments", "pan <- payments.pan"),
    ]);
}

#[test]
fn set_operations() {
    check(&[
        (
            "SELECT pan FROM payments UNION ALL SELECT pan FROM card_events",
            "pan <- payments.pan verbatim, card_events.pan verbatim",
        ),
        ("SELECT pan FROM payments UNION ALL SELECT note FROM tickets", "pan <- payments.pan verbatim"),
        ("SELECT pan FROM payments UNION SELECT '5'", "pan <- payments.pan verbatim; group payments.pan"),
        ("SELECT pan FROM payments INTERSECT ALL SELECT '5'", "pan <- payments.pan verbatim; group payments.pan"),
        ("SELECT note FROM tickets UNION SELECT customer FROM payments ORDER BY 1", "clean"),
        (
            "SELECT max(x) FROM (SELECT pan AS x FROM payments UNION ALL SELECT '5') s",
            "max <- payments.pan verbatim; order payments.pan",
        ),
    ]);
}

#[test]
fn aggregates_and_windows() {
    check(&[
        ("SELECT rank('5') WITHIN GROUP (ORDER BY pan) FROM payments", "order payments.pan"),
        ("SELECT array_agg(id ORDER BY pan) FROM payments", "order payments.pan"),
        ("SELECT count(*) FILTER (WHERE pan LIKE '4%') FROM payments", "where payments.pan; quotes"),
        ("SELECT id, row_number() OVER (PARTITION BY pan) FROM payments", "group payments.pan"),
        ("SELECT id, lag(pan) OVER (ORDER BY id) FROM payments", "lag <- payments.pan verbatim"),
    ]);
}

#[test]
fn what_is_computed_and_left_aside() {
    check(&[
        ("SELECT id FROM payments LIMIT (SELECT length(pan) FROM payments LIMIT 1)", "other payments.pan; quotes"),
        (
            "SELECT id, count(*) FROM payments, string_to_table(replace(pan,'4',''), NULL) GROUP BY id",
            "other payments.pan; quotes",
        ),
        ("SELECT count(*) FROM (SELECT 1/(pan_int-5) x FROM payments OFFSET 0) s", "other payments.pan_int; quotes"),
        ("SELECT x FROM payments, unnest(ARRAY[pan, customer]) x", "x <- payments.pan verbatim"),
        ("SELECT u FROM (SELECT array_agg(pan) a FROM payments) s, unnest(a) u", "u <- payments.pan verbatim"),
    ]);
}

#[test]
fn views_partitions_and_children() {
    check(&[
        ("SELECT reference FROM v_nested JOIN v_payments USING (id)", "reference <- payments.pan"),
        ("SELECT id, ref FROM v_nested", "ref <- payments.pan"),
        ("SELECT tail FROM v_tail", "tail <- payments.pan lossy"),
        ("SELECT id FROM v_tail", "clean"),
        ("SELECT tail FROM v_clear", "tail <- v_clear.tail"),
        ("SELECT id FROM v_broken", "unknown relation public.v_broken"),
        ("SELECT id FROM v_self", "unknown relation public.v_self"),
        ("SELECT id FROM v_wide", "unknown relation public.v_wide"),
        (
            "SELECT remark, upper(remark) FROM noted WHERE remark LIKE 'x%'",
            "remark <- noted.remark; upper <- noted.remark verbatim",
        ),
        ("SELECT * FROM charges", "card <- charges.card"),
        ("SELECT card FROM charges_2026", "card <- charges_2026.card"),
        ("SELECT secret FROM base", "secret <- base.secret"),
    ]);
}

#[test]
fn functions_of_the_user() {
    check(&[
        ("SELECT tail_of(pan), tail_of(customer) FROM payments", "tail_of <- payments.pan lossy; quotes"),
        ("SELECT twice(pan) FROM payments", "twice <- payments.pan injective; quotes"),
        ("SELECT cards()", "cards <- payments.pan"),
        ("SELECT * FROM cards()", "cards <- payments.pan"),
        ("SELECT find_card('4%')", "where payments.pan; quotes"),
        ("SELECT plus_one(id) FROM orders", "clean"),
        ("SELECT itself(id) FROM orders", "unknown function public.itself"),
        ("SELECT opaque(id) FROM orders", "unknown function public.opaque"),
        ("SELECT nothing_known(id) FROM orders", "unknown function nothing_known"),
        ("SELECT id FROM orders WHERE ref ~?~ 'x'", "clean"),
        ("SELECT id FROM payments WHERE pan ~?~ 'x'", "where payments.pan; unknown function ~?~; quotes"),
    ]);
}

#[test]
fn what_cannot_be_told() {
    check(&[
        ("SELECT x FROM nowhere", "unknown relation nowhere"),
        ("SELECT nope FROM payments", "unknown column nope"),
        ("SELECT ctid, tableoid FROM payments", "clean"),
    ]);
}

#[test]
fn common_table_expressions() {
    check(&[
        ("WITH RECURSIVE t(n) AS (VALUES (1) UNION ALL SELECT n+1 FROM t WHERE n < 100) SELECT sum(n) FROM t", "clean"),
        (
            "WITH RECURSIVE a AS (SELECT x FROM b), b AS (SELECT pan AS x FROM payments) SELECT x FROM a",
            "x <- payments.pan",
        ),
        (
            "WITH RECURSIVE t AS (SELECT id, pan FROM payments UNION ALL SELECT t.id + 1, t.pan FROM t) SELECT * FROM t",
            "pan <- payments.pan verbatim",
        ),
        (
            "WITH RECURSIVE t(a,b,c) AS (SELECT pan, customer, exp FROM payments UNION ALL SELECT b, c, a FROM t) SELECT a, b, c FROM t",
            "a <- payments.pan verbatim; b <- payments.pan verbatim; c <- payments.pan verbatim",
        ),
        (
            "WITH w AS (INSERT INTO tickets(id, note) SELECT id, pan FROM payments RETURNING note) SELECT note FROM w",
            "note <- payments.pan verbatim; tickets.note gets payments.pan; quotes",
        ),
        ("WITH payments AS (SELECT 1 AS pan) SELECT pan FROM payments", "clean"),
        ("WITH payments AS (SELECT 1 AS pan) SELECT pan FROM public.payments", "pan <- payments.pan"),
        ("SELECT public.payments.pan FROM tickets payments, public.payments", "pan <- payments.pan"),
        (
            "TABLE payments",
            "pan <- payments.pan; pan_int <- payments.pan_int; pan_num <- payments.pan_num; meta <- payments.meta; raw <- payments.raw",
        ),
        ("VALUES (1), (2)", "clean"),
    ]);
}

#[test]
fn changes() {
    check(&[
        ("INSERT INTO tickets SELECT id, pan FROM payments", "tickets.note gets payments.pan; quotes"),
        ("INSERT INTO tickets(note, id) SELECT pan, id FROM payments", "tickets.note gets payments.pan; quotes"),
        ("INSERT INTO tickets VALUES (1, 'x') RETURNING *", "clean"),
        (
            "INSERT INTO payments(id, pan) VALUES (1, $1) ON CONFLICT (pan) DO NOTHING RETURNING id",
            "match payments.pan; quotes",
        ),
        ("INSERT INTO payments(id, pan) VALUES (1, $1) ON CONFLICT DO NOTHING", "match payments.pan; quotes"),
        ("INSERT INTO tickets(id, note) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET note = excluded.note", "clean"),
        (
            "INSERT INTO payments(id, pan) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET customer = excluded.pan",
            "payments.customer gets payments.pan; quotes",
        ),
        (
            "INSERT INTO payments(id, pan) SELECT 1, g::text FROM generate_series(1,9) g ON CONFLICT (pan) DO NOTHING",
            "where payments.pan; quotes",
        ),
        (
            "UPDATE tickets SET note = pan FROM payments p WHERE p.id = tickets.id RETURNING note",
            "note <- payments.pan verbatim; tickets.note gets payments.pan; quotes",
        ),
        ("UPDATE payments SET amount = 1 WHERE pan LIKE '4%'", "where payments.pan; quotes"),
        ("UPDATE payments SET pan = pan WHERE id = 1", "quotes"),
        (
            "UPDATE payments SET (customer, exp) = (SELECT pan, 'x' FROM card_events LIMIT 1)",
            "payments.customer gets card_events.pan; quotes",
        ),
        ("UPDATE payments SET (customer, exp) = ROW(pan, 'x')", "payments.customer gets payments.pan; quotes"),
        ("UPDATE payments SET amount = 2 RETURNING old.pan, new.amount", "pan <- payments.pan; quotes"),
        ("DELETE FROM tickets USING payments p WHERE p.pan = tickets.note", "where payments.pan; quotes"),
        ("DELETE FROM payments WHERE id = 1 RETURNING pan", "pan <- payments.pan"),
        (
            "MERGE INTO tickets t USING payments p ON t.id = p.id WHEN MATCHED AND p.pan > 'x' THEN UPDATE SET note = p.pan WHEN NOT MATCHED THEN INSERT VALUES (p.id, p.pan)",
            "where payments.pan; tickets.note gets payments.pan; quotes",
        ),
        (
            "INSERT INTO v_orders SELECT id, pan FROM payments",
            "v_orders.ref gets payments.pan; unknown form a view is filled from columns that matter; quotes",
        ),
        ("INSERT INTO ruled VALUES (1)", "unknown form a change of a relation with rules"),
    ]);
}

#[test]
fn new_relations() {
    check(&[
        (
            "SELECT * INTO t2 FROM payments",
            "t2.meta gets payments.meta; t2.pan gets payments.pan; t2.pan_int gets payments.pan_int; t2.pan_num gets payments.pan_num; t2.raw gets payments.raw",
        ),
        ("SELECT pan INTO t2 FROM payments UNION ALL SELECT note FROM tickets", "t2.pan gets payments.pan verbatim"),
        ("CREATE TABLE t2(a, b) AS SELECT pan, id FROM payments", "t2.a gets payments.pan"),
        ("CREATE VIEW v2(a) AS SELECT pan FROM payments", "v2.a gets payments.pan"),
    ]);
}

#[test]
fn carried_statements() {
    check(&[
        ("EXPLAIN SELECT reverse(pan) FROM payments", "quotes; plan"),
        ("EXPLAIN ANALYZE SELECT reverse(pan) FROM payments", "other payments.pan; quotes"),
        ("EXECUTE known(1)", "reverse <- payments.pan lossy; quotes"),
        ("EXECUTE other", "unknown form EXECUTE of an unknown statement"),
        ("FETCH known", "pan <- payments.pan"),
        ("MOVE known", "clean"),
        ("CLOSE known", "clean"),
        ("COPY payments(id, customer) TO STDOUT", "clean"),
        ("COPY payments(id, pan) TO STDOUT", "pan <- payments.pan"),
        ("COPY payments FROM STDIN", "clean"),
    ]);
}

#[test]
fn documents() {
    check(&[
        (
            "SELECT a.* FROM payments a NATURAL JOIN tickets b",
            "pan <- payments.pan; pan_int <- payments.pan_int; pan_num <- payments.pan_num; meta <- payments.meta; raw <- payments.raw",
        ),
        ("SELECT j.pan FROM (payments JOIN tickets USING (id)) j", "pan <- payments.pan"),
        (
            "SELECT x FROM xmltable('/r' PASSING (SELECT xmlelement(name r, pan) FROM payments) COLUMNS x text PATH '.')",
            "x <- payments.pan lossy; other payments.pan; quotes",
        ),
        // Without an alias it has the form's name.
        (
            "SELECT xmltable.*, xmltable.x FROM tickets, xmltable('/r' PASSING (note::xml) COLUMNS x text PATH '.')",
            "clean",
        ),
        (
            "SELECT xmltable.x FROM payments, xmltable('/r' PASSING (meta::text::xml) COLUMNS x text PATH '.')",
            "x <- payments.meta lossy; other payments.meta; quotes",
        ),
        ("SELECT json_table.x FROM tickets, json_table(note, '$' COLUMNS (x text PATH '$.a'))", "clean"),
        (
            r#"SELECT JSON_VALUE(meta, '$.card.pan'), JSON_QUERY(meta, '$.card ? (@.pan starts with "4")') FROM payments"#,
            "json_value <- payments.meta verbatim; json_query <- payments.meta lossy; quotes",
        ),
        (
            "SELECT JSON_OBJECT('a': pan), JSON_ARRAYAGG(pan), JSON_ARRAY(pan) FROM payments",
            "json_object <- payments.pan verbatim; json_arrayagg <- payments.pan verbatim; json_array <- payments.pan verbatim",
        ),
        (
            "SELECT meta->'card'->>'pan', meta #>> '{card,pan}', meta['card'] FROM payments",
            "?column? <- payments.meta verbatim; ?column? <- payments.meta verbatim; meta <- payments.meta verbatim",
        ),
        (
            r#"SELECT '{"5":1}'::jsonb -> pan FROM payments"#,
            "?column? <- payments.pan predicate; where payments.pan; quotes",
        ),
        (
            "SELECT jsonb_extract_path_text('{}', pan) FROM payments",
            "jsonb_extract_path_text <- payments.pan predicate; where payments.pan; quotes",
        ),
    ]);
}

#[test]
fn casts_and_texts() {
    check(&[
        ("SELECT (pan::name)[0] FROM payments", "pan <- payments.pan injective; quotes"),
        ("SELECT (string_to_array(pan, NULL))[1] FROM payments", "string_to_array <- payments.pan lossy; quotes"),
        (
            "SELECT (ARRAY['a','b'])[pan_int] FROM payments",
            "array <- payments.pan_int predicate; where payments.pan_int; quotes",
        ),
        (
            "SELECT pan::bigint, pan_int::text, pan::varchar(4), pan::varchar(20), pan::char FROM payments",
            "pan <- payments.pan verbatim; pan_int <- payments.pan_int verbatim; pan <- payments.pan lossy; pan <- payments.pan verbatim; pan <- payments.pan lossy; quotes",
        ),
        (
            "SELECT concat('card: ', pan), format('%s / %s', pan, customer), concat(pan, customer), concat_ws(', ', pan, id) FROM payments",
            "concat <- payments.pan verbatim; format <- payments.pan verbatim; concat <- payments.pan injective; concat_ws <- payments.pan verbatim; quotes",
        ),
        ("SELECT 'card ' || pan || '!' FROM payments", "?column? <- payments.pan verbatim"),
        (
            "SELECT upper(pan), btrim(pan), ltrim(pan, '4') FROM payments",
            "upper <- payments.pan verbatim; btrim <- payments.pan verbatim; ltrim <- payments.pan lossy; quotes",
        ),
        ("SELECT pg_typeof(pan), pan IS NULL FROM payments", "clean"),
        ("SELECT has_column_privilege('payments', 'pan', 'select')", "clean"),
        ("SELECT current_setting('search_path'), version(), now()", "clean"),
    ]);
}

#[test]
fn definitions() {
    check(&[
        ("CREATE INDEX ON payments (pan)", "other payments.pan"),
        ("CREATE INDEX ON payments (customer) WHERE pan LIKE '4%'", "where payments.pan; quotes"),
        ("ALTER TABLE tickets ALTER note TYPE int USING length(note)", "clean"),
        ("ALTER TABLE payments ALTER customer TYPE text USING pan", "payments.customer gets payments.pan"),
        (
            "ALTER TABLE payments ADD COLUMN x text GENERATED ALWAYS AS (reverse(pan)) STORED",
            "unknown form a column x that is generated from columns that matter; quotes",
        ),
        ("ALTER TABLE payments ADD COLUMN y text DEFAULT 'x' NOT NULL", "clean"),
        ("ALTER TABLE payments RENAME COLUMN customer TO name", "clean"),
        (
            "CREATE TABLE part PARTITION OF charges FOR VALUES IN (1)",
            "unknown form a table that inherits columns that matter",
        ),
        (
            "CREATE TABLE plain (id int PRIMARY KEY, note text CHECK (note <> ''), UNIQUE (note)); INSERT INTO plain VALUES (1, 'x'); SELECT * FROM plain",
            "clean / clean / clean",
        ),
        ("CREATE FUNCTION add1(int) RETURNS int LANGUAGE sql AS 'SELECT $1 + 1'", "clean"),
    ]);
}

#[test]
fn all_else() {
    check(&[
        ("CALL opaque(1)", "unknown function public.opaque"),
        ("GRANT SELECT ON payments TO x", "clean"),
        ("VACUUM ANALYZE payments", "clean"),
        (
            "SELECT pg_read_file('x'), lo_get(1), dblink('x', 'y')",
            "elsewhere dblink; elsewhere lo_get; elsewhere pg_read_file; unknown function dblink",
        ),
        ("SELECT * FROM pg_toast.pg_toast_1234", "elsewhere pg_toast.pg_toast_1234; open at 0"),
        ("SELECT * FROM information_schema.columns", "open at 0"),
        (
            "SELECT sum(pan_num) OVER w FROM payments WINDOW w AS (PARTITION BY customer ORDER BY pan)",
            "sum <- payments.pan_num lossy; order payments.pan; quotes",
        ),
        ("SELECT id FROM payments GROUP BY GROUPING SETS ((id), (pan))", "group payments.pan"),
        ("SELECT p.pan FROM payments AS p (a, b)", "pan <- payments.pan"),
        ("SELECT p.a, p.c FROM payments AS p (a, b, c)", "c <- payments.pan"),
        (
            "SELECT f.* FROM payments p CROSS JOIN LATERAL (SELECT p.pan || 'x' AS y) f",
            "y <- payments.pan injective; other payments.pan; quotes",
        ),
        ("SELECT grouping(pan) FROM payments GROUP BY pan", "group payments.pan"),
        ("SELECT ROW(pan, id) FROM payments", "row <- payments.pan verbatim"),
        ("SELECT (ROW(pan, id)).f2 FROM payments", "clean"),
        ("SELECT array(SELECT pan FROM payments)", "array <- payments.pan verbatim"),
        (r#"SELECT pan COLLATE "C" FROM payments"#, "pan <- payments.pan"),
        ("SELECT 1 WHERE (SELECT pan FROM payments LIMIT 1) ~ '^4'", "where payments.pan; quotes"),
        (
            "SELECT id FROM payments TABLESAMPLE SYSTEM ((SELECT length(pan) FROM payments LIMIT 1))",
            "other payments.pan; quotes",
        ),
        ("SELECT pg_sleep(1)", "clean"),
        ("SELECT nextval('x')", "clean"),
        (
            "SELECT json_each_text.value FROM payments, json_each_text(to_json(payments))",
            "value <- payments.pan verbatim, payments.pan_int verbatim, payments.pan_num verbatim, payments.meta verbatim, payments.raw verbatim",
        ),
    ]);
}

#[test]
fn aggregates_of_one_row() {
    check(&[
        (
            "SELECT sum(pan_num), avg(pan_int) FROM payments WHERE id = 2",
            "sum <- payments.pan_num verbatim; avg <- payments.pan_int verbatim",
        ),
        ("SELECT sum(pan_num) FROM payments p WHERE 2 = p.id AND amount > 1", "sum <- payments.pan_num verbatim"),
        ("SELECT sum(pan_num) FROM payments WHERE id > 2", "sum <- payments.pan_num lossy; quotes"),
        ("SELECT sum(pan_num) FROM payments WHERE id = 2 OR id = 3", "sum <- payments.pan_num lossy; quotes"),
        (
            "SELECT sum(pan_num) FROM payments, generate_series(1, 3) WHERE id = 2",
            "sum <- payments.pan_num lossy; quotes",
        ),
        ("SELECT sum(pan_num % 1000) FROM payments WHERE id = 2", "sum <- payments.pan_num lossy; quotes"),
        ("SELECT stddev(pan_num) FROM payments WHERE id = 2", "stddev <- payments.pan_num lossy; quotes"),
    ]);
}

#[test]
fn columns_written_as_functions() {
    check(&[
        ("SELECT pan(p) FROM payments p", "pan <- payments.pan"),
        ("SELECT note(t) FROM tickets t", "clean"),
        ("SELECT reverse(pan(p)) FROM payments p", "reverse <- payments.pan lossy; quotes"),
        (
            "SELECT nothing(p) FROM payments p",
            "nothing <- payments.pan lossy, payments.pan_int lossy, payments.pan_num lossy, payments.meta lossy, payments.raw lossy; unknown function nothing",
        ),
    ]);
}

#[test]
fn picked_by_a_cast() {
    check(&[
        (
            "SELECT max(pan::text), mode() WITHIN GROUP (ORDER BY pan::text) FROM payments",
            "max <- payments.pan verbatim; mode <- payments.pan verbatim; join payments.pan; join payments.pan",
        ),
        (
            "SELECT max(greatest(pan, '5')) FROM payments",
            "max <- payments.pan verbatim; order payments.pan; case payments.pan",
        ),
    ]);
}

#[test]
fn what_the_same_text_has_written() {
    check(&[
        (
            "INSERT INTO tickets(note) SELECT pan FROM payments; SELECT note, id FROM tickets",
            "tickets.note gets payments.pan; quotes / note <- payments.pan verbatim",
        ),
        (
            "UPDATE tickets SET note = pan FROM payments; SELECT left(note, 1) FROM tickets t",
            "tickets.note gets payments.pan; quotes / left <- payments.pan lossy; quotes",
        ),
        (
            "CREATE TABLE x(a text); INSERT INTO x SELECT pan FROM payments; TABLE x",
            "clean / x.a gets payments.pan; quotes / a <- payments.pan verbatim",
        ),
        ("INSERT INTO tickets(note) SELECT customer FROM payments; SELECT note FROM tickets", "clean / clean"),
    ]);
}

/// An older server reads them as names.
#[test]
fn words_that_became_syntax() {
    check(&[
        ("SELECT system_user FROM logins", "system_user <- logins.system_user"),
        ("SELECT id FROM logins WHERE system_user < 'm'", "where logins.system_user; quotes"),
        ("SELECT system_user FROM payments", "clean"),
        (
            "SELECT json_scalar(pan) FROM payments",
            "json_scalar <- payments.pan lossy, payments.pan verbatim; unknown function json_scalar",
        ),
        ("SELECT json_scalar(id) FROM payments", "unknown function json_scalar"),
        ("SELECT json(pan) FROM payments", "json <- payments.pan verbatim; quotes"),
    ]);
}
