# shellcheck shell=sh disable=SC2154
# The password of a database reaches its programs by a file that only this step can read.
#   step_password: name of the secret, or nothing
is_tar() { [ "$(dd if="$1" bs=1 skip=257 count=5 2>/dev/null)" = ustar ]; } # FILE: a dump that several processes made
unpacked() { # FILE FOLDER: into DUMP what pg_restore reads; a tar is unpacked there first
  DUMP=$1
  is_tar "$1" || return 0
  if [ "$(($(stat -c %s "$1") / 1024 + 1024))" -gt "$(df -Pk "${2%/*}" | tail -n 1 | tr -s ' ' | cut -d' ' -f4)" ]; then
    printf 'too little room to unpack %s\n' "$1" >&2
    return 1
  fi
  rm -rf "$2" && mkdir "$2" && tar -C "$2" -xf "$1" || return
  DUMP=$2
}
full() { # FOLDER of a server's data, where it is known: whether less than 1 MB is seen to be free there
  # To drop a database is to ask for a checkpoint, and a server without room for that ends: with every database on it.
  [ -n "$1" ] && [ -d "$1" ] || return 1
  [ "$(df -Pk "$1" | tail -n 1 | tr -s ' ' | cut -d' ' -f4)" -lt 1024 ]
}
password_file() {
  [ -n "$step_password" ] || return 0
  PGPASSFILE=$CLOUDWIKI_SECRETS/pgpass
  export PGPASSFILE
  (
    umask 077
    printf '*:*:*:*:%s\n' "$(head -n 1 "$CLOUDWIKI_SECRETS/$step_password" | sed 's/[\\:]/\\&/g')" >"$PGPASSFILE"
  ) || fail "database: could not write the password file"
}
