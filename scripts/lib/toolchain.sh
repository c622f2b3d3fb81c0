# shellcheck shell=bash
# The cargo and PostgreSQL that the scripts use, and the user a server runs as. Sourced after progress.sh, never run.

# A shell that was opened before Rust was installed does not have cargo in its PATH yet.
export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"

# The extension is developed on 15, so that comes first; then the newest.
postgres_majors=(15 18 17 16)

# Versions are kept in Cargo.toml only. The first field of that name belongs to the package.
cargo_field() { sed -nE "s/^$1 = \"(.*)\"$/\1/p" Cargo.toml | head -n 1; }

major_of() { "$1" --version | sed -E 's/[^0-9]*([0-9]+).*/\1/'; }

# Whether this is a supported PostgreSQL to build against and to start: Debian packages the two separately.
usable_pg_config() {
  [ -x "$1" ] && [[ " ${postgres_majors[*]} " == *" $(major_of "$1") "* ]] &&
    [ -x "$("$1" --bindir)/postgres" ] && [ -e "$("$1" --includedir-server)/postgres.h" ]
}

# Prints every pg_config that might be used, the preferred first: PG_CONFIG alone if set; otherwise Debian's, in the order
# above, and the one in PATH.
candidates_for_pg_config() {
  local major
  if [ -n "${PG_CONFIG:-}" ]; then
    printf '%s\n' "$PG_CONFIG"
    return
  fi
  for major in "${postgres_majors[@]}"; do printf '/usr/lib/postgresql/%s/bin/pg_config\n' "$major"; done
  command -v pg_config || true
}

# Prints the pg_config to use.
find_pg_config() {
  local candidate
  while IFS= read -r candidate; do
    if usable_pg_config "$candidate"; then
      printf '%s\n' "$candidate"
      return
    fi
  done < <(candidates_for_pg_config)
  return 1
}

# Prints a usable pg_config of each major that there is.
every_pg_config() {
  local candidate majors=' '
  while IFS= read -r candidate; do
    if usable_pg_config "$candidate" && [[ $majors != *" $(major_of "$candidate") "* ]]; then
      majors+="$(major_of "$candidate") "
      printf '%s\n' "$candidate"
    fi
  done < <(candidates_for_pg_config)
}

# Sets pg_config, pg_major and pg_bin, or stops; and other_major, which is "-NN" where PG_CONFIG names what is not the
# machine's choice, so that results of two majors can lie side by side.
# shellcheck disable=SC2034 # They are for the script that sources this.
choose_postgres() {
  pg_config=$(find_pg_config) || die "no PostgreSQL 15 to 18 with its server and its headers was found${PG_CONFIG:+ by $PG_CONFIG}" \
    "Run 'make setup', or set PG_CONFIG to the pg_config of the installation to use."
  pg_major=$(major_of "$pg_config")
  pg_bin=$("$pg_config" --bindir)
  # Only if set: a changed value rebuilds the bindings, so 'make' and a plain 'cargo' would undo each other's work.
  other_major=
  if [ -n "${PG_CONFIG:-}" ]; then
    export PGRX_PG_CONFIG_PATH=$PG_CONFIG
    other_major=-$pg_major
  fi
}

is_root() { [ "$(id -u)" -eq 0 ]; }

# Whether sudo gives it without a question, or can ask one.
may_be_root() { is_root || sudo -n true 2>/dev/null || { command -v sudo && : </dev/tty; } >/dev/null 2>&1; }

as_root() {
  if is_root; then
    "$@"
  elif may_be_root; then
    sudo "$@"
  else
    die "this needs root, and sudo does not give it here: $*" \
      "Run that command as root, then this one again; or set PG_CONFIG to a PostgreSQL whose directories you may write to."
  fi
}

# PostgreSQL refuses to run as root, so root runs its programs as the user that its package creates. The environment is
# emptied: PG* variables redirect programs, and RUST_BACKTRACE makes pgrx add stack frames to error messages.
as_server() {
  local program=(env -i "PATH=$PATH" LC_ALL=C "$@")
  if is_root; then
    (cd / && runuser -u postgres -- "${program[@]}")
  else
    "${program[@]}"
  fi
}

# Points client programs at a private server, whatever other server the caller's environment names.
connect_to() {
  unset PGHOSTADDR PGPORT PGSERVICE PGOPTIONS PGSSLMODE
  export PGHOST=$1 PGUSER=postgres PGDATABASE=postgres PGCLIENTENCODING=UTF8
}
