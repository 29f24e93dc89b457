#!/usr/bin/env bash
# make chaos: long histories of the chaos suite, each from a seed of its own, then its stories: the long outage, forgotten
# connections, wrong clocks, a restored ledger, vanished messages, a full disk. Ends with the first failure, whose seed
# repeats it: MAAS_CHAOS_SEED=n make chaos, or scripts/chaos.sh with the name of the story. See docs/testing.md.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

HISTORIES=${MAAS_CHAOS_HISTORIES:-4}
STORIES=(outage:: forgotten:: clocks:: restored:: gaps:: disk::)
export MAAS_CHAOS_ROUNDS=${MAAS_CHAOS_ROUNDS:-40}
export MAAS_CHAOS_SECONDS=${MAAS_CHAOS_SECONDS:-150}
export MAAS_CHAOS_OUTAGE_SECONDS=${MAAS_CHAOS_OUTAGE_SECONDS:-60}

main() {
    add_server_programs_to_path
    cd "$ROOT"
    # The histories start these programs.
    cargo build --locked --workspace --bins
    if [[ -n ${MAAS_CHAOS_SEED:-} ]]; then
        run_tests "${@:-history::}"
        return
    fi
    local number
    for ((number = 1; number <= HISTORIES; number++)); do
        say "history $number of $HISTORIES"
        MAAS_CHAOS_SEED=$(((RANDOM << 15) + RANDOM)) run_tests history::
    done
    say "the stories"
    MAAS_CHAOS_SEED=1 run_tests "${STORIES[@]}"
    say "all of it held, in $((SECONDS / 60)) min $((SECONDS % 60)) s"
}

run_tests() { cargo test --locked -p maas-tests --test chaos -- --nocapture --test-threads=1 --include-ignored "$@"; }

main "$@"
