//! What leaves or comes by another door: COPY, files, catalogs, commands.

use crate::words::check;

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
