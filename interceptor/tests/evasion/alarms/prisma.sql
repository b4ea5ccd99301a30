-- source: written for this after what is publicly known of Prisma's schema engine and client: the catalogs and functions that they ask,
-- by prepared statements with the list of schemas as a parameter; statements of the client name schema and table in quotes.
--@ run
SELECT version();
SELECT current_setting('server_version_num')::integer AS version;
SHOW server_version;
SET search_path = "public";
--@ bind public
SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1), version(), current_setting('server_version_num')::integer AS numeric_version;
--@ bind {public}
SELECT n.nspname AS name FROM pg_namespace AS n WHERE n.nspname = ANY ($1) ORDER BY n.nspname;
--@ bind {public}
SELECT t.relname AS name, n.nspname AS namespace, (t.relhassubclass AND t.relkind = 'p') AS partitioned, (t.relhassubclass AND t.relkind = 'r') AS inherited,
  t.relrowsecurity AS secured, t.reloptions, obj_description(t.oid, 'pg_class') AS description
FROM pg_class AS t JOIN pg_namespace AS n ON n.oid = t.relnamespace
WHERE ((t.relkind = 'r' AND NOT t.relispartition) OR t.relkind IN ('p', 'f')) AND n.nspname = ANY ($1) ORDER BY namespace, name;
--@ bind {public}
SELECT v.viewname AS name, v.definition, v.schemaname AS namespace, obj_description(c.oid, 'pg_class') AS description
FROM pg_catalog.pg_views v JOIN pg_catalog.pg_namespace n ON v.schemaname = n.nspname JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = v.viewname
WHERE v.schemaname = ANY ($1) ORDER BY namespace, name;
--@ bind {public}
SELECT oid.namespace, info.table_name, info.column_name, format_type(att.atttypid, att.atttypmod) AS formatted_type, info.numeric_precision, info.numeric_scale,
  info.numeric_precision_radix, info.datetime_precision, info.data_type, info.udt_schema AS type_schema_name, info.udt_name AS full_data_type,
  pg_get_expr(attdef.adbin, attdef.adrelid) AS column_default, info.is_nullable, info.is_identity, info.character_maximum_length,
  col_description(att.attrelid, ordinal_position) AS description
FROM information_schema.columns info
JOIN pg_attribute att ON att.attname = info.column_name
JOIN (SELECT pg_class.oid, relname, pg_namespace.nspname AS namespace FROM pg_class JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace
      AND pg_namespace.nspname = ANY ($1) WHERE reltype > 0) AS oid
  ON oid.oid = att.attrelid AND relname = info.table_name AND namespace = info.table_schema
LEFT JOIN pg_attrdef attdef ON attdef.adrelid = att.attrelid AND attdef.adnum = att.attnum AND table_schema = namespace
WHERE table_schema = ANY ($1) ORDER BY namespace, info.table_name, ordinal_position;
--@ bind {public}
SELECT fk.table_name, fk.namespace, fk.conname, a.attname AS parent_column, c.relname AS parent_table, b.attname AS child_column, fk.confdeltype, fk.confupdtype
FROM (SELECT n.nspname AS namespace, unnest(k.conkey) AS child, unnest(k.confkey) AS parent, t.relname AS table_name,
        generate_subscripts(k.conkey, 1) AS place, k.oid, k.confrelid, k.conrelid, k.conname, k.confdeltype, k.confupdtype
      FROM pg_class t JOIN pg_constraint k ON k.conrelid = t.oid JOIN pg_namespace n ON t.relnamespace = n.oid
      WHERE n.nspname = ANY ($1) AND k.contype = 'f' ORDER BY place) fk
JOIN pg_attribute a ON a.attrelid = fk.confrelid AND a.attnum = fk.parent JOIN pg_class c ON c.oid = fk.confrelid
JOIN pg_attribute b ON b.attrelid = fk.conrelid AND b.attnum = fk.child ORDER BY namespace, table_name, conname, fk.place;
--@ bind {public}
WITH keys AS (SELECT indrelid, indexrelid, indisunique, indisprimary, unnest(indkey) AS attribute, generate_subscripts(indkey, 1) AS place,
    unnest(indclass) AS class, unnest(indoption) AS options FROM pg_index WHERE indpred IS NULL AND NOT indisexclusion)
SELECT n.nspname AS namespace, i.relname AS index_name, t.relname AS table_name, a.attname AS column_name, k.indisunique, k.indisprimary, k.place,
  o.opcname, o.opcdefault, m.amname, CASE k.options & 1 WHEN 1 THEN 'DESC' ELSE 'ASC' END AS direction, CASE k.options & 2 WHEN 2 THEN true ELSE false END AS nulls_first
FROM keys k JOIN pg_class t ON t.oid = k.indrelid JOIN pg_class i ON i.oid = k.indexrelid JOIN pg_namespace n ON n.oid = t.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.attribute JOIN pg_am m ON m.oid = i.relam LEFT JOIN pg_opclass o ON o.oid = k.class
WHERE n.nspname = ANY ($1) ORDER BY namespace, table_name, index_name, place;
--@ bind {public}
SELECT n.nspname, t.relname, k.conname, k.contype, pg_get_constraintdef(k.oid) AS definition, k.condeferrable, k.condeferred
FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE n.nspname = ANY ($1) AND k.contype NOT IN ('p', 'u', 'f') ORDER BY 1, 2, 4, 3;
--@ bind {public}
SELECT t.typname AS name, e.enumlabel AS value, n.nspname AS namespace, obj_description(t.oid, 'pg_type') AS description
FROM pg_type t JOIN pg_enum e ON t.oid = e.enumtypid JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
WHERE n.nspname = ANY ($1) ORDER BY e.enumsortorder;
--@ bind {public}
SELECT sequence_name, sequence_schema AS namespace, start_value::int8, minimum_value::int8 AS min_value, maximum_value::int8 AS max_value, increment::int8 AS increment_by,
  (CASE cycle_option WHEN 'yes' THEN TRUE ELSE FALSE END) AS cycle, 0::int8 AS cache_size
FROM information_schema.sequences WHERE sequence_schema = ANY ($1) ORDER BY sequence_name;
--@ bind {public}
SELECT p.proname AS name, n.nspname AS namespace, CASE WHEN l.lanname = 'internal' THEN p.prosrc ELSE pg_get_functiondef(p.oid) END AS definition
FROM pg_proc p LEFT JOIN pg_namespace n ON p.pronamespace = n.oid LEFT JOIN pg_language l ON p.prolang = l.oid WHERE n.nspname = ANY ($1);
SELECT e.extname, n.nspname, e.extversion, e.extrelocatable FROM pg_extension e JOIN pg_namespace n ON e.extnamespace = n.oid ORDER BY e.extname;
BEGIN;
--@ bind 3|0
SELECT "public"."customers"."id", "public"."customers"."name", "public"."customers"."email" FROM "public"."customers" WHERE 1=1 ORDER BY "public"."customers"."id" ASC LIMIT $1 OFFSET $2;
--@ bind 1|2
SELECT "public"."accounts"."id", "public"."accounts"."customer_id", "public"."accounts"."kind"::text FROM "public"."accounts" WHERE "public"."accounts"."customer_id" IN ($1,$2) OFFSET 0;
--@ bind %ada%
SELECT COUNT(*) FROM (SELECT "public"."customers"."id" FROM "public"."customers" WHERE "public"."customers"."name"::text ILIKE $1 OFFSET 0) AS "sub";
--@ bind Cyd|c@example.org|true
INSERT INTO "public"."customers" ("name","email","active") VALUES ($1,$2,$3) RETURNING "public"."customers"."id";
--@ bind 2.5|Cyd
UPDATE "public"."customers" SET "score" = $1 WHERE ("public"."customers"."name" = $2 AND 1=1) RETURNING "public"."customers"."id", "public"."customers"."score";
--@ bind Cyd
DELETE FROM "public"."customers" WHERE ("public"."customers"."name" = $1 AND 1=1);
COMMIT;
SELECT "aggr"."kind", COUNT(*), SUM("aggr"."balance") FROM (SELECT "public"."accounts"."kind", "public"."accounts"."balance" FROM "public"."accounts" WHERE 1=1 OFFSET 0) AS "aggr" GROUP BY "aggr"."kind" ORDER BY 1;
SELECT "t0"."id", COALESCE("t1"."__prisma_data__", '[]'::jsonb) AS "accounts" FROM "public"."customers" AS "t0" LEFT JOIN LATERAL (SELECT JSONB_AGG("t2"."__prisma_data__") AS "__prisma_data__"
  FROM (SELECT JSONB_BUILD_OBJECT('id', "t3"."id", 'kind', "t3"."kind") AS "__prisma_data__" FROM "public"."accounts" AS "t3" WHERE "t0"."id" = "t3"."customer_id") AS "t2") AS "t1" ON TRUE ORDER BY "t0"."id";
