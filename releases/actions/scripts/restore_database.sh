# shellcheck shell=sh disable=SC2154
# Restores a dump into a new database, then renames it and the live one in one transaction. May be killed anywhere
# and run again.
#   step_server step_other_server step_new_connection    where to connect: to neither of the two, and to the new one
#   step_database step_new step_before step_stem         names: live, new, what the live one is called afterwards
#   step_kept    the file that says which database was kept
#   step_password step_location step_sum step_jobs step_local (yes: the server is on this machine) step_shown
# A new database is made closed and opened only once its comment says whose it is, so that whatever a killed run left
# is known for sure: nobody else's database is ever dropped.
set -u
printf '%s\n' "$step_shown"
command -v psql >/dev/null || fail "psql: not found"
password_file
whole "$step_location"
dump=$WHOLE pieces=${WHOLE%/*}/.$step_new.d connection=$step_server mark="cloudwiki: a restore of $step_database that is not finished"

sql() { # OPTIONS, statements on stdin; the values come as psql variables
  psql --no-psqlrc --no-password --quiet --no-align --tuples-only --set=ON_ERROR_STOP=1 --set=live="$step_database" \
    --set=new="$step_new" --set=before="$step_before" --set=stem="$step_stem" --set=mark="$mark" \
    --dbname="$connection" "$@"
}
look() { # into STATE whether there is a live, a new, and a replaced database of this attempt: 100
  STATE=$(sql <<'SQL'
SELECT concat(count(*) FILTER (WHERE datname = :'live'), count(*) FILTER (WHERE datname = :'new'),
  count(*) FILTER (WHERE datname = :'before')) FROM pg_database;
SQL
  )
}
tell() {
  printf '%s  from %s  sha256 %s\nkept as %s\n' "$step_database" "$dump" "$step_sum" "$step_before"
  # So that nothing else is ever dropped in its place; where it can't be said, nothing is.
  { sql >"$step_kept" <<'SQL'
SELECT oid, md5(coalesce(shobj_description(oid, 'pg_database'), '')),
  CASE WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) END
  FROM pg_database WHERE datname = :'before';
SQL
  } 2>/dev/null || rm -f "$step_kept" || :
}
clean() { # drops what this or another run did not finish; it makes no table, which a full disk would refuse
  sql <<'SQL' >/dev/null
SELECT coalesce(array_agg(oid), '{}') AS unfinished FROM pg_database
  WHERE left(datname, length(:'stem')) = :'stem' AND substr(datname, length(:'stem') + 1) ~ '^[0-9a-f]{8}$'
    AND (shobj_description(oid, 'pg_database') = :'mark'
      OR (shobj_description(oid, 'pg_database') IS NULL AND NOT datallowconn)) \gset
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datid = ANY (:'unfinished'::oid[]);
SELECT format('DROP DATABASE %I', datname) FROM pg_database WHERE oid = ANY (:'unfinished'::oid[]) \gexec
SQL
}
see_disks() { # into DATA and SPACE the server's folder and that of the database's tablespace, where they can be seen
  DATA='' SPACE=''
  [ "$step_local" = yes ] || return 0
  while read -r kind path; do
    case $kind in data) DATA=$path ;; space) SPACE=$path ;; esac
  done <<SEEN
$(sql 2>/dev/null <<'SQL'
SELECT 'space ' || pg_tablespace_location(dattablespace) FROM pg_database WHERE datname = :'live';
SELECT 'data ' || current_setting('data_directory');
SQL
)
SEEN
}
room() { # FOLDER KILOBYTES
  [ -n "$1" ] && [ -d "$1" ] || return 0
  free=$(df -Pk "$1" | tail -n 1 | tr -s ' ' | cut -d' ' -f4)
  [ "$2" -gt "${free:-$2}" ] || return 0
  printf 'restore: too little room: %s kB needed, %s kB free in %s\n' "$2" "$free" "$1" >&2
  return 1
}
leave() {
  if full "$DATA"; then printf 'what was restored so far is there until the next try\n'; else clean; fi
}
create() { # as the live one is
  sql <<'SQL' >/dev/null
SELECT format('CREATE DATABASE %I TEMPLATE template0 ALLOW_CONNECTIONS false OWNER %I ENCODING %L LC_COLLATE %L '
    'LC_CTYPE %L', :'new', pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype)
  || CASE spcname WHEN 'pg_default' THEN '' ELSE format(' TABLESPACE %I', spcname) END
  || CASE d ->> 'datlocprovider'
    WHEN 'c' THEN ' LOCALE_PROVIDER libc'
    WHEN 'b' THEN format(' LOCALE_PROVIDER builtin BUILTIN_LOCALE %L', d ->> 'datlocale')
    WHEN 'i' THEN format(' LOCALE_PROVIDER icu ICU_LOCALE %L', coalesce(d ->> 'datlocale', d ->> 'daticulocale'))
      || coalesce(format(' ICU_RULES %L', nullif(d ->> 'daticurules', '')), '')
    ELSE '' END
  FROM pg_database live JOIN pg_tablespace t ON t.oid = dattablespace, to_jsonb(live) d WHERE datname = :'live' \gexec
COMMENT ON DATABASE :"new" IS :'mark';
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC, %I', :'new', pg_get_userbyid(datdba))
  FROM pg_database WHERE datname = :'live' AND datacl IS NOT NULL \gexec
SELECT format('GRANT %s ON DATABASE %I TO %s%s', privilege_type, :'new',
    CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
    CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
  FROM pg_database, aclexplode(datacl) WHERE datname = :'live' \gexec
ALTER DATABASE :"new" ALLOW_CONNECTIONS true;
SQL
}
restore() {
  unpacked "$dump" "$pieces" || return
  if [ -d "$DUMP" ] || [ "$(head -c 5 "$DUMP")" = PGDMP ]; then
    command -v pg_restore >/dev/null || fail "pg_restore: not found"
    pg_restore --exit-on-error --no-password --jobs="$step_jobs" --dbname="$step_new_connection" "$DUMP" || return
    rm -rf "$pieces"
  else
    psql --no-psqlrc --no-password --quiet --set=ON_ERROR_STOP=1 --single-transaction \
      --dbname="$step_new_connection" --file="$dump" >/dev/null || return
  fi
  # Without statistics the first minutes would be slow ones.
  printf 'SET client_min_messages TO error; ANALYZE;\n' |            # an owner may not analyze all catalogues
    psql --no-psqlrc --no-password --quiet --set=ON_ERROR_STOP=1 --dbname="$step_new_connection"
}
settings() { # only now, so that none of them disturbs the restore; in one transaction, in which none takes effect
  sql <<'SQL' >/dev/null
BEGIN;
SELECT format('ALTER DATABASE %I CONNECTION LIMIT %s', :'new', datconnlimit) FROM pg_database
  WHERE datname = :'live' AND datconnlimit >= 0 \gexec
WITH setting AS (
  SELECT split_part(entry, '=', 1) AS name, substr(entry, strpos(entry, '=') + 1) AS value,
    CASE setrole WHEN 0 THEN format('DATABASE %I', :'new')
      ELSE format('ROLE %I IN DATABASE %I', pg_get_userbyid(setrole), :'new') END AS target
  FROM pg_db_role_setting JOIN pg_database ON pg_database.oid = setdatabase, unnest(setconfig) entry
  WHERE datname = :'live'
), kinds AS (
  SELECT *, lower(name) IN ('search_path', 'temp_tablespaces', 'local_preload_libraries', 'session_preload_libraries')
    AS is_list FROM setting
)
-- A list of names is no single text: it is set here as it was stored, and taken over.
SELECT CASE WHEN is_list THEN format('SELECT set_config(%L, %L, true)', name, value) END,
  format('ALTER %s SET %I %s', target, name, CASE WHEN is_list THEN 'FROM CURRENT' ELSE format('TO %L', value) END)
  FROM kinds \gexec
COMMIT;
SQL
}
oid_of_live() {
  sql <<'SQL'
SELECT oid FROM pg_database WHERE datname = :'live';
SQL
}
disconnect() { # OID: every session of this database, one by one, since some may not be ended by this user
  sql --set=ON_ERROR_STOP=0 --set=oid="$1" <<'SQL' >/dev/null 2>&1
SELECT format('SELECT pg_terminate_backend(%s)', pid) FROM pg_stat_activity WHERE datid = :'oid'::oid \gexec
SQL
}
swap() { # both names or neither; what is connected when it begins is waited for, and nothing new gets in
  sql <<'SQL' >/dev/null
BEGIN;
SELECT format('COMMENT ON DATABASE %I IS %L', :'new', shobj_description(oid, 'pg_database'))
  FROM pg_database WHERE datname = :'live' \gexec
ALTER DATABASE :"live" RENAME TO :"before";
ALTER DATABASE :"new" RENAME TO :"live";
COMMIT;
SQL
}
take_over() {
  old=$(oid_of_live) || return
  disconnect "$old"
  swap &
  swapper=$!
  while kill -0 "$swapper" && kill -0 $$; do                          # a pool that came back at once
    disconnect "$old"
    sleep 0.1
  done 2>/dev/null &
  pools=$!
  wait "$swapper"
  swapped=$?
  { kill -KILL "$pools"; wait "$pools"; } 2>/dev/null                 # it heeds no other signal, as we do
  [ "$swapped" != 0 ] || return 0
  tries=0                                                             # the answer may be all that was lost
  until printf 'SELECT 1;\n' | sql >/dev/null 2>&1 || [ "$tries" -ge 60 ]; do tries=$((tries + 1)); sleep 1; done
  look || exit 1
  case $STATE in 1?1) return 0 ;; *) return 1 ;; esac
}

look 2>/dev/null || { connection=$step_other_server && look; } || exit 1
case $STATE in
  1?1) tell; exit 0 ;;                                                # an earlier run of this attempt did it all
  011) # somebody's own half of a swap: ours has no middle
    printf 'ALTER DATABASE :"new" RENAME TO :"live"; COMMENT ON DATABASE :"live" IS NULL;\n' | sql ||
      fail "restore: could not swap: $step_database"
    tell
    exit 0
    ;;
  0??) fail "restore: no database: $step_database" ;;
esac
[ -f "$dump" ] || fail "restore: no dump: $dump"
see_disks
room "$DATA" 1024 || exit 1
clean || fail "restore: left over: $step_database"
# Roughly: a database is 8 MB before anything is in it, and its making is in the server's log as well.
need=$(($(stat -c %s "$dump") / 1024 + 20480))
! is_tar "$dump" || need=$((need * 2)) # it may be unpacked on the same disk
{ room "$DATA" "$need" && room "$SPACE" "$need"; } || exit 1
trap 'wait; rm -rf "$pieces"; leave' EXIT
trap 'exit 143' HUP INT TERM
create &                                                              # beside it, the dump is read for its sum
creating=$!
sum_of "$dump"
wait "$creating"
created=$?
[ "$SUM" = "$step_sum" ] || fail "restore: damaged: $dump"
[ "$created" = 0 ] || fail "restore: could not create: $step_new"
restore || fail "restore: could not restore: $dump"
settings || fail "restore: could not set: $step_database"
trap '' HUP INT TERM                                                  # it takes a moment, and has an end
take_over || fail "restore: could not swap: $step_database"
trap - EXIT
tell
