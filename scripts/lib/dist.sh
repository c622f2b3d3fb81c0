# shellcheck shell=bash
# What is shipped: where it gathers, as of when, and its sums. Sourced after toolchain.sh, never run.

dist=${TOKENAUTH_DIST:-$PWD/target/dist}

# All times in what is shipped are those of the commit, or what the caller says.
prepare_dist() {
  mkdir -p "$dist"
  SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)} ||
    die "this is not a clone of the repository" "Set SOURCE_DATE_EPOCH to the time of the release, in seconds since 1970."
  export SOURCE_DATE_EPOCH
}

# Of everything that has gathered, so that each command brings the file up to date.
write_sums() {
  local sums
  sums=$(cd "$dist" && find . -maxdepth 1 -type f ! -name SHA256SUMS -printf '%f\0' | LC_ALL=C sort -z | xargs -0 sha256sum)
  printf '%s\n' "$sums" >"$dist/SHA256SUMS"
  note "$(basename "$dist")/SHA256SUMS"
}
