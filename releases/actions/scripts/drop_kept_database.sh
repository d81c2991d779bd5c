# shellcheck shell=sh disable=SC2154
# Drops a database that a restore renamed out of the way, if it still is that one and nobody uses it.
#   step_server step_other_server    where to connect
#   step_name step_database          its name, and the live one's, which is never dropped
#   step_oid step_comment            its number, 0 where that is not known, and the MD5 of its comment, after the swap
#   step_password step_shown step_local (yes: the server is on this machine)
set -u
printf '%s\n' "$step_shown"
command -v psql >/dev/null || fail "psql: not found"
case $step_name in
  "$step_database") fail "drop: not ours: $step_name" ;;
  *_before_[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]) ;;
  *) fail "drop: not ours: $step_name" ;;
esac
password_file
connection=$step_server

sql() { # statements on stdin; the values come as psql variables
  psql --no-psqlrc --no-password --quiet --no-align --tuples-only --set=ON_ERROR_STOP=1 --set=name="$step_name" \
    --set=live="$step_database" --set=oid="$step_oid" --set=comment="$step_comment" --dbname="$connection"
}
look() { # into STATE what has become of it
  STATE=$(sql <<'SQL'
WITH named AS (SELECT * FROM pg_database WHERE datname = :'name')
SELECT CASE
  WHEN EXISTS (SELECT FROM named WHERE oid <> :'oid'::oid) THEN 'not ours'
  WHEN EXISTS (SELECT FROM named WHERE md5(coalesce(shobj_description(oid, 'pg_database'), '')) <> :'comment')
    THEN 'commented'
  WHEN EXISTS (SELECT FROM named JOIN pg_stat_activity a ON a.datid = named.oid
    WHERE a.backend_type = 'client backend') THEN 'in use'
  WHEN EXISTS (SELECT FROM named) THEN 'ours'
  WHEN EXISTS (SELECT FROM pg_database WHERE oid = :'oid'::oid) THEN 'renamed'
  ELSE 'gone' END;
SQL
  ) || fail "drop: not reached: $step_name"
}

printf 'SELECT 1;\n' | sql >/dev/null 2>&1 || connection=$step_other_server
look
case $STATE in
  ours) ;;
  gone) printf '%s is not there any more\n' "$step_name"; exit 0 ;;
  *) fail "drop: $STATE: $step_name" ;;
esac
data=''
[ "$step_local" != yes ] || data=$(printf 'SHOW data_directory;\n' | sql 2>/dev/null)
! full "$data" || fail "drop: full: $data"
sql <<'SQL' || fail "drop: refused: $step_name"
SELECT format('DROP DATABASE %I', datname) FROM pg_database
  WHERE datname = :'name' AND datname <> :'live' AND oid = :'oid'::oid
    AND md5(coalesce(shobj_description(oid, 'pg_database'), '')) = :'comment' \gexec
SQL
look
[ "$STATE" = gone ] || fail "drop: $STATE: $step_name"
printf 'dropped %s\n' "$step_name"
