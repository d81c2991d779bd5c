#!/bin/sh
# Runs one step of a deployment at most once on this machine, and lets anybody re-attach to it.
#
#   wrapper.sh FOLDER NONCE SHELL VERB ATTEMPT ...     (called by steps.py only)
#     launch  LOCK TOKEN DIGEST TIMEOUT SILENCE GRACE CAP OFFSET   bundle (tar) on stdin; then follows
#     follow  OFFSET        raw log bytes on stdout after one "NONCE begin" line, states on stderr
#     status | cancel GRACE LOCK TOKEN | remove SHA256 | check
#
# POSIX sh with awk, flock, setsid, tar, stat, dd, sha256sum and mv -T, from coreutils and util-linux or BusyBox.
# No root, no Python. Lines of the form ": point NAME" do nothing; fault tests replace them.
#
# attempts/ID/  script prelude parameters/ secrets/   what runs
#               log                                  what it printed, raw
#               slot                                 "done EXIT SIZE REASON"; made full size before the start,
#                                                    so that a full disk cannot lose the exit code; or "told":
#                                                    the supervisor was ended too, as when the machine shuts down.
#                                                    Then how the step ended says nothing of what it did
#               boot super watch child beat why      who runs it: boot id, pid and kernel start time, pulse
#               full                                 "yes" once the disk was full: then the log may have gaps
#               started                              the start claim: whoever makes it runs the step
set -u
BASE=$1 NONCE=$2 SH=$3 VERB=$4 ID=$5 W=$0
shift 5
D=$BASE/attempts/$ID
STATE=absent RC=- WHY=- SIZE=0 BEAT=- FULL=-
unset CDPATH

say() {
  printf '%s state=%s rc=%s why=%s log=%s beat=%s full=%s\n' "$NONCE" "$STATE" "$RC" "$WHY" "$SIZE" "$BEAT" "$FULL" >&2
}
refuse() { STATE=refused WHY=$1; say; exit 75; }
now() { read -r NOW _ </proc/uptime; NOW=${NOW%%.*}; }              # the wall clock may jump
put() { put_into "$D/$1" "$2"; }
put_into() { printf '%-63s\n' "$2" 1<>"$1"; }                        # in place: needs no free disk

# include supervisor.sh

tools() {
  for tool in awk cat dd flock grep mkdir mv rm setsid sha256sum sleep stat tar tr find; do
    command -v "$tool" >/dev/null 2>&1 || refuse "missing:$tool"
  done
  [ -r /proc/sys/kernel/random/boot_id ] || refuse missing:/proc
}
check() { # once a machine, before the wrapper is put in its place
  tools
  t=$BASE/.check.$$
  mkdir -p "$t/a" "$t/b/full" || refuse diskfull
  mv -T "$t/a" "$t/c" 2>/dev/null || { rm -rf "$t"; refuse missing:mv-T; }
  if mv -T "$t/c" "$t/b" 2>/dev/null; then rm -rf "$t"; refuse missing:mv-T; fi
  rm -rf "$t"
}

fence() { # LOCK TOKEN: refuses a driver older than the newest seen; holds the lock on descriptor 9
  case $1$2 in *[!A-Za-z0-9_-]*) refuse badname ;; esac
  [ -d "$BASE/locks" ] || mkdir -p "$BASE/locks" || refuse diskfull
  { true >>"$BASE/locks/$1"; } 2>/dev/null || refuse diskfull
  exec 9>>"$BASE/locks/$1"
  flock 9 || refuse missing:flock
  seen=0
  [ ! -s "$BASE/locks/$1.token" ] || read -r seen <"$BASE/locks/$1.token"
  if [ "$2" -lt "$seen" ]; then STATE=fenced WHY=$seen; say; exit 73; fi
  [ "$2" -gt "$seen" ] || return 0
  if [ -s "$BASE/locks/$1.token" ]; then put_into "$BASE/locks/$1.token" "$2"; return 0; fi  # a full disk stops no cancel
  { put_into "$BASE/locks/$1.new" "$2" && mv -f "$BASE/locks/$1.new" "$BASE/locks/$1.token"; } 2>/dev/null ||
    refuse diskfull
}

finished() {
  tag=''
  { read -r tag rc size why <"$D/slot"; } 2>/dev/null
  [ "$tag" = done ] || return 1
  [ "$size" = 0 ] || log_size
  STATE=finished RC=$rc WHY=${why:--} BEAT=-
  [ "$SIZE" -le "$size" ] || SIZE=$size                              # a daemon may still print into the log
}
look() { # the state of the attempt
  STATE=absent RC=- WHY=- SIZE=0 BEAT=-
  [ -d "$D" ] || { [ ! -e "$BASE/removed/$ID" ] || WHY=removed; return 0; }
  { read -r FULL <"$D/full"; } 2>/dev/null
  finished && return 0
  log_size
  read -r boot <"$D/boot"; read -r booted </proc/sys/kernel/random/boot_id
  if [ "$boot" != "$booted" ]; then lost reboot; return 0; fi
  if [ ! -e "$D/started" ]; then STATE=claimed; return 0; fi
  now; read -r beat <"$D/beat"
  BEAT=$((NOW - ${beat:-$NOW}))
  if alive super; then STATE=running
  elif alive child || alive watch; then STATE=running WHY=supervisor-lost
  elif finished; then :                                              # it ended between the two looks
  elif young; then STATE=starting
  elif [ "$tag" = told ] && [ "$BEAT" -lt 120 ]; then STATE=running  # until the machine is down, or stayed up
  else lost vanished; fi
}
lost() { STATE=unknown WHY=$1 BEAT=-; rm -rf "$D/secrets"; }
young() { # claimed a moment ago and not yet written down who runs it
  read -r pid _ <"$D/super"
  [ -z "$pid" ] || return 1
  age=$(($(date +%s) - $(stat -c %Y "$D/started")))
  [ "$age" -gt -5 ] && [ "$age" -lt 5 ]
}

sweep_incoming() { # folders of launches that died while receiving; they may hold secrets
  for t in "$BASE"/incoming/*.*.*; do
    [ -d "$t" ] || continue
    born=${t##*.} pid=${t%.*} pid=${pid##*.}
    process "$pid" && [ "$BORN" = "$born" ] || rm -rf "$t"
  done
}
prepare() { # everything that must exist before the claim, at its full size
  read -r boot </proc/sys/kernel/random/boot_id
  for f in slot beat super watch child why shown full; do printf '%63s\n' '' >"$T/$f"; done
  printf '%s\n' "$boot" >"$T/boot"
  printf '%s %s %s %s\n' "$1" "$2" "$3" "$4" >"$T/limits"
  true >"$T/log"
  for f in slot beat super watch child why shown full boot limits; do [ -s "$T/$f" ] || return 1; done
}
receive() { # DIGEST LIMITS...: the bundle from stdin into an own folder, checked
  for d in attempts incoming removed; do [ -d "$BASE/$d" ] || mkdir -p -m 700 "$BASE/$d" || refuse diskfull; done
  sweep_incoming
  process self
  T=$BASE/incoming/$ID.$PID.$BORN
  trap 'rm -rf "$T"' EXIT
  trap 'exit 74' HUP INT TERM PIPE
  mkdir -m 700 "$T" 2>/dev/null || refuse diskfull
  tar -xf - -C "$T" 2>/dev/null; unpacked=$?
  whole=''
  { read -r whole <"$T/whole"; } 2>/dev/null                         # the last file: all before it is complete
  if [ $unpacked != 0 ] || [ "$whole" != "$1" ]; then
    { printf '%4096s' '' >"$T/room"; } 2>/dev/null || refuse diskfull
    refuse corrupt
  fi
  shift
  prepare "$@" 2>/dev/null || refuse diskfull
}
spawn() { # the supervisor in a session of its own
  # Not with "&": that would make the step and all daemons it starts ignore SIGINT and SIGQUIT for ever.
  # So a subshell waits for it in the foreground, and the supervisor ends that subshell.
  { (
    process self
    setsid $SH "$W" "$BASE" "$NONCE" "$SH" supervise "$ID" "$PID" "$BORN" </dev/null >/dev/null 2>&1 9>&-
    :
  ); } 2>/dev/null
}
launch() {
  tools
  lock=$1 token=$2 offset=$8
  [ -d "$D" ] || receive "$3" "$4" "$5" "$6" "$7"
  fence "$lock" "$token"
  : point before_claim
  if [ ! -d "$D" ]; then
    if [ -s "$BASE/removed/$ID" ]; then refuse cancelled; elif [ -e "$BASE/removed/$ID" ]; then refuse removed; fi
    mv -T "$T" "$D" 2>/dev/null || [ -d "$D" ] || refuse diskfull
  fi
  [ -z "${T:-}" ] || { [ ! -d "$T" ] || rm -rf "$T"; trap - EXIT HUP INT TERM PIPE; }
  exec 9>&-
  : point after_claim
  [ -e "$D/started" ] || spawn
  follow "$offset"
}
follow() {
  offset=$1
  printf '%s begin\n' "$NONCE" || exit 74
  now; fresh=$NOW spoke=$NOW
  set -- 0.004 0.004 0.004 0.006 0.01 0.015 0.025 0.04 0.06 0.1
  while :; do
    look
    while [ "$offset" -lt "$SIZE" ]; do
      n=$((SIZE - offset))
      [ "$n" -le 67108864 ] || n=67108864
      dd if="$D/log" bs=262144 skip="$offset" count="$n" iflag=skip_bytes,count_bytes,fullblock 2>/dev/null || exit 74
      offset=$((offset + n)) fresh=$NOW
    done
    case $STATE in running | starting) ;; *) break ;; esac
    now
    if [ $((NOW - spoke)) -ge 2 ]; then say || exit 74; spoke=$NOW; fi
    if [ $((NOW - fresh)) -ge 30 ]; then sleep 0.25; else sleep "$1"; fi
    [ $# = 1 ] || shift
  done
  say
}

cancel() { # GRACE LOCK TOKEN
  tools
  fence "$2" "$3"
  look
  case $STATE in
    absent)                                                          # a launch on its way must not start it later
      mkdir -p "$BASE/removed" && printf 'cancelled\n' >"$BASE/removed/$ID"; WHY=cancelled ;;
    claimed) if claim_start; then rm -rf "$D/secrets"; put slot 'done 143 0 cancelled'; fi; look ;;
  esac
  exec 9>&-
  case $STATE in
    running | starting) stop_running "$1" ;;
    unknown) end_step "$1" ;;
  esac
  say
}
stop_running() {
  read -r why _ <"$D/why"
  [ -n "$why" ] || put why "cancelled $1"
  if alive watch; then
    kill -USR1 "$pid"
    now; until=$((NOW + $1 + 5))
    while look; do case $STATE in running | starting) ;; *) return ;; esac
      now; [ "$NOW" -lt "$until" ] || return
      sleep 0.03
    done
  else
    if alive child; then known=1; else known=0; fi
    end_step "$1"
    sleep 0.2
    look
    # Its supervisor is gone, but it was alive until we ended it: that outcome is known.
    if [ "$STATE" = unknown ] && [ $known = 1 ]; then put slot "done 137 $SIZE cancelled"; look; fi
  fi
}

remove() { # SHA256 of the log
  look
  case $STATE in
    absent) [ "$WHY" != removed ] || STATE=removed ;;
    finished | unknown)
      sum=$(dd if="$D/log" bs=262144 count="$SIZE" iflag=count_bytes,fullblock 2>/dev/null | sha256sum)
      if [ "$sum" = "$1  -" ] && true >"$BASE/removed/$ID" && mv -T "$D" "$BASE/incoming/$ID.0.0"; then
        rm -rf "$BASE/incoming/$ID.0.0"
        find "$BASE/removed" -type f -mtime +60 -exec rm -f {} +      # fencing tokens cover the older ones
        STATE=removed
      fi ;;
  esac
  say
}

case $ID in *[!A-Za-z0-9_-]* | '') refuse badname ;; esac
case $VERB in
  launch | follow | cancel | remove | supervise) "$VERB" "$@" ;;
  status) look; say ;;
  check) check ;;
  *) refuse badverb ;;
esac
