# shellcheck shell=bash
# What all scripts share: messages, folders, packages, waiting. Sourced, never run.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TARGET_DIR=${CARGO_TARGET_DIR:-$ROOT/target}
[[ $TARGET_DIR == /* ]] || TARGET_DIR=$ROOT/$TARGET_DIR

# The exit codes of sysexits.h, as the services use them.
EXIT_USAGE=64
EXIT_UNAVAILABLE=69

say() { printf '%s\n' "$*"; }
complain() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }
die() { complain "$@"; exit 1; }
die_usage() { complain "$@"; exit "$EXIT_USAGE"; }
die_unavailable() { complain "$@"; exit "$EXIT_UNAVAILABLE"; }

have() { command -v "$1" >/dev/null 2>&1; }
is_root() { [[ $(id -u) == 0 ]]; }

# Cargo's name of a profile and the folder it builds into are not the same word for the development profile.
profile_folder() { if [[ $1 == dev ]]; then echo debug; else echo "$1"; fi; }

# A plain user's PATH does not hold the folders of Debian's server programs.
add_server_programs_to_path() {
    local folder
    for folder in /usr/sbin /usr/local/sbin; do
        [[ :$PATH: == *:$folder:* ]] || PATH=$PATH:$folder
    done
    folder=$(postgres_programs)
    [[ -z $folder ]] || PATH=$folder:$PATH
    export PATH
}

# The folder of the newest PostgreSQL server; empty when there is none.
postgres_programs() {
    local initdb
    initdb=$(find /usr/lib/postgresql -path '*/bin/initdb' 2>/dev/null | sort -V | tail -n 1)
    if [[ -n $initdb ]]; then dirname "$initdb"; fi
}

# need_packages PROGRAM=PACKAGE…: installs the Debian packages of missing programs when root, else names them and stops.
need_packages() {
    local pair missing=()
    add_server_programs_to_path
    for pair in "$@"; do
        have "${pair%%=*}" || missing+=("${pair#*=}")
    done
    ((${#missing[@]})) || return 0
    install_packages "${missing[@]}"
    add_server_programs_to_path
    hash -r
    for pair in "$@"; do
        have "${pair%%=*}" || die_unavailable "${pair%%=*} is still missing after installing ${pair#*=}"
    done
}

install_packages() {
    if ! is_root || ! have apt-get; then
        die_unavailable "missing packages. As root: apt-get install --no-install-recommends $*"
    fi
    say "installing $*"
    keep_distribution_from_starting_postgres
    apt-get update -qq </dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" </dev/null >/dev/null
}

# Debian's package would make and start a cluster of its own on 5432. Nobody here uses it.
keep_distribution_from_starting_postgres() {
    local folder=/etc/postgresql-common/createcluster.d
    [[ -e $folder/maas.conf ]] && return
    mkdir -p "$folder"
    echo 'create_main_cluster = false' >"$folder/maas.conf"
}

# wait_until SECONDS COMMAND…: true as soon as the command succeeds, false when the time is over.
wait_until() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || return 1
        sleep 0.1
    done
}

# The text of one field at the top of a JSON object on stdin; empty for null and for a missing field. Good for our own
# files and answers, whose texts hold no quotes.
json_field() { tr -d '\n' | sed -nE 's/.*"'"$1"'"[[:space:]]*:[[:space:]]*"([^"]*)".*/\1/p'; }

json_text_or_null() { if [[ -n $1 ]]; then printf '"%s"' "$1"; else printf null; fi; }
