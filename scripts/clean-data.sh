#!/usr/bin/env bash
# make clean-data: stops `make up` and removes its state and that of `make run`.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/stack.sh
source "$ROOT/scripts/stack.sh"

"$ROOT/scripts/down.sh"
POSTGRES_DIR=$(postgres_dir)
rm -rf "$POSTGRES_DIR" "$STATE_DIR"
# Another folder in MAAS_UP_DIR is somebody's own instance; the standalone program's data is not part of it.
[[ -n ${MAAS_UP_DIR:-} ]] || rm -rf "$ROOT/data"
say "removed"
