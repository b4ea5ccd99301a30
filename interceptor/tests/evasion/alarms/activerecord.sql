-- source: written for this after what is publicly known of Active Record's PostgreSQL adapter: what it sets at connection, the type map,
-- and the questions behind tables, columns, indexes, foreign keys, primary keys, sequences and comments; and statements of its models.
--@ run
SET client_min_messages TO 'warning';
SET standard_conforming_strings = on;
SET intervalstyle = iso_8601;
SET SESSION timezone TO 'UTC';
SHOW search_path;
SHOW max_identifier_length;
SELECT t.oid, t.typname, t.typelem, t.typdelim, t.typinput, r.rngsubtype, t.typtype, t.typbasetype FROM pg_type AS t LEFT JOIN pg_range AS r ON t.oid = r.rngtypid
  WHERE t.typname IN ('int2', 'int4', 'int8', 'oid', 'float4', 'float8', 'numeric', 'bool', 'text', 'varchar', 'json', 'jsonb', 'bytea', 'uuid', 'tstzrange') OR t.typtype IN ('r', 'e', 'd')
  OR t.typinput = 'array_in(cstring,oid,integer)'::regprocedure OR t.typelem != 0;
SELECT t.oid, t.typname FROM pg_type AS t WHERE t.typname IN ('int2', 'int4', 'int8', 'oid', 'float4', 'float8', 'bool');
SELECT c.relname FROM pg_class c LEFT JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ANY (current_schemas(false)) AND c.relkind IN ('r', 'v', 'm', 'p', 'f') ORDER BY 1;
SELECT c.relname FROM pg_class c LEFT JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ANY (current_schemas(false)) AND c.relname = 'accounts' AND c.relkind IN ('r', 'p');
SELECT a.attname, format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid), a.attnotnull, a.atttypid, a.atttypmod, c.collname, col_description(a.attrelid, a.attnum) AS comment,
  attidentity AS identity, attgenerated AS attgenerated
  FROM pg_attribute a LEFT JOIN pg_attrdef d ON a.attrelid = d.adrelid AND a.attnum = d.adnum LEFT JOIN pg_type t ON a.atttypid = t.oid
  LEFT JOIN pg_collation c ON a.attcollation = c.oid AND a.attcollation <> t.typcollation
  WHERE a.attrelid = '"accounts"'::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum;
SELECT DISTINCT i.relname, d.indisunique, d.indkey, pg_get_indexdef(d.indexrelid), pg_catalog.obj_description(i.oid, 'pg_class') AS comment, d.indisvalid
  FROM pg_class t INNER JOIN pg_index d ON t.oid = d.indrelid INNER JOIN pg_class i ON d.indexrelid = i.oid LEFT JOIN pg_namespace n ON n.oid = t.relnamespace
  WHERE i.relkind IN ('i', 'I') AND d.indisprimary = 'f' AND t.relname = 'accounts' AND n.nspname = ANY (current_schemas(false)) ORDER BY i.relname;
SELECT a.attname FROM (SELECT indrelid, indkey, generate_subscripts(indkey, 1) idx FROM pg_index WHERE indrelid = '"accounts"'::regclass AND indisprimary) i
  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[i.idx] ORDER BY i.idx;
SELECT t2.oid::regclass::text AS to_table, a1.attname AS column, a2.attname AS primary_key, c.conname AS name, c.confupdtype AS on_update, c.confdeltype AS on_delete,
  c.convalidated AS valid, c.condeferrable AS deferrable, c.condeferred AS deferred, c.conkey, c.confkey
  FROM pg_constraint c JOIN pg_class t1 ON c.conrelid = t1.oid JOIN pg_class t2 ON c.confrelid = t2.oid
  JOIN pg_attribute a1 ON a1.attnum = c.conkey[1] AND a1.attrelid = t1.oid JOIN pg_attribute a2 ON a2.attnum = c.confkey[1] AND a2.attrelid = t2.oid
  JOIN pg_namespace t3 ON c.connamespace = t3.oid WHERE c.contype = 'f' AND t1.relname = 'accounts' AND t3.nspname = ANY (current_schemas(false)) ORDER BY c.conname;
SELECT conname, pg_get_constraintdef(c.oid, true) AS constraintdef, c.convalidated AS valid FROM pg_constraint c JOIN pg_class t ON c.conrelid = t.oid JOIN pg_namespace n ON n.oid = c.connamespace
  WHERE c.contype = 'c' AND t.relname = 'accounts' AND n.nspname = ANY (current_schemas(false));
SELECT attr.attname, nsp.nspname, seq.relname FROM pg_class seq, pg_attribute attr, pg_depend dep, pg_constraint cons, pg_namespace nsp
  WHERE seq.oid = dep.objid AND seq.relkind = 'S' AND attr.attrelid = dep.refobjid AND attr.attnum = dep.refobjsubid AND attr.attrelid = cons.conrelid
  AND attr.attnum = cons.conkey[1] AND seq.relnamespace = nsp.oid AND cons.contype = 'p' AND dep.classid = 'pg_class'::regclass AND dep.refobjid = '"customers"'::regclass;
SELECT attr.attname, nsp.nspname, CASE WHEN pg_get_expr(def.adbin, def.adrelid) !~* 'nextval' THEN NULL
    WHEN split_part(pg_get_expr(def.adbin, def.adrelid), '''', 2) ~ '.' THEN substr(split_part(pg_get_expr(def.adbin, def.adrelid), '''', 2),
      strpos(split_part(pg_get_expr(def.adbin, def.adrelid), '''', 2), '.') + 1) ELSE split_part(pg_get_expr(def.adbin, def.adrelid), '''', 2) END
  FROM pg_class t JOIN pg_attribute attr ON t.oid = attrelid JOIN pg_attrdef def ON adrelid = attrelid AND adnum = attnum JOIN pg_constraint cons ON conrelid = adrelid AND adnum = conkey[1]
  JOIN pg_namespace nsp ON t.relnamespace = nsp.oid WHERE t.oid = '"customers"'::regclass AND cons.contype = 'p' AND pg_get_expr(def.adbin, def.adrelid) ~* 'nextval|uuid_generate';
SELECT pg_get_serial_sequence('customers', 'id');
SELECT type.typname AS name, type.oid AS oid, n.nspname AS schema, array_agg(enum.enumlabel ORDER BY enum.enumsortorder) AS value
  FROM pg_enum AS enum JOIN pg_type AS type ON type.oid = enum.enumtypid JOIN pg_namespace n ON type.typnamespace = n.oid WHERE n.nspname = ANY (current_schemas(false)) GROUP BY type.oid, n.nspname, type.typname;
SELECT pg_catalog.obj_description(c.oid, 'pg_class') FROM pg_catalog.pg_class c LEFT JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = 'visits' AND c.relkind IN ('r', 'p') AND n.nspname = ANY (current_schemas(false));
SELECT extname FROM pg_extension;
SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_.*' AND nspname NOT IN ('information_schema') ORDER BY nspname;
SELECT current_database();
SELECT current_schema;
SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database();
--@ bind 1|1
SELECT "customers".* FROM "customers" WHERE "customers"."id" = $1 LIMIT $2;
--@ bind debit
SELECT "accounts".* FROM "accounts" WHERE "accounts"."kind" = $1 ORDER BY "accounts"."id" ASC;
SELECT COUNT(*) FROM "customers";
SELECT COUNT(*) AS "count_all", "accounts"."kind" AS "accounts_kind" FROM "accounts" GROUP BY "accounts"."kind" ORDER BY 2;
SELECT 1 AS one FROM "customers" WHERE "customers"."email" = 'ada@example.org' LIMIT 1;
SELECT "customers"."id" AS t0_r0, "customers"."name" AS t0_r1, "accounts"."id" AS t1_r0 FROM "customers" LEFT OUTER JOIN "accounts" ON "accounts"."customer_id" = "customers"."id" ORDER BY 1, 3;
BEGIN;
--@ bind Cyd|c@example.org|true
INSERT INTO "customers" ("name", "email", "active") VALUES ($1, $2, $3) RETURNING "id";
SAVEPOINT active_record_1;
--@ bind 2.5|Cyd
UPDATE "customers" SET "score" = $1 WHERE "customers"."name" = $2;
RELEASE SAVEPOINT active_record_1;
--@ bind Cyd
DELETE FROM "customers" WHERE "customers"."name" = $1;
COMMIT;
