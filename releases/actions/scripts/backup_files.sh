# shellcheck shell=sh disable=SC2154
# Copies files and folders into one folder, each under a name of its own; a symbolic link names the newest.
#   step_count, step_path_N, step_link_N, step_folder_N (yes or no)   what, and the link's name
#   step_destination step_suffix step_manifest step_shown
# The manifest, written last: a line "SHA256 BYTES SECONDS NAME" for each copy, in order. The link is moved after
# every copy is whole, so that whatever breaks, it names a good one.
set -u
printf '%s\n' "$step_shown"
whole "$step_destination"
store=$WHOLE made='' need=0
trap 'for one in $made; do rm -rf "$store/.$step_manifest.$one" "$store/.$step_manifest.$one.link"; done' EXIT
trap 'exit 143' HUP INT TERM

each() { # FUNCTION: call it once for each entry
  n=0
  while [ "$n" -lt "$step_count" ]; do
    n=$((n + 1))
    eval "path=\$step_path_$n link=\$step_link_$n folder=\$step_folder_$n"
    whole "$path"
    path=$WHOLE
    "$1"
  done
}
look() {
  if [ "$folder" = yes ]; then
    [ -d "$path" ] || fail "backup: no folder: $path"
    used=$(du -sk "$path/." | cut -f1)
  else
    [ -f "$path" ] || fail "backup: no file: $path"
    used=$(du -skL "$path" | cut -f1)
  fi
  need=$((need + ${used:-0}))
}
room() {
  free=$(df -Pk "$store" | tail -n 1 | tr -s ' ' | cut -d' ' -f4)
  [ "$((need + 1024))" -le "${free:-0}" ] || fail "backup: too little room: $((need + 1024)) kB needed, $free kB free in $store"
}
copy() {
  begin=$(date +%s) part=$store/.$step_manifest.$n made="$made $n"
  if [ "$folder" = yes ]; then
    { mkdir "$part" && cp -a "$path/." "$part/"; } || fail "backup: copying failed: $path"
    folder_sum "$part"
    bytes=$(find "$part" -type f -exec stat -c %s {} + | awk '{ n += $1 } END { printf "%.0f", n }')
  else
    cp -pL "$path" "$part" || fail "backup: copying failed: $path"
    made="$made $n.sum"
    # Both are read at once, and only now: so a change while it was copied shows.
    (sum_of "$path" && printf '%s\n' "$SUM" >"$part.sum" || fail "backup: copying failed: $path") &
    sum_of "$part"
    wait $! || exit 1
    [ "$SUM" = "$(cat "$part.sum")" ] || fail "backup: changed while it was copied: $path"
    rm -f "$part.sum"
    bytes=$(stat -c %s "$part")
  fi
  name=$link-$step_suffix more=1
  while [ -e "$store/$name" ] || [ -L "$store/$name" ]; do
    more=$((more + 1)) name=$link-$step_suffix-$more
  done
  eval "name_$n=\$name"
  seconds=$(($(date +%s) - begin))
  printf '%s %s %s %s\n' "$SUM" "$bytes" "$seconds" "$name" >>"$store/.$step_manifest.list" || fail "backup: copying failed: $path"
  printf '%s  %s bytes  sha256 %s\n' "$store/$name" "$bytes" "$SUM"
}
name_copies() { # only once all of them are whole
  eval "name=\$name_$n"
  mv -T "$store/.$step_manifest.$n" "$store/$name" || fail "backup: could not name the copy: $store/$name"
}
point() { # the newest copy is found under the plain name; a copy that somebody made there by hand is kept
  eval "name=\$name_$n"
  if [ -e "$store/$link" ] && [ ! -L "$store/$link" ]; then
    mv -T "$store/$link" "$store/$link-before-$step_suffix" || fail "backup: could not keep $store/$link"
    printf 'kept the older %s as %s\n' "$link" "$link-before-$step_suffix"
  fi
  { ln -s "$name" "$store/.$step_manifest.$n.link" && mv -fT "$store/.$step_manifest.$n.link" "$store/$link"; } ||
    fail "backup: could not name the newest copy: $store/$link"
}

each look
mkdir -p "$store" || fail "backup: no such place: $store"
room
rm -f "$store/.$step_manifest.list"
made=list
each copy
each name_copies
each point
mv -fT "$store/.$step_manifest.list" "$store/.$step_manifest" || fail "backup: could not write the manifest in $store"
