# shellcheck shell=bash
# What a command needs beside the set-up: Debian packages, and programs that are crates. Sourced after toolchain.sh, never run.

# want_programs PROGRAM=PACKAGE ...: says what it installs, and for what programs, before it does; a machine that has them
# all is left as it is, whoever asks.
want_programs() {
  local pair programs=() packages=()
  for pair in "$@"; do
    if ! command -v "${pair%%=*}" >/dev/null; then
      programs+=("${pair%%=*}")
      packages+=("${pair#*=}")
    fi
  done
  [ ${#programs[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || die "${programs[*]}: not installed" "Install what has them; on Debian that is ${packages[*]}."
  mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)
  step "installing ${packages[*]}, for ${programs[*]}"
  as_root apt-get update -qq || die "could not read the package lists" "See apt's message above."
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null ||
    die "could not install ${packages[*]}" "See apt's message above."
}

# want_crate NAME VERSION: a program that is a crate, in target/tools, where it changes nothing for anybody else.
want_crate() {
  local name=$1 version=$2 log=target/tools/$1.log
  [ ! -e "target/tools/installed/$name-$version" ] || return 0
  step "installing $name $version in target/tools (minutes, once)"
  mkdir -p target/tools/installed
  CARGO_TARGET_DIR=target/tools/build cargo install "$name" --version "$version" --locked --root target/tools 2>&1 |
    tee "$log" | count_crates | sed -un '/ crates compiled$/p' || {
    tail -n 20 "$log" >&2
    die "could not install $name $version" "See cargo's message above; it needs the network."
  }
  rm -rf target/tools/build
  touch "target/tools/installed/$name-$version"
}
