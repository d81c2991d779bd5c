# shellcheck shell=sh disable=SC2154
# The password of a database reaches its programs by a file that only this step can read.
#   step_password: name of the secret, or nothing
password_file() {
  [ -n "$step_password" ] || return 0
  PGPASSFILE=$CLOUDWIKI_SECRETS/pgpass
  export PGPASSFILE
  (
    umask 077
    printf '*:*:*:*:%s\n' "$(head -n 1 "$CLOUDWIKI_SECRETS/$step_password" | sed 's/[\\:]/\\&/g')" >"$PGPASSFILE"
  ) || fail "database: could not write the password file"
}
