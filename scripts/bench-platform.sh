# shellcheck shell=bash
# What the benchmarks of the whole platform share: an instance of its own with one proxy of one worker, built in release,
# and taken down with everything that it left. Sourced after lib.sh, with PORT_OFFSET_OF_BENCH and BENCH_NAME set.

export PROFILE=${MAAS_BENCH_PROFILE:-release}

# Read by stack.sh and by up.sh.
export MAAS_UP_PORT_OFFSET=${MAAS_BENCH_PORT_OFFSET:-$PORT_OFFSET_OF_BENCH} MAAS_UP_PROXIES=1 MAAS_UP_PROXY_WORKERS=1
unset MAAS_UP_PORT MAAS_UPSTREAM MAAS_UPSTREAM_KEY
MAAS_UP_DIR=$(mktemp -d "${TMPDIR:-/tmp}/maas-$BENCH_NAME.XXXXXX")
export MAAS_UP_DIR
# shellcheck source=scripts/stack.sh
source "$ROOT/scripts/stack.sh"

# build_programs 'PACKAGE…': those, and the platform.
build_programs() {
    [[ ${MAAS_UP_BUILD:-1} != 0 ]] || return 0
    local packages=() package
    for package in $1 maas-loadgen maas-simulated-upstream maas-auth maas-key-management maas-model-catalog maas-usage-ingest \
        maas-proxy; do packages+=(-p "$package"); done
    cargo build --locked --profile "$PROFILE" --bins "${packages[@]}"
    export MAAS_UP_BUILD=0
}

start_platform() {
    say "starting the platform"
    "$ROOT/scripts/up.sh" >"$STATE_DIR/up.log" || { cat "$STATE_DIR/up.log"; exit 1; }
}

# Stopped as it may be, a process could not end.
let_ingest_go_on() {
    if [[ -d $STATE_DIR/run && -n $(running_pid usage-ingest) ]]; then kill -CONT "$(running_pid usage-ingest)"; fi
}

# take_platform_down STATUS: to be called by the trap of EXIT; ends the script.
take_platform_down() {
    trap - EXIT
    (($1 == 0)) || complain "ended with status $1"
    let_ingest_go_on
    MAAS_DOWN_DRAIN_SECONDS=10 "$ROOT/scripts/down.sh" >/dev/null || complain "make down failed, see $STATE_DIR"
    add_server_programs_to_path
    rm -rf "$(postgres_dir)" "$STATE_DIR"
    exit "$1"
}
