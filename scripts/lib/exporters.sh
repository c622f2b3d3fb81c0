# shellcheck shell=bash
# Exporters and promtool for the tests of examples/monitoring: programs of Debian's packages, unpacked and not installed,
# since these would begin a service. Sourced after toolchain.sh, never run.

exporters=target/exporters

# unpack_program PACKAGE PROGRAM [TREE]: takes one program out of a package, into this tree or that of the exporters.
unpack_program() {
  local package=$1 program=$2 tree=${3:-$exporters} fetched
  [ ! -x "$tree/usr/bin/$program" ] || return 0
  mkdir -p "$tree"
  fetched=$(mktemp -d)
  if (cd "$fetched" && apt-get download -qq -o APT::Sandbox::User= "$package") >/dev/null 2>&1 &&
    dpkg-deb --fsys-tarfile "$fetched"/*.deb | tar -x -C "$tree" "./usr/bin/$program"; then
    rm -rf "$fetched"
    return
  fi
  rm -rf "$fetched"
  note "Debian's package $package could not be fetched: $program will not be tested"
  return 1
}

# A machine that cannot have them goes without: the tests then say what they leave out.
unpack_exporters() {
  local missing=no program
  for program in prometheus-postgres-exporter prometheus-sql-exporter promtool; do
    [ -x "$exporters/usr/bin/$program" ] || missing=yes
  done
  [ "$missing" = yes ] || return 0
  if ! command -v apt-get >/dev/null; then
    note "exporters come from Debian's packages: they will not be tested"
    return 0
  fi
  step "unpacking exporters for Prometheus, and its promtool (25 MB to fetch)"
  apt-cache show prometheus-postgres-exporter >/dev/null 2>&1 || as_root apt-get update -qq || true
  unpack_program prometheus-postgres-exporter prometheus-postgres-exporter || true
  unpack_program prometheus-sql-exporter prometheus-sql-exporter || true
  unpack_program prometheus promtool || true
}
