# shellcheck shell=bash
# Programs that tests need and that the server's user runs, who may not be able to enter the checkout: each is unpacked
# into a tree of its own in /var/tmp, to which a link below target/ leads. Sourced, never run.

# make_tree NAME LINK: makes an empty tree, has the link lead to it, and prints its path. Our trees of checkouts that are
# gone go.
make_tree() {
  local tree checkout
  for tree in /var/tmp/tokenauth.*; do
    checkout=$(cat "$tree/checkout" 2>/dev/null) || continue
    [ -e "$checkout" ] || [ ! -O "$tree" ] || rm -rf -- "$tree"
  done
  tree=$(mktemp -d "/var/tmp/tokenauth.$1.XXXXXX")
  pwd >"$tree/checkout"
  mkdir -p "$(dirname "$2")"
  ln -sfn "$tree" "$2"
  printf '%s\n' "$tree"
}

# remove_tree NAME LINK
remove_tree() {
  local tree
  tree=$(readlink "$2") || return 0
  case "$tree" in "/var/tmp/tokenauth.$1."*) rm -rf -- "$tree" ;; esac
  rm -f -- "$2"
}
