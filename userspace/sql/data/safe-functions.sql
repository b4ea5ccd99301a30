-- Makes safe-functions.txt: psql -XAt -f safe-functions.sql on a server of each version, the names put together; behind a name that not all of
-- them have stand the versions that do (`16-`, `-14`). other-functions.txt: every other proname of pg_catalog of any of them, but pg_*.
-- A name is safe if EVERY function of that name in pg_catalog is immutable or stable, of the server's own code (C inside the
-- server or a plain SQL body), and is not one of those that run a query text or show rows, statements, files or statistics.
WITH named AS (
    SELECT p.proname AS name,
           bool_and(l.lanname IN ('internal', 'sql')
                    AND (p.provolatile IN ('i', 's')
                         OR p.proname IN ('random', 'random_normal', 'clock_timestamp', 'timeofday', 'gen_random_uuid', 'uuidv4', 'uuidv7',
                                        'array_sample', 'array_shuffle', 'timezone', 'pg_is_in_recovery',
                                        -- sizes and partitions: volatile, but of the catalog; psql asks for them
                                        'pg_relation_size', 'pg_table_size', 'pg_total_relation_size', 'pg_indexes_size',
                                        'pg_database_size', 'pg_tablespace_size', 'pg_partition_ancestors', 'pg_partition_tree'))
                    AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype, 'internal'::regtype)) AS harmless
    FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
    WHERE p.pronamespace = 'pg_catalog'::regnamespace
    GROUP BY p.proname)
SELECT name FROM named
WHERE harmless
  AND name !~ '^(query|table|schema|database|cursor)_to_xml'     -- read tables
  AND name !~ '^(ts_stat|ts_rewrite|currtid)'                    -- run a query text, read a table
  AND name !~ '^(pg_read_|pg_ls_|pg_stat_file|pg_hba_|pg_ident_|pg_show_all_file|pg_current_logfile|pg_config$|pg_control_)' -- files
  AND name !~ '^(lo_|loread$|lowrite$)'                          -- large objects
  AND name !~ '^(pg_stat_get_|pg_mcv_|pg_stats|pg_prepared_|pg_cursor|pg_get_backend_memory|pg_get_shmem)' -- others' statements, values
  AND name !~ '^(nextval|currval|lastval|setval|pg_sequence_last)'
  AND name !~ '^(pg_logical_|pg_replication_|pg_create_|pg_drop_|pg_wal|pg_backup|pg_start_|pg_stop_|pg_switch_|binary_upgrade)'
  AND name !~ '(advisory|_terminate_|_cancel_|pg_sleep|pg_reload|pg_rotate|pg_log_|set_config|dblink|pg_notify)'
ORDER BY name COLLATE "C";
