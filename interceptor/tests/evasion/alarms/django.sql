-- source: Django 5.2.19 with psycopg2 2.9.13 (`inspectdb --include-views`, then a walk through its ORM), as a PostgreSQL 15.20 logged it
-- (log_statement = all) on 2026-11-25 over the tables of applications.sql; each text once, OIDs of tables as {name}.
--@ run
SELECT set_config('TimeZone', 'UTC', false);
SELECT c.relname, CASE WHEN c.relispartition THEN 'p' WHEN c.relkind IN ('m', 'v') THEN 'v' ELSE 't' END, obj_description(c.oid, 'pg_class') FROM
  pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('f', 'm', 'p', 'r', 'v') AND n.nspname NOT
  IN ('pg_catalog', 'pg_toast') AND pg_catalog.pg_table_is_visible(c.oid);
SELECT a1.attname, c2.relname, a2.attname FROM pg_constraint con LEFT JOIN pg_class c1 ON con.conrelid = c1.oid LEFT JOIN pg_class c2 ON con.confrelid
  = c2.oid LEFT JOIN pg_attribute a1 ON c1.oid = a1.attrelid AND a1.attnum = con.conkey[1] LEFT JOIN pg_attribute a2 ON c2.oid = a2.attrelid AND
  a2.attnum = con.confkey[1] WHERE c1.relname = 'accounts' AND con.contype = 'f' AND c1.relnamespace = c2.relnamespace AND
  pg_catalog.pg_table_is_visible(c1.oid);
SELECT c.conname, array( SELECT attname FROM unnest(c.conkey) WITH ORDINALITY cols(colid, arridx) JOIN pg_attribute AS ca ON cols.colid = ca.attnum
  WHERE ca.attrelid = c.conrelid ORDER BY cols.arridx ), c.contype, (SELECT fkc.relname || '.' || fka.attname FROM pg_attribute AS fka JOIN pg_class
  AS fkc ON fka.attrelid = fkc.oid WHERE fka.attrelid = c.confrelid AND fka.attnum = c.confkey[1]), cl.reloptions FROM pg_constraint AS c JOIN
  pg_class AS cl ON c.conrelid = cl.oid WHERE cl.relname = 'accounts' AND pg_catalog.pg_table_is_visible(cl.oid);
SELECT indexname, array_agg(attname ORDER BY arridx), indisunique, indisprimary, array_agg(ordering ORDER BY arridx), amname, exprdef, s2.attoptions
  FROM ( SELECT c2.relname as indexname, idx.*, attr.attname, am.amname, CASE WHEN idx.indexprs IS NOT NULL THEN pg_get_indexdef(idx.indexrelid) END
  AS exprdef, CASE am.amname WHEN 'btree' THEN CASE (option & 1) WHEN 1 THEN 'DESC' ELSE 'ASC' END END as ordering, c2.reloptions as attoptions FROM (
  SELECT * FROM pg_index i, unnest(i.indkey, i.indoption) WITH ORDINALITY koi(key, option, arridx) ) idx LEFT JOIN pg_class c ON idx.indrelid = c.oid
  LEFT JOIN pg_class c2 ON idx.indexrelid = c2.oid LEFT JOIN pg_am am ON c2.relam = am.oid LEFT JOIN pg_attribute attr ON attr.attrelid = c.oid AND
  attr.attnum = idx.key WHERE c.relname = 'accounts' AND pg_catalog.pg_table_is_visible(c.oid) ) s2 GROUP BY indexname, indisunique, indisprimary,
  amname, exprdef, attoptions;
SELECT a.attname AS column_name, NOT (a.attnotnull OR (t.typtype = 'd' AND t.typnotnull)) AS is_nullable, pg_get_expr(ad.adbin, ad.adrelid) AS
  column_default, CASE WHEN collname = 'default' THEN NULL ELSE collname END AS collation, a.attidentity != '' AS is_autofield,
  col_description(a.attrelid, a.attnum) AS column_comment FROM pg_attribute a LEFT JOIN pg_attrdef ad ON a.attrelid = ad.adrelid AND a.attnum =
  ad.adnum LEFT JOIN pg_collation co ON a.attcollation = co.oid JOIN pg_type t ON a.atttypid = t.oid JOIN pg_class c ON a.attrelid = c.oid JOIN
  pg_namespace n ON c.relnamespace = n.oid WHERE c.relkind IN ('f', 'm', 'p', 'r', 'v') AND c.relname = 'accounts' AND n.nspname NOT IN ('pg_catalog',
  'pg_toast') AND pg_catalog.pg_table_is_visible(c.oid);
SELECT * FROM "accounts" LIMIT 1;
SELECT a1.attname, c2.relname, a2.attname FROM pg_constraint con LEFT JOIN pg_class c1 ON con.conrelid = c1.oid LEFT JOIN pg_class c2 ON con.confrelid
  = c2.oid LEFT JOIN pg_attribute a1 ON c1.oid = a1.attrelid AND a1.attnum = con.conkey[1] LEFT JOIN pg_attribute a2 ON c2.oid = a2.attrelid AND
  a2.attnum = con.confkey[1] WHERE c1.relname = 'active_customers' AND con.contype = 'f' AND c1.relnamespace = c2.relnamespace AND
  pg_catalog.pg_table_is_visible(c1.oid);
SELECT c.conname, array( SELECT attname FROM unnest(c.conkey) WITH ORDINALITY cols(colid, arridx) JOIN pg_attribute AS ca ON cols.colid = ca.attnum
  WHERE ca.attrelid = c.conrelid ORDER BY cols.arridx ), c.contype, (SELECT fkc.relname || '.' || fka.attname FROM pg_attribute AS fka JOIN pg_class
  AS fkc ON fka.attrelid = fkc.oid WHERE fka.attrelid = c.confrelid AND fka.attnum = c.confkey[1]), cl.reloptions FROM pg_constraint AS c JOIN
  pg_class AS cl ON c.conrelid = cl.oid WHERE cl.relname = 'active_customers' AND pg_catalog.pg_table_is_visible(cl.oid);
SELECT indexname, array_agg(attname ORDER BY arridx), indisunique, indisprimary, array_agg(ordering ORDER BY arridx), amname, exprdef, s2.attoptions
  FROM ( SELECT c2.relname as indexname, idx.*, attr.attname, am.amname, CASE WHEN idx.indexprs IS NOT NULL THEN pg_get_indexdef(idx.indexrelid) END
  AS exprdef, CASE am.amname WHEN 'btree' THEN CASE (option & 1) WHEN 1 THEN 'DESC' ELSE 'ASC' END END as ordering, c2.reloptions as attoptions FROM (
  SELECT * FROM pg_index i, unnest(i.indkey, i.indoption) WITH ORDINALITY koi(key, option, arridx) ) idx LEFT JOIN pg_class c ON idx.indrelid = c.oid
  LEFT JOIN pg_class c2 ON idx.indexrelid = c2.oid LEFT JOIN pg_am am ON c2.relam = am.oid LEFT JOIN pg_attribute attr ON attr.attrelid = c.oid AND
  attr.attnum = idx.key WHERE c.relname = 'active_customers' AND pg_catalog.pg_table_is_visible(c.oid) ) s2 GROUP BY indexname, indisunique,
  indisprimary, amname, exprdef, attoptions;
SELECT a.attname AS column_name, NOT (a.attnotnull OR (t.typtype = 'd' AND t.typnotnull)) AS is_nullable, pg_get_expr(ad.adbin, ad.adrelid) AS
  column_default, CASE WHEN collname = 'default' THEN NULL ELSE collname END AS collation, a.attidentity != '' AS is_autofield,
  col_description(a.attrelid, a.attnum) AS column_comment FROM pg_attribute a LEFT JOIN pg_attrdef ad ON a.attrelid = ad.adrelid AND a.attnum =
  ad.adnum LEFT JOIN pg_collation co ON a.attcollation = co.oid JOIN pg_type t ON a.atttypid = t.oid JOIN pg_class c ON a.attrelid = c.oid JOIN
  pg_namespace n ON c.relnamespace = n.oid WHERE c.relkind IN ('f', 'm', 'p', 'r', 'v') AND c.relname = 'active_customers' AND n.nspname NOT IN ('pg_catalog',
  'pg_toast') AND pg_catalog.pg_table_is_visible(c.oid);
SELECT * FROM "active_customers" LIMIT 1;
SELECT a1.attname, c2.relname, a2.attname FROM pg_constraint con LEFT JOIN pg_class c1 ON con.conrelid = c1.oid LEFT JOIN pg_class c2 ON con.confrelid
  = c2.oid LEFT JOIN pg_attribute a1 ON c1.oid = a1.attrelid AND a1.attnum = con.conkey[1] LEFT JOIN pg_attribute a2 ON c2.oid = a2.attrelid AND
  a2.attnum = con.confkey[1] WHERE c1.relname = 'customers' AND con.contype = 'f' AND c1.relnamespace = c2.relnamespace AND
  pg_catalog.pg_table_is_visible(c1.oid);
SELECT c.conname, array( SELECT attname FROM unnest(c.conkey) WITH ORDINALITY cols(colid, arridx) JOIN pg_attribute AS ca ON cols.colid = ca.attnum
  WHERE ca.attrelid = c.conrelid ORDER BY cols.arridx ), c.contype, (SELECT fkc.relname || '.' || fka.attname FROM pg_attribute AS fka JOIN pg_class
  AS fkc ON fka.attrelid = fkc.oid WHERE fka.attrelid = c.confrelid AND fka.attnum = c.confkey[1]), cl.reloptions FROM pg_constraint AS c JOIN
  pg_class AS cl ON c.conrelid = cl.oid WHERE cl.relname = 'customers' AND pg_catalog.pg_table_is_visible(cl.oid);
SELECT indexname, array_agg(attname ORDER BY arridx), indisunique, indisprimary, array_agg(ordering ORDER BY arridx), amname, exprdef, s2.attoptions
  FROM ( SELECT c2.relname as indexname, idx.*, attr.attname, am.amname, CASE WHEN idx.indexprs IS NOT NULL THEN pg_get_indexdef(idx.indexrelid) END
  AS exprdef, CASE am.amname WHEN 'btree' THEN CASE (option & 1) WHEN 1 THEN 'DESC' ELSE 'ASC' END END as ordering, c2.reloptions as attoptions FROM (
  SELECT * FROM pg_index i, unnest(i.indkey, i.indoption) WITH ORDINALITY koi(key, option, arridx) ) idx LEFT JOIN pg_class c ON idx.indrelid = c.oid
  LEFT JOIN pg_class c2 ON idx.indexrelid = c2.oid LEFT JOIN pg_am am ON c2.relam = am.oid LEFT JOIN pg_attribute attr ON attr.attrelid = c.oid AND
  attr.attnum = idx.key WHERE c.relname = 'customers' AND pg_catalog.pg_table_is_visible(c.oid) ) s2 GROUP BY indexname, indisunique, indisprimary,
  amname, exprdef, attoptions;
SELECT a.attname AS column_name, NOT (a.attnotnull OR (t.typtype = 'd' AND t.typnotnull)) AS is_nullable, pg_get_expr(ad.adbin, ad.adrelid) AS
  column_default, CASE WHEN collname = 'default' THEN NULL ELSE collname END AS collation, a.attidentity != '' AS is_autofield,
  col_description(a.attrelid, a.attnum) AS column_comment FROM pg_attribute a LEFT JOIN pg_attrdef ad ON a.attrelid = ad.adrelid AND a.attnum =
  ad.adnum LEFT JOIN pg_collation co ON a.attcollation = co.oid JOIN pg_type t ON a.atttypid = t.oid JOIN pg_class c ON a.attrelid = c.oid JOIN
  pg_namespace n ON c.relnamespace = n.oid WHERE c.relkind IN ('f', 'm', 'p', 'r', 'v') AND c.relname = 'customers' AND n.nspname NOT IN ('pg_catalog',
  'pg_toast') AND pg_catalog.pg_table_is_visible(c.oid);
SELECT * FROM "customers" LIMIT 1;
SELECT a1.attname, c2.relname, a2.attname FROM pg_constraint con LEFT JOIN pg_class c1 ON con.conrelid = c1.oid LEFT JOIN pg_class c2 ON con.confrelid
  = c2.oid LEFT JOIN pg_attribute a1 ON c1.oid = a1.attrelid AND a1.attnum = con.conkey[1] LEFT JOIN pg_attribute a2 ON c2.oid = a2.attrelid AND
  a2.attnum = con.confkey[1] WHERE c1.relname = 'totals' AND con.contype = 'f' AND c1.relnamespace = c2.relnamespace AND
  pg_catalog.pg_table_is_visible(c1.oid);
SELECT c.conname, array( SELECT attname FROM unnest(c.conkey) WITH ORDINALITY cols(colid, arridx) JOIN pg_attribute AS ca ON cols.colid = ca.attnum
  WHERE ca.attrelid = c.conrelid ORDER BY cols.arridx ), c.contype, (SELECT fkc.relname || '.' || fka.attname FROM pg_attribute AS fka JOIN pg_class
  AS fkc ON fka.attrelid = fkc.oid WHERE fka.attrelid = c.confrelid AND fka.attnum = c.confkey[1]), cl.reloptions FROM pg_constraint AS c JOIN
  pg_class AS cl ON c.conrelid = cl.oid WHERE cl.relname = 'totals' AND pg_catalog.pg_table_is_visible(cl.oid);
SELECT indexname, array_agg(attname ORDER BY arridx), indisunique, indisprimary, array_agg(ordering ORDER BY arridx), amname, exprdef, s2.attoptions
  FROM ( SELECT c2.relname as indexname, idx.*, attr.attname, am.amname, CASE WHEN idx.indexprs IS NOT NULL THEN pg_get_indexdef(idx.indexrelid) END
  AS exprdef, CASE am.amname WHEN 'btree' THEN CASE (option & 1) WHEN 1 THEN 'DESC' ELSE 'ASC' END END as ordering, c2.reloptions as attoptions FROM (
  SELECT * FROM pg_index i, unnest(i.indkey, i.indoption) WITH ORDINALITY koi(key, option, arridx) ) idx LEFT JOIN pg_class c ON idx.indrelid = c.oid
  LEFT JOIN pg_class c2 ON idx.indexrelid = c2.oid LEFT JOIN pg_am am ON c2.relam = am.oid LEFT JOIN pg_attribute attr ON attr.attrelid = c.oid AND
  attr.attnum = idx.key WHERE c.relname = 'totals' AND pg_catalog.pg_table_is_visible(c.oid) ) s2 GROUP BY indexname, indisunique, indisprimary,
  amname, exprdef, attoptions;
SELECT a.attname AS column_name, NOT (a.attnotnull OR (t.typtype = 'd' AND t.typnotnull)) AS is_nullable, pg_get_expr(ad.adbin, ad.adrelid) AS
  column_default, CASE WHEN collname = 'default' THEN NULL ELSE collname END AS collation, a.attidentity != '' AS is_autofield,
  col_description(a.attrelid, a.attnum) AS column_comment FROM pg_attribute a LEFT JOIN pg_attrdef ad ON a.attrelid = ad.adrelid AND a.attnum =
  ad.adnum LEFT JOIN pg_collation co ON a.attcollation = co.oid JOIN pg_type t ON a.atttypid = t.oid JOIN pg_class c ON a.attrelid = c.oid JOIN
  pg_namespace n ON c.relnamespace = n.oid WHERE c.relkind IN ('f', 'm', 'p', 'r', 'v') AND c.relname = 'totals' AND n.nspname NOT IN ('pg_catalog',
  'pg_toast') AND pg_catalog.pg_table_is_visible(c.oid);
SELECT * FROM "totals" LIMIT 1;
SELECT a1.attname, c2.relname, a2.attname FROM pg_constraint con LEFT JOIN pg_class c1 ON con.conrelid = c1.oid LEFT JOIN pg_class c2 ON con.confrelid
  = c2.oid LEFT JOIN pg_attribute a1 ON c1.oid = a1.attrelid AND a1.attnum = con.conkey[1] LEFT JOIN pg_attribute a2 ON c2.oid = a2.attrelid AND
  a2.attnum = con.confkey[1] WHERE c1.relname = 'visits' AND con.contype = 'f' AND c1.relnamespace = c2.relnamespace AND
  pg_catalog.pg_table_is_visible(c1.oid);
SELECT c.conname, array( SELECT attname FROM unnest(c.conkey) WITH ORDINALITY cols(colid, arridx) JOIN pg_attribute AS ca ON cols.colid = ca.attnum
  WHERE ca.attrelid = c.conrelid ORDER BY cols.arridx ), c.contype, (SELECT fkc.relname || '.' || fka.attname FROM pg_attribute AS fka JOIN pg_class
  AS fkc ON fka.attrelid = fkc.oid WHERE fka.attrelid = c.confrelid AND fka.attnum = c.confkey[1]), cl.reloptions FROM pg_constraint AS c JOIN
  pg_class AS cl ON c.conrelid = cl.oid WHERE cl.relname = 'visits' AND pg_catalog.pg_table_is_visible(cl.oid);
SELECT indexname, array_agg(attname ORDER BY arridx), indisunique, indisprimary, array_agg(ordering ORDER BY arridx), amname, exprdef, s2.attoptions
  FROM ( SELECT c2.relname as indexname, idx.*, attr.attname, am.amname, CASE WHEN idx.indexprs IS NOT NULL THEN pg_get_indexdef(idx.indexrelid) END
  AS exprdef, CASE am.amname WHEN 'btree' THEN CASE (option & 1) WHEN 1 THEN 'DESC' ELSE 'ASC' END END as ordering, c2.reloptions as attoptions FROM (
  SELECT * FROM pg_index i, unnest(i.indkey, i.indoption) WITH ORDINALITY koi(key, option, arridx) ) idx LEFT JOIN pg_class c ON idx.indrelid = c.oid
  LEFT JOIN pg_class c2 ON idx.indexrelid = c2.oid LEFT JOIN pg_am am ON c2.relam = am.oid LEFT JOIN pg_attribute attr ON attr.attrelid = c.oid AND
  attr.attnum = idx.key WHERE c.relname = 'visits' AND pg_catalog.pg_table_is_visible(c.oid) ) s2 GROUP BY indexname, indisunique, indisprimary,
  amname, exprdef, attoptions;
SELECT a.attname AS column_name, NOT (a.attnotnull OR (t.typtype = 'd' AND t.typnotnull)) AS is_nullable, pg_get_expr(ad.adbin, ad.adrelid) AS
  column_default, CASE WHEN collname = 'default' THEN NULL ELSE collname END AS collation, a.attidentity != '' AS is_autofield,
  col_description(a.attrelid, a.attnum) AS column_comment FROM pg_attribute a LEFT JOIN pg_attrdef ad ON a.attrelid = ad.adrelid AND a.attnum =
  ad.adnum LEFT JOIN pg_collation co ON a.attcollation = co.oid JOIN pg_type t ON a.atttypid = t.oid JOIN pg_class c ON a.attrelid = c.oid JOIN
  pg_namespace n ON c.relnamespace = n.oid WHERE c.relkind IN ('f', 'm', 'p', 'r', 'v') AND c.relname = 'visits' AND n.nspname NOT IN ('pg_catalog',
  'pg_toast') AND pg_catalog.pg_table_is_visible(c.oid);
SELECT * FROM "visits" LIMIT 1;
SELECT "customers"."id", "customers"."name", "customers"."email", "customers"."born", "customers"."active", "customers"."score" FROM "customers";
SELECT "customers"."id", "customers"."name", "customers"."email", "customers"."born", "customers"."active", "customers"."score" FROM "customers" WHERE
  UPPER("customers"."name"::text) LIKE UPPER('%ada%') ORDER BY "customers"."id" DESC LIMIT 5;
SELECT "customers"."id", "customers"."name", "customers"."email", "customers"."born", "customers"."active", "customers"."score" FROM "customers" WHERE
  "customers"."id" = 1 LIMIT 21;
SELECT "accounts"."id", "accounts"."customer_id", "accounts"."kind", "accounts"."opened", "accounts"."balance", "accounts"."note", "customers"."id",
  "customers"."name", "customers"."email", "customers"."born", "customers"."active", "customers"."score" FROM "accounts" INNER JOIN "customers" ON
  ("accounts"."customer_id" = "customers"."id") WHERE "accounts"."balance" > 0;
SELECT "accounts"."id", "accounts"."customer_id", "accounts"."kind", "accounts"."opened", "accounts"."balance", "accounts"."note" FROM "accounts"
  WHERE "accounts"."customer_id" IN (1, 2);
SELECT "accounts"."kind" AS "kind", COUNT("accounts"."id") AS "n", SUM("accounts"."balance") AS "s" FROM "accounts" GROUP BY 1;
SELECT AVG("accounts"."balance") AS "balance__avg", MAX("accounts"."opened") AS "opened__max" FROM "accounts";
SELECT COUNT(*) FROM (SELECT DISTINCT "customers"."id" AS "col1", "customers"."name" AS "col2", "customers"."email" AS "col3", "customers"."born" AS
  "col4", "customers"."active" AS "col5", "customers"."score" AS "col6" FROM "customers" INNER JOIN "accounts" ON ("customers"."id" =
  "accounts"."customer_id") WHERE "accounts"."kind" = 'debit') subquery;
SELECT 1 AS "a" FROM "customers" WHERE ("customers"."name"::text LIKE 'A%' OR UPPER("customers"."email"::text) LIKE UPPER('%org')) LIMIT 1;
SELECT "accounts"."id" AS "id" FROM "accounts" WHERE (("accounts"."opened" AT TIME ZONE 'America/Chicago')::date >= '2026-01-01'::date AND
  "accounts"."opened" BETWEEN '2026-01-01T00:00:00-06:00'::timestamptz AND '2026-12-31T23:59:59.999999-06:00'::timestamptz);
SELECT "customers"."id", "customers"."name", "customers"."email", "customers"."born", "customers"."active", "customers"."score" FROM "customers" WHERE
  "customers"."id" IN (SELECT U0."customer_id" AS "customer" FROM "accounts" U0 WHERE U0."kind" = 'debit');
UPDATE "customers" SET "score" = ("customers"."id" + 1) WHERE "customers"."id" = 2;
INSERT INTO "customers" ("name", "email", "born", "active", "score") VALUES ('Cyd', 'c@example.org', NULL, true, NULL) RETURNING "customers"."id";
UPDATE "customers" SET "name" = 'Cyd', "email" = 'c@example.org', "born" = NULL, "active" = false, "score" = NULL WHERE "customers"."id" = 3;
BEGIN;
DELETE FROM "accounts" WHERE "accounts"."customer_id" IN (3);
DELETE FROM "customers" WHERE "customers"."id" IN (3);
COMMIT;
BEGIN;
INSERT INTO "customers" ("name", "email", "born", "active", "score") SELECT * FROM UNNEST((ARRAY['D','E'])::varchar[], ('{NULL,NULL}')::text[], ('{NULL,NULL}')::date[],
  (ARRAY[true,true])::boolean[], ('{NULL,NULL}')::double precision[]) RETURNING "customers"."id";
SELECT "customers"."id", "customers"."name", "customers"."email", "customers"."born", "customers"."active", "customers"."score" FROM "customers" WHERE
  "customers"."name" IN ('D', 'E');
DELETE FROM "accounts" WHERE "accounts"."customer_id" IN (4, 5);
DELETE FROM "customers" WHERE "customers"."id" IN (5, 4);
SAVEPOINT "s139819169168256_x1";
SELECT "customers"."id", "customers"."name", "customers"."email", "customers"."born", "customers"."active", "customers"."score" FROM "customers" WHERE
  "customers"."name" = 'Ada Alder' LIMIT 21;
RELEASE SAVEPOINT "s139819169168256_x1";
COMMIT;
