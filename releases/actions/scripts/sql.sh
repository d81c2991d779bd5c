# shellcheck shell=sh disable=SC2154
# Runs one SQL file with psql, stopping at the first error.
#   step_connection step_password step_shown
#   step_single (yes or no)          in one transaction
#   step_sql step_name               the file's text and name; or, with step_name empty:
#   step_file                        its path on this machine
set -u
printf '%s\n' "$step_shown"
command -v psql >/dev/null || fail "psql: not found"
password_file
if [ -n "$step_name" ]; then
  work=$CLOUDWIKI_ATTEMPT/action.sql
  (umask 077 && mkdir -p "$work" && printf %s "$step_sql" >"$work/$step_name") || fail "sql: could not write the file"
  cd "$work" || exit
  file=$step_name
else
  whole "$step_file"
  file=$WHOLE
  [ -f "$file" ] || fail "sql: no file: $file"
fi
set -- --no-psqlrc --no-password --echo-errors --set=ON_ERROR_STOP=1
[ "$step_single" = no ] || set -- "$@" --single-transaction
psql "$@" --dbname="$step_connection" --file="$file"
code=$?
[ $code = 0 ] || {
  if [ "$step_single" = yes ]; then printf 'sql: rolled back; the database is as it was\n' >&2
  else printf 'sql: stopped there; what came before it took effect\n' >&2; fi
}
exit $code
