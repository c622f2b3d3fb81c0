# shellcheck shell=bash
# How scripts/bench measures: each value is added to the file "$measured" under a key, and the median counts. Sourced
# after toolchain.sh, never run.
# shellcheck disable=SC2154 # Variables that are not set here belong to the script.

run_sql() { "$pg_bin/psql" -X -q -At -v ON_ERROR_STOP=1 "$@"; }

# circumstances: prints when, with what and on what it was measured.
circumstances() {
  printf '%s, %s, %s cores of %s' "$(date -u +%F)" "$("$pg_config" --version | cut -d' ' -f1,2)" "$(nproc)" \
    "$(sed -nE 's/^model name\s*: //p' /proc/cpuinfo | head -n 1)"
}

# note_value KEY VALUE: one measurement.
note_value() { printf '%s %s\n' "$1" "$2" >>"$measured"; }

# median KEY
median() {
  awk -v key="$1" '$1 == key { print $2 }' "$measured" | sort -g |
    awk '{ value[NR] = $1 } END { if (NR) print NR % 2 ? value[(NR + 1) / 2] : (value[NR / 2] + value[NR / 2 + 1]) / 2; else print "nan" }'
}

ratio() { awk -v a="$(median "$1")" -v b="$(median "$2")" 'BEGIN { if (b > 0) printf "%.2f", a / b; else printf "-" }'; }
difference() { awk -v a="$(median "$1")" -v b="$(median "$2")" 'BEGIN { printf "%.2f", a - b }'; }
rounded() { awk -v value="$(median "$1")" 'BEGIN { printf "%.0f", value }'; }
fixed() { awk -v value="$(median "$1")" 'BEGIN { printf "%.2f", value }'; }

# The CPU time, in clock ticks, of all backends that have ended so far.
ticks_of_ended_backends() { awk '{ print $16 + $17 }' "/proc/$postmaster/stat"; }

# transactions KEY CLIENTS STATEMENTS SCRIPT [OPTION ...]: measures statements per second, given how many of them the
# script has, in the second half of the time: a pool's connections are not new. Under KEY-cpu it adds the microseconds
# of CPU that backends spent on each statement. A single client shares one core with its backend: on two, each waits for
# the other's core to wake up, which takes longer than a whole query and varies twofold between runs. (Backends inherit
# the postmaster's cores.)
transactions() {
  local key=$1 clients=$2 statements=$3 script=$4 output tps processed before where=$cores
  shift 4
  [ "$clients" -gt 1 ] || where=${cores%%[-,]*}
  taskset -cp "$where" "$postmaster" >/dev/null
  sleep 0.2 # A backend ends a moment after its client, that of what was done before as well.
  before=$(ticks_of_ended_backends)
  output=$(taskset -c "$where" "$pg_bin/pgbench" -n -M prepared -c "$clients" -j "$clients" -T "$((2 * seconds + 1))" \
    -P "$seconds" -f "$script" "$@" 2>&1)
  taskset -cp "$cores" "$postmaster" >/dev/null
  sleep 0.2
  tps=$(sed -nE 's/^progress: .* s, ([0-9.]+) tps.*/\1/p' <<<"$output" | sed -n 2p)
  [ -n "$tps" ] || die "pgbench gave no number for $key" "$output"
  note_value "$key" "$(awk -v tps="$tps" -v statements="$statements" 'BEGIN { print tps * statements }')"
  processed=$(sed -nE 's/^number of transactions actually processed: ([0-9]+).*/\1/p' <<<"$output")
  note_value "$key-cpu" "$(awk -v ticks="$(($(ticks_of_ended_backends) - before))" -v hertz="$(getconf CLK_TCK)" \
    -v processed="$processed" -v statements="$statements" 'BEGIN { print ticks / hertz * 1e6 / processed / statements }')"
}

# own_nanoseconds WARM-UP STATEMENTS [OPTION ...]: the processor time that the statements take their backend, after others in
# the same session; with options of psql.
own_nanoseconds() {
  local warm_up=$1 statements=$2 so_far="split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::bigint"
  shift 2
  # Without a function: a standby cannot make one.
  run_sql "$@" <<SQL | tail -n 1
$warm_up;
SELECT $so_far AS before \gset
$statements;
SELECT $so_far - :before;
SQL
}

# often STATEMENT TIMES: prints it so many times, to be run in one session.
often() { for _ in $(seq "$2"); do printf '%s;\n' "$1"; done; }

# milliseconds: the last "Time: … ms" of psql's output.
milliseconds() { sed -nE 's/^Time: ([0-9.]+) ms.*/\1/p' | tail -n 1; }

# total_milliseconds: the sum of all of them.
total_milliseconds() { sed -nE 's/^Time: ([0-9.]+) ms.*/\1/p' | awk '{ total += $1 } END { print total }'; }

# per_call KEY WARM-UP QUERY CALLS: microseconds of one call among CALLS in one statement, so that no round trip hides
# them.
per_call() {
  local took
  took=$(run_sql -c "$2" -c '\timing on' -c "$3" | milliseconds)
  note_value "$1-call" "$(awk -v took="$took" -v calls="$4" 'BEGIN { printf "%.3f", took * 1000 / calls }')"
}
