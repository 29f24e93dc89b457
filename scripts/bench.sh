#!/usr/bin/env bash
# make bench: the proxy beside nginx as a plain reverse proxy and beside no gateway at all, in one run, taking turns.
#
# The gateway under test has one worker and one core of its own; the load generator and the simulated upstream (and the
# rest of the platform) share the other. Wall-clock figures of a shared machine are noise: compare the CPU time per request.
#
#   bench.sh [--short]   MAAS_BENCH_SECONDS, MAAS_BENCH_ROUNDS, MAAS_BENCH_PORT_OFFSET, PROFILE (release), MAAS_UP_BUILD=0
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

export PROFILE=${MAAS_BENCH_PROFILE:-release}
SHORT=0
case ${1:-} in
--short) SHORT=1 ;;
'') ;;
*) die_usage "usage: bench.sh [--short]" ;;
esac
ROUNDS=${MAAS_BENCH_ROUNDS:-3}
RUN_SECONDS=${MAAS_BENCH_SECONDS:-$( ((SHORT)) && echo 0.5 || echo 5)}

# Read by stack.sh and by up.sh: an instance of its own, on ports of its own, with the gateway alone.
export MAAS_UP_PORT_OFFSET=${MAAS_BENCH_PORT_OFFSET:-20000} MAAS_UP_PROXIES=1 MAAS_UP_PROXY_WORKERS=1
unset MAAS_UP_PORT MAAS_UPSTREAM MAAS_UPSTREAM_KEY
MAAS_UP_DIR=$(mktemp -d "${TMPDIR:-/tmp}/maas-bench.XXXXXX")
export MAAS_UP_DIR
# shellcheck source=scripts/stack.sh
source "$ROOT/scripts/stack.sh"

NGINX_PORT=$((8391 + PORT_OFFSET))
RESULTS=$STATE_DIR/results.jsonl
REPORT=$TARGET_DIR/bench
GATEWAY_CPU=1
OTHER_CPU=0
MODEL=sim-chat

main() {
    trap clean_up EXIT
    trap 'exit 130' INT TERM
    need_packages nginx=nginx python3=python3 taskset=util-linux
    if [[ ${MAAS_UP_BUILD:-1} != 0 ]]; then build; fi
    say "starting the platform"
    "$ROOT/scripts/up.sh" >"$STATE_DIR/up.log" || { cat "$STATE_DIR/up.log"; exit 1; }
    start_nginx_alone
    pin_everything
    write_bodies
    API_KEY=$(json_field api_key <"$STATE_DIR/bootstrap.json")

    measure_everything
    python3 "$ROOT/scripts/bench-report.py" "$RESULTS" "$REPORT.md" "$REPORT.json" "$PROFILE"
    say ""
    say "written to $REPORT.md and $REPORT.json"
}

build() {
    cargo build --locked --profile "$PROFILE" --bins -p maas-loadgen -p maas-simulated-upstream -p maas-auth \
        -p maas-key-management -p maas-model-catalog -p maas-usage-ingest -p maas-proxy
    export MAAS_UP_BUILD=0
}

clean_up() {
    local status=$?
    trap - EXIT
    ((status == 0)) || complain "ended with status $status"
    if [[ -d $STATE_DIR/run ]]; then stop_process bench-nginx 5; fi
    MAAS_DOWN_DRAIN_SECONDS=10 "$ROOT/scripts/down.sh" >/dev/null || complain "make down failed, see $STATE_DIR"
    add_server_programs_to_path
    rm -rf "$(postgres_dir)" "$STATE_DIR"
    exit "$status"
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
    local prompt='Summarise what an inference gateway does for the people who run it.' long
    # 100 kB and a bit of words.
    long=$(for ((line = 0; line < 1600; line++)); do printf '%s ' "$prompt"; done)
    body "$prompt" '' >"$STATE_DIR/bodies/chat"
    body "$long" '' >"$STATE_DIR/bodies/prompt"
    body "$prompt" ',"stream":true,"user":"sim:tokens-50"' >"$STATE_DIR/bodies/stream"
    body "$prompt" ',"stream":true,"user":"sim:tokens-50+chunk-delay-20"' >"$STATE_DIR/bodies/paced"
}

body() { printf '{"model":"%s","messages":[{"role":"user","content":"%s"}]%s}' "$MODEL" "$1" "$2"; }

measure_everything() {
    local round scenario target
    for scenario in chat steady stream paced prompt; do
        # Connections, caches and clocks of the processor are warm before anything counts.
        for target in direct nginx proxy; do load "$scenario" "$target" 0.3 >/dev/null; done
    done
    for ((round = 1; round <= ROUNDS; round++)); do
        say "round $round of $ROUNDS"
        for scenario in chat steady stream paced prompt; do
            for target in direct nginx proxy; do
                printf '{"scenario":"%s","target":"%s","round":%d,"report":%s}\n' \
                    "$scenario" "$target" "$round" "$(load "$scenario" "$target" "$RUN_SECONDS")" >>"$RESULTS"
            done
        done
    done
}

# load SCENARIO TARGET SECONDS: prints the load generator's report.
load() {
    local scenario=$1 target=$2 seconds=$3 body=$1 options=()
    case $scenario in
    chat) options=(--connections 16) ;;
    # Far from saturation: what one more hop adds to each answer.
    steady) body=chat options=(--connections 16 --rate 200) ;;
    stream) options=(--connections 8 --stream) ;;
    # Each stream lasts a second or more, so a run of them lasts at least two.
    paced) options=(--connections 64 --stream) seconds=$(at_least_two "$seconds") ;;
    prompt) options=(--connections 8) ;;
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
    proxy) echo "http://127.0.0.1:$(public_port proxy)" ;;
    esac
}

gateway_of() {
    case $1 in
    direct) running_pid simulated-upstream ;;
    nginx) nginx_worker ;;
    proxy) running_pid proxy ;;
    esac
}

main
