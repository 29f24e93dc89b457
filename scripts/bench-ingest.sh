#!/usr/bin/env bash
# make bench-ingest: the ledger under load, with Postgres and NATS on the same machine. First events per second, how soon
# they are visible, and how fast a backlog drains; then the analytics over many generated events.
#
#   bench-ingest.sh [--short]   MAAS_BENCH_EVENTS (as fast as possible), MAAS_BENCH_RATE and MAAS_BENCH_SECONDS (at a rate),
#                               MAAS_BENCH_BACKLOG (events that wait), MAAS_BENCH_SUMMED and MAAS_BENCH_RAW (generated events
#                               in the sums, and one by one), MAAS_BENCH_ROUNDS (of each question), MAAS_BENCH_PLANS (a folder
#                               to write the query plans to), MAAS_BENCH_PORT_OFFSET, MAAS_BENCH_PROFILE, MAAS_UP_BUILD=0
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

SHORT=0
case ${1:-} in
--short) SHORT=1 ;;
'') ;;
*) die_usage "usage: bench-ingest.sh [--short]" ;;
esac
short_or_long() { if ((SHORT)); then echo "$1"; else echo "$2"; fi; }
EVENTS=${MAAS_BENCH_EVENTS:-$(short_or_long 5000 600000)}
RATE=${MAAS_BENCH_RATE:-$(short_or_long 500 10000)}
RATE_SECONDS=${MAAS_BENCH_SECONDS:-$(short_or_long 2 30)}
BACKLOG=${MAAS_BENCH_BACKLOG:-$(short_or_long 5000 1800000)}
SUMMED=${MAAS_BENCH_SUMMED:-$(short_or_long 20000 100000000)}
RAW=${MAAS_BENCH_RAW:-$(short_or_long 5000 10000000)}
ROUNDS=${MAAS_BENCH_ROUNDS:-$(short_or_long 2 20)}
PLANS=${MAAS_BENCH_PLANS:-}
RATE_WHILE_ASKING=$(short_or_long 100 1000)

BENCH_NAME=bench-ingest
PORT_OFFSET_OF_BENCH=22000
# shellcheck source=scripts/bench-platform.sh
source "$ROOT/scripts/bench-platform.sh"

RESULTS=$STATE_DIR/results.jsonl
REPORT=$TARGET_DIR/bench-ingest

main() {
    trap 'take_platform_down $?' EXIT
    trap 'exit 130' INT TERM
    need_packages python3=python3
    build_programs maas-usage-generator
    start_platform

    say "$EVENTS events as fast as they are taken"
    measure fast --events "$EVENTS"
    say "$RATE events per second for $RATE_SECONDS s"
    measure rate --events $((RATE * RATE_SECONDS)) --rate "$RATE" --batch 64
    say "a backlog of $BACKLOG events"
    measure_backlog
    check_books

    say "filling in $SUMMED summed and $RAW single events"
    fill
    say "asking"
    ask
    python3 "$ROOT/scripts/bench-ingest-report.py" "$RESULTS" "$STATE_DIR/questions.json" "$STATE_DIR/questions-writing.json" \
        "$RATE_WHILE_ASKING" "$REPORT.md" "$PROFILE"
    say ""
    say "written to $REPORT.md"
}

# ---- writing

# measure NAME OPTION…: what the generator reports, with the CPU time of who took part.
measure() {
    local name=$1 before report after
    shift
    before=$(cpu_seconds)
    report=$(generate "$@")
    after=$(cpu_seconds)
    note "$name" "$report" "$before" "$after"
}

generate() { "$BIN_DIR/maas-usage-generator" --nats "nats://127.0.0.1:$NATS_PORT" "$@"; }

# note NAME REPORT CPU-BEFORE CPU-AFTER
note() { printf '{"name":"%s","report":%s,"cpu_before":%s,"cpu_after":%s}\n' "$@" >>"$RESULTS"; }

# What waits while nobody takes it, and how long it takes from the moment that somebody does.
measure_backlog() {
    local published=$STATE_DIR/published report=$STATE_DIR/backlog.json generator began took before
    kill -STOP "$(running_pid usage-ingest)"
    generate --events "$BACKLOG" --published-file "$published" --patience-seconds 1800 >"$report" &
    generator=$!
    wait_until 600 test -e "$published" || die "the backlog was not published"
    before=$(cpu_seconds)
    began=$(date +%s.%N)
    let_ingest_go_on
    wait "$generator"
    took=$(awk -v began="$began" -v now="$(date +%s.%N)" 'BEGIN { print now - began }')
    note backlog "{\"events\":$BACKLOG,\"drained_seconds\":$took}" "$before" "$(cpu_seconds)"
}

# CPU seconds so far, by process name; of Postgres all processes together.
cpu_seconds() {
    local postmaster children
    postmaster=$(head -n 1 "$(postgres_dir)/data/postmaster.pid")
    # The list has no newline at its end, which read reports as a failure.
    read -ra children <"/proc/$postmaster/task/$postmaster/children" || true
    printf '{"usage-ingest":%s,"nats":%s,"postgres":%s}' "$(cpu_of "$(running_pid usage-ingest)")" "$(cpu_of "$(running_pid nats)")" \
        "$(cpu_of "$postmaster" "${children[@]}")"
}

# A server process that has ended takes its figures with it; those of a pool live on.
cpu_of() {
    local pid
    for pid; do cat "/proc/$pid/stat" 2>/dev/null || true; done |
        sed -E 's/^.*\) //' | awk -v ticks="$(getconf CLK_TCK)" '{ sum += $12 + $13 } END { print sum / ticks }'
}

# Each event once, and the sums equal to them.
check_books() {
    local wanted=$((EVENTS + RATE * RATE_SECONDS + BACKLOG)) found
    found=$(query "SELECT (SELECT count(*) FROM usage_events), (SELECT sum(requests) FROM usage_rollups),
        (SELECT sum(cost_nanos) FROM usage_events) - (SELECT sum(cost_nanos) FROM usage_rollups)")
    [[ $found == "$wanted|$wanted|0" ]] || die "the books hold $found instead of $wanted|$wanted|0"
    say "the books hold $wanted events, and the sums are equal to them"
}

query() { psql_as_service -A -t -c "$1"; }

psql_as_service() {
    PGPASSWORD=$(secret postgres-password) PGOPTIONS='-c search_path=usage_ingest' psql -X -q -v ON_ERROR_STOP=1 \
        -h 127.0.0.1 -p "$POSTGRES_PORT" -U maas maas "$@"
}

# ---- reading

fill() {
    # What was measured above is not of these figures.
    query "TRUNCATE usage_events, usage_corrections, usage_rollups, usage_daily, usage_overview, usage_overview_hourly,
        usage_overview_daily, usage_ledger, usage_key_uses"
    psql_as_service -v summed="$SUMMED" -v raw="$RAW" -f "$ROOT/scripts/bench-fill.sql" >/dev/null
    query "SELECT pg_size_pretty(pg_database_size('maas'))" >"$STATE_DIR/size"
    say "the database has $(cat "$STATE_DIR/size")"
}

ask() {
    local plans=()
    if [[ -n $PLANS ]]; then
        log_plans
        plans=(--plans "$PLANS" --postgres-log "$(postgres_dir)/postgres.log")
    fi
    ask_questions "$STATE_DIR/questions.json" "${plans[@]}"
    say "asking again while $RATE_WHILE_ASKING events per second are written"
    # Not by generate(): a function has a shell around its program, which alone would be killed below.
    "$BIN_DIR/maas-usage-generator" --nats "nats://127.0.0.1:$NATS_PORT" --events $((RATE_WHILE_ASKING * 3600)) \
        --rate "$RATE_WHILE_ASKING" >/dev/null &
    local writer=$!
    ask_questions "$STATE_DIR/questions-writing.json"
    kill "$writer"
    wait "$writer" || true
}

# ask_questions FILE OPTION…
ask_questions() {
    local file=$1
    shift
    json_field admin_token <"$STATE_DIR/bootstrap.json" | python3 "$ROOT/scripts/bench-questions.py" \
        --url "http://127.0.0.1:$(public_port usage-ingest)" --rounds "$ROUNDS" --out "$file" "$@"
}

# Postgres writes the plan of each statement to its log; on for a look at the plans, since it takes time.
log_plans() {
    PGPASSWORD=$(secret postgres-admin-password) psql -X -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$POSTGRES_PORT" -U postgres maas <<'SQL'
ALTER ROLE maas SET session_preload_libraries = 'auto_explain';
ALTER ROLE maas SET auto_explain.log_min_duration = 0;
ALTER ROLE maas SET auto_explain.log_analyze = on;
ALTER ROLE maas SET auto_explain.log_timing = off;
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'maas';
SQL
}

main
