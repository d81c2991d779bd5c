# shellcheck shell=sh disable=SC2154
# Removes a copy that a backup step made, and the link that names it where that names no other.
#   path    of the copy, absolute
#   link    the plain name beside it, empty for a dump
set -u
case $path in
  /*/*) ;;
  *) fail "remove: not a copy: $path" ;;
esac
if [ -n "$link" ]; then
  place=${path%/*} name=${path##*/}
  case $name in
    "$link-"?*) ;;
    *) fail "remove: not a copy: $path" ;;
  esac
  if [ -L "$place/$link" ] && [ "$(readlink "$place/$link")" = "$name" ]; then
    rm -f "$place/$link" || fail "remove: not allowed: $place/$link"
  fi
  rm -rf "$path" || fail "remove: not allowed: $path"
else
  rm -f "$path" || fail "remove: not allowed: $path"
fi
