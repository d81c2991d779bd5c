-- What a database holds, one JSON object a line, in one snapshot: read while it is dumped, and again when the dump was
-- restored. Texts of values must come out the same in both, whatever the server's settings are.
-- The checksum of a table adds up one of each row. :sums is columns: hashes of the row's values, each begun with the
-- name of its column and all hashed once more; or as it was before, with several times the work, hash or md5 of the row.
-- What was read one way is compared with what is read the same way; servers before version 11 have no such hashes.
-- Whoever owns a type may have given it a cast to text that does anything: only built-in types are cast, others are read
-- as rows are. hashint8extended looks at 32 bits of what it is given: enough for an int4, else that also is what it
-- begins with.
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL search_path = pg_catalog;
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO, YMD';
SET LOCAL IntervalStyle = 'postgres';
SET LOCAL bytea_output = 'hex';
SET LOCAL extra_float_digits = 3;
SET LOCAL lc_monetary = 'C';
SET LOCAL row_security = off;
SET LOCAL statement_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0;
SELECT pg_export_snapshot() \g snapshot
SELECT CASE WHEN :'sums' = 'md5' OR current_setting('server_version_num')::int < 110000 THEN 'md5' ELSE :'sums' END AS sums
\gset
SELECT json_build_object('sums', :'sums');
SELECT json_build_object('size', pg_database_size(current_database()));
SELECT json_build_object('extension', extname, 'version', extversion) FROM pg_extension WHERE extname <> 'plpgsql';
WITH named AS (SELECT oid, quote_ident(nspname) AS schema FROM pg_namespace
               WHERE nspname NOT IN ('pg_catalog', 'information_schema') AND nspname !~ '^pg_(toast|temp_)'),
owned AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e')
SELECT json_build_object('object', kind, 'name', name) FROM (
  SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
           WHEN 'f' THEN 'foreign table' WHEN 'r' THEN 'table' WHEN 'p' THEN 'table' ELSE 'index' END AS kind,
         n.schema || '.' || quote_ident(c.relname) AS name
    FROM pg_class c JOIN named n ON n.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'i', 'I') AND ('pg_class'::regclass, c.oid) NOT IN (TABLE owned)
  UNION ALL
  SELECT 'constraint', quote_ident(k.conname) || ' on ' || n.schema || '.' || quote_ident(c.relname)
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN named n ON n.oid = c.relnamespace
   WHERE k.contype IN ('p', 'u', 'f', 'c', 'x') AND ('pg_class'::regclass, c.oid) NOT IN (TABLE owned)
  UNION ALL
  SELECT 'trigger', quote_ident(t.tgname) || ' on ' || n.schema || '.' || quote_ident(c.relname)
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN named n ON n.oid = c.relnamespace
   WHERE NOT t.tgisinternal
  UNION ALL
  SELECT 'function', p.oid::regprocedure::text FROM pg_proc p JOIN named n ON n.oid = p.pronamespace
   WHERE ('pg_proc'::regclass, p.oid) NOT IN (TABLE owned)
) AS objects;
SELECT json_build_object('table', 'large objects', 'rows', count(*), 'sum', '0') FROM pg_largeobject_metadata;
SELECT format(
  'SELECT json_build_object(''table'', %L, ''rows'', count(*), ''sum'','
  ' coalesce(sum(%s), 0)::text) FROM %s',
  name, CASE :'sums' WHEN 'columns' THEN 'hashint8extended(values_, values_)'
    WHEN 'hash' THEN 'hashtextextended(ROW(row_.*)::text COLLATE "C", 0)'
    ELSE '(''x'' || substr(md5(ROW(row_.*)::text), 1, 15))::bit(60)::bigint' END,
  CASE :'sums' WHEN 'columns' THEN format('(SELECT %s AS values_ FROM ONLY %s AS row_ OFFSET 0) AS each', hashed, name)
    ELSE format('ONLY %s AS row_', name) END)
FROM (SELECT format('%I.%I', n.nspname, c.relname) AS name,
        (SELECT coalesce(string_agg(format(
                   CASE WHEN a.atttypid IN ('int2'::regtype, 'int4'::regtype)
                     THEN 'coalesce(hashint8extended(row_.%1$I, %2$s), %2$s)'
                     WHEN a.atttypid < 16384
                     THEN 'coalesce(hashtextextended(row_.%1$I::text COLLATE "C", %2$s), %2$s)'
                     ELSE 'hashtextextended(ROW(row_.%1$I)::text COLLATE "C", %2$s)' END, a.attname,
                   ('x' || substr(md5(a.attname::text), 1, 15))::bit(60)::bigint), ' # ' ORDER BY a.attnum), '0::bigint')
           FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS hashed
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
         AND n.nspname !~ '^pg_(toast|temp_)'
         AND NOT EXISTS (SELECT FROM pg_depend d
                          WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')) AS tables \gexec
