# Joined in front of the scripts of this folder. Values come in variables named step_..., as data.
# shellcheck shell=sh
fail() { # WORDS: the reason, which the action's `explain` knows
  printf '%s\n' "$*" >&2
  exit 1
}
whole() { # PATH: into WHOLE as an absolute path; a relative one starts at the home folder
  case $1 in
    /*) WHOLE=$1 ;;
    "~") WHOLE=$HOME ;;
    "~/"*) WHOLE=$HOME/${1#"~/"} ;;
    *) WHOLE=$HOME/$1 ;;
  esac
}
sum_of() { # FILE: its SHA-256 into SUM; openssl, where there is one, uses what the processor has for it
  SUM=$(openssl dgst -sha256 -r 2>/dev/null <"$1") && SUM=${SUM%% *} && [ ${#SUM} = 64 ] && return
  SUM=$(sha256sum <"$1") || fail "unreadable: $1"
  SUM=${SUM%% *}
}
folder_sum() { # FOLDER: into SUM the SHA-256 of the sorted list of its files with their sums, its links and folders
  SUM=$(
    cd "$1" && {
      find . -type f -exec sha256sum {} +
      find . -type l -exec sh -c 'for f; do printf "%s -> %s\n" "$f" "$(readlink "$f")"; done' sh {} +
      find . -type d
    } | LC_ALL=C sort | sha256sum
  ) || fail "unreadable: $1"
  SUM=${SUM%% *}
}
