# shellcheck shell=bash
# Throw-away Debian systems below one folder, for what must be tried on a machine that has nothing. Sourced after
# toolchain.sh, never run.

# Sets roots, a folder that goes when the script ends.
prepare_roots() {
  roots=$(mktemp -d "${TMPDIR:-/var/tmp}/tokenauth-roots.XXXXXX")
  chmod 0755 "$roots"
  trap remove_roots EXIT
}

# What in_root mounts is gone with its namespace; buildah mounts where it keeps its images. --one-file-system is for a
# mistake in either.
remove_roots() {
  local mounted
  while IFS= read -r mounted; do as_root umount "$mounted"; done < <(
    sed -nE "s|^[^ ]+ ($roots/[^ ]+) .*|\\1|p" /proc/mounts | LC_ALL=C sort -r
  )
  as_root rm -rf --one-file-system -- "$roots"
}

# make_root NAME SUITE: a base system, and nothing else. Services that packages bring do not start in it.
make_root() {
  local root=$roots/$1 suite=$2
  [ ! -e "$root" ] || return 0
  if ! as_root debootstrap --variant=minbase "$suite" "$root" >"$roots/$1.log" 2>&1; then
    tail -n 5 "$roots/$1.log" >&2
    return 1
  fi
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$root/usr/sbin/policy-rc.d" >/dev/null
  as_root chmod 0755 "$root/usr/sbin/policy-rc.d"
  # How this machine reaches its package sources, such as by a proxy, holds in it as well.
  apt-config dump --format '%f "%v";%n' Acquire | grep -E '^Acquire::(https?|Check-.*|Retries)[: ]' |
    as_root tee "$root/etc/apt/apt.conf.d/caller" >/dev/null
  # Nothing here has to survive a power failure.
  echo force-unsafe-io | as_root tee "$root/etc/dpkg/dpkg.cfg.d/unsafe-io" >/dev/null
}

# in_root NAME [--as-caller] [FOLDER ...] -- COMMAND ...: runs it in that system, as root unless told otherwise; the folders
# of this machine are in the same place there. All that it starts ends with it, and what was mounted for it is gone then.
in_root() {
  local root=$roots/$1 user=0:0 folders=()
  shift
  if [ "$1" = --as-caller ]; then
    user=$(id -u):$(id -g)
    shift
  fi
  while [ "$1" != -- ]; do
    folders+=("$1")
    shift
  done
  shift
  # shellcheck disable=SC2016 # The inner shell expands it.
  as_root env HOME_OF_CALLER="$HOME" unshare --mount --pid --ipc --fork --kill-child bash -euc '
    root=$1 user=$2
    shift 2
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
    while [ "$1" != -- ]; do
      mkdir -p "$root$1"
      mount --bind "$1" "$root$1"
      shift
    done
    shift
    exec chroot --userspec="$user" "$root" env -i HOME="$HOME_OF_CALLER" LANG=C.UTF-8 PATH="$HOME_OF_CALLER/.cargo/bin:/usr/sbin:/usr/bin:/sbin:/bin" "$@"
  ' in_root "$root" "$user" "${folders[@]}" -- "$@"
}
