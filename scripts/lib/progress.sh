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

# tally STAGE PASSED FAILED: prints the line that scripts/test adds up; fails if any test failed.
tally() {
  printf '%s: %d passed, %d failed\n' "$@"
  [ "$3" -eq 0 ]
}
