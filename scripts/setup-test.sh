#!/usr/bin/env bash
# What the tests need beside Rust: servers from the distribution's packages, client libraries and an identity provider in
# folders of this tree.
# Installs only what is missing; without root it names the packages and stops. About a minute and 800 MB the first time;
# with MAAS_TOOLS_DIR outside the tree several checkouts share the Python part.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

OLDEST_NODE=20
NODE_PACKAGE=22
TOOLS=${MAAS_TOOLS_DIR:-$ROOT/.tools}
LOCAL_NODE=$TOOLS/node
REQUIREMENTS=$ROOT/tests/sdk/requirements

main() {
    need_packages initdb=postgresql psql=postgresql-client nats-server=nats-server nginx=nginx curl=curl python3=python3 cc=build-essential
    need_clock_library
    need_python_venv
    need_node
    install_python_packages clients python3
    install_python_packages llama-index python3
    install_ogx
    install_node_packages "$ROOT/tests/sdk/node"
    install_node_packages "$ROOT/tests/idp"
}

# The chaos suite sets clocks of single processes with it (tests/src/clocks.rs).
need_clock_library() {
    compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null || install_packages libfaketime
}

# Debian's python3 comes without ensurepip; it is a package of its own.
need_python_venv() {
    python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages python3-venv
}

# The SDKs need a newer Node than some distributions have; the registry has it as a package, for a folder of this tree.
need_node() {
    have npm || install_packages nodejs npm
    if node_is_new_enough node || node_is_new_enough "$LOCAL_NODE/node_modules/.bin/node"; then return; fi
    say "installing Node $NODE_PACKAGE into $LOCAL_NODE"
    mkdir -p "$LOCAL_NODE"
    npm install --silent --no-audit --no-fund --prefix "$LOCAL_NODE" "node@$NODE_PACKAGE" </dev/null
    PATH=$LOCAL_NODE/node_modules/.bin:$PATH
}

node_is_new_enough() {
    local version
    version=$("$1" --version 2>/dev/null | sed -E 's/^v([0-9]+).*/\1/')
    ((${version:-0} >= OLDEST_NODE))
}

# install_python_packages NAME PYTHON: an environment of its own for each list, since they want different versions of the
# same packages. Made anew only when its list has changed, so nothing of an older list stays behind.
install_python_packages() {
    local list=$REQUIREMENTS/$1.txt folder=$TOOLS/python/$1
    same_as_stamp "$folder/installed" "$list" && [[ -x $folder/bin/python ]] && return
    say "installing tests/sdk/requirements/$1.txt into $folder"
    "$2" -m venv --clear "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check --no-input -r "$list" </dev/null
    cp "$list" "$folder/installed"
}

# The one thing that Debian 12 has nothing for. The tests of OGX then say why they did not run, and the conversations that
# were recorded with it are still replayed.
install_ogx() {
    local python reason=$TOOLS/python/ogx.missing
    rm -f "$reason"
    if python=$(find_python 3 12); then
        install_python_packages ogx "$python"
        return
    fi
    mkdir -p "$TOOLS/python"
    echo "OGX needs Python 3.12 or later, and there is none on this machine" >"$reason"
    complain "$(cat "$reason"): its live tests will not run"
}

# find_python MAJOR MINOR: the first interpreter that is at least that new and can make environments. A name on PATH may
# be a stub of a version manager that starts nothing, so each is tried.
find_python() {
    local candidate probe="import ensurepip, sys, venv; sys.exit(sys.version_info < ($1, $2))"
    for candidate in python3 python3.{12..15} "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin/python3; do
        if "$candidate" -c "$probe" >/dev/null 2>&1; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

# install_node_packages FOLDER: what its lock file names, into its node_modules.
install_node_packages() {
    same_as_stamp "$1/node_modules/.installed" "$1/package-lock.json" && return
    say "installing the Node packages of ${1#"$ROOT/"}"
    (cd "$1" && npm ci --silent --no-audit --no-fund </dev/null)
    cp "$1/package-lock.json" "$1/node_modules/.installed"
}

same_as_stamp() { cmp -s "$1" "$2"; }

main "$@"
