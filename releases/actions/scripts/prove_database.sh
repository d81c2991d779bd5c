# shellcheck shell=sh disable=SC2154
# Restores a dump into a database of its own, reads what that holds, and removes it again.
#   step_dump step_format (plain or custom) step_sha256           the dump
#   step_server step_target_connection                            connections: to the server, to the throw-away database
#   step_target step_live step_password                           its name, and that of the database that was dumped
#   step_bytes                                                    what that database took on disk
#   step_result step_fingerprint step_sequences step_shown        step_result: the file that tells what was found
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
    --set=target="$step_target" --set=live="$step_live" --dbname="$step_server" "$@"
}
forget() { echo 'DROP DATABASE IF EXISTS :"target"' | ask_server; }
leave() { rm -rf "$work"; forget >/dev/null 2>&1; }
seconds() { cut -d' ' -f1 /proc/uptime; }

data=$(echo 'SHOW data_directory' | ask_server 2>/dev/null)
if [ -n "$data" ] && [ -d "$data" ]; then # on this machine, and the login may know where
  free=$(df -Pk "$data" | tail -n 1 | tr -s ' ' | cut -d' ' -f4)
  need=$((step_bytes / 1024 * 12 / 10 + 10240))
  [ "$need" -le "${free:-0}" ] || fail "proof: too little room: $need kB needed, $free kB free in $data"
fi
trap leave EXIT
trap 'exit 143' HUP INT TERM
forget || fail "proof: no database: $step_target"
ask_server <<'SQL' || fail "proof: no database: $step_target"
SELECT format('CREATE DATABASE %I TEMPLATE template0', :'target') || coalesce((
  SELECT format(' ENCODING %L LC_COLLATE %L LC_CTYPE %L', pg_encoding_to_char(encoding), datcollate, datctype)
    FROM pg_database WHERE datname = :'live'), '') \gexec
SQL

begin=$(seconds)
if [ "$step_format" = custom ]; then
  pg_restore --no-password --exit-on-error --no-owner --no-privileges --dbname="$step_target_connection" "$dump"
else
  psql --no-psqlrc --no-password --quiet --set=ON_ERROR_STOP=1 --single-transaction --output=/dev/null \
    --dbname="$step_target_connection" --file="$dump"
fi || fail "proof: not restored: $dump"
took=$(seconds)
printf 'restored in %s s\n' "$(awk "BEGIN { printf \"%.2f\", $took - $begin }")"
fingerprint_begins "$work" "$step_target_connection"
fingerprint_ends "$work" "$result" || fail "proof: not read: $step_target"
printf '{"restored": %s}\n' "$(awk "BEGIN { printf \"%.2f\", $took - $begin }")" >>"$result" || fail "proof: not read: $step_target"
