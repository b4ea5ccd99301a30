//! More forms of the same: what an agent would try next.

use crate::words::check;

#[test]
fn joins() {
    check(&[
        (
            "SELECT * FROM payments a JOIN payments b USING (id)",
            "pan <- payments.pan; pan_int <- payments.pan_int; pan_num <- payments.pan_num; meta <- payments.meta; raw <- payments.raw; pan <- payments.pan; pan_int <- payments.pan_int; pan_num <- payments.pan_num; meta <- payments.meta; raw <- payments.raw",
        ),
        (
            "SELECT string_agg(c, '') FROM payments, LATERAL regexp_split_to_table(pan, '') c",
            "string_agg <- payments.pan lossy; other payments.pan; quotes",
        ),
        ("SELECT a.pan FROM (payments a CROSS JOIN tickets b)", "pan <- payments.pan"),
        (
            "SELECT j FROM (payments a JOIN tickets b USING (id)) AS j",
            "j <- payments.pan verbatim, payments.pan_int verbatim, payments.pan_num verbatim, payments.meta verbatim, payments.raw verbatim",
        ),
        ("SELECT u.id FROM payments a JOIN tickets b USING (id) AS u", "clean"),
        (
            "SELECT u.* FROM payments a JOIN card_events b USING (pan) AS u",
            "pan <- payments.pan, card_events.pan; join payments.pan; join card_events.pan",
        ),
        (
            "SELECT pan FROM payments a JOIN card_events b USING (pan)",
            "pan <- payments.pan, card_events.pan; join payments.pan; join card_events.pan",
        ),
        ("SELECT id FROM payments NATURAL JOIN tickets", "clean"),
        ("SELECT pan FROM tickets LEFT JOIN payments USING (id)", "pan <- payments.pan"),
    ]);
}

#[test]
fn selects() {
    check(&[
        (
            "SELECT x.customer FROM (SELECT p.*, reverse(pan) AS customer FROM payments p) x",
            "customer <- payments.pan lossy; other payments.pan; quotes",
        ),
        (
            "SELECT (SELECT p) FROM payments p",
            "p <- payments.pan verbatim, payments.pan_int verbatim, payments.pan_num verbatim, payments.meta verbatim, payments.raw verbatim",
        ),
        ("SELECT ((SELECT p)).pan FROM payments p", "pan <- payments.pan"),
        ("SELECT (x).f1 FROM (SELECT ROW(pan, id) AS x FROM payments) s", "f1 <- payments.pan"),
        ("SELECT pan IS NORMALIZED FROM payments", "is_normalized <- payments.pan lossy; quotes"),
        (
            "SELECT normalize(pan), trim(both '4' from pan), trim(pan), overlay(pan placing 'x' from 1), substring(pan from 1 for 4), position('4' in pan), extract(year from to_timestamp(pan_int)) FROM payments",
            "normalize <- payments.pan lossy; btrim <- payments.pan lossy; btrim <- payments.pan verbatim; overlay <- payments.pan lossy; substring <- payments.pan lossy; position <- payments.pan lossy; extract <- payments.pan_int lossy; quotes",
        ),
        ("SELECT pan AT TIME ZONE 'utc' FROM payments", "timezone <- payments.pan lossy; quotes"),
        ("SELECT generate_series(1, pan_int) FROM payments", "generate_series <- payments.pan_int lossy; quotes"),
        (
            "SELECT hstore(p) FROM payments p",
            "hstore <- payments.pan lossy, payments.pan_int lossy, payments.pan_num lossy, payments.meta lossy, payments.raw lossy; unknown function hstore",
        ),
        (
            "SELECT least(pan), coalesce(pan), nullif(pan, customer) FROM payments",
            "least <- payments.pan verbatim; coalesce <- payments.pan; nullif <- payments.pan predicate, payments.pan verbatim; case payments.pan; quotes",
        ),
        (
            "SELECT length(pan), octet_length(raw), char_length(pan), bit_length(pan) FROM payments",
            "length <- payments.pan lossy; octet_length <- payments.raw lossy; char_length <- payments.pan lossy; bit_length <- payments.pan lossy; quotes",
        ),
        (
            "SELECT ascii(pan), chr(ascii(pan)) FROM payments",
            "ascii <- payments.pan lossy; chr <- payments.pan lossy; quotes",
        ),
        (
            "SELECT CAST(p AS text), CAST(ROW(p.*) AS text) FROM payments p",
            "p <- payments.pan verbatim, payments.pan_int verbatim, payments.pan_num verbatim, payments.meta verbatim, payments.raw verbatim; row <- payments.pan verbatim, payments.pan_int verbatim, payments.pan_num verbatim, payments.meta verbatim, payments.raw verbatim",
        ),
        (
            "SELECT every(pan LIKE '4%'), bool_or(pan > '4') FROM payments",
            "every <- payments.pan predicate; bool_or <- payments.pan predicate; where payments.pan; where payments.pan; quotes",
        ),
        ("SELECT id FROM payments FOR UPDATE", "clean"),
        ("SELECT pg_get_viewdef('v_payments'), pg_get_expr(adbin, adrelid) FROM pg_attrdef", "clean"),
        ("SELECT * FROM pg_statistic", "elsewhere pg_catalog.pg_statistic; open at 0"),
        ("SELECT statement FROM pg_prepared_statements", "elsewhere pg_catalog.pg_prepared_statements"),
        ("SELECT query FROM pg_stat_activity", "elsewhere pg_catalog.pg_stat_activity"),
        ("SELECT pg_stat_get_activity(NULL)", "elsewhere pg_stat_get_activity"),
        ("SELECT public.tail_of(pan) FROM payments", "tail_of <- payments.pan lossy; quotes"),
        ("SELECT other.tail_of(pan) FROM payments", "tail_of <- payments.pan lossy; unknown function other.tail_of"),
        (
            r#"SELECT pg_catalog.upper(pan), pg_catalog."upper"(pan) FROM payments"#,
            "upper <- payments.pan verbatim; upper <- payments.pan verbatim",
        ),
        ("SELECT cards.pan FROM cards() AS cards(pan)", "pan <- payments.pan"),
        ("SELECT x FROM cards() x", "x <- payments.pan"),
        ("SELECT c FROM ROWS FROM (cards()) AS f(c)", "c <- payments.pan"),
        ("SELECT twice(word => pan) FROM payments", "twice <- payments.pan injective; quotes"),
        ("SELECT current_user, session_user, user, current_date, localtime", "clean"),
        ("SELECT ctid FROM (SELECT pan AS ctid FROM payments) s", "ctid <- payments.pan"),
        ("SELECT t.ctid FROM tickets t, (SELECT pan AS ctid FROM payments) s", "clean"),
        ("SELECT oid FROM payments", "clean"),
        ("SELECT column2 FROM (VALUES (1, 'a')) v", "clean"),
        ("SELECT v.a FROM (VALUES (1, (SELECT pan FROM payments LIMIT 1))) v(b, a)", "a <- payments.pan"),
        (
            "SELECT setseed(pan_int) FROM payments",
            "setseed <- payments.pan_int lossy; other payments.pan_int; unknown function setseed; quotes",
        ),
        (
            "SELECT pg_advisory_xact_lock(pan_int) FROM payments",
            "pg_advisory_xact_lock <- payments.pan_int lossy; other payments.pan_int; unknown function pg_advisory_xact_lock; quotes",
        ),
        (
            "SELECT nextval(pan) FROM payments",
            "nextval <- payments.pan lossy; other payments.pan; unknown function nextval; quotes",
        ),
        ("SELECT set_config('a.b', 'x', false)", "clean"),
        ("SELECT has_table_privilege('payments', 'select')", "clean"),
        ("SELECT txid_current(), pg_current_xact_id()", "clean"),
        (
            "SELECT pan FROM payments EXCEPT SELECT pan FROM card_events",
            "pan <- payments.pan verbatim, card_events.pan verbatim; group payments.pan; group card_events.pan",
        ),
        ("SELECT pan = $1 FROM payments", "?column? <- payments.pan predicate; match payments.pan"),
        ("SELECT CASE id WHEN 1 THEN pan END FROM payments", "case <- payments.pan verbatim"),
        ("SELECT width_bucket(pan_num, 0, 10, 10) FROM payments", "width_bucket <- payments.pan_num lossy; quotes"),
    ]);
}

#[test]
fn texts_and_casts() {
    check(&[
        (
            "SELECT (json_populate_record(NULL::payments, to_json(p))).pan FROM payments p",
            "pan <- payments.pan verbatim, payments.pan_int verbatim, payments.pan_num verbatim, payments.meta verbatim, payments.raw verbatim; quotes",
        ),
        (
            "SELECT (jsonb_populate_record(NULL::tickets, jsonb_build_object('note', pan))).note FROM payments p",
            "note <- payments.pan verbatim; quotes",
        ),
        (
            "SELECT r.note FROM payments p, jsonb_populate_record(NULL::tickets, jsonb_build_object('note', pan)) r",
            "note <- payments.pan verbatim; quotes",
        ),
        (
            "SELECT generate_series(1, (pan_int % 10)::int) FROM payments",
            "generate_series <- payments.pan_int lossy; quotes",
        ),
        (
            "SELECT md5(p::text) FROM payments p",
            "md5 <- payments.pan lossy, payments.pan_int lossy, payments.pan_num lossy, payments.meta lossy, payments.raw lossy; quotes",
        ),
        (
            "SELECT -pan_int, @ pan_int, pan_int::float8, pan_int + 0, pan_int * 1, pan_int::numeric(20,0), pan::numeric, to_number(pan, '9999') FROM payments",
            "?column? <- payments.pan_int injective; ?column? <- payments.pan_int lossy; pan_int <- payments.pan_int injective; ?column? <- payments.pan_int injective; ?column? <- payments.pan_int injective; pan_int <- payments.pan_int lossy; pan <- payments.pan verbatim; to_number <- payments.pan lossy; quotes",
        ),
        (
            r#"SELECT pan::name, pan::bytea, pan::json, pan::xml, pan::inet, pan::regclass, pan::"char", pan::char(16), pan::varchar(16), pan::varchar(19) FROM payments"#,
            "pan <- payments.pan injective; pan <- payments.pan injective; pan <- payments.pan verbatim; pan <- payments.pan injective; pan <- payments.pan lossy; pan <- payments.pan lossy; pan <- payments.pan lossy; pan <- payments.pan lossy; pan <- payments.pan lossy; pan <- payments.pan verbatim; quotes",
        ),
        (
            "SELECT p = ROW(1,'a','b',1,1,'e',1,NULL,NULL)::payments FROM payments p",
            "?column? <- payments.pan predicate, payments.pan_int predicate, payments.pan_num predicate, payments.meta predicate, payments.raw predicate; where payments.pan; where payments.pan_int; where payments.pan_num; where payments.meta; where payments.raw; quotes",
        ),
        ("SELECT tableoid::regclass, p.* FROM ONLY charges p", "card <- charges.card"),
        ("SELECT concat(VARIADIC ARRAY[pan, pan]) FROM payments", "concat <- payments.pan verbatim"),
        (
            "SELECT to_regclass(pan), pan::regtype FROM payments",
            "to_regclass <- payments.pan lossy; pan <- payments.pan lossy; quotes",
        ),
        (
            "SELECT format('%L', pan), format('%s%s', pan, pan), format('%1$s', pan), format('x%s', pan) FROM payments",
            "format <- payments.pan verbatim; format <- payments.pan injective; format <- payments.pan injective; format <- payments.pan injective; quotes",
        ),
        (
            "SELECT convert_from(raw, 'UTF8'), encode(raw, 'escape'), raw::text FROM payments",
            "convert_from <- payments.raw lossy; encode <- payments.raw lossy; raw <- payments.raw verbatim; quotes",
        ),
        ("SELECT ('x' || pan)::text::int FROM payments", "text <- payments.pan lossy; quotes"),
        ("SELECT (('{' || pan)::text)::jsonb FROM payments", "text <- payments.pan lossy; quotes"),
        ("SELECT concat('{', pan)::jsonb FROM payments", "concat <- payments.pan lossy; quotes"),
        (
            "SELECT concat('{', pan)::jsonb, (pan || '')::bigint, to_jsonb(pan)::text, meta::text::jsonb FROM payments",
            "concat <- payments.pan lossy; int8 <- payments.pan lossy; to_jsonb <- payments.pan verbatim; meta <- payments.meta verbatim; quotes",
        ),
    ]);
}

#[test]
fn documents_and_arrays() {
    check(&[
        (
            "SELECT e FROM payments, LATERAL jsonb_each_text(to_jsonb(payments)) e",
            "e <- payments.pan verbatim, payments.pan_int verbatim, payments.pan_num verbatim, payments.meta verbatim, payments.raw verbatim",
        ),
        (
            "SELECT (e).value FROM payments, LATERAL jsonb_each_text(to_jsonb(payments)) e",
            "value <- payments.pan verbatim, payments.pan_int verbatim, payments.pan_num verbatim, payments.meta verbatim, payments.raw verbatim",
        ),
        ("SELECT xpath('/x/text()', xmlelement(name x, pan)) FROM payments", "xpath <- payments.pan lossy; quotes"),
        (
            "SELECT xmlforest(pan AS a), xmlpi(name x, pan), xmlserialize(content xmlelement(name a, pan) as text) FROM payments",
            "xmlforest <- payments.pan verbatim; xmlpi <- payments.pan injective; xmlserialize <- payments.pan verbatim; quotes",
        ),
        (
            r#"SELECT meta @> '{"card":{"pan":"4"}}' FROM payments"#,
            "?column? <- payments.meta predicate; where payments.meta; quotes",
        ),
        (
            r#"SELECT meta ? 'card', meta @? '$.card.pan ? (@ starts with "4")' FROM payments"#,
            "?column? <- payments.meta predicate; ?column? <- payments.meta predicate; where payments.meta; where payments.meta; quotes",
        ),
        (
            r#"SELECT meta->'card'->'pan' = '"5"' FROM payments"#,
            "?column? <- payments.meta predicate; where payments.meta; quotes",
        ),
        ("SELECT array_position(array_agg(pan), '5') FROM payments", "array_position <- payments.pan lossy; quotes"),
        (
            "SELECT array_agg(pan) @> ARRAY['5'] FROM payments",
            "?column? <- payments.pan predicate; where payments.pan; quotes",
        ),
        ("SELECT array_length(array_agg(pan), 1) FROM payments", "array_length <- payments.pan lossy; quotes"),
        ("SELECT unnest(array_agg(pan)) FROM payments", "unnest <- payments.pan verbatim"),
        (
            "SELECT id, generate_subscripts(string_to_array(pan,NULL),1) FROM payments",
            "generate_subscripts <- payments.pan lossy; quotes",
        ),
        (
            "SELECT to_jsonb(p) FROM payments p",
            "to_jsonb <- payments.pan verbatim, payments.pan_int verbatim, payments.pan_num verbatim, payments.meta verbatim, payments.raw verbatim",
        ),
        (
            "SELECT query_to_xml('x', true, false, ''), table_to_xml('payments', true, false, ''), database_to_xml(true, false, ''), cursor_to_xml('c', 1, true, false, '')",
            "elsewhere cursor_to_xml; elsewhere database_to_xml; elsewhere query_to_xml; elsewhere table_to_xml",
        ),
        ("SELECT lo_get(oid) FROM pg_largeobject_metadata", "elsewhere lo_get"),
        (
            "SELECT variadic_thing(VARIADIC ARRAY[pan]) FROM payments",
            "variadic_thing <- payments.pan lossy; unknown function variadic_thing",
        ),
        ("SELECT array_remove(array_agg(pan), '5') FROM payments", "array_remove <- payments.pan lossy; quotes"),
        (
            "SELECT json_build_object(pan, 1), jsonb_object(ARRAY[pan], ARRAY['x']) FROM payments",
            "json_build_object <- payments.pan lossy; jsonb_object <- payments.pan lossy; group payments.pan; quotes",
        ),
        ("SELECT json_build_object('a', pan) FROM payments", "json_build_object <- payments.pan verbatim"),
    ]);
}

/// Functions of the user's that bear a name of the server's, where they are searched; and what their parameters are compared with.
#[test]
fn functions_by_path() {
    check(&[
        ("SELECT lower(note) FROM tickets", "clean"),
        ("SELECT elsewhere.lower(note) FROM tickets", "unknown function elsewhere.lower"),
        ("SELECT initcap(note) FROM tickets", "clean"),
        ("SELECT initcap(pan) FROM payments", "initcap <- payments.pan lossy, payments.pan verbatim; quotes"),
        ("SELECT pg_catalog.initcap(pan) FROM payments", "initcap <- payments.pan verbatim"),
        ("SELECT has_card('5')", "where payments.pan; quotes"),
        ("SELECT has_card(note) FROM tickets", "where payments.pan; quotes"),
    ]);
}

/// Beside an item whose columns are not told, a bare name may still be that of a row.
#[test]
fn rows_beside_what_is_not_told() {
    let all = "payments.pan verbatim, payments.pan_int verbatim, payments.pan_num verbatim, payments.meta verbatim, \
               payments.raw verbatim";
    check(&[
        ("SELECT f, (p)::text FROM payments p, LATERAL unnest('a'::tsvector) f", &format!("p <- {all}")),
        ("SELECT payments FROM pg_class, payments", &format!("payments <- {all}")),
        (
            "SELECT count(*) FROM pg_class, tickets t, payments p GROUP BY p, t",
            "group payments.pan; group payments.pan_int; group payments.pan_num; group payments.meta; group payments.raw",
        ),
        ("SELECT (SELECT p FROM pg_class LIMIT 1) FROM payments p", &format!("p <- {all}")),
    ]);
}

#[test]
fn predicates() {
    check(&[
        ("SELECT id FROM payments p WHERE (SELECT p.pan) LIKE '4%'", "where payments.pan; quotes"),
        ("SELECT id FROM payments WHERE pan BETWEEN '4' AND '5'", "where payments.pan; quotes"),
        ("SELECT id FROM payments WHERE pan SIMILAR TO '4%'", "where payments.pan; quotes"),
        ("SELECT id FROM payments WHERE pan ~ '^4' IS TRUE", "where payments.pan; quotes"),
        ("SELECT id FROM payments WHERE substr(pan,1,1) IN ('4')", "where payments.pan; quotes"),
        ("SELECT id FROM payments WHERE pan IN ('5', id::text)", "where payments.pan; quotes"),
        ("SELECT id FROM payments WHERE 'x' = ANY (ARRAY[pan])", "where payments.pan; quotes"),
        ("SELECT id FROM payments WHERE $1 = pan", "match payments.pan"),
        ("SELECT id FROM payments WHERE pan = (SELECT $1)", "where payments.pan; quotes"),
        ("SELECT id FROM payments WHERE pan = $1 || '%'", "where payments.pan; quotes"),
        ("SELECT id FROM payments WHERE ROW(pan) = ROW($1)", "where payments.pan; quotes"),
        ("SELECT id FROM payments WHERE pan = ALL (ARRAY['5'])", "where payments.pan; quotes"),
        (
            "SELECT 1 FROM payments OFFSET (SELECT count(*) FROM payments WHERE pan LIKE '4%')",
            "where payments.pan; quotes",
        ),
        (
            "SELECT (SELECT max(pan) FROM payments) , (SELECT min(pan) FROM payments WHERE id > t.id) FROM tickets t",
            "max <- payments.pan verbatim; min <- payments.pan verbatim; join payments.pan; join payments.pan",
        ),
        (
            "SELECT t.* FROM tickets t, LATERAL (SELECT 1 FROM payments p WHERE p.pan LIKE t.note) s",
            "where payments.pan; quotes",
        ),
        ("SELECT customer FROM payments WHERE id = 1 FOR SHARE", "clean"),
        ("SELECT id FROM payments a, tickets b WHERE a.id = b.id AND b.note LIKE '4%'", "clean"),
        ("SELECT count(*) FROM payments WHERE random() < 0.5", "clean"),
        ("SELECT id FROM payments WHERE id = (SELECT id FROM payments WHERE pan = $1)", "match payments.pan"),
        ("SELECT EXISTS (SELECT 1 FROM payments WHERE pan = $1)", "match payments.pan"),
        (
            "SELECT CASE WHEN EXISTS (SELECT 1 FROM payments WHERE pan LIKE '4%') THEN 1 END",
            "case payments.pan; quotes",
        ),
    ]);
}

#[test]
fn orders_and_groups() {
    check(&[
        ("SELECT id FROM payments WHERE pan IS DISTINCT FROM '4'", "where payments.pan; quotes"),
        ("SELECT id FROM payments ORDER BY (pan)", "order payments.pan"),
        ("SELECT id AS pan FROM payments ORDER BY pan || ''", "order payments.pan; quotes"),
        ("SELECT id FROM payments ORDER BY CASE WHEN pan LIKE '4%' THEN 1 END", "case payments.pan; quotes"),
        ("SELECT id FROM payments ORDER BY pan USING <", "order payments.pan"),
        (
            "SELECT id FROM payments p ORDER BY p",
            "order payments.pan; order payments.pan_int; order payments.pan_num; order payments.meta; order payments.raw",
        ),
        (
            "SELECT DISTINCT p FROM payments p",
            "p <- payments.pan verbatim, payments.pan_int verbatim, payments.pan_num verbatim, payments.meta verbatim, payments.raw verbatim; group payments.pan; group payments.pan_int; group payments.pan_num; group payments.meta; group payments.raw",
        ),
        ("SELECT id FROM payments GROUP BY id, substr(pan,1,1)", "group payments.pan; quotes"),
        (
            "SELECT sum(id) OVER (ORDER BY pan ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM payments",
            "order payments.pan",
        ),
        (
            "SELECT sum(id) OVER (ORDER BY id ROWS BETWEEN length(pan) PRECEDING AND CURRENT ROW) FROM payments",
            "other payments.pan; quotes",
        ),
        ("SELECT count(*) FROM payments GROUP BY CUBE(pan, id)", "group payments.pan"),
        (
            "SELECT array_to_string(array_agg(pan), ','), array_to_string(array_agg(pan), ''), string_agg(pan, '-'), string_agg(pan, ', ' ORDER BY id), string_agg(DISTINCT pan, ', ') FROM payments",
            "array_to_string <- payments.pan verbatim; array_to_string <- payments.pan injective; string_agg <- payments.pan injective; string_agg <- payments.pan verbatim; string_agg <- payments.pan verbatim; group payments.pan; quotes",
        ),
        ("SELECT json_agg(pan ORDER BY id) -> 0 FROM payments", "?column? <- payments.pan verbatim"),
        ("SELECT grouping(id), id FROM payments GROUP BY ROLLUP(id)", "clean"),
        (
            "SELECT note FROM tickets UNION ALL (SELECT pan FROM payments ORDER BY id LIMIT 1)",
            "note <- payments.pan verbatim",
        ),
    ]);
}

#[test]
fn queries_in_front() {
    check(&[
        (
            "WITH x AS MATERIALIZED (SELECT id, 1/(pan_int-5) AS y FROM payments) SELECT id FROM x",
            "other payments.pan_int; quotes",
        ),
        ("WITH x AS (SELECT id, right(pan,4) AS y FROM payments) SELECT id FROM x", "other payments.pan; quotes"),
        (
            "WITH x AS (UPDATE payments SET exp = pan RETURNING id) SELECT * FROM x",
            "payments.exp gets payments.pan; quotes",
        ),
        ("WITH x AS (DELETE FROM payments RETURNING *) SELECT id FROM x", "clean"),
        (
            "WITH x AS (SELECT pan FROM payments) INSERT INTO tickets SELECT 1, pan FROM x",
            "tickets.note gets payments.pan; quotes",
        ),
        (
            "VALUES (1, (SELECT pan FROM payments LIMIT 1)), (2, 'x') ORDER BY 2",
            "column2 <- payments.pan verbatim; order payments.pan",
        ),
        ("(SELECT pan FROM payments) ORDER BY 1", "pan <- payments.pan; order payments.pan"),
    ]);
}

#[test]
fn changes() {
    check(&[
        (
            "INSERT INTO tickets(id, note) VALUES ((SELECT id FROM payments LIMIT 1), (SELECT pan FROM payments LIMIT 1))",
            "tickets.note gets payments.pan; quotes",
        ),
        (
            "INSERT INTO tickets(id, note) SELECT id, 'x' FROM payments WHERE pan LIKE '4%'",
            "where payments.pan; quotes",
        ),
        (
            "INSERT INTO tickets SELECT * FROM (SELECT id, pan FROM payments) s",
            "tickets.note gets payments.pan; quotes",
        ),
        ("INSERT INTO tickets DEFAULT VALUES RETURNING (SELECT pan FROM payments LIMIT 1)", "pan <- payments.pan"),
        (
            "INSERT INTO nowhere SELECT pan FROM payments",
            "nowhere. gets payments.pan; unknown relation nowhere; quotes",
        ),
        (
            "INSERT INTO pg_temp.x SELECT pan FROM payments",
            "pg_temp.x. gets payments.pan; unknown relation pg_temp.x; quotes",
        ),
        (
            "UPDATE tickets t SET note = (SELECT p.pan FROM payments p WHERE p.id = t.id)",
            "tickets.note gets payments.pan; quotes",
        ),
        (
            "UPDATE tickets SET note = note WHERE EXISTS (SELECT FROM payments WHERE pan = tickets.note)",
            "where payments.pan; quotes",
        ),
        ("DELETE FROM tickets WHERE note IN (SELECT pan FROM payments)", "where payments.pan"),
        (
            "MERGE INTO payments p USING tickets t ON p.pan = t.note WHEN MATCHED THEN DELETE",
            "where payments.pan; quotes",
        ),
        (
            "MERGE INTO tickets t USING payments p ON t.id = p.id WHEN MATCHED THEN UPDATE SET note = 'x' RETURNING p.pan, t.note",
            "pan <- payments.pan",
        ),
    ]);
}

#[test]
fn definitions() {
    check(&[
        (
            "CREATE TEMP TABLE x AS TABLE payments",
            "pg_temp.x.meta gets payments.meta; pg_temp.x.pan gets payments.pan; pg_temp.x.pan_int gets payments.pan_int; pg_temp.x.pan_num gets payments.pan_num; pg_temp.x.raw gets payments.raw",
        ),
        ("CREATE TABLE x AS EXECUTE known", "x.reverse gets payments.pan lossy; quotes"),
        ("CREATE MATERIALIZED VIEW x AS SELECT pan FROM payments WITH NO DATA", "x.pan gets payments.pan"),
        (
            "CREATE RECURSIVE VIEW v (a) AS SELECT pan FROM payments UNION ALL SELECT a FROM v",
            "v.a gets payments.pan verbatim",
        ),
        ("CREATE OR REPLACE VIEW v_orders AS SELECT id, pan AS ref FROM payments", "v_orders.ref gets payments.pan"),
        ("CREATE TABLE l (LIKE payments INCLUDING ALL)", "clean"),
        ("CREATE TABLE l () INHERITS (payments)", "unknown form a table that inherits columns that matter"),
        (
            "CREATE TABLE c (note text CHECK (note NOT IN ('x')), pan text DEFAULT reverse('x'), n int GENERATED ALWAYS AS IDENTITY)",
            "clean",
        ),
        (
            "CREATE TABLE c (x text DEFAULT (SELECT pan FROM payments LIMIT 1))",
            "unknown form a default that derives from what matters",
        ),
        ("CREATE TABLE c (x text REFERENCES payments(pan))", "other payments.pan"),
        ("ALTER TABLE payments ADD UNIQUE (pan)", "other payments.pan"),
        (
            "ALTER TABLE payments ADD FOREIGN KEY (pan) REFERENCES card_events(pan)",
            "other payments.pan; other card_events.pan",
        ),
        ("ALTER TABLE payments ADD EXCLUDE USING gist (pan WITH =)", "other payments.pan"),
        ("ALTER TABLE payments ALTER COLUMN pan DROP NOT NULL", "clean"),
        ("ALTER TABLE payments ALTER COLUMN pan TYPE varchar(20)", "clean"),
        ("ALTER TABLE payments DROP COLUMN pan", "clean"),
        ("ALTER TABLE payments OWNER TO x", "clean"),
        ("ALTER TABLE payments SET SCHEMA other", "unknown form ALTER ... RENAME of what matters"),
        ("ALTER VIEW v_payments RENAME COLUMN reference TO x", "unknown form ALTER ... RENAME of what matters"),
        ("ALTER SCHEMA public RENAME TO x", "unknown form ALTER ... RENAME"),
        ("ALTER TABLE orders RENAME TO payments", "clean"),
        ("ALTER TYPE t RENAME TO u", "clean"),
        ("CREATE STATISTICS s ON customer, exp FROM payments", "clean"),
        (
            "CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION tail_of()",
            "unknown function tail_of",
        ),
        ("CREATE POLICY p ON payments USING (customer = current_user)", "clean"),
        (
            "CREATE TABLE IF NOT EXISTS public.payments (pan text); SELECT reverse(pan) FROM public.payments",
            "clean / reverse <- payments.pan lossy; quotes",
        ),
        (
            "CREATE TABLE tickets AS SELECT id, pan AS note FROM payments; SELECT note FROM tickets; SELECT * FROM tickets",
            "tickets.note gets payments.pan / note <- payments.pan / note <- payments.pan; unknown form * of columns that are not known; open at 4",
        ),
        ("DROP TABLE orders; CREATE TABLE orders (x int); SELECT x FROM orders", "clean / clean / clean"),
        (
            "ALTER TABLE card_events ADD FOREIGN KEY (n) REFERENCES payments",
            "other payments.pan; other payments.pan_int; other payments.pan_num; other payments.meta; other payments.raw",
        ),
    ]);
}

#[test]
fn carried_statements() {
    check(&[
        ("DECLARE c CURSOR FOR SELECT id FROM payments WHERE pan LIKE '4%'", "where payments.pan; quotes"),
        ("PREPARE x AS SELECT reverse(pan) FROM payments", "reverse <- payments.pan lossy; quotes"),
        ("EXPLAIN (ANALYZE off) SELECT id FROM payments WHERE pan LIKE '4%'", "where payments.pan; quotes; plan"),
        ("EXPLAIN EXECUTE known", "quotes; plan"),
        ("COPY (DELETE FROM payments RETURNING pan) TO STDOUT", "pan <- payments.pan"),
        (
            "COPY (SELECT * FROM payments) TO STDOUT WITH (FORMAT binary)",
            "pan <- payments.pan; pan_int <- payments.pan_int; pan_num <- payments.pan_num; meta <- payments.meta; raw <- payments.raw",
        ),
        ("COPY tickets FROM STDIN WHERE note LIKE '4%'", "clean"),
        ("COPY v_payments TO STDOUT", "reference <- payments.pan"),
    ]);
}

/// What the server compares of itself while it makes a value: keys with keys, lexemes with lexemes, a bound with a bound.
#[test]
fn compared_by_the_server() {
    check(&[
        (
            "SELECT (jsonb_build_object(pan, 1) -> '4111') IS NULL FROM payments",
            "?column? <- payments.pan predicate; where payments.pan; group payments.pan; quotes",
        ),
        (
            "SELECT to_tsvector('simple', array_to_string(ARRAY[pan, '4111'], ' ')) FROM payments",
            "to_tsvector <- payments.pan lossy; quotes",
        ),
        (
            "SELECT int8range(4111, pan_int) FROM payments",
            "int8range <- payments.pan_int lossy; where payments.pan_int; quotes",
        ),
        (
            "SELECT int8range(p.pan_int, q.pan_int) FROM payments p, payments q",
            "int8range <- payments.pan_int lossy; where payments.pan_int; quotes",
        ),
        (
            "SELECT ntile((SELECT substr(pan, 9, 1)::int FROM payments WHERE id = 2)) OVER (ORDER BY id) FROM payments",
            "ntile <- payments.pan lossy; quotes",
        ),
        ("SELECT key FROM payments p, json_each_text(to_json(p))", "clean"),
    ]);
}
