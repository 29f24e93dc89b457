#!/usr/bin/env bash
# make down: stops what make up started in MAAS_UP_DIR (./data/up), in the reverse order, and keeps the data.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/stack.sh
source "$ROOT/scripts/stack.sh"

# Open answers may go on for a while when a proxy is told to stop.
DRAIN_SECONDS=${MAAS_DOWN_DRAIN_SECONDS:-30}

main() {
    if [[ ! -d $STATE_DIR/run ]]; then
        say "nothing was started in $STATE_DIR"
        return
    fi
    add_server_programs_to_path
    lock_state
    stop_process nginx 10
    # The proxies first and together: what they have recorded is shipped while the others still run.
    tell_proxies
    local service
    for service in proxy-2 proxy usage-ingest model-catalog key-management auth; do stop_process "$service" "$DRAIN_SECONDS"; done
    stop_process simulated-upstream 10
    stop_process nats 20
    stop_postgres
    rm -f "$STATE_DIR/run/ports"
    say "stopped; the data is in $STATE_DIR"
}

tell_proxies() {
    local service pid
    for service in proxy proxy-2; do
        pid=$(running_pid "$service")
        [[ -z $pid ]] || kill -TERM "$pid" 2>/dev/null || true
    done
}

main "$@"
