# shellcheck shell=sh disable=SC2154
# Puts backups of files and folders back. Each is copied beside its target and checked; only when all of them are
# right are they put in place, by renames. May be killed anywhere and run again.
#   step_count, step_path_N, step_location_N, step_sum_N   the target, its backup, the backup's SHA-256
#   step_folder_N (yes or no) step_manifest step_shown
# Beside the target, ID being the attempt:
#   .NAME.restore-new-ID   the copy             .NAME.restore-old-ID   what was there, until all are in place
# A target that is a symbolic link stays one: the copy goes beside what the link names, as TARGET.restored-ID, and
# the link is moved to it. What it named (a release's folder) is nobody's to change here.
set -u
printf '%s\n' "$step_shown"

each() { # FUNCTION: call it once for each entry
  n=0
  while [ "$n" -lt "$step_count" ]; do
    n=$((n + 1))
    eval "path=\$step_path_$n location=\$step_location_$n folder=\$step_folder_$n expected=\$step_sum_$n"
    eval "text=\${text_$n:-} state=\${state_$n:-} old=\${old_$n:-} placed=\${placed_$n:-}"
    whole "$path"
    path=$WHOLE front='' parent=${WHOLE%/*}/ name=${WHOLE##*/}
    if [ -n "$text" ]; then
      case $text in */*) front=${text%/*}/ ;; esac
      case $text in /*) place=$front ;; *) place=$parent$front ;; esac
      base=${text##*/} base=${base%.restored-*}
    else
      place=$parent base=$name
    fi
    new=$place.$base.restore-new-$step_manifest
    "$1"
  done
}
exists() { [ -e "$1" ] || [ -L "$1" ]; }
unused() { # PATH: into UNUSED, with a number when it is taken
  UNUSED=$1 more=1
  while exists "$UNUSED"; do more=$((more + 1)) UNUSED=$1-$more; done
}
drop() { # PATH: also a folder that nobody may write in
  exists "$1" || return 0
  [ -L "$1" ] || find "$1" -type d ! -perm -700 -exec chmod u+rwx {} + 2>/dev/null
  rm -rf "$1" || printf 'could not remove %s\n' "$1"
}

settle() { # a killed run may have left a folder between its two names: it gets the old one back
  if [ "$folder" = yes ] && ! exists "$path"; then
    found=''
    for one in "$parent.$name".restore-old-[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]*; do
      if exists "$one"; then found=yes; fi
    done
    if [ -n "$found" ]; then
      # The one renamed last. Our own names hold no line break, and the path was checked for it.
      # shellcheck disable=SC2012
      last=$(ls -1dtc "$parent.$name".restore-old-[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]* | head -n 1)
      mv -T "$last" "$path" || fail "restore: could not replace: $path"
      printf 'put back %s, which a run cut short had taken away\n' "$path"
    fi
  fi
  [ -L "$path" ] || return 0
  text=$(readlink "$path")
  while :; do case $text in ?*/) text=${text%/} ;; *) break ;; esac; done
  eval "text_$n=\$text"
}
apart() { # no target may be, or lie in, another
  m=0
  while [ "$m" -lt "$step_count" ]; do
    m=$((m + 1))
    [ "$m" != "$n" ] || continue
    eval "whole \"\$step_path_$m\""
    case $path/ in "$WHOLE"/*) fail "restore: one path lies in another: $path" ;; esac
  done
}
look() {
  [ -d "$place" ] || fail "restore: no such place: $place"
  if [ "$folder" = yes ]; then
    { [ -d "$location" ] && [ ! -L "$location" ]; } || fail "restore: no backup: $location"
    [ -d "$path" ] || ! [ -e "$path" ] || fail "restore: no folder is there: $path"
  else
    { [ -f "$location" ] && [ ! -L "$location" ]; } || fail "restore: no backup: $location"
    [ ! -d "$path" ] || fail "restore: a folder is there: $path"
  fi
  for one in "$place.$base".restore-new-[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]*; do drop "$one"; done    # what a killed run began
  for one in "$parent.$name".restore-link-[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]*; do drop "$one"; done
  # shellcheck disable=SC2034
  need=$(du -sk "$location" | cut -f1) disk=$(stat -c %d "$place")
  eval "need_$n=\${need:-0} disk_$n=\$disk"
}
room() { # what all entries on this one's disk need together
  eval "disk=\$disk_$n"
  m=0 need=1024
  while [ "$m" -lt "$step_count" ]; do
    m=$((m + 1))
    eval "if [ \"\$disk_$m\" = \"\$disk\" ]; then need=\$((need + need_$m)); fi"
  done
  free=$(df -Pk "$place" | tail -n 1 | tr -s ' ' | cut -d' ' -f4)
  [ "$need" -le "${free:-0}" ] || fail "restore: too little room: $need kB needed, $free kB free in $place"
}
copy() {
  ! exists "$new" || fail "restore: one path lies in another: $path"
  cp -a "$location" "$new" || fail "restore: copying failed: $location"
  if [ "$folder" = yes ]; then folder_sum "$new"; else sum_of "$new"; fi
  [ "$SUM" = "$expected" ] || fail "restore: damaged: $location"
}

aim() { # TEXT: make the link at the path say this, at once
  aimed=$parent.$name.restore-link-$step_manifest
  ln -s "$1" "$aimed" && mv -fT "$aimed" "$path" && return
  rm -f "$aimed"
  return 1
}
replace() {
  if [ -n "$text" ]; then
    unused "$place$base.restored-$step_manifest"
    eval "placed_$n=\$UNUSED"
    { mv -T "$new" "$UNUSED" && aim "$front${UNUSED##*/}"; } || undo "$path"
  else
    unused "$parent.$name.restore-old-$step_manifest"
    if ! exists "$path"; then
      mv -T "$new" "$path" || undo "$path"
    elif [ "$folder" = yes ]; then
      mv -T "$path" "$UNUSED" || undo "$path"                         # from here ...
      mv -T "$new" "$path" || { mv -T "$UNUSED" "$path"; undo "$path"; }   # ... to here the folder is missing
      eval "old_$n=\$UNUSED"
    else
      ln "$path" "$UNUSED" 2>/dev/null || cp -a "$path" "$UNUSED" || { rm -f "$UNUSED"; undo "$path"; }
      eval "old_$n=\$UNUSED"
      mv -fT "$new" "$path" || { rm -f "$UNUSED"; undo "$path"; }
    fi
  fi
  eval "state_$n=replaced"
}
undo() { # PATH that could not be replaced: those before it get back what they had
  refused=$1 stuck=''
  each put_back
  [ -z "$stuck" ] || fail "restore: half replaced: $stuck"
  fail "restore: could not replace: $refused"
}
put_back() {
  if [ "$state" = replaced ] && [ -n "$text" ]; then aim "$text" || stuck=$path
  elif [ "$state" = replaced ] && [ -n "$old" ] && [ "$folder" = no ]; then mv -fT "$old" "$path" || stuck=$path
  elif [ "$state" = replaced ]; then
    { mv -T "$path" "$new" && { [ -z "$old" ] || mv -T "$old" "$path"; }; } || stuck=$path
  fi
  [ -z "$placed" ] || [ -n "$stuck" ] || drop "$placed"
}
clear() { # all are in place
  for one in "$parent.$name".restore-old-[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]*; do drop "$one"; done
  if [ -n "$text" ]; then
    for one in "$place$base".restored-[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]*; do [ "$one" = "$placed" ] || drop "$one"; done
  fi
  printf '%s  from %s  sha256 %s\n' "$path" "$location" "$expected"
}
drop_copy() { drop "$new"; }

each apart
each settle
each look
each room
trap 'each drop_copy' EXIT
trap 'exit 143' HUP INT TERM
each copy
trap '' HUP INT TERM                                                  # the renames are not to be cut in two
each replace
each clear
