# shellcheck shell=sh disable=SC2154
# Changes variables of an environment file (NAME=value lines, as systemd's EnvironmentFile has them) and nothing else.
#   step_file, step_names: what is changed; step_value_NAME: its value, made of plain characters
#   step_key_name, step_key_secret: a variable that holds a secret, or nothing; step_sudo: whether root changes the file
as_owner() {
  if [ "$step_sudo" = yes ]; then sudo -n -- "$@"; else "$@"; fi
}
umask 077
whole "$step_file"
file=$WHOLE
work=$(mktemp -d) || fail "switch: full: $file"
trap 'rm -rf "$work"' EXIT
as_owner test -d "$(dirname -- "$file")" || fail "switch: no folder: $file"
as_owner test -e "$file" || fail "switch: no file: $file"
as_owner test -f "$file" || fail "switch: not allowed: $file"
# A link stays one: what it points to is changed.
file=$(as_owner readlink -f -- "$file") || fail "switch: no file: $step_file"
as_owner cat -- "$file" >"$work/old" || fail "switch: not allowed: $file"

for name in $step_names; do
  eval "printf '%s=%s\n' \"\$name\" \"\$step_value_$name\""
done >"$work/wanted" || fail "switch: full: $file"
cp "$work/wanted" "$work/shown"
if [ -n "$step_key_name" ]; then
  key=$(cat "$CLOUDWIKI_SECRETS/$step_key_secret") || fail "switch: odd secret: $step_key_secret"
  case $key in
    *'
'*) fail "switch: odd secret: $step_key_secret" ;;
  esac
  # In quotes, as systemd, Docker and shells read it.
  printf '%s="%s"\n' "$step_key_name" "$(printf '%s' "$key" | sed 's/[\\"$`]/\\&/g')" >>"$work/wanted"
  printf '%s=(secret)\n' "$step_key_name" >>"$work/shown"
fi

# The last line of a name counts, so others of it go; what was not there is added at the end.
awk '
  NR == FNR { name = $0; sub(/=.*/, "", name); wanted[name] = $0; order[++count] = name; next }
  {
    name = $0; sub(/^[ \t]*(export[ \t]+)?/, "", name); said = substr($0, 1, length($0) - length(name)); sub(/[ \t]*=.*/, "", name)
    if ($0 ~ /=/ && name in wanted) { if (!(name in done)) print said wanted[name]; done[name] = 1 } else print
  }
  END { for (i = 1; i <= count; i++) if (!(order[i] in done)) print wanted[order[i]] }
' "$work/wanted" "$work/old" >"$work/new" || fail "switch: full: $file"

cat "$work/shown"
if cmp -s "$work/old" "$work/new"; then
  printf 'unchanged: %s\n' "$file"
  exit 0
fi
# Beside the file, with its rights and owner, then in its place at once: nobody ever reads half of it.
next=$file.cloudwiki-$$
as_owner cp -p -- "$file" "$next" || fail "switch: not allowed: $file"
to_disk() { as_owner sync -- "$1" 2>/dev/null || as_owner sync; } # older ones know no names
if ! as_owner tee -- "$next" <"$work/new" >/dev/null || ! to_disk "$next" || ! as_owner mv -f -- "$next" "$file"; then
  as_owner rm -f -- "$next"
  fail "switch: full: $file"
fi
to_disk "$(dirname -- "$file")"
printf 'changed: %s\n' "$file"
