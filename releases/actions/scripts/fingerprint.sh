# shellcheck shell=sh disable=SC2154
# What a database holds, read in the snapshot that its dump is made of, while that is made.
#   step_fingerprint step_sequences: the SQL for it         step_sums: how rows are summed up (fingerprint.sql)
fingerprint_begins() { # FOLDER CONNECTION [SQL]: a session that does this SQL first and then reads what is there
  # SNAPSHOT is what it sees, or empty where that can't be had.
  SNAPSHOT='' SESSION=''
  command -v psql >/dev/null || return 0
  { rm -rf "$1" && mkdir "$1" && mkfifo "$1/sql"; } || return 0
  (
    cd "$1" || exit
    export PGCLIENTENCODING=UTF8
    exec psql --no-psqlrc --no-password --quiet --no-align --tuples-only \
      --set=ON_ERROR_STOP=1 --set=sums="$step_sums" --dbname="$2" <sql >facts
  ) &
  SESSION=$!
  trap '' PIPE # the session may end before all is written
  exec 3>"$1/sql"
  fingerprint_says "${3:-}
$step_sequences
$step_fingerprint"
  until [ -s "$1/snapshot" ]; do
    kill -0 "$SESSION" 2>/dev/null || return 0
    sleep 0.02
  done
  SNAPSHOT=$(cat "$1/snapshot")
}
fingerprint_says() { printf '%s\n' "$1" 2>/dev/null >&3; }
fingerprint_drops() { # end a session that nobody needs any more, so that it does not go on reading
  [ -n "${SESSION:-}" ] || return 0
  exec 3>&-
  kill "$SESSION" 2>/dev/null
  wait "$SESSION" 2>/dev/null
  SESSION=''
}
fingerprint_rounds_off() { # says the last of it, and goes on at once
  [ -n "$SESSION" ] || return 0
  fingerprint_says "$step_sequences
COMMIT;
\\echo {\"whole\": true}"
  exec 3>&-
}
fingerprint_ends() { # FOLDER RESULT: into the file RESULT; false, and no file, where it could not be read
  [ -n "$SESSION" ] || return 1
  wait "$SESSION"
  ended=$?
  SESSION=''
  [ "$ended" = 0 ] && mv -f "$1/facts" "$2"
}
