#!/usr/bin/env bash
# make bench: the proxy beside nginx as a plain reverse proxy, beside its own HTTP stack with nothing in between
# (bare), and beside no gateway at all, in one run, taking turns. Then its memory: idle, with many open streams, and
# over many requests.
#
# The gateway under test has one worker and one core of its own; the load generator and the simulated upstream (and the
# rest of the platform) share the other. Wall-clock figures of a shared machine are noise: compare the CPU time per request.
#
#   bench.sh [--short]   MAAS_BENCH_SECONDS, MAAS_BENCH_ROUNDS, MAAS_BENCH_STREAMS, MAAS_BENCH_REQUESTS,
#                        MAAS_BENCH_PORT_OFFSET, PROFILE (release), MAAS_UP_BUILD=0
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

SHORT=0
case ${1:-} in
--short) SHORT=1 ;;
'') ;;
*) die_usage "usage: bench.sh [--short]" ;;
esac
ROUNDS=${MAAS_BENCH_ROUNDS:-3}
RUN_SECONDS=${MAAS_BENCH_SECONDS:-$( ((SHORT)) && echo 0.5 || echo 5)}
OPEN_STREAMS=${MAAS_BENCH_STREAMS:-$( ((SHORT)) && echo 200 || echo 10000)}
MANY_REQUESTS=${MAAS_BENCH_REQUESTS:-$( ((SHORT)) && echo 2000 || echo 1000000)}

BENCH_NAME=bench
PORT_OFFSET_OF_BENCH=20000
# shellcheck source=scripts/bench-platform.sh
source "$ROOT/scripts/bench-platform.sh"

NGINX_PORT=$((8391 + PORT_OFFSET))
BARE_PORT=$((8392 + PORT_OFFSET))
TARGETS="direct nginx bare proxy"
SCENARIOS="chat steady stream paced prompt prompt200"
RESULTS=$STATE_DIR/results.jsonl
REPORT=$TARGET_DIR/bench
GATEWAY_CPU=1
OTHER_CPU=0
MODEL=sim-chat

main() {
    trap clean_up EXIT
    trap 'exit 130' INT TERM
    need_packages nginx=nginx python3=python3 taskset=util-linux
    build_programs maas-bare-relay
    start_platform
    start_nginx_alone
    start_process bench-bare "$BIN_DIR/maas-bare-relay" --listen "127.0.0.1:$BARE_PORT" --upstream "http://127.0.0.1:$UPSTREAM_PORT"
    wait_ready bench-bare 10 is_listening "$BARE_PORT"
    pin_everything
    write_bodies
    API_KEY=$(json_field api_key <"$STATE_DIR/bootstrap.json")

    measure_memory idle
    # The ledger is no part of the gateway, and would take the core that the load generator and the upstream need to be
    # punctual: what the gateway has shipped waits on the bus meanwhile.
    kill -STOP "$(running_pid usage-ingest)"
    measure_everything
    measure_at_half
    let_ingest_go_on
    measure_memory open-streams
    measure_memory many-requests
    python3 "$ROOT/scripts/bench-report.py" "$RESULTS" "$RESULTS.memory" "$REPORT.md" "$REPORT.json" "$PROFILE"
    say ""
    say "written to $REPORT.md and $REPORT.json"
}

clean_up() {
    local status=$?
    trap - EXIT
    if [[ -d $STATE_DIR/run ]]; then stop_process bench-nginx 5; stop_process bench-bare 5; fi
    take_platform_down "$status"
}

start_nginx_alone() {
    local dir=$STATE_DIR/bench-nginx
    mkdir -p "$dir"
    sed -e "s|@DIR@|$dir|g" -e "s|@PORT@|$NGINX_PORT|" -e "s|@UPSTREAM_PORT@|$UPSTREAM_PORT|" \
        "$ROOT/deploy/local/nginx-bench.conf.template" >"$dir/nginx.conf"
    start_process bench-nginx nginx -e stderr -p "$dir" -c "$dir/nginx.conf"
    wait_ready bench-nginx 10 is_listening "$NGINX_PORT"
    wait_until 5 nginx_worker || die "nginx has no worker"
}

# The master process does no work; its only child does.
nginx_worker() {
    local children
    children=$(cat "/proc/$(running_pid bench-nginx)/task/$(running_pid bench-nginx)/children")
    [[ -n ${children// /} ]] && printf '%s' "${children%% *}"
}

# ---- pinning

pin_everything() {
    if (($(nproc) < 2)); then
        complain "one core only: nothing is pinned, and the figures mix all processes"
        PIN=()
        return
    fi
    PIN=(taskset -c "$OTHER_CPU")
    local name
    for name in auth key-management model-catalog usage-ingest nats nginx simulated-upstream; do pin "$OTHER_CPU" "$(running_pid "$name")"; done
    pin "$OTHER_CPU" "$(head -n 1 "$(postgres_dir)/data/postmaster.pid")"
    pin_children "$OTHER_CPU" "$(head -n 1 "$(postgres_dir)/data/postmaster.pid")"
    pin "$GATEWAY_CPU" "$(running_pid proxy)"
    pin "$GATEWAY_CPU" "$(running_pid bench-nginx)"
    pin "$GATEWAY_CPU" "$(nginx_worker)"
    pin "$GATEWAY_CPU" "$(running_pid bench-bare)"
}

pin() { taskset -a -c -p "$1" "$2" >/dev/null; }

pin_children() {
    local children child
    # The list has no newline at its end, which read reports as a failure.
    read -ra children <"/proc/$2/task/$2/children" || true
    # A server process may end meanwhile.
    for child in "${children[@]}"; do pin "$1" "$child" || true; done
}

# ---- the load

write_bodies() {
    mkdir -p "$STATE_DIR/bodies"
    local prompt='Summarise what an inference gateway does for the people who run it.' long longer
    # 100 kB and a bit of words.
    long=$(for ((line = 0; line < 1600; line++)); do printf '%s ' "$prompt"; done)
    body "$prompt" '' >"$STATE_DIR/bodies/chat"
    longer="$long$long"
    body "$long" '' >"$STATE_DIR/bodies/prompt"
    body "$longer" '' >"$STATE_DIR/bodies/prompt200"
    body "$prompt" ',"stream":true,"user":"sim:tokens-50"' >"$STATE_DIR/bodies/stream"
    body "$prompt" ',"stream":true,"user":"sim:tokens-50+chunk-delay-20"' >"$STATE_DIR/bodies/paced"
    body "$prompt" ',"stream":true,"user":"sim:tokens-10+chunk-delay-10"' >"$STATE_DIR/bodies/first"
    body "$prompt" ',"stream":true,"user":"sim:tokens-20+chunk-delay-1000"' >"$STATE_DIR/bodies/open"
}

body() { printf '{"model":"%s","messages":[{"role":"user","content":"%s"}]%s}' "$MODEL" "$1" "$2"; }

measure_everything() {
    local round scenario target
    for scenario in $SCENARIOS; do
        # Connections, caches and clocks of the processor are warm before anything counts.
        for target in $TARGETS; do load "$scenario" "$target" 0.3 >/dev/null; done
    done
    for ((round = 1; round <= ROUNDS; round++)); do
        say "round $round of $ROUNDS"
        for scenario in $SCENARIOS; do
            for target in $TARGETS; do record "$scenario" "$target" "$round" "$RUN_SECONDS"; done
        done
    done
}

record() { printf '{"scenario":"%s","target":"%s","round":%d,"report":%s}\n' "$1" "$2" "$3" "$(load "$1" "$2" "$4")" >>"$RESULTS"; }

# At half of what the proxy reached above: what it adds when it is busy, but not full.
measure_at_half() {
    local round scenario target
    HALF_RATE=$(python3 -c '
import json, statistics, sys
runs = [json.loads(line) for line in open(sys.argv[1])]
rates = [run["report"]["requests_per_second"] for run in runs if run["scenario"] == "chat" and run["target"] == "proxy"]
print(max(1, int(statistics.median(rates) / 2)))' "$RESULTS")
    for ((round = 1; round <= ROUNDS; round++)); do
        for scenario in half first; do
            for target in $TARGETS; do record "$scenario" "$target" "$round" "$RUN_SECONDS"; done
        done
    done
}

# measure_memory idle | open-streams | many-requests: the proxy's resident memory, in a line of its own.
measure_memory() {
    local pid peak=0 now before
    pid=$(running_pid proxy)
    before=$(resident_kb "$pid")
    case $1 in
    idle) peak=$before ;;
    open-streams)
        say "memory: $OPEN_STREAMS open streams"
        (
            ulimit -n 65536 2>/dev/null || true
            "${PIN[@]}" "$BIN_DIR/maas-loadgen" run --url "$(url_of proxy)/v1/chat/completions" --requests "$OPEN_STREAMS" --stream \
                --header "Content-Type: application/json" --header "Authorization: Bearer $API_KEY" --timeout-seconds 120 \
                --body-file "$STATE_DIR/bodies/open" --connections "$OPEN_STREAMS" >"$STATE_DIR/open-streams.json"
        ) &
        local load=$!
        while kill -0 "$load" 2>/dev/null; do
            now=$(resident_kb "$pid")
            if ((now > peak)); then peak=$now; fi
            sleep 0.2
        done
        wait "$load"
        ;;
    many-requests)
        say "memory: $MANY_REQUESTS requests"
        "${PIN[@]}" "$BIN_DIR/maas-loadgen" run --url "$(url_of proxy)/v1/chat/completions" --requests "$MANY_REQUESTS" --connections 16 \
            --header "Content-Type: application/json" --header "Authorization: Bearer $API_KEY" --body-file "$STATE_DIR/bodies/chat" \
            >"$STATE_DIR/many-requests.json"
        peak=$(resident_kb "$pid")
        ;;
    esac
    printf '{"memory":"%s","before_kb":%d,"after_kb":%d,"count":%d}\n' "$1" "$before" "$peak" \
        "$(case $1 in idle) echo 0 ;; open-streams) echo "$OPEN_STREAMS" ;; *) echo "$MANY_REQUESTS" ;; esac)" >>"$RESULTS.memory"
}

resident_kb() { awk '/^VmRSS:/ { print $2 }' "/proc/$1/status"; }

# load SCENARIO TARGET SECONDS: prints the load generator's report.
load() {
    local scenario=$1 target=$2 seconds=$3 body=$1 options=()
    case $scenario in
    chat) options=(--connections 16) ;;
    # Far from saturation: what one more hop adds to each answer.
    steady) body=chat options=(--connections 16 --rate 200) ;;
    half) body=chat options=(--connections 16 --rate "$HALF_RATE") ;;
    first) options=(--connections 32 --rate 100 --stream) ;;
    stream) options=(--connections 8 --stream) ;;
    # Each stream lasts a second or more, so a run of them lasts at least two.
    paced) options=(--connections 64 --stream) seconds=$(at_least_two "$seconds") ;;
    prompt | prompt200) options=(--connections 8) ;;
    esac
    "${PIN[@]}" "$BIN_DIR/maas-loadgen" run --url "$(url_of "$target")/v1/chat/completions" --seconds "$seconds" \
        --header "Content-Type: application/json" --header "Authorization: Bearer $API_KEY" \
        --body-file "$STATE_DIR/bodies/$body" --measure-pid "$(gateway_of "$target")" "${options[@]}"
}

at_least_two() { awk -v seconds="$1" 'BEGIN { print (seconds < 2 ? 2 : seconds) }'; }

url_of() {
    case $1 in
    direct) echo "http://127.0.0.1:$UPSTREAM_PORT" ;;
    nginx) echo "http://127.0.0.1:$NGINX_PORT" ;;
    bare) echo "http://127.0.0.1:$BARE_PORT" ;;
    proxy) echo "http://127.0.0.1:$(public_port proxy)" ;;
    esac
}

gateway_of() {
    case $1 in
    direct) running_pid simulated-upstream ;;
    nginx) nginx_worker ;;
    bare) running_pid bench-bare ;;
    proxy) running_pid proxy ;;
    esac
}

main
