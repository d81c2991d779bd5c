# shellcheck shell=sh disable=SC2154
# Restores a dump into a database of its own, reads what that holds, and removes it again.
#   step_dump step_format (plain or custom) step_sha256           the dump
#   step_server step_target_connection                            connections: to the server, to the throw-away database
#   step_target step_live step_password                           its name, and that of the database that was dumped
#   step_bytes step_local (yes: the server is on this machine)    what that database took on disk
#   step_result step_fingerprint step_sequences step_sums step_shown        step_result: the file that tells what was found
set -u
umask 077
printf '%s\n' "$step_shown"
for tool in psql pg_restore; do command -v $tool >/dev/null || fail "$tool: not found"; done
password_file
whole "$step_dump"
dump=$WHOLE
whole "$step_result"
result=$WHOLE work=$WHOLE.work
[ -f "$dump" ] || fail "proof: not there: $dump"
sum_of "$dump"
[ "$SUM" = "$step_sha256" ] || fail "proof: damaged: $dump"

ask_server() { # SQL from stdin, with the names of databases as data
  psql --no-psqlrc --no-password --quiet --no-align --tuples-only --set=ON_ERROR_STOP=1 \
    --set=target="$step_target" --set=live="$step_live" --dbname="$step_server"
}
forget() {
  ask_server <<'SQL'
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :'target' \g /dev/null
DROP DATABASE IF EXISTS :"target";
SQL
}
sweep() { # what killed proofs left half a day ago; another proof may be at it, too
  ask_server <<'SQL' >/dev/null 2>&1
SELECT format('DROP DATABASE IF EXISTS %I', datname) FROM pg_database
  WHERE datname ~ '^cloudwiki_proof_' AND shobj_description(oid, 'pg_database') ~ '^cloudwiki: a proof, begun [0-9]+$'
    AND split_part(shobj_description(oid, 'pg_database'), 'begun ', 2)::bigint < extract(epoch FROM now()) - 43200
    AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datname = pg_database.datname) \gexec
SQL
}
leave() { # a proof of another day sweeps what can't be dropped now
  fingerprint_drops
  rm -rf "$work" "$work.err" "$work.d"
  full "$data" || forget >/dev/null 2>&1
}
seconds() { cut -d' ' -f1 /proc/uptime; }

data=''
[ "$step_local" != yes ] || data=$(echo 'SHOW data_directory' | ask_server 2>/dev/null)
if [ -n "$data" ] && [ -d "$data" ]; then # on this machine, and the login may know where
  free=$(df -Pk "$data" | tail -n 1 | tr -s ' ' | cut -d' ' -f4)
  need=$((step_bytes / 1024 * 12 / 10 + 10240))
  ! is_tar "$dump" || need=$((need + $(stat -c %s "$dump") / 1024)) # it may be unpacked on the same disk
  [ "$need" -le "${free:-0}" ] || fail "proof: too little room: $need kB needed, $free kB free in $data"
fi
trap leave EXIT
trap 'exit 143' HUP INT TERM
forget || fail "proof: no database: $step_target"
sweep
ask_server <<'SQL' || fail "proof: no database: $step_target"
SELECT format('CREATE DATABASE %I TEMPLATE template0', :'target') || coalesce((
  SELECT format(' ENCODING %L LC_COLLATE %L LC_CTYPE %L', pg_encoding_to_char(encoding), datcollate, datctype)
    FROM pg_database WHERE datname = :'live'), '') \gexec
SELECT format('COMMENT ON DATABASE %I IS %L', :'target', 'cloudwiki: a proof, begun ' || extract(epoch FROM now())::bigint)
\gexec
SQL

restore() {
  if [ "$step_format" = custom ]; then
    pg_restore --no-password --exit-on-error --no-owner --no-privileges --dbname="$step_target_connection" "$DUMP"
  else
    psql --no-psqlrc --no-password --quiet --set=ON_ERROR_STOP=1 --single-transaction --output=/dev/null \
      --dbname="$step_target_connection" --file="$dump"
  fi
}
DUMP=$dump
if [ "$step_format" = custom ] && ! unpacked "$dump" "$work.d"; then # is it the backup, or the machine?
  tar -tf "$dump" >/dev/null 2>&1 && fail "proof: interrupted: $dump"
  fail "proof: not restored: $dump"
fi
begin=$(seconds)
restore 2>"$work.err"
code=$?
head -c 16384 "$work.err" >&2
if [ $code != 0 ]; then # is it the backup, or the machine?
  broken='no space left|could not (extend|write)|server closed|terminating connection|connection to server|permission denied'
  broken="$broken|must be (owner|superuser)|out of (shared )?memory|too many clients|remaining connection slots"
  grep -Eqi "(ERROR|FATAL|PANIC|error): .*($broken)" "$work.err" && fail "proof: interrupted: $dump"
  echo 'SELECT 1' | ask_server >/dev/null 2>&1 || fail "proof: interrupted: $dump"
  fail "proof: not restored: $dump"
fi
took=$(seconds)
printf 'restored in %s s\n' "$(awk "BEGIN { printf \"%.2f\", $took - $begin }")"
fingerprint_begins "$work" "$step_target_connection"
fingerprint_rounds_off
fingerprint_ends "$work" "$result" || fail "proof: not read: $step_target"
printf '{"restored": %s}\n' "$(awk "BEGIN { printf \"%.2f\", $took - $begin }")" >>"$result" || fail "proof: not read: $step_target"
