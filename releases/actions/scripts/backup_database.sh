# shellcheck shell=sh disable=SC2154
# Dumps a database into a file of its own: under another name first, and never over a file that is there.
#   step_connection step_password step_format (plain or custom) step_jobs step_destination step_manifest step_shown
#   step_fingerprint step_sequences step_sums step_expected (bytes that the last one took, or 0)
# Of the custom format, several processes (step_jobs) make a folder, which becomes one tar.
# The manifest, written last, beside the dump: one line "SHA256 BYTES SECONDS PATH". Beside it, ending in .facts, what
# the database held, where that could be read.
set -u
umask 077
printf '%s\n' "$step_shown"
command -v pg_dump >/dev/null || fail "pg_dump: not found"
password_file
whole "$step_destination"
target=$WHOLE folder=${WHOLE%/*} file=${WHOLE##*/}
mkdir -p "$folder" || fail "backup: no such place: $folder"
part=$folder/.$step_manifest.part list=$folder/.$step_manifest.list work=$folder/.$step_manifest.work
pieces=$part.d
trap 'fingerprint_drops; rm -rf "$part" "$pieces" "$list" "$work"' EXIT
trap 'exit 143' HUP INT TERM
begin=$(date +%s)
need=$((step_expected / 1024 * 11 / 10)) free=$(df -Pk "$folder" | tail -n 1 | tr -s ' ' | cut -d' ' -f4)
[ "$step_jobs" = 1 ] || need=$((need * 2))
[ "$need" -le "${free:-$need}" ] || fail "backup: too little room: $need kB needed, $free kB free in $folder"

# Beside pg_dump, and not in its way: one process of the server reads for the proof, however many it might use.
fingerprint_begins "$work" "$step_connection" \
  "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'max_parallel_workers_per_gather' \\g /dev/null"
dump() { # OPTION...
  rm -rf "$part" "$pieces"
  if [ "$step_jobs" = 1 ]; then
    pg_dump --no-password "$@" --format="$step_format" --file="$part" --dbname="$step_connection"
  else
    pg_dump --no-password "$@" --format=directory --jobs="$step_jobs" --file="$pieces" --dbname="$step_connection"
  fi
}
if [ -z "$SNAPSHOT" ] || ! dump --snapshot="$SNAPSHOT"; then # such as one connection too many: the dump comes first
  fingerprint_drops
  dump || { sleep 1; dump; } || # the server ends that session a little later
    fail "backup: pg_dump failed (exit code $?)"
fi
fingerprint_rounds_off
if [ -d "$pieces" ]; then
  pg_restore --list "$pieces" >/dev/null || fail "backup: the dump is not whole"
  tar -C "$pieces" -cf "$part" . || fail "backup: the dump is not whole"
  rm -rf "$pieces"
elif [ "$step_format" = custom ]; then
  pg_restore --list "$part" >/dev/null || fail "backup: the dump is not whole"
else
  tail -c 4096 "$part" | grep -q '^-- PostgreSQL database dump complete' || fail "backup: the dump is not whole"
fi
sum_of "$part"
fingerprint_ends "$work" "$folder/.$step_manifest.facts" ||
  printf 'backup: what the database holds could not be read, so a restore of this dump can not be proved\n' >&2
bytes=$(stat -c %s "$part")

case $file in
  ?*.*) base=${target%.*} end=.${file##*.} ;;
  *) base=$target end='' ;;
esac
more=1
until ln "$part" "$target" 2>/dev/null; do                    # a hard link never replaces a file
  [ -e "$target" ] || [ -L "$target" ] || fail "backup: could not write $target"
  more=$((more + 1)) target=$base-$more$end
  [ "$more" -lt 10000 ] || fail "backup: could not write $target"
done
printf '%s %s %s %s\n' "$SUM" "$bytes" $(($(date +%s) - begin)) "$target" >"$list" &&
  mv -fT "$list" "$folder/.$step_manifest" || fail "backup: could not write the manifest in $folder"
printf '%s  %s bytes  sha256 %s\n' "$target" "$bytes" "$SUM"
