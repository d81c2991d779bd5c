# shellcheck shell=sh disable=SC2154
# What watch_logs.sh listens to: runs as a session of its own, which ends itself when the time is over,
# whatever has become of the others.
broke() { # NUMBER CODE: a command that should have gone on printing
  printf '%s %s\n' "$1" "$2" >"$step_work/ended"
  kill -TERM 0
}
(
  trap '' TERM
  sleep "$step_seconds"
  kill -TERM 0
  sleep 2
  kill -KILL 0
) >/dev/null 2>&1 &
n=0
while [ "$n" -lt "$step_files" ]; do
  n=$((n + 1))
  eval "file=\$step_file_$n"
  [ -e "$file" ] || printf 'watch: waiting for %s to appear\n' "$file" >&2
  tail -n 0 -F "$file" &
done
n=0
while [ "$n" -lt "$step_commands" ]; do
  n=$((n + 1))
  eval "command=\$step_command_$n"
  (sh -c "$command" 2>&1 || broke "$n" "$?") &
done
wait
