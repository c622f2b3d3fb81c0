# shellcheck shell=bash
# Python and Node for the tests whose clients are written in them. Sourced after progress.sh, never run.
#
# Tests find what was chosen in target/clients: python/bin/python has the packages of the clients, pgspot and zizmor, node
# is a link. The packages of Node are beside each package.json, where Node looks for them.

clients=target/clients
python_requirements=(examples/clients/psycopg/requirements.txt scripts/lib/pgspot.txt scripts/lib/zizmor.txt)
node_folders=(examples/clients/node-postgres examples/postgraphile examples/settings_page/accessibility)

# Each must be able to install packages, for which Debian has separate packages.
usable_python() { "$1" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; }
usable_node() { "$1" -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' 2>/dev/null && npm_of "$1" >/dev/null; }

# Prints the first usable one: that in PATH, which may be older than Debian's; otherwise Debian's.
find_python() { first_usable usable_python "$(command -v python3)" /usr/bin/python3; }
find_node() { first_usable usable_node "$(command -v node)" /usr/bin/node; }

first_usable() {
  local usable=$1 candidate
  shift
  for candidate in "$@"; do
    if [ -n "$candidate" ] && "$usable" "$candidate"; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  return 1
}

# npm runs the first node in PATH, so put the chosen one first.
npm_of() { PATH="$(dirname "$1"):$PATH" command -v npm; }

# What was installed is kept with it.
python_is_ready() {
  [ -x "$clients/python/bin/python" ] && cat "${python_requirements[@]}" | cmp -s - "$clients/python/installed"
}

node_is_ready() {
  local folder
  [ -x "$clients/node" ] || return 1
  for folder in "${node_folders[@]}"; do
    node_packages_are_ready "$folder" || return 1
  done
}

# The lock file they were installed from is kept with them.
node_packages_are_ready() { cmp -s "$1/package-lock.json" "$1/node_modules/installed"; }

install_python_packages() {
  local python
  ! python_is_ready || return 0
  python=$(find_python) || die "there is no Python 3.10 or newer that has venv" "Install one, then run this again."
  step "installing the Python packages of the tests"
  rm -rf "$clients/python"
  mkdir -p "$clients"
  "$python" -m venv "$clients/python" || die "could not make a virtual environment of $python" "See Python's message above."
  # Only binary packages: building one would need compilers and headers.
  "$clients/python/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: \
    "${python_requirements[@]/#/--requirement=}" ||
    die "could not install the Python packages of the tests" "See pip's message above; it needs the network."
  cat "${python_requirements[@]}" >"$clients/python/installed"
}

install_node_packages() {
  local node folder
  ! node_is_ready || return 0
  node=$(find_node) || die "there is no Node 18 or newer that has npm" "Install them, then run this again."
  mkdir -p "$clients"
  ln -sf "$("$node" -p process.execPath)" "$clients/node"
  for folder in "${node_folders[@]}"; do
    ! node_packages_are_ready "$folder" || continue
    step "installing the Node packages of $folder"
    (cd "$folder" && PATH="$(dirname "$node"):$PATH" npm ci --loglevel=error >/dev/null) ||
      die "could not install the Node packages of $folder" "See npm's message above; it needs the network."
    cp "$folder/package-lock.json" "$folder/node_modules/installed"
  done
}
