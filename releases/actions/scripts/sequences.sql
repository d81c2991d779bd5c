-- Sequences stand outside snapshots: read before and after the dump, what it holds lies between.
SELECT format('SELECT json_build_object(''sequence'', %L, ''value'', last_value) FROM %s', name, name)
FROM (SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relkind = 'S' AND n.nspname !~ '^pg_(toast|temp_)'
         AND NOT EXISTS (SELECT FROM pg_depend d
                          WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')) AS found \gexec
