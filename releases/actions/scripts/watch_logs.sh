# shellcheck shell=sh disable=SC2154
# Prints what files and commands say for a set time; fails at the first line that matches a pattern.
#   step_shown step_seconds
#   step_commands step_command_N    shell text, which finds its values in the variables named by step_exports
#   step_files step_file_N
#   step_patterns step_pattern_N    extended regular expressions; step_fail_N: as the runbook writes them
#   step_sources                    text of watch_sources.sh
set -u
printf '%s\n' "$step_shown"
step_work=$CLOUDWIKI_ATTEMPT/action.watch
mkdir "$step_work" && mkfifo "$step_work/raw" "$step_work/lines" || fail "watch: could not make the working folder"
sources=''
end() { # every process of the sources: they are a session of their own
  [ -n "$sources" ] || return 0
  kill -TERM "-$sources" 2>/dev/null && sleep 0.3
  kill -KILL "-$sources" 2>/dev/null
  sources=''
}
trap end EXIT
trap 'exit 143' HUP INT TERM

n=0
while [ "$n" -lt "$step_files" ]; do
  n=$((n + 1))
  eval "whole \"\$step_file_$n\""
  eval "step_file_$n=\$WHOLE"
done
# shellcheck disable=SC2163
for name in $step_exports step_work; do export "$name"; done

set --
n=0
while [ "$n" -lt "$step_patterns" ]; do
  n=$((n + 1))
  eval "set -- \"\$@\" -e \"\$step_pattern_$n\""
done
text='' # a NUL in a log must not make grep call it binary
if echo x | grep -a x >/dev/null 2>&1; then text=-a; fi
if [ $# -gt 0 ]; then
  # shellcheck disable=SC2086
  LC_ALL=C grep $text -E -m 1 "$@" <"$step_work/lines" >"$step_work/hit" &
else
  (cat >/dev/null; exit 1) <"$step_work/lines" &
fi
matcher=$!
tee "$step_work/lines" <"$step_work/raw" &
printer=$!
setsid sh -c "$step_sources" >"$step_work/raw" &
sources=$!

wait "$matcher"
found=$?
end
wait "$printer"
case $found in
  0)
    n=0
    while [ "$n" -lt "$step_patterns" ]; do
      n=$((n + 1))
      eval "pattern=\$step_pattern_$n written=\$step_fail_$n"
      # shellcheck disable=SC2086
      if LC_ALL=C grep $text -E -q -e "$pattern" "$step_work/hit"; then break; fi
    done
    printf 'watch: matched %s: %s\n' "$written" "$(head -c 2000 "$step_work/hit")" >&2
    exit 1
    ;;
  1) ;;
  *) fail "watch: grep does not take a pattern" ;;
esac
if read -r number code 2>/dev/null <"$step_work/ended"; then
  eval "fail \"watch: ended early with exit code \$code: \$step_command_$number\""
fi
