#!/usr/bin/env bash
# make generate: writes every file that is made from code. With --check nothing is written, and a stale file is a failure.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

PROGRAMS=$TARGET_DIR/debug
DOCUMENT=openapi/maas.json

main() {
    cd "$ROOT"
    # The same build as the tests': features of shared crates differ when single packages are built.
    cargo build --locked --workspace --bins
    case ${1:-} in
    --check) check ;;
    '') generate ;;
    *) die_usage "usage: generate.sh [--check]" ;;
    esac
}

generate() {
    # Only when stale: new times on these files would rebuild every crate.
    "$PROGRAMS/maas-codegen" --check 2>/dev/null || "$PROGRAMS/maas-codegen"
    mkdir -p "$(dirname "$DOCUMENT")"
    print_document >"$DOCUMENT.new"
    mv "$DOCUMENT.new" "$DOCUMENT"
    MAAS_UPDATE_DOCS=1 metrics_page
    say "generated: libs/events/src/generated, $DOCUMENT, docs/metrics.md"
}

check() {
    local stale=0
    "$PROGRAMS/maas-codegen" --check || stale=1
    check_document || stale=1
    metrics_page || { complain "docs/metrics.md is stale"; stale=1; }
    check_lock_files || stale=1
    ((stale == 0)) || die "run make generate and commit the result"
    say "generated files are up to date"
}

check_document() {
    local fresh status=0
    fresh=$(mktemp)
    print_document >"$fresh" || status=1
    if ! diff -u "$DOCUMENT" "$fresh" >"$fresh.diff" 2>&1; then
        complain "$DOCUMENT is stale:"
        head -n 40 "$fresh.diff" >&2
        status=1
    fi
    rm -f "$fresh" "$fresh.diff"
    return "$status"
}

# This test compares the page with the table of metrics, or writes it when MAAS_UPDATE_DOCS is set.
metrics_page() { cargo test --locked --quiet -p maas-runtime --lib the_committed_page_is_the_table >/dev/null; }

# From a clean environment: the document must not depend on settings of whoever makes it.
print_document() { env -i PATH="$PATH" "$PROGRAMS/maas" openapi; }

# A registry's address in a lock file would bind everyone to the place where it was made.
check_lock_files() {
    ! grep -n '"resolved"' tests/sdk/node/package-lock.json | head -n 3 | grep . ||
        { complain "tests/sdk/node/package-lock.json names a registry: npm install with omit-lockfile-registry-resolved"; return 1; }
}

main "$@"
