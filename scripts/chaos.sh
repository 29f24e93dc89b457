#!/usr/bin/env bash
# make chaos: long histories of the chaos suite, each from a seed of its own, and the long outage. Ends with the first failure,
# whose seed repeats it: MAAS_CHAOS_SEED=n make chaos. See docs/testing.md.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

HISTORIES=${MAAS_CHAOS_HISTORIES:-5}
export MAAS_CHAOS_ROUNDS=${MAAS_CHAOS_ROUNDS:-40}
export MAAS_CHAOS_SECONDS=${MAAS_CHAOS_SECONDS:-180}
export MAAS_CHAOS_OUTAGE_SECONDS=${MAAS_CHAOS_OUTAGE_SECONDS:-60}

main() {
    add_server_programs_to_path
    cd "$ROOT"
    # The histories start these programs.
    cargo build --locked --workspace --bins
    if [[ -n ${MAAS_CHAOS_SEED:-} ]]; then
        run_history "$MAAS_CHAOS_SEED"
        return
    fi
    local number
    for ((number = 1; number <= HISTORIES; number++)); do
        say "history $number of $HISTORIES"
        run_history "$(((RANDOM << 15) + RANDOM))"
    done
    MAAS_CHAOS_SEED=1 run_tests outage:: forgotten::
}

run_history() { MAAS_CHAOS_SEED=$1 run_tests history::; }

run_tests() { cargo test --locked -p maas-tests --test chaos -- --nocapture --test-threads=1 --include-ignored "$@"; }

main "$@"
