//! Attacks on masking, by what they do: each is seen, and the controls stay clean.

use crate::words::check;

#[test]
fn columns_read_directly() {
    check(&[
        // direct-returning
        (r#"UPDATE payments SET amount = amount RETURNING pan"#, r#"pan <- payments.pan; quotes"#),
        // direct-insert-returning
        (
            r#"INSERT INTO payments(id,pan) SELECT id+100, pan||'0' FROM payments RETURNING left(pan,-1)"#,
            r#"left <- payments.pan lossy; payments.pan gets payments.pan injective; quotes"#,
        ),
        // direct-full-join-coalesce
        (
            r#"SELECT pan FROM payments FULL JOIN card_events USING (pan) LIMIT 2"#,
            r#"pan <- payments.pan verbatim, card_events.pan verbatim; join payments.pan; join card_events.pan"#,
        ),
    ]);
}

#[test]
fn casts() {
    check(&[
        // cast-to-char-spaces
        (
            r#"SELECT to_char(pan_int,'FM9999 9999 9999 9999 999') FROM payments"#,
            r#"to_char <- payments.pan_int verbatim"#,
        ),
        // cast-to-char-letters
        (
            r#"SELECT to_char(pan_int,'FM9"a"9"b"9"c"9"d"9"e"9"f"9"g"9"h"9"i"9"j"9"k"9"l"9"m"9"n"9"o"9') FROM payments WHERE id=1"#,
            r#"to_char <- payments.pan_int injective; quotes"#,
        ),
        // cast-numeric-sci
        (
            r#"SELECT to_char(pan_num,'9.5EEEE') FROM payments WHERE id=1"#,
            r#"to_char <- payments.pan_num injective; quotes"#,
        ),
        // cast-money
        (
            r#"SELECT (pan_int::numeric/100)::money FROM payments WHERE id=1"#,
            r#"money <- payments.pan_int lossy; quotes"#,
        ),
        // cast-interval
        (
            r#"SELECT make_interval(secs => (pan_int/1000000)) , pan_int % 1000000 FROM payments WHERE id=1"#,
            r#"make_interval <- payments.pan_int lossy; ?column? <- payments.pan_int lossy; quotes"#,
        ),
        // cast-timestamp
        (
            r#"SELECT to_timestamp(pan_int/100000.0) FROM payments WHERE id=2"#,
            r#"to_timestamp <- payments.pan_int lossy; quotes"#,
        ),
        // cast-rpad-suffix
        (r#"SELECT pan || '99999' FROM payments WHERE id=1"#, r#"?column? <- payments.pan injective; quotes"#),
        // cast-letter-prefix
        (r#"SELECT 'x' || pan || 'y' FROM payments WHERE id=1"#, r#"?column? <- payments.pan injective; quotes"#),
        // cast-encode-hex
        (r#"SELECT encode(raw,'hex') FROM payments WHERE id=1"#, r#"encode <- payments.raw lossy; quotes"#),
        // cast-encode-base64
        (
            r#"SELECT encode(convert_to(pan,'UTF8'),'base64') FROM payments WHERE id=1"#,
            r#"encode <- payments.pan lossy; quotes"#,
        ),
        // cast-to-hex
        (r#"SELECT to_hex(pan_int) FROM payments WHERE id=1"#, r#"to_hex <- payments.pan_int lossy; quotes"#),
        // cast-md5
        (r#"SELECT md5(pan) FROM payments WHERE id=1"#, r#"md5 <- payments.pan lossy; quotes"#),
        // cast-hashtext
        (
            r#"SELECT hashtextextended(pan,0), hash_numeric(pan_num) FROM payments WHERE id=1"#,
            r#"hashtextextended <- payments.pan lossy; hash_numeric <- payments.pan_num lossy; quotes"#,
        ),
        // cast-xml
        (
            r#"SELECT xmlelement(name p, xmlattributes(pan as v)) FROM payments WHERE id=1"#,
            r#"xmlelement <- payments.pan verbatim"#,
        ),
        // cast-xml-entities
        (
            r#"SELECT string_agg('&#'||ascii(ch)||';','' ORDER BY n) FROM (SELECT ch, n FROM payments, string_to_table(pan,NULL) WITH ORDINALITY AS t(ch,n) WHERE id=1) s"#,
            r#"string_agg <- payments.pan lossy; other payments.pan; other payments.pan; quotes"#,
        ),
        // cast-uuid
        (r#"SELECT lpad(pan,32,'0')::uuid FROM payments WHERE id=1"#, r#"lpad <- payments.pan lossy; quotes"#),
        // cast-macaddr8
        (r#"SELECT pan::macaddr8 FROM payments WHERE id=1"#, r#"pan <- payments.pan lossy; quotes"#),
        // cast-point
        (
            r#"SELECT point(pan_int/100000000, pan_int%100000000) FROM payments WHERE id=1"#,
            r#"point <- payments.pan_int lossy; quotes"#,
        ),
        // cast-range
        (
            r#"SELECT int8range(pan_int, pan_int+1) FROM payments WHERE id=1"#,
            r#"int8range <- payments.pan_int verbatim; quotes"#,
        ),
        // cast-tsvector
        (r#"SELECT to_tsvector('simple', pan) FROM payments WHERE id=1"#, r#"to_tsvector <- payments.pan verbatim"#),
        // cast-jsonpath
        (
            r#"SELECT jsonb_path_query(meta,'$.card.pan') FROM payments WHERE id=1"#,
            r#"jsonb_path_query <- payments.meta verbatim"#,
        ),
    ]);
}

#[test]
fn pieces() {
    check(&[
        // split-substr-halves
        (
            r#"SELECT substr(pan,1,8), substr(pan,9) FROM payments"#,
            r#"substr <- payments.pan lossy; substr <- payments.pan lossy; quotes"#,
        ),
        // split-left-right
        (
            r#"SELECT left(pan,6), right(pan,4) FROM payments"#,
            r#"left <- payments.pan lossy; right <- payments.pan lossy; quotes"#,
        ),
        // split-middle
        (r#"SELECT substr(pan,7,6) FROM payments"#, r#"substr <- payments.pan lossy; quotes"#),
        // split-string-to-table
        (
            r#"SELECT string_to_table(pan,NULL) FROM payments WHERE id=1"#,
            r#"string_to_table <- payments.pan lossy; quotes"#,
        ),
        // split-unnest-chars
        (
            r#"SELECT unnest(string_to_array(pan,NULL)) FROM payments WHERE id=1"#,
            r#"unnest <- payments.pan lossy; quotes"#,
        ),
        // split-generate-series
        (
            r#"SELECT g, substr(pan,g,1) FROM payments, generate_series(1,19) g WHERE id=1"#,
            r#"substr <- payments.pan lossy; quotes"#,
        ),
        // split-overlay
        (
            r#"SELECT overlay(pan placing '' from 8 for 1), substr(pan,8,1) FROM payments WHERE id=1"#,
            r#"overlay <- payments.pan lossy; substr <- payments.pan lossy; quotes"#,
        ),
        // split-overlay-letters
        (
            r#"SELECT overlay(overlay(pan placing 'ab' from 5 for 0) placing 'cd' from 11 for 0) FROM payments WHERE id=1"#,
            r#"overlay <- payments.pan lossy; quotes"#,
        ),
        // split-get-byte
        (
            r#"SELECT g, get_byte(raw,g) FROM payments, generate_series(0,15) g WHERE id=1"#,
            r#"get_byte <- payments.raw lossy; quotes"#,
        ),
        // split-pivot-columns
        (
            r#"SELECT substr(pan,1,4) a, substr(pan,5,4) b, substr(pan,9,4) c, substr(pan,13) d FROM payments WHERE id=1"#,
            r#"a <- payments.pan lossy; b <- payments.pan lossy; c <- payments.pan lossy; d <- payments.pan lossy; quotes"#,
        ),
        // split-positions
        (
            r#"SELECT position(d::text in pan), d FROM payments, generate_series(0,9) d WHERE id=3"#,
            r#"position <- payments.pan lossy; quotes"#,
        ),
        // split-length-oracle
        (
            r#"SELECT d, length(pan)-length(replace(pan,d::text,'')) FROM payments, generate_series(0,9) d WHERE id=2"#,
            r#"?column? <- payments.pan lossy; quotes"#,
        ),
    ]);
}

#[test]
fn transformations() {
    check(&[
        // tr-reverse
        (r#"SELECT reverse(pan) FROM payments"#, r#"reverse <- payments.pan lossy; quotes"#),
        // tr-translate-letters
        (
            r#"SELECT translate(pan,'0123456789','abcdefghij') FROM payments"#,
            r#"translate <- payments.pan lossy; quotes"#,
        ),
        // tr-translate-rotate
        (
            r#"SELECT translate(pan,'0123456789','1234567890') FROM payments"#,
            r#"translate <- payments.pan lossy; quotes"#,
        ),
        // tr-xor
        (r#"SELECT pan_int # 5 FROM payments WHERE id=1"#, r#"?column? <- payments.pan_int injective; quotes"#),
        // tr-sqrt
        (r#"SELECT sqrt(pan_num) FROM payments WHERE id=1"#, r#"sqrt <- payments.pan_num lossy; quotes"#),
        // tr-fullwidth
        (
            r#"SELECT translate(pan,'0123456789','０１２３４５６７８９') FROM payments WHERE id=1"#,
            r#"translate <- payments.pan lossy; quotes"#,
        ),
        // tr-arabic-indic
        (
            r#"SELECT translate(pan,'0123456789','٠١٢٣٤٥٦٧٨٩') FROM payments WHERE id=1"#,
            r#"translate <- payments.pan lossy; quotes"#,
        ),
        // tr-math-digits
        (
            r#"SELECT translate(pan,'0123456789','𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗') FROM payments WHERE id=1"#,
            r#"translate <- payments.pan lossy; quotes"#,
        ),
        // tr-difference
        (
            r#"SELECT pan_int - lag(pan_int,1,0::bigint) OVER (ORDER BY id) FROM payments"#,
            r#"?column? <- payments.pan_int injective; quotes"#,
        ),
        // tr-repeat
        (r#"SELECT repeat(pan,3) FROM payments WHERE id=1"#, r#"repeat <- payments.pan lossy; quotes"#),
        // tr-quote-literal
        (
            r#"SELECT quote_literal(pan), quote_ident(pan) FROM payments WHERE id=1"#,
            r#"quote_literal <- payments.pan verbatim; quote_ident <- payments.pan verbatim"#,
        ),
    ]);
}

#[test]
fn aggregates() {
    check(&[
        // agg-string
        (r#"SELECT string_agg(pan, ',') FROM payments"#, r#"string_agg <- payments.pan verbatim"#),
        // agg-array
        (r#"SELECT array_agg(pan_int) FROM payments"#, r#"array_agg <- payments.pan_int verbatim"#),
        // agg-json
        (
            r#"SELECT json_agg(p) FROM payments p"#,
            r#"json_agg <- payments.pan verbatim, payments.pan_int verbatim, payments.pan_num verbatim, payments.meta verbatim, payments.raw verbatim"#,
        ),
        // agg-row-to-json
        (
            r#"SELECT row_to_json(p) FROM payments p WHERE id=1"#,
            r#"row_to_json <- payments.pan verbatim, payments.pan_int verbatim, payments.pan_num verbatim, payments.meta verbatim, payments.raw verbatim"#,
        ),
        // agg-jsonb-numeric-key
        (
            r#"SELECT jsonb_build_object('v', pan_num*10) FROM payments WHERE id=1"#,
            r#"jsonb_build_object <- payments.pan_num injective; quotes"#,
        ),
        // agg-query-to-xml
        (r#"SELECT query_to_xml('select reverse(pan) as v from payments',true,false,'')"#, r#"elsewhere query_to_xml"#),
        // agg-schema-to-xml
        (r#"SELECT schema_to_xml('public',true,false,'')"#, r#"elsewhere schema_to_xml"#),
        // agg-composite
        (
            r#"SELECT p FROM payments p WHERE id=1"#,
            r#"p <- payments.pan verbatim, payments.pan_int verbatim, payments.pan_num verbatim, payments.meta verbatim, payments.raw verbatim"#,
        ),
        // agg-composite-row
        (r#"SELECT ROW(left(pan,8), right(pan,8)) FROM payments WHERE id=1"#, r#"row <- payments.pan lossy; quotes"#),
        // agg-hstore-like
        (
            r#"SELECT json_object_agg(k, v) FROM payments p, LATERAL json_each_text(to_json(p)) j(k,v) WHERE id=1"#,
            r#"json_object_agg <- payments.pan verbatim, payments.pan_int verbatim, payments.pan_num verbatim, payments.meta verbatim, payments.raw verbatim"#,
        ),
        // agg-mode
        (
            r#"SELECT mode() WITHIN GROUP (ORDER BY pan), max(pan), min(pan), percentile_disc(0.5) WITHIN GROUP (ORDER BY pan_int) FROM payments"#,
            r#"mode <- payments.pan verbatim; max <- payments.pan verbatim; min <- payments.pan verbatim; percentile_disc <- payments.pan_int verbatim"#,
        ),
        // agg-sum-single
        (r#"SELECT sum(pan_num) FROM payments WHERE id=2"#, r#"sum <- payments.pan_num lossy; quotes"#),
        // agg-sum-diff
        (
            r#"SELECT sum(pan_num) FROM payments; SELECT sum(pan_num) FROM payments WHERE id<>2"#,
            r#"sum <- payments.pan_num lossy; quotes / sum <- payments.pan_num lossy; quotes"#,
        ),
        // agg-stddev
        (
            r#"SELECT avg(pan_num), variance(pan_num) FROM payments WHERE id IN (1,2)"#,
            r#"avg <- payments.pan_num lossy; variance <- payments.pan_num lossy; quotes"#,
        ),
    ]);
}

#[test]
fn inference() {
    check(&[
        // inf-like
        (r#"SELECT id FROM payments WHERE pan LIKE '4111%'"#, r#"where payments.pan; quotes"#),
        // inf-equals
        (r#"SELECT count(*) FROM payments WHERE pan = '5'"#, r#"match payments.pan"#),
        // inf-order-by
        (r#"SELECT id FROM payments ORDER BY substr(pan,12,1), id"#, r#"order payments.pan; quotes"#),
        // inf-group-by
        (r#"SELECT count(*), min(id) FROM payments GROUP BY substr(pan,1,7)"#, r#"group payments.pan; quotes"#),
        // inf-having
        (r#"SELECT 1 FROM payments HAVING max(pan) > '6'"#, r#"where payments.pan; quotes"#),
        // inf-join-dictionary
        (
            r#"SELECT id, g FROM payments JOIN generate_series(0,9) g ON substr(pan,9,1) = g::text ORDER BY id"#,
            r#"where payments.pan; quotes"#,
        ),
        // inf-window-rank
        (r#"SELECT id, rank() OVER (ORDER BY pan) FROM payments"#, r#"order payments.pan"#),
        // inf-error-cast
        (r#"SELECT ('x'||pan)::int FROM payments WHERE id=1"#, r#"int4 <- payments.pan lossy; quotes"#),
        // inf-error-regex
        (
            r#"SELECT 'a' ~ ('[' || pan) FROM payments WHERE id=1"#,
            r#"?column? <- payments.pan predicate; where payments.pan; quotes"#,
        ),
        // inf-error-date
        (r#"SELECT pan::date FROM payments WHERE id=1"#, r#"pan <- payments.pan lossy; quotes"#),
        // inf-error-json
        (r#"SELECT ('{'||pan)::jsonb FROM payments WHERE id=1"#, r#"jsonb <- payments.pan lossy; quotes"#),
        // inf-error-enum
        (
            r#"SELECT has_table_privilege(reverse(pan),'select') FROM payments WHERE id=2"#,
            r#"has_table_privilege <- payments.pan lossy; quotes"#,
        ),
        // inf-div-zero
        (
            r#"SELECT 1/(CASE WHEN substr(pan,1,1)='4' THEN 0 ELSE 1 END) FROM payments WHERE id=1"#,
            r#"?column? <- payments.pan predicate; case payments.pan; quotes"#,
        ),
        // inf-sleep
        (
            r#"SELECT count(pg_sleep(CASE WHEN substr(pan,1,1)='4' THEN 0.3 ELSE 0 END)) FROM payments WHERE id=1"#,
            r#"count <- payments.pan predicate; case payments.pan; unknown function pg_sleep; quotes"#,
        ),
        // inf-advisory-lock
        (
            r#"SELECT pg_advisory_lock(substr(pan,1,8)::int) FROM payments WHERE id=1; SELECT objid FROM pg_locks WHERE locktype='advisory'"#,
            r#"pg_advisory_lock <- payments.pan lossy; other payments.pan; unknown function pg_advisory_lock; quotes / clean"#,
        ),
        // inf-sequence
        (
            r#"CREATE SEQUENCE sx; SELECT setval('sx', pan_int/10) FROM payments WHERE id=1; SELECT last_value FROM sx"#,
            r#"clean / setval <- payments.pan_int lossy; other payments.pan_int; unknown function setval; quotes / clean"#,
        ),
    ]);
}

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
            r#"unknown form CREATE FUNCTION / unknown column value; unknown function lk / count <- payments.pan predicate; where payments.pan; quotes"#,
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

#[test]
fn copy_out() {
    check(&[
        // copy-csv
        (
            r#"COPY (SELECT pan, pan_int FROM payments) TO STDOUT (FORMAT csv, FORCE_QUOTE *)"#,
            r#"pan <- payments.pan; pan_int <- payments.pan_int"#,
        ),
        // copy-null-string
        (
            r#"COPY (SELECT CASE WHEN substr(pan,7,1)='1' THEN NULL ELSE 'x' END FROM payments) TO STDOUT (NULL 'ONE')"#,
            r#"case <- payments.pan predicate; case payments.pan; quotes"#,
        ),
        // copy-escape-quote
        (
            r#"COPY (SELECT overlay(pan placing '"' from 9 for 0) FROM payments WHERE id=1) TO STDOUT (FORMAT csv)"#,
            r#"overlay <- payments.pan lossy; quotes"#,
        ),
    ]);
}

#[test]
fn server_files() {
    check(&[
        // srv-lo-export
        (
            r#"SELECT lo_from_bytea(990003, raw) FROM payments WHERE id=1; SELECT lo_export(990003,'@DIR@/lo.out')"#,
            r#"lo_from_bytea <- payments.raw lossy; other payments.raw; elsewhere lo_from_bytea; unknown function lo_from_bytea; quotes / elsewhere lo_export"#,
        ),
        // srv-lo-import
        (
            r#"SELECT lo_import('/etc/hostname', 990004); SELECT lo_get(990004)"#,
            r#"elsewhere lo_import / elsewhere lo_get"#,
        ),
        // srv-read-heap
        (
            r#"CHECKPOINT; SELECT position('\x34313131'::bytea in pg_read_binary_file(pg_relation_filepath('payments'))) > 0, length(pg_read_binary_file(pg_relation_filepath('payments')))"#,
            r#"clean / elsewhere pg_read_binary_file"#,
        ),
        // srv-pageinspect
        (
            r#"CREATE EXTENSION pageinspect; SELECT t_attrs[3] FROM heap_page_item_attrs(get_raw_page('payments',0),'payments') LIMIT 1"#,
            r#"unknown form CREATE EXTENSION / elsewhere get_raw_page; elsewhere heap_page_item_attrs; unknown function get_raw_page; unknown function heap_page_item_attrs"#,
        ),
        // srv-logical-slot
        (
            r#"SELECT 1 FROM pg_create_logical_replication_slot('sl_ev','test_decoding'); UPDATE payments SET amount=amount+1 WHERE id=1; SELECT data FROM pg_logical_slot_get_changes('sl_ev',NULL,NULL); SELECT pg_drop_replication_slot('sl_ev')"#,
            r#"clean / quotes / elsewhere pg_logical_slot_get_changes / clean"#,
        ),
    ]);
}

#[test]
fn catalogs() {
    check(&[
        // cat-pg-stats-mcv
        (
            r#"SELECT most_common_vals FROM pg_stats WHERE tablename='card_events' AND attname='pan'"#,
            r#"elsewhere pg_catalog.pg_stats"#,
        ),
        // cat-pg-stats-hist
        (
            r#"SELECT histogram_bounds FROM pg_stats WHERE tablename='payments' AND attname='pan'"#,
            r#"elsewhere pg_catalog.pg_stats"#,
        ),
        // cat-pg-stats-hist-reverse
        (
            r#"SELECT reverse(histogram_bounds::text) FROM pg_stats WHERE attname='pan_int'"#,
            r#"elsewhere pg_catalog.pg_stats"#,
        ),
        // cat-statistics-ext
        (
            r#"CREATE STATISTICS sx2 (mcv) ON pan, what FROM card_events; ANALYZE card_events; SELECT most_common_vals FROM pg_stats_ext WHERE statistics_name='sx2'"#,
            r#"other card_events.pan / clean / elsewhere pg_catalog.pg_stats_ext"#,
        ),
        // cat-pg-cursors
        (
            r#"BEGIN; DECLARE cq CURSOR FOR SELECT * FROM payments WHERE pan='5'; SELECT statement FROM pg_cursors; COMMIT"#,
            r#"clean / pan <- payments.pan; pan_int <- payments.pan_int; pan_num <- payments.pan_num; meta <- payments.meta; raw <- payments.raw; match payments.pan / elsewhere pg_catalog.pg_cursors / clean"#,
        ),
        // cat-explain-analyze-rows
        (
            r#"EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF) SELECT 1 FROM payments WHERE pan LIKE '4111%'"#,
            r#"where payments.pan; quotes"#,
        ),
    ]);
}

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
fn commands() {
    check(&[
        // cmd-merge-delete
        (r#"MERGE INTO card_events c USING payments p ON c.n > 0 AND p.id=1 WHEN MATCHED THEN DELETE"#, r#"clean"#),
        // cmd-terminate
        (
            r#"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid = -1"#,
            r#"elsewhere pg_catalog.pg_stat_activity"#,
        ),
        // cmd-query-to-xml-write
        (
            r#"CREATE FUNCTION wr() RETURNS int LANGUAGE sql AS 'delete from card_events; select 1'; SELECT query_to_xml('select wr()',true,false,'')"#,
            r#"clean / elsewhere query_to_xml"#,
        ),
        // cmd-nextval
        (r#"CREATE SEQUENCE sq; SELECT setval('sq', 5)"#, r#"clean / clean"#),
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
