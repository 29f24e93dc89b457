#!/usr/bin/env bash
# What the tests need beside Rust: servers from the distribution's packages, the SDKs in folders of this tree.
# Installs only what is missing; without root it names the packages and stops.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

OLDEST_NODE=20
NODE_PACKAGE=22
LOCAL_NODE=$ROOT/.tools/node
VENV=$ROOT/.tools/venv
NODE_FOLDER=$ROOT/tests/sdk/node

main() {
    need_packages initdb=postgresql psql=postgresql-client nats-server=nats-server nginx=nginx curl=curl python3=python3 cc=build-essential
    need_python_venv
    need_node
    install_python_packages
    install_node_packages
}

# Debian's python3 comes without ensurepip; it is a package of its own.
need_python_venv() {
    python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages python3-venv
}

# The SDK needs a newer Node than some distributions have; the registry has it as a package, for a folder of this tree.
need_node() {
    have npm || install_packages nodejs npm
    if node_is_new_enough node || node_is_new_enough "$LOCAL_NODE/node_modules/.bin/node"; then return; fi
    say "installing Node $NODE_PACKAGE into ${LOCAL_NODE#"$ROOT"/}"
    mkdir -p "$LOCAL_NODE"
    npm install --silent --no-audit --no-fund --prefix "$LOCAL_NODE" "node@$NODE_PACKAGE" </dev/null
    PATH=$LOCAL_NODE/node_modules/.bin:$PATH
}

node_is_new_enough() {
    local version
    version=$("$1" --version 2>/dev/null | sed -E 's/^v([0-9]+).*/\1/')
    ((${version:-0} >= OLDEST_NODE))
}

# Each only when its list has changed since the last time.
install_python_packages() {
    local list=$ROOT/tests/sdk/requirements.txt
    same_as_stamp "$VENV/installed" "$list" && return
    say "installing the Python SDK into ${VENV#"$ROOT"/}"
    [[ -x $VENV/bin/pip ]] || python3 -m venv "$VENV"
    "$VENV/bin/pip" install --quiet --disable-pip-version-check --no-input -r "$list" </dev/null
    cp "$list" "$VENV/installed"
}

install_node_packages() {
    same_as_stamp "$NODE_FOLDER/node_modules/.installed" "$NODE_FOLDER/package-lock.json" && return
    say "installing the Node SDK into tests/sdk/node/node_modules"
    (cd "$NODE_FOLDER" && npm ci --silent --no-audit --no-fund </dev/null)
    cp "$NODE_FOLDER/package-lock.json" "$NODE_FOLDER/node_modules/.installed"
}

same_as_stamp() { cmp -s "$1" "$2"; }

main "$@"
