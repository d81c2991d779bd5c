# shellcheck shell=sh disable=SC2154
# Second half of the step wrapper (steps.py joins it in front of the verbs of wrapper.sh): who runs a step,
# what belongs to it, how it ends.

process() { # PID: kernel start time into BORN, guards against a pid used again
  BORN='' MODE=''
  { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
  PID=${line%% *} line=${line##*) }
  # shellcheck disable=SC2086
  set -- $line
  [ $# -ge 20 ] || return 1
  MODE=$1 PARENT=$2 SESSION=$4
  shift 19
  BORN=$1
}
alive() { # FILE holding "pid start"
  pid='' born=''
  { read -r pid born <"$D/$1"; } 2>/dev/null
  [ -n "$born" ] && process "$pid" && [ "$BORN" = "$born" ] && [ "$MODE" != Z ]
}

log_size() { # what is shown of the log, into SIZE; past the cap only the note
  SIZE=0 shown=''
  [ -s "$D/log" ] || return 0
  SIZE=$(stat -c %s "$D/log" 2>/dev/null) || SIZE=0
  { read -r _ _ _ CAP <"$D/limits"; read -r shown <"$D/shown"; } 2>/dev/null
  if [ -n "$shown" ]; then [ "$SIZE" -le "$shown" ] || SIZE=$shown
  elif [ "$SIZE" -gt "$CAP" ]; then SIZE=$CAP; fi
}
cut_if_longer() { [ "$(stat -c %s "$D/log")" -le "$CAP" ] || cut_log; }
cut_log() { # keeps the first CAP bytes and a note; what the step prints later is thrown away
  note="
[log cut here: this step printed more than the limit of $CAP bytes]
"
  printf %s "$note" | dd of="$D/log" bs=1 seek="$CAP" conv=notrunc 2>/dev/null
  put shown $((CAP + ${#note}))
  dd if=/dev/null of="$D/log" bs=1 seek=$((CAP + ${#note})) count=0 2>/dev/null
}

# One awk looks at all processes: those of the step into V as pid:start, those that may be into MAYBE. Of the step
# are: what was seen to be before, the leader's session, and all descendants. Nothing older than the step can be.
# shellcheck disable=SC2016
SCAN='BEGIN {
  n = split(seen, list, " "); for (i = 1; i <= n; i++) known[list[i]] = 1
  for (i = 1; i < ARGC; i++) {
    line = ""; part = ""
    while (line !~ /\) [A-Za-z] [0-9]/ && (getline part < ARGV[i]) > 0) line = line part
    close(ARGV[i])
    if (!sub(/^.*\) /, "", line) || split(line, f, " ") < 20 || f[1] == "Z" || f[20] < since + 0) continue
    pid = ARGV[i]; gsub(/[^0-9]/, "", pid)
    parent[pid] = f[2]; start[pid] = f[20]
    if ((pid ":" f[20]) in known || (leader != "" && f[4] == leader)) ours[pid] = 1
  }
  do {
    grown = 0
    for (pid in parent) if (!(pid in ours) && parent[pid] in ours) { ours[pid] = 1; grown = 1 }
  } while (grown)
  for (pid in parent) printf "%s%s:%s ", (pid in ours) ? "" : "?", pid, start[pid]
}'
victims() { # every process of the step into V; KNOWN remembers them, since a parent's death hides a child
  leader='' since=''
  { read -r _ since <"$D/super"; read -r _ born <"$D/child"; } 2>/dev/null
  since=${born:-${since:-0}}
  if alive child; then leader=$pid; fi
  while :; do
    V='' found=0
    for p in $(awk -v seen="$KNOWN" -v leader="$leader" -v since="$since" "$SCAN" /proc/[0-9]*/stat 2>/dev/null); do
      case $p in
        \?*) p=${p#?}; if cookie "${p%:*}"; then KNOWN="$KNOWN$p " found=1; fi ;;
        *) V="$V${p%:*} "; case $KNOWN in *" $p "*) ;; *) KNOWN="$KNOWN$p " ;; esac ;;
      esac
    done
    [ $found = 1 ] || break
  done
}
cookie() { # whatever of the step left its session and its parents carries this in its environment
  [ -O "/proc/$1/environ" ] && [ -r "/proc/$1/environ" ] || return 1
  case $( { tr '\0' '\n' <"/proc/$1/environ"; } 2>/dev/null) in *"CLOUDWIKI_STEP=$D/"*) return 0 ;; esac
  return 1
}
end_step() { # GRACE: TERM, wait, KILL until nothing is left
  KNOWN=' '
  victims
  # shellcheck disable=SC2086
  [ -z "$V" ] || kill -TERM $V 2>/dev/null
  now; until=$((NOW + $1))
  while [ "$NOW" -lt "$until" ] && any_left; do sleep 0.1; now; done
  for round in 1 2 3 4 5 6 7 8 9 10; do
    victims
    [ -n "$V" ] || break
    # shellcheck disable=SC2086
    kill -KILL $V 2>/dev/null
  done
  rm -rf "$D/secrets"
}
any_left() {
  for q in $V; do if process "$q" && [ "$MODE" != Z ]; then return 0; fi; done
  return 1
}

full() { # whether nothing more can be written here: what the step prints now is lost
  { printf '%4096s' '' >"$D/room"; } 2>/dev/null
  wrote=$?
  { true >"$D/room"; } 2>/dev/null
  [ $wrote != 0 ]
}
claim_start() { # the one and only start: O_EXCL, as mkdir, but without a process
  set -C
  { true >"$D/started"; } 2>/dev/null
  claimed=$?
  set +C
  return $claimed
}
supervise() { # PID BORN: runs the step; the last two name the subshell that waits for us
  trap '' HUP INT TERM
  cd /
  : point before_start
  if claim_start; then mine=1; else mine=0; fi
  [ $mine = 0 ] || { process self; put super "$PID $BORN"; now; put beat "$NOW"; }
  if [ "$PPID" = "$1" ] && process "$1" && [ "$BORN" = "$2" ]; then kill -KILL "$1"; fi
  [ $mine = 1 ] || exit 0
  : point after_start
  read -r limit silence grace CAP <"$D/limits"
  (watch) &
  watcher=$! told=0
  trap 'told=1' TERM                                                 # heard once the step has ended
  (run_step) </dev/null >>"$D/log" 2>&1
  RC=$?
  : point before_result
  if full; then put full yes; fi
  why=''
  read -r why _ <"$D/why"
  if [ -n "$why" ]; then wait "$watcher"; else kill -KILL "$watcher"; fi
  [ ! -d "$D/secrets" ] || rm -rf "$D/secrets"
  log_size
  if [ -z "$shown" ] && [ "$SIZE" = "$CAP" ]; then cut_if_longer; log_size; fi
  if [ $told = 1 ] && [ -z "$why" ]; then put slot told; exit 0; fi
  put slot "done $RC $SIZE $why"
  : point after_result
  dd if=/dev/null of="$D/slot" conv=notrunc,fsync 2>/dev/null
}
run_step() {
  trap - HUP INT TERM
  process self; put child "$PID $BORN"
  cd "${HOME:-/}" 2>/dev/null || cd /
  unset SUDO_ASKPASS SSH_ASKPASS GIT_ASKPASS DISPLAY
  CLOUDWIKI_STEP=$D/ CLOUDWIKI_ATTEMPT=$D CLOUDWIKI_SECRETS=$D/secrets
  export CLOUDWIKI_STEP CLOUDWIKI_ATTEMPT CLOUDWIKI_SECRETS
  exec setsid $SH "$D/prelude"
}
watch() { # the pulse, the limits and the cancel of a running step
  woken=0
  trap 'woken=1' USR1
  process self; put watch "$PID $BORN"
  now; begin=$NOW last=$NOW old=0
  while :; do
    sleep 1 &
    wait $!
    now; put beat "$NOW"
    seen=$(stat -c %s "$D/log")
    [ "$seen" = "$old" ] || last=$NOW old=$seen
    if full; then put full yes; fi
    if [ "$seen" -gt "$CAP" ]; then cut_log; old=$(stat -c %s "$D/log"); fi
    why='' asked=''
    read -r why asked <"$D/why"
    if [ -z "$why" ]; then
      if [ $((NOW - begin)) -ge "$limit" ]; then why=timeout
      elif [ "$silence" -gt 0 ] && [ $((NOW - last)) -ge "$silence" ]; then why=silence
      else continue; fi
      put why "$why"
    fi
    end_step "${asked:-$grace}"
    exit 0
  done
}
