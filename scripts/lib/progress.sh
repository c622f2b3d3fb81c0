# shellcheck shell=bash
# Output of the scripts: one line per step, one clear message when something fails. Sourced, never run.

step() { printf '==> %s\n' "$*"; }

note() { printf '    %s\n' "$*"; }

# die WHAT-FAILED [WHAT-TO-DO ...]: the first line says what happened, the others what the reader can do.
die() {
  printf 'error: %s\n' "$1" >&2
  shift
  [ $# -eq 0 ] || printf '       %s\n' "$@" >&2
  exit 1
}

# Passes on what cargo has to say, without colours and without its lines about each step, whose verbs
# end in the twelfth column; of the crates they compile every fiftieth is counted, enough to see that it goes on.
count_crates() {
  sed -u $'s/\e\\[[0-9;]*m//g' | (
    crates=0 status='^ *([A-Z][a-z]+) '
    while IFS= read -r line; do
      verb=''
      if [[ $line =~ $status && ${#BASH_REMATCH[0]} -eq 13 ]]; then verb=${BASH_REMATCH[1]}; fi
      case "$verb" in
      Downloading) note "downloading crates" ;;
      Compiling) ((++crates % 50)) || note "$crates crates compiled" ;;
      '' | Blocking | Warning) printf '%s\n' "$line" ;;
      esac
    done
  )
}

# tally STAGE PASSED FAILED: prints the line that scripts/test adds up; fails if any test failed.
tally() {
  printf '%s: %d passed, %d failed\n' "$@"
  [ "$3" -eq 0 ]
}
