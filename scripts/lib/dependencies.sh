# shellcheck shell=bash
# What the crates may be licensed under and come from, as deny.toml says. Sourced after progress.sh, never run.

# The quoted strings of a list in deny.toml.
listed() { sed -n "/^$1 = \[/,/\]/p" deny.toml | grep -o '"[^"]*"' | tr -d '"'; }

# Whether a licence expression (SPDX, and the older form with slashes) can be met by the allowed ones alone: each name
# becomes 1 or 0, and the shell calculates the rest.
licence_is_allowed() {
  local expression=$1 word result=''
  expression=${expression//\// OR }
  expression=${expression// WITH /_WITH_}
  expression=${expression//\(/ ( }
  expression=${expression//\)/ ) }
  for word in $expression; do
    case "$word" in
    AND) result+=' && ' ;;
    OR) result+=' || ' ;;
    '(' | ')') result+=$word ;;
    *) grep -qxF -- "$word" <<<"$2" && result+='1' || result+='0' ;;
    esac
  done
  [ -n "$result" ] && ((result))
}

# Checks licences and sources of all crates that the manifest's Cargo.lock names for a build.
check_dependencies() {
  local manifest=$1 lock allowed licence crate source
  lock=$(dirname "$(cargo locate-project --workspace --message-format plain --manifest-path "$manifest")")/Cargo.lock
  allowed=$(listed allow)
  while IFS=$'\t' read -r licence crate; do
    licence_is_allowed "$licence" "$allowed" ||
      die "$crate has the licence \"$licence\", which deny.toml does not allow" "Take another crate, or add the licence to deny.toml with a reason."
  done < <(cargo tree --manifest-path "$manifest" --edges normal,build --prefix none --no-dedupe --format $'{l}\t{p}' | sort -u)
  while IFS= read -r source; do
    [ "$source" = "$(listed allow-registry)" ] || die "a crate in $lock comes from $source" "deny.toml allows only registries."
  done < <(sed -nE 's/^source = "(registry\+)?(.*)"$/\2/p' "$lock" | sort -u)
}
