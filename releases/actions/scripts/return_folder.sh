# shellcheck shell=sh disable=SC2154
# Unpacks a copy of a folder that came back from the store, compares it, and puts it in its place by renames. What is
# there already is not the copy any more, as was seen before; it goes once the new one is in its place.
#   step_archive    the tar, beside the place; gone afterwards, whatever happens
#   step_location   the place
#   step_sum        the folder's digest     step_name   makes names its own
# Beside the place:  .NAME.upload-ID the unpacked copy    .NAME.previous-ID what was there, for a moment
set -u
location=$step_location name=${step_location##*/} parent=${step_location%/*}
new=$parent/.$name.upload-$step_name old=$parent/.$name.previous-$step_name

exists() { [ -e "$1" ] || [ -L "$1" ]; }
drop() { # PATH: also folders that nobody may write in
  exists "$1" || return 0
  [ -L "$1" ] || find "$1" -type d ! -perm -700 -exec chmod u+rwx {} + 2>/dev/null
  rm -rf "$1"
}
[ -f "$step_archive" ] || fail "return: not there: $step_archive"
trap 'drop "$new"; rm -f "$step_archive"' EXIT
trap 'exit 143' HUP INT TERM
free=$(df -Pk "$parent" | tail -n 1 | tr -s ' ' | cut -d' ' -f4)
need=$(($(du -sk "$step_archive" | cut -f1) + 1024))
[ "$need" -le "${free:-0}" ] || fail "return: too little room: $need kB needed, $free kB free in $parent"
find "$parent" -maxdepth 1 -name '.*.upload-*' -type d -mtime +2 -exec rm -rf {} + 2>/dev/null   # given up long ago
drop "$new"
# One deeper: the tar brings the age of the folder back, and what is swept is told by that.
mkdir "$new" "$new/copy" || fail "return: not allowed: $parent"
tar -xpf "$step_archive" -C "$new/copy" || fail "return: not unpacked: $location"
folder_sum "$new/copy"
[ "$SUM" = "$step_sum" ] || fail "return: damaged: $location"
trap '' HUP INT TERM                                                  # the renames are not to be cut in two
if exists "$location"; then mv -T "$location" "$old" || fail "return: not allowed: $location"; fi
if ! mv -T "$new/copy" "$location"; then
  if exists "$old"; then mv -T "$old" "$location"; fi
  fail "return: not allowed: $location"
fi
for one in "$parent/.$name.previous-return-"*; do drop "$one"; done     # and what a machine that went down left there
printf '%s  sha256 %s\n' "$location" "$SUM"
