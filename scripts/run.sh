#!/usr/bin/env bash
# make run: the standalone program, which needs nothing installed. Arguments go to it; settings are MAAS__… variables.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

PROFILE=${PROFILE:-dev}

cd "$ROOT"
have cargo || die_unavailable "Rust is not installed: https://rustup.rs"
have cc || need_packages cc=build-essential
if [[ ! -x $TARGET_DIR/$(profile_folder "$PROFILE")/maas ]]; then
    say "The first build takes some minutes; the next start takes seconds."
fi
cargo build --locked --profile "$PROFILE" -p maas-standalone --bin maas
# Replaces this script, so that Ctrl-C and signals reach the program itself.
exec "$TARGET_DIR/$(profile_folder "$PROFILE")/maas" "$@"
