//! What is computed over many rows, and what is asked about them.

use crate::words::check;

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
            r#"mode <- payments.pan verbatim; max <- payments.pan verbatim; min <- payments.pan verbatim; percentile_disc <- payments.pan_int verbatim; join payments.pan; join payments.pan; join payments.pan; join payments.pan_int"#,
        ),
        // agg-sum-single
        (r#"SELECT sum(pan_num) FROM payments WHERE id=2"#, r#"sum <- payments.pan_num verbatim"#),
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
        (r#"SELECT 1 FROM payments HAVING max(pan) > '6'"#, r#"where payments.pan; join payments.pan; quotes"#),
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
