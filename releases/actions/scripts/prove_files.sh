# shellcheck shell=sh disable=SC2154
# Puts a copy of a backup beside it, compares what it holds with what was recorded, and removes it again.
#   step_path step_sha256 step_folder (yes or no) step_result step_shown
set -u
umask 077
printf '%s\n' "$step_shown"
whole "$step_path"
path=$WHOLE
whole "$step_result"
result=$WHOLE copy=$WHOLE.work
if [ "$step_folder" = yes ]; then [ -d "$path" ]; else [ -f "$path" ]; fi || fail "proof: not there: $path"
free=$(df -Pk "${path%/*}" | tail -n 1 | tr -s ' ' | cut -d' ' -f4)
need=$(($(du -sk "$path" | cut -f1) + 1024))
[ "$need" -le "${free:-0}" ] || fail "proof: too little room: $need kB needed, $free kB free in ${path%/*}"
trap 'forget' EXIT
trap 'exit 143' HUP INT TERM
forget() { # also folders that nobody may write in
  [ ! -d "$copy" ] || find "$copy" -type d ! -perm -u+wx -exec chmod u+wx {} +
  rm -rf "$copy"
}
forget
begin=$(cut -d' ' -f1 /proc/uptime)
cp -a "$path" "$copy" || fail "proof: not restored: $path"
took=$(awk "BEGIN { printf \"%.2f\", $(cut -d' ' -f1 /proc/uptime) - $begin }")
if [ "$step_folder" = yes ]; then folder_sum "$copy"; else sum_of "$copy"; fi
[ "$SUM" = "$step_sha256" ] || fail "proof: damaged: $path"
printf 'restored in %s s\n' "$took"
printf '{"restored": %s, "whole": true}\n' "$took" >"$result" || fail "proof: not restored: $path"
