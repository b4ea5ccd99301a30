-- source: pgbench of PostgreSQL 15: its tables (scale 1, few rows), its built-in scripts tpcb-like, simple-update and select-only, the
-- questions that it asks at start, and its initialisation.
--@ setup
CREATE TABLE pgbench_history(tid int, bid int, aid int, delta int, mtime timestamp, filler char(22));
CREATE TABLE pgbench_tellers(tid int NOT NULL PRIMARY KEY, bid int, tbalance int, filler char(84)) WITH (fillfactor = 100);
CREATE TABLE pgbench_accounts(aid int NOT NULL PRIMARY KEY, bid int, abalance int, filler char(84)) WITH (fillfactor = 100);
CREATE TABLE pgbench_branches(bid int NOT NULL PRIMARY KEY, bbalance int, filler char(88)) WITH (fillfactor = 100);
INSERT INTO pgbench_branches SELECT g, 0, '' FROM generate_series(1, 1) g;
INSERT INTO pgbench_tellers SELECT g, 1, 0, '' FROM generate_series(1, 10) g;
INSERT INTO pgbench_accounts SELECT g, 1, 0, '' FROM generate_series(1, 1000) g;
GRANT ALL ON ALL TABLES IN SCHEMA public TO agent;
--@ run
select count(*) from pgbench_branches;
select o.n, p.partstrat, pg_catalog.count(i.inhparent) from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on (n.oid = c.relnamespace)
  cross join lateral (select pg_catalog.array_position(pg_catalog.current_schemas(true), n.nspname)) as o(n)
  left join pg_catalog.pg_partitioned_table as p on (p.partrelid = c.oid) left join pg_catalog.pg_inherits as i on (c.oid = i.inhparent)
  where c.relname = 'pgbench_accounts' and o.n is not null group by 1, 2 order by 1 asc limit 1;
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + 17 WHERE aid = 42;
SELECT abalance FROM pgbench_accounts WHERE aid = 42;
UPDATE pgbench_tellers SET tbalance = tbalance + 17 WHERE tid = 3;
UPDATE pgbench_branches SET bbalance = bbalance + 17 WHERE bid = 1;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (3, 1, 42, 17, CURRENT_TIMESTAMP);
END;
BEGIN;
--@ bind -5|43
UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2;
--@ bind 43
SELECT abalance FROM pgbench_accounts WHERE aid = $1;
--@ bind 3|1|43|-5
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES ($1, $2, $3, $4, CURRENT_TIMESTAMP);
END;
SELECT abalance FROM pgbench_accounts WHERE aid = 44;
