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

# One awk looks at all processes and prints "pid:start:group": of those of the step, and with a "?" of those that may
# be; then a full stop. Of the step are: what was seen to be before (its first line, too long for an argument at times),
# the leader's session, and all descendants. Nothing older can be. A cat reads for it: that one goes on where a process
# ends between open and read; mawk gives up.
# shellcheck disable=SC2016
SCAN='NR == 1 { n = split($0, list, " "); for (i = 1; i <= n; i++) known[list[i]] = 1; next }
{
  record = record $0; rest = record                                  # a name may hold a line break
  if (!sub(/^.*\) /, "", rest) || split(rest, f, " ") < 20) next
  pid = record; sub(/[^0-9].*/, "", pid); record = ""
  if (f[1] == "Z" || f[20] < since + 0) next
  parent[pid] = f[2]; start[pid] = f[20]; group[pid] = f[3]
  if ((pid ":" f[20]) in known || (leader != "" && f[4] == leader)) ours[pid] = 1
}
END {
  do {
    grown = 0
    for (pid in parent) if (!(pid in ours) && parent[pid] in ours) { ours[pid] = 1; grown = 1 }
  } while (grown)
  for (pid in parent) { # a step that is only just begun is still in the group of its supervisor
    printf "%s%s:%s:%s ", (pid in ours) ? "" : "?", pid, start[pid], (group[pid] == super) ? "" : group[pid]
  }
  print "."
}'
# A signal to a group reaches a process that forks faster than we look. A group is one session's alone, and none of the
# step's processes is in a session older than the step, so no stranger is in it.
victims() { # every process of the step into V, their groups into G; KNOWN remembers, since a parent's death hides a child
  leader='' since='' super=''
  { read -r super since <"$D/super"; read -r _ born <"$D/child"; } 2>/dev/null
  since=${born:-${since:-0}}
  if alive child; then leader=$pid; fi
  while :; do
    scan || return 1
    V='' G='' others=' '
    for p in $SEEN; do
      group=${p##*:} p=${p%:*}
      case $p in
        \?*) others="$others${p#?} " ;;
        *) V="$V${p%:*} " G="$G${group:+-$group} "; case $KNOWN in *" $p "*) ;; *) KNOWN="$KNOWN$p " ;; esac ;;
      esac
    done
    marked
    [ -n "$found" ] || break
    KNOWN="$KNOWN$found"
  done
  return 0
}
scan() { # what awk says, into SEEN: all of it, or it is asked again, as where nothing can be forked for a moment
  for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    SEEN=$({ printf '%s\n' "$KNOWN"; cat /proc/[0-9]*/stat; } 2>/dev/null |
      awk -v leader="$leader" -v super="$super" -v since="$since" "$SCAN" 2>/dev/null)
    case $SEEN in *.) SEEN=${SEEN%.}; return 0 ;; esac
    sleep 0.1
  done
  return 1
}
marked() { # those of the others into FOUND that print into the step's log, or carry the step's name in their environment
  found='' files=''
  for p in $others; do
    proc=/proc/${p%:*}
    if [ "$proc/fd/1" -ef "$D/log" ] || [ "$proc/fd/2" -ef "$D/log" ]; then found="$found$p "
    elif [ -O "$proc/environ" ] && [ -r "$proc/environ" ]; then files="$files$proc/environ "; fi
  done
  [ -n "$files" ] || return 0
  # One look at all of them: a busy machine has hundreds, and a process for each would outlast the grace.
  # shellcheck disable=SC2086
  for p in $(grep -lsF -e "CLOUDWIKI_STEP=$D/" $files 2>/dev/null); do
    p=${p#/proc/} p=${p%/environ}
    born=${others#* "$p":}
    found="$found$p:${born%% *} "
  done
}
end_step() { # GRACE: TERM, wait, KILL until nothing is left
  KNOWN=' ' V='' G=''
  victims
  own=${leader:+-$leader}
  # shellcheck disable=SC2086
  [ -z "$V" ] || kill -TERM $V 2>/dev/null
  hundredths; until=$((NOW + $1 * 100))                                # whole seconds would make a short grace shorter
  while [ "$NOW" -lt "$until" ] && any_left; do sleep 0.1; hundredths; done
  for round in 1 2 3 4 5 6 7 8 9 10; do
    victims || continue
    # shellcheck disable=SC2086
    [ -z "$own$V" ] || kill -KILL $own $G $V 2>/dev/null
    [ -n "$V" ] || break
  done
  rm -rf "$D/secrets"
}
end_for_good() { # GRACE: also a step that is only just being started, and one that has no supervisor any more
  if alive child; then known=1; else known=0; fi
  while end_step "$1"; alive child || { [ -z "$born" ] && alive super; }; do sleep 0.5; done
  [ $known = 1 ] && ! alive super || return 0
  log_size
  put slot "done 137 $SIZE $why"                                     # it was alive until we ended it: that is known
}
hundredths() { read -r NOW _ </proc/uptime; NOW=${NOW%.*}${NOW#*.}; }
any_left() {
  for q in $V; do if process "$q" && [ "$MODE" != Z ]; then return 0; fi; done
  return 1
}

full() { # BYTES: whether so much more cannot be written here: what the step prints now is lost
  { printf "%$1s" '' >"$D/room"; } 2>/dev/null
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
  if full 8192; then put full yes; fi                                # more than the watch's look holds and gives back
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
    if full 4096; then put full yes; fi
    if [ "$seen" -gt "$CAP" ]; then cut_log; old=$(stat -c %s "$D/log"); fi
    why='' asked=''
    read -r why asked <"$D/why"
    if [ -z "$why" ]; then
      if ! alive super && ! alive child; then rm -rf "$D/secrets"; exit 0; fi
      if [ $((NOW - begin)) -ge "$limit" ]; then why=timeout
      elif [ "$silence" -gt 0 ] && [ $((NOW - last)) -ge "$silence" ]; then why=silence
      else continue; fi
      put why "$why"
    fi
    end_for_good "${asked:-$grace}"
    exit 0
  done
}
