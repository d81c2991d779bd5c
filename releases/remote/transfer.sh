#!/bin/sh
# The machine's side of transfers (transfer.py, folders.py):
#   transfer.sh FOLDER NONCE SHELL VERB X ...
#     file-begin DESTINATION TRY SIZE [other]        what is there already: "state=there sha=SHA256" of a file as long,
#                                                    unless that is known to be another, or "have=BYTES" of an earlier try
#     file-receive DESTINATION TRY SIZE OFFSET       the rest of the bytes on stdin
#     file-finish DESTINATION TRY SIZE SHA256 MODE   what arrived is looked at, and put in place
#     file-forget DESTINATION TRY                    what arrived so far is removed
#     manifest PLACE                                 what a folder holds, in batches, on stdout
#     folder-stage DESTINATION ATTEMPT NEEDED        paths to drop (NUL ended) on stdin
#     folder-receive DESTINATION ATTEMPT             tar on stdin
#     folder-swap DESTINATION ATTEMPT
#     send PATH [known]                              a file's bytes on stdout; its sum, if that is not known
#     send-folder PATH                               a tar of what a folder holds on stdout
# A TRY is ATTEMPT.TOKEN: each writes into a file of its own, since an earlier one may still be at it.
# Nothing is made visible before it is whole and checked; both changes are renames in one folder.
set -u
BIG=33554432   # bytes
NONCE=$2 SH=$3 VERB=$4
shift 5

say() { printf '%s %s\n' "$NONCE" "$*" >&2; }
refuse() { say "state=refused why=$1"; exit 75; }
begin() { printf '%s begin\n' "$NONCE"; }
place() { # PATH ATTEMPT
  DEST=$1
  # shellcheck disable=SC2088
  case $DEST in "~/"*) DEST=$HOME/${DEST#??} ;; /*) ;; *) refuse relative ;; esac
  while :; do case $DEST in ?*/) DEST=${DEST%/} ;; *) break ;; esac; done
  PARENT=${DEST%/*}/ NAME=${DEST##*/}
  STAGE=$PARENT.$NAME.upload-${2:-x} OLD=$DEST.previous-${2:-x}
  for tool in sha256sum find tar mv df stat cat dd; do
    command -v "$tool" >/dev/null 2>&1 || refuse "missing:$tool"
  done
}
parent() {
  [ -d "$PARENT" ] || refuse nofolder
  [ -w "$PARENT" ] || refuse notwritable
}
room() { # BYTES needed beside what is there
  # shellcheck disable=SC2046
  set -- "$1" $(df -Pk "$PARENT" 2>/dev/null | tail -n 1)
  [ $# -lt 5 ] || [ "$(($5 * 1024))" -ge "$1" ] || refuse "nospace:$(($5 * 1024))"
}
speak() { # says every 2 s that this is alive while a long thing runs
  (while sleep 2 2>/dev/null; do say state=working || exit; done) </dev/null >/dev/null &
  SPEAKER=$!
  trap 'kill -KILL "$SPEAKER" 2>/dev/null' EXIT  # folder_swap ignores TERM, and so would the speaker
}
sum() { # FILE into SUM; openssl, where there is one, uses what the processor has for it
  SUM=$(openssl dgst -sha256 -r 2>/dev/null <"$1") && SUM=${SUM%% *} && [ ${#SUM} = 64 ] && return
  SUM=$(sha256sum <"$1") || refuse unreadable
  SUM=${SUM%% *}
}

file_begin() {
  place "$1" "$2"; parent
  [ ! -d "$DEST" ] || refuse isfolder
  if [ "${4:-}" != other ] && [ -f "$DEST" ] && [ "$(stat -c %s "$DEST")" = "$3" ]; then
    speak; sum "$DEST"
    say "state=there sha=$SUM"
    return
  fi
  find "$PARENT" -maxdepth 1 -name '.*.upload-*' -type f -mtime +2 -exec rm -f {} + 2>/dev/null   # given up long ago
  take_over "${STAGE%.*}"
  have=0
  [ ! -f "$STAGE" ] || have=$(stat -c %s "$STAGE")
  if [ "$have" -gt "$3" ]; then rm -f "$STAGE"; have=0; fi
  room $(($3 - have))
  say "state=begun have=$have"
}
take_over() { # STEM: what the longest earlier try has got, and none of them left
  longest=0 found=''
  set -- "$1".*   # now: another try may begin while this one copies
  for earlier; do
    if [ -f "$earlier" ] && [ "$(stat -c %s "$earlier")" -gt "$longest" ]; then
      longest=$(stat -c %s "$earlier") found=$earlier
    fi
  done
  [ -n "$found" ] || return 0
  speak
  # A copy, since the earlier one may still be at it; where that has no room, SHA-256 tells whether it was.
  if (room $((longest + 1048576))) 2>/dev/null; then cp "$found" "$STAGE"; else mv "$found" "$STAGE"; fi 2>/dev/null ||
    rm -f "$STAGE"
  for earlier; do rm -f "$earlier"; done
}
file_receive() {
  place "$1" "$2"; parent
  say state=receiving
  if [ "$4" = 0 ]; then true >"$STAGE"; fi 2>/dev/null
  cat >>"$STAGE" || refuse "$(full)"
  have=$(stat -c %s "$STAGE")
  if [ "$have" -gt "$3" ]; then rm -f "$STAGE"; refuse differs; fi   # an earlier try was at it, too
  [ "$have" = "$3" ] || refuse short
  say state=done
}
file_finish() {
  place "$1" "$2"; parent
  [ -f "$STAGE" ] && [ "$(stat -c %s "$STAGE")" = "$3" ] || refuse short
  speak
  sync "$STAGE" 2>/dev/null &                                   # whole after a power failure, too
  syncing=$!
  sum "$STAGE"
  wait "$syncing"
  synced=$?
  if [ "$SUM" != "$4" ]; then rm -f "$STAGE"; refuse "differs:$SUM"; fi
  case $synced in 0|127) ;; *) refuse "$(full)" ;; esac
  older=$PARENT.$NAME.upload-.older.${STAGE##*.}
  { [ -f "$DEST" ] && [ "$(stat -c %s "$DEST")" -ge "$BIG" ] && ln "$DEST" "$older" 2>/dev/null; } || older=''
  chmod "$5" "$STAGE" && mv -fT "$STAGE" "$DEST" || refuse notwritable
  say "state=done sha=$SUM"
  if [ -n "$older" ]; then rm -f "$older" </dev/null >/dev/null 2>&1 & fi   # takes its time; nobody waits for that
}
file_forget() {
  place "$1" "$2"
  rm -f "$STAGE"
  say state=done
}
full() { # why writing failed
  if { printf '%65536s' '' >"$STAGE.room"; } 2>/dev/null; then printf notwritable; else printf diskfull; fi
  rm -f "$STAGE.room"
}

manifest() {
  case $2 in stage) place "$1" "$3"; DEST=$STAGE ;; *) place "$1" ;; esac
  [ ! -L "$DEST" ] || refuse islink
  [ ! -e "$DEST" ] || [ -d "$DEST" ] || refuse isfile
  begin
  if [ -d "$DEST" ]; then
    speak
    cd "$DEST" || refuse unreadable
    # Each batch: a head line, one line per entry for mode and sum, then the names, NUL ended: any name is right.
    find . -type f -exec $SH -c '
      printf "f %s\n" $#; stat -c %a -- "$@"
      case "$*" in *"
"*|*\\*) for f; do sha256sum <"$f" | cut -c 1-64; done ;; *) sha256sum -- "$@" | cut -c 1-64 ;; esac
      printf "%s\0" "$@"' sh {} + || refuse unreadable
    find . -type d -exec $SH -c 'printf "d %s\n" $#; stat -c %a -- "$@"; printf "%s\0" "$@"' sh {} +
    find . -type l -exec $SH -c 'for f; do printf "l 1\n"; readlink -n -- "$f"; printf "\0%s\0" "$f"; done' sh {} +
    find . ! -type f ! -type d ! -type l -exec $SH -c 'for f; do printf "o 1\n%s\0" "$f"; done' sh {} +
    printf 'end 0\n'
  fi
  say state=done
}
folder_stage() {
  place "$1" "$2"; parent
  speak
  if [ ! -e "$DEST" ] && [ -e "$OLD" ]; then mv -T "$OLD" "$DEST" || refuse notwritable; fi   # a swap cut half way
  rm -rf "$STAGE"
  find "$PARENT" -maxdepth 1 -name '.*.upload-*' -type d -mtime +2 -exec rm -rf {} + 2>/dev/null
  room "$3"
  if [ ! -d "$DEST" ]; then mkdir "$STAGE" || refuse "$(full)"; cat >/dev/null; say state=done; return; fi
  # Unchanged files are shared with the live folder; what changes is dropped before anything is written.
  if ! cp -al "$DEST" "$STAGE" 2>/dev/null; then
    rm -rf "$STAGE"
    cp -a "$DEST" "$STAGE" 2>/dev/null || { why=$(full); rm -rf "$STAGE"; refuse "$why"; }
  fi
  cd "$STAGE" || refuse unreadable
  find . -type d ! -perm -700 -exec chmod u+rwx {} +
  xargs -0 rm -f -- || refuse notwritable
  find . -depth -type d ! -name . -exec rmdir {} + 2>/dev/null
  say state=done
}
folder_receive() {
  place "$1" "$2"
  say state=receiving
  tar -xpf - -C "$STAGE" 2>/dev/null || refuse "$(STAGE=$STAGE/; full)"
  say state=done
}
folder_swap() { # must not stop between its two renames
  trap '' HUP INT TERM PIPE
  place "$1" "$2"
  [ -d "$STAGE" ] || refuse nostage
  if [ -e "$DEST" ]; then mv -T "$DEST" "$OLD" || refuse notwritable; fi
  if ! mv -T "$STAGE" "$DEST"; then mv -T "$OLD" "$DEST"; refuse notwritable; fi
  speak
  find "$OLD" -type d ! -perm -700 -exec chmod u+rwx {} + 2>/dev/null
  rm -rf "$OLD"
  say state=done
}
send() {
  place "$1"
  [ -f "$DEST" ] || refuse nofile
  [ -r "$DEST" ] || refuse unreadable
  say "state=begun size=$(stat -L -c %s "$DEST")"
  begin
  cat "$DEST" || refuse unreadable
  if [ "${2:-}" = known ]; then say state=done; return; fi
  speak; sum "$DEST"
  say "state=done sha=$SUM"
}
send_folder() {
  place "$1"
  [ ! -L "$DEST" ] || refuse islink
  [ -d "$DEST" ] || refuse absent
  begin
  speak
  tar -cf - -C "$DEST" . 2>/dev/null || refuse unread
  say state=done
}

case $VERB in
  file-begin) file_begin "$@" ;;
  file-receive) file_receive "$@" ;;
  file-finish) file_finish "$@" ;;
  file-forget) file_forget "$@" ;;
  manifest) manifest "$@" ;;
  folder-stage) folder_stage "$@" ;;
  folder-receive) folder_receive "$@" ;;
  folder-swap) folder_swap "$@" ;;
  send) send "$@" ;;
  send-folder) send_folder "$@" ;;
  check) ;;
  *) refuse badverb ;;
esac
