#!/usr/bin/env bash
# make bench-journal, its second part: a proxy that was killed with much usage in its journal starts again, and takes that
# usage over beside live traffic. How soon it serves, how soon everything is on the bus, how soon it is committed, and what
# its clients notice of it.
#
#   bench-replay.sh [--short]   MAAS_BENCH_JOURNAL_MIB (1024), MAAS_BENCH_CONNECTIONS (16), MAAS_BENCH_PORT_OFFSET,
#                               MAAS_BENCH_PROFILE (release), MAAS_UP_BUILD=0
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

case ${1:-} in
--short) MIB=${MAAS_BENCH_JOURNAL_MIB:-4} ;;
'') MIB=${MAAS_BENCH_JOURNAL_MIB:-1024} ;;
*) die_usage "usage: bench-replay.sh [--short]" ;;
esac
CONNECTIONS=${MAAS_BENCH_CONNECTIONS:-16}

BENCH_NAME=bench-replay
PORT_OFFSET_OF_BENCH=24000
# shellcheck source=scripts/bench-platform.sh
source "$ROOT/scripts/bench-platform.sh"

MODEL=sim-chat
REQUEST='{"model":"'$MODEL'","messages":[{"role":"user","content":"hello"}]}'
FOUND=$STATE_DIR/found
LONGEST_REPLAY=900
RATE_WHILE_COMMITTING=2000
# Events of about half a second of live traffic: settled, and not on the bus or not committed yet.
JUST_ADDED=5000

main() {
    trap 'take_platform_down $?' EXIT
    trap 'exit 130' INT TERM
    need_packages python3=python3
    build_programs ""
    start_platform
    API_KEY=$(json_field api_key <"$STATE_DIR/bootstrap.json")

    say "filling the journal with $MIB MiB while the bus is away"
    stop_process nats 20
    fill_journal
    local waiting
    waiting=$(proxy_metric maas_proxy_journal_events)
    kill -KILL "$(running_pid proxy)"
    start_nats
    wait_ready usage-ingest 60 curl -fsS -m 5 -o /dev/null "http://127.0.0.1:$(operations_port usage-ingest)/readyz"

    say "starting the proxy again, $waiting events wait"
    replay "$waiting"
    check_books
    python3 "$ROOT/scripts/bench-replay-report.py" "$FOUND" "$STATE_DIR/live" "$TARGET_DIR/bench-replay.md" "$MIB" "$waiting" "$PROFILE"
    say "written to $TARGET_DIR/bench-replay.md"
}

fill_journal() {
    while (($(proxy_metric maas_proxy_journal_bytes) < MIB * 1024 * 1024)); do load --requests 20000 >>"$STATE_DIR/filling"; done
}

# load OPTION…: the generator's report.
load() {
    "$BIN_DIR/maas-loadgen" run --url "http://127.0.0.1:$(public_port proxy)/v1/chat/completions" --body "$REQUEST" \
        --header "authorization: Bearer $API_KEY" --header "content-type: application/json" --connections "$CONNECTIONS" "$@"
}

# proxy_metric PATTERN: the sum of what its line begins with; 0 while there is none.
proxy_metric() {
    { curl -sS -m 10 "http://127.0.0.1:$(operations_port proxy)/metrics" 2>/dev/null || true; } |
        awk -v pattern="^$1" '$0 ~ pattern { sum += $NF } END { printf "%d\n", sum }'
}

# Live traffic from the first moment that the proxy is ready to the one when everything is committed.
replay() {
    local live
    BEGAN=$(now)
    service_environment proxy
    start_process proxy "${ENVIRONMENT[@]}" "$(program_of proxy)" serve
    wait_ready proxy 30 curl -fsS -m 5 -o /dev/null "http://127.0.0.1:$(operations_port proxy)/readyz"
    found ready_seconds "$(since "$BEGAN")"
    keep_loading &
    live=$!
    wait_for_state published_seconds "$1" published
    touch "$STATE_DIR/everything-published"
    wait_for_state committed_seconds "$1" committed
    touch "$STATE_DIR/everything-committed"
    wait "$live"
}

# Runs of two seconds, noted with what the proxy was doing meanwhile. As many requests as are answered, but no more than the
# ledger books once everything is on the bus: it would never come to an end.
keep_loading() {
    local phase
    while true; do
        phase=replaying
        [[ ! -e $STATE_DIR/everything-published ]] || phase=committing
        [[ ! -e $STATE_DIR/everything-committed ]] || phase=afterwards
        if [[ $phase == committing ]]; then set -- --rate "$RATE_WHILE_COMMITTING"; else set --; fi
        printf '{"phase":"%s","report":%s}\n' "$phase" "$(load --seconds 2 "$@")" >>"$STATE_DIR/live"
        [[ $phase != afterwards ]] || return 0
    done
}

# wait_for_state NAME EVENTS STATE: notes the seconds since the start.
wait_for_state() {
    local deadline=$((SECONDS + LONGEST_REPLAY))
    until "is_$3" "$2"; do
        ((SECONDS < deadline)) || die "not $3 within $LONGEST_REPLAY s"
        sleep 0.1
    done
    found "$1" "$(since "$BEGAN")"
}

# What live traffic adds is among both, and always a moment late.
is_published() {
    local published live
    published=$(proxy_metric 'maas_proxy_usage_events_total\{outcome="published"')
    live=$(proxy_metric 'maas_proxy_requests_total\{')
    ((published >= $1 + live - JUST_ADDED))
}
is_committed() { (($(proxy_metric maas_proxy_journal_events) <= JUST_ADDED)); }

# ---- afterwards

# Each answered request once, with the tokens that every one of them has.
check_books() {
    local answered
    answered=$(python3 "$ROOT/scripts/bench-replay-report.py" --answered "$STATE_DIR/filling" "$STATE_DIR/live")
    wait_until 60 books_hold "$answered" || die "the books hold $(books) instead of $answered events"
    say "the books hold each of $answered requests once"
}

books_hold() { [[ $(books) == "$1|$1" ]]; }

books() {
    PGPASSWORD=$(secret postgres-password) PGOPTIONS='-c search_path=usage_ingest' psql -X -q -v ON_ERROR_STOP=1 -A -t \
        -h 127.0.0.1 -p "$POSTGRES_PORT" -U maas maas \
        -c "SELECT (SELECT count(*) FROM usage_events), (SELECT sum(requests) FROM usage_rollups WHERE model = '$MODEL')"
}

now() { date +%s.%N; }
since() { awk -v from="$1" -v to="$(now)" 'BEGIN { printf "%.1f", to - from }'; }
found() { printf '%s %s\n' "$1" "$2" >>"$FOUND"; }

main
