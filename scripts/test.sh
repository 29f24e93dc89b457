#!/usr/bin/env bash
# make test: sets up what is missing, builds, and runs all tests against private servers on free ports.
# Arguments go to the test runner, e.g. scripts/test.sh -p maas-auth.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

PROGRAMS=$TARGET_DIR/debug

main() {
    "$ROOT/scripts/setup-test.sh"
    add_server_programs_to_path
    cd "$ROOT"
    # The end-to-end tests start these programs.
    cargo build --locked --workspace --bins
    forget_settings
    local runner=(cargo test --locked)
    if cargo nextest --version >/dev/null 2>&1; then runner=(cargo nextest run --locked --no-fail-fast); else runner+=(--no-fail-fast); fi
    (($#)) || set -- --workspace
    # One Postgres for all test processes, stopped and removed at the end, also on Ctrl-C.
    "$PROGRAMS/test-services" -- "${runner[@]}" "$@"
}

# Settings of the caller's shell would reach the programs under test.
forget_settings() {
    local name
    while read -r name; do unset "$name"; done < <(compgen -e | grep -E '^MAAS_(_|CONFIG$|UPSTREAM)' || true)
}

main "$@"
