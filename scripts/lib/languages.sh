# shellcheck shell=bash
# Python and Node for the tests whose clients are written in them. Sourced after progress.sh, never run.
#
# Tests find what was chosen in target/clients: python/bin/python has the packages of the clients, pgspot and zizmor, node
# is a link. The packages of Node are beside each package.json, where Node looks for them. Each framework in Python has an
# environment of its own in target/frameworks.

clients=target/clients
python_requirements=(examples/clients/psycopg/requirements.txt examples/derive/requirements.txt scripts/lib/pgspot.txt scripts/lib/zizmor.txt)
node_folders=(examples/clients/node-postgres examples/postgraphile examples/settings_page/accessibility)

frameworks=target/frameworks
python_frameworks=(fastapi django)
node_frameworks=(express)

# RE2, which scanners of texts are made of.
re2=target/scanners/re2
re2_requirements=scripts/lib/re2.txt

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

python_is_ready() { environment_is_ready "$clients/python" "${python_requirements[@]}"; }

# environment_is_ready ENVIRONMENT REQUIREMENTS ...: what was installed is kept with it.
environment_is_ready() { [ -x "$1/bin/python" ] && cat "${@:2}" | cmp -s - "$1/installed"; }

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
  make_environment "$python" "$clients/python" "${python_requirements[@]}" ||
    die "could not install the Python packages of the tests" "See the message above; pip needs the network."
}

# make_environment PYTHON ENVIRONMENT REQUIREMENTS ...
make_environment() {
  local python=$1 environment=$2 requirements=("${@:3}")
  rm -rf "$environment"
  mkdir -p "${environment%/*}"
  # Only binary packages: building one would need compilers and headers.
  "$python" -m venv "$environment" &&
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: \
      "${requirements[@]/#/--requirement=}" &&
    cat "${requirements[@]}" >"$environment/installed"
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
    install_locked "$node" "$folder" ||
      die "could not install the Node packages of $folder" "See npm's message above; it needs the network."
  done
}

# install_locked NODE FOLDER
install_locked() {
  (cd "$2" && PATH="$(dirname "$1"):$PATH" npm ci --loglevel=error >/dev/null) &&
    cp "$2/package-lock.json" "$2/node_modules/installed"
}

# It comes as a binary for some machines only: others go without, and the tests then say so.
install_re2() {
  ! environment_is_ready "$re2" "$re2_requirements" || return 0
  step "installing RE2 for Python"
  make_environment "$(find_python)" "$re2" "$re2_requirements" || note "it could not be installed: RE2 will not be tested"
}

# Frameworks are many packages, and newer ones than every machine can have: it goes without, and the tests then say what
# they leave out.
install_frameworks() {
  local framework folder
  for framework in "${python_frameworks[@]}"; do
    folder=examples/frameworks/$framework
    ! environment_is_ready "$frameworks/$framework" "$folder/requirements.txt" || continue
    step "installing the Python packages of $folder"
    make_environment "$(find_python)" "$frameworks/$framework" "$folder/requirements.txt" ||
      note "they could not be installed: $framework will not be tested"
  done
  for framework in "${node_frameworks[@]}"; do
    folder=examples/frameworks/$framework
    ! node_packages_are_ready "$folder" || continue
    step "installing the Node packages of $folder"
    install_locked "$clients/node" "$folder" ||
      note "they could not be installed: $framework will not be tested"
  done
}
