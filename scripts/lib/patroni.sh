# shellcheck shell=bash
# Patroni and the etcd that it asks, for the tests of a cluster that fails over. Sourced after languages.sh,
# exporters.sh and trees.sh, never run.
#
# target/patroni leads to their tree. etcd is Debian's, unpacked and not installed, since its package begins a service.

patroni=target/patroni
patroni_requirements=scripts/lib/patroni.txt

patroni_is_ready() { [ -x "$patroni/etcd/usr/bin/etcd" ] && environment_is_ready "$patroni/python" "$patroni_requirements"; }

# A machine that cannot have them goes without: the tests then say what they leave out.
install_patroni() {
  local tree python
  ! patroni_is_ready || return 0
  if ! command -v apt-get >/dev/null; then
    note "etcd comes from Debian's package: failing over with Patroni will not be tested"
    return 0
  fi
  step "installing Patroni, and unpacking etcd (25 MB to fetch)"
  remove_patroni
  tree=$(make_tree patroni "$patroni")
  apt-cache show etcd-server >/dev/null 2>&1 || as_root apt-get update -qq || true
  # One that is installed for everybody, before one that may be in somebody's home.
  if python=$(first_usable usable_python /usr/bin/python3 "$(command -v python3)") &&
    make_environment "$python" "$tree/python" "$patroni_requirements" 2> >(grep -v DEPRECATION: >&2) &&
    unpack_program etcd-server etcd "$tree/etcd"; then
    chmod -R a+rX "$tree"
  else
    remove_patroni
    note "they could not be installed: failing over with Patroni will not be tested"
  fi
}

remove_patroni() { remove_tree patroni "$patroni"; }
