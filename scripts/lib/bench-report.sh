# shellcheck shell=bash
# Reports the measurements of scripts/bench as Markdown. Sourced at its end, never run.

# throughput_row PREFIX KEY LABEL PEER: prints a row of a table of throughput.
throughput_row() {
  printf '| %s | %s | %s | %s | %s | %s |\n' "$3" "$(rounded "$1$2-1")" "$(ratio "$1$2-1" "$1$4-1")" \
    "$(rounded "$1$2-8")" "$(ratio "$1$2-8" "$1$4-8")" "$(fixed "$1$2-8-cpu")"
}

# shellcheck disable=SC2016,SC2034,SC2154 # Backquotes are Markdown's; variables are the script's, or fields that are skipped.
report() {
  printf '# Measured by `make bench`\n\n'
  printf '%s, tokenauth %s, %s, %s with %s cores, %s GB of memory.\n' "$(date -u +%F)" "$(cargo_field version)" \
    "$("$pg_config" --version)" "$(sed -nE 's/^model name\s*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)" \
    "$(awk '/^MemTotal/ { printf "%.0f", $2 / 1048576 }' /proc/meminfo)"
  printf '%s tokens of %s owners, a hot set of %s; the library is preloaded. Medians of %s rounds of %s s.\n' \
    "$tokens" "$owners" "$hot" "$rounds" "$seconds"
  printf 'Clients on the same machine, Unix socket, prepared statements; `shared_buffers = 6GB`, `max_wal_size = 16GB`,\n'
  printf '`jit = off`, else PostgreSQL'"'"'s defaults: every commit that wrote is flushed.\n'
  printf 'A single client shares one core with its backend. Compare numbers within this file only.\n'

  printf '\n## Statements of an application\n\n'
  printf 'The token is bound as a parameter, one of %s in turn.\n\n' "$bound"
  printf '| | calls/s, 1 client | of `SELECT 1` | calls/s, 8 clients | of `SELECT 1` | µs of backend CPU, 8 clients |\n|---|--:|--:|--:|--:|--:|\n'
  local entry key sql presented settings call label than set ours clients part
  for entry in "${statements[@]}"; do
    IFS='|' read -r key sql settings label <<<"$entry"
    throughput_row bound- "$key" "$label" select1
  done
  printf '\nTo these, `SELECT * FROM verify($1)` is so many times faster:\n\n'
  printf '| than | 1 client | 8 clients | 8 clients with one token |\n|---|--:|--:|--:|\n'
  for than in "sql|by hand in SQL, merged into the query" "row|by hand in SQL, a function that is called" "plpgsql|by hand in PL/pgSQL" "note|by hand with UPDATE of last_used_at" "bcrypt|by hand with bcrypt"; do
    key=${than%%|*}
    printf '| %s | %s | %s | %s |\n' "${than#*|}" "$(ratio bound-verify-1 "bound-$key-1")" \
      "$(ratio bound-verify-8 "bound-$key-8")" "$([ "$key" != note ] || ratio one-verify one-note)"
  done
  printf '\nOf the fifteen constants, the least that so many columns take, it reaches %s (1 client) and %s (8 clients); of\n' \
    "$(ratio bound-verify-1 bound-fifteen-1)" "$(ratio bound-verify-8 bound-fifteen-8)"
  printf '`verify(NULL)` %s and %s. Of the no-op `authenticate` reaches %s and %s.\n' \
    "$(ratio bound-verify-1 bound-composite-1)" "$(ratio bound-verify-8 bound-composite-8)" \
    "$(ratio bound-authenticate-1 bound-noop-1)" "$(ratio bound-authenticate-8 bound-noop-8)"

  printf '\n## Within one statement\n\n'
  printf 'Microseconds of one call among 100,000, where no round trip hides the difference, the scan of the table included.\n\n'
  printf '| a function that answers one value, of one hot token | µs | of the no-op |\n|---|--:|--:|\n'
  for entry in "plain|no function, only the scan" "noop|\`contains_token('')\`, a no-op of the library" "authenticate|\`authenticate\`" "plpgsql|by hand in PL/pgSQL"; do
    key=scalar-${entry%%|*}-call
    printf '| %s | %s | %s |\n' "${entry#*|}" "$(fixed "$key")" "$(ratio "$key" scalar-noop-call)"
  done
  printf '\n| `FROM t, LATERAL verify(t.token)` | µs | of `verify(NULL)` | of the bare index join |\n|---|--:|--:|--:|\n'
  for entry in "${contenders[@]}"; do
    IFS='|' read -r key presented call settings label <<<"$entry"
    printf '| %s | %s | %s | %s |\n' "$label" "$(fixed "$key-call")" "$(ratio "$key-call" composite-call)" \
      "$([[ $key != *random ]] || ratio "$key-call" join-random-call)"
  done
  if [ "$most_tokens" -gt 0 ]; then
    printf '\nRandom tokens of %s others, nothing remembered: %s µs; of 10,000: %s µs; %s times as long. A bare index join on\n' \
      "$most_tokens" "$(fixed large-call)" "$(fixed small-call)" "$(ratio large-call small-call)"
    printf 'the lookup, in the same tables: %s µs and %s µs; %s times as long. Of what more tokens cost, %s µs, it has %s.\n' \
      "$(fixed large-lookup-call)" "$(fixed small-lookup-call)" "$(ratio large-lookup-call small-lookup-call)" \
      "$(difference large-call small-call)" "$(difference large-lookup-call small-lookup-call)"
  fi
  printf '\nWhat a backend remembers with `cache_size = 4MB` took %s MB, after 20,000 tokens presented over and over and 200,000\n' "$(fixed memory)"
  printf 'random ones: the growth of its private memory, which other things share in.\n'

  printf '\n## Tables of tokens\n\n'
  printf 'Each call is a statement of its own that also reads the token to present from a table.\n\n'
  printf '| | calls/s, 1 client | of only reading | calls/s, 8 clients | of only reading | µs of backend CPU, 8 clients |\n|---|--:|--:|--:|--:|--:|\n'
  for entry in "${contenders[@]}"; do
    IFS='|' read -r key presented call settings label <<<"$entry"
    throughput_row '' "$key" "$label" read
  done

  printf '\nHow many times faster `verify` is, by calls per second and by time within one statement:\n\n'
  printf '| than | 1 client | 8 clients | in one statement | usage off: 1 client | 8 clients | in one statement |\n|---|--:|--:|--:|--:|--:|--:|\n'
  for than in "sql|by hand in SQL, merged into the query" "user|the same joined with the user" "row|by hand in SQL, a function that is called" "plpgsql|by hand in PL/pgSQL" "note|by hand with UPDATE of last_used_at"; do
    for set in hot random; do
      printf '| %s, %s tokens' "${than#*|}" "$set"
      for ours in verify off; do
        for clients in 1 8; do printf ' | %s' "$(ratio "$ours-$set-$clients" "${than%%|*}-$set-$clients")"; done
        printf ' | %s' "$(ratio "${than%%|*}-$set-call" "$ours-$set-call")"
      done
      printf ' |\n'
    done
  done

  printf '\n## Issuing\n\n'
  printf 'Transactions per second; the INSERT writes the row of the token alone, `issue` also its usage row and its event.\n\n'
  printf '| | `issue` | bare INSERT | ratio |\n|---|--:|--:|--:|\n'
  for clients in 1 8; do
    for entry in "|flushed" "-async|\`synchronous_commit = off\`"; do
      key=${entry%%|*}-$clients
      printf '| %s client(s), %s | %s | %s | %s |\n' "$clients" "${entry#*|}" "$(rounded "issue$key")" "$(rounded "insert$key")" "$(ratio "issue$key" "insert$key")"
    done
  done

  printf '\n### Taking over tokens of an older system\n\n'
  printf 'Milliseconds for %s tokens with `synchronous_commit = off`: `INSERT … SELECT import(…)`, and `INSERT … SELECT` of the same rows into tables like those of token, usage and event, with their indexes and nothing else.\n\n' "$((tokens / rounds))"
  printf '| `import` | bare INSERTs | how many times as fast |\n|--:|--:|--:|\n'
  printf '| %s | %s | %s |\n' "$(rounded import-all)" "$(rounded bare-all)" "$(ratio bare-all import-all)"

  printf '\n## Mass death\n\nMilliseconds, without the commit.\n\n'
  printf '| | owner of 10 tokens | owner of %s tokens | of 10, first call of a session | of %s, first call |\n|---|--:|--:|--:|--:|\n' "$tokens" "$tokens"
  for entry in "deactivate|\`deactivate\`" "revoke_all|\`revoke_all\` of an owner, which also counts up to 10,000 deaths"; do
    key=${entry%%|*}
    printf '| %s | %s | %s | %s | %s |\n' "${entry#*|}" "$(fixed "$key-ten")" "$(fixed "$key-many")" "$(fixed "$key-first-ten")" "$(fixed "$key-first-many")"
  done
  printf '| `revoke_all` once more, all dead already (with its commit) | | | | %s |\n' "$(fixed revoke_all-dead)"

  printf '\n## A bound table of users\n\n'
  printf 'One UPDATE of all %s rows of a table of users, in milliseconds with its commit: plain, and bound to principals.\n\n' "$tokens"
  printf '| | plain | bound | ratio |\n|---|--:|--:|--:|\n'
  for entry in "deactivate|all are deactivated" "activate|all are activated" "login|nothing that is bound changes"; do
    key=${entry%%|*}-all
    printf '| %s | %s | %s | %s |\n' "${entry#*|}" "$(rounded "$key-plain")" "$(rounded "$key-bound")" "$(ratio "$key-bound" "$key-plain")"
  done
  for part in bench/BYTES.md bench/USAGE.md bench/POLICY.md bench/CHURN.md bench/COLD.md bench/FIRST.md bench/DERIVED.md bench/ENFORCE.md bench/LONG.md bench/PAGES.md bench/REPORTS.md bench/LOGS.md bench/HOLDS.md bench/READERS.md bench/GROWTH.md bench/PROFILE.md; do
    [ ! -e "$part" ] || { echo && cat "$part"; }
  done
}
