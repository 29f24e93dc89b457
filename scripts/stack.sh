# shellcheck shell=bash
# shellcheck disable=SC2034 # whoever sources this uses the variables
# The platform as local processes: where its state is, which ports it has, how Postgres and NATS start. Sourced after lib.sh.

STATE_DIR=${MAAS_UP_DIR:-$ROOT/data/up}
[[ $STATE_DIR == /* ]] || STATE_DIR=$PWD/$STATE_DIR
PORT_OFFSET=${MAAS_UP_PORT_OFFSET:-0}
PROFILE=${PROFILE:-dev}
PROXIES=${MAAS_UP_PROXIES:-2}
if ! [[ $PORT_OFFSET =~ ^(0|[1-9][0-9]{0,4})$ ]] || ((PORT_OFFSET > 56000)); then
    die_usage "MAAS_UP_PORT_OFFSET must be 0 to 56000"
fi
[[ $PROXIES == [12] ]] || die_usage "MAAS_UP_PROXIES must be 1 or 2"

# shellcheck source=scripts/processes.sh
source "$ROOT/scripts/processes.sh"

BIN_DIR=$TARGET_DIR/$(profile_folder "$PROFILE")
SECRETS_DIR=$STATE_DIR/secrets
EDGE_PORT=${MAAS_UP_PORT:-$((8080 + PORT_OFFSET))}
UPSTREAM_PORT=$((8390 + PORT_OFFSET))
NATS_PORT=$((8422 + PORT_OFFSET))
POSTGRES_PORT=$((8432 + PORT_OFFSET))
PUBLIC_URL=http://127.0.0.1:$EDGE_PORT

# In the order of their start: who is asked by others comes first.
SERVICES=(auth key-management model-catalog usage-ingest proxy)
[[ $PROXIES == 1 ]] || SERVICES+=(proxy-2)

public_port() { echo $(($(base_port "$1") + PORT_OFFSET)); }
internal_port() { echo $(($(base_port "$1") + 100 + PORT_OFFSET)); }
operations_port() { echo $(($(base_port "$1") + 200 + PORT_OFFSET)); }

base_port() {
    case $1 in
    auth) echo 8081 ;;
    key-management) echo 8082 ;;
    model-catalog) echo 8083 ;;
    usage-ingest) echo 8084 ;;
    proxy) echo 8085 ;;
    proxy-2) echo 8095 ;;
    *) die "no such service: $1" ;;
    esac
}

# The second proxy is the same program.
program_of() { echo "$BIN_DIR/maas-${1%-2}"; }

# One instance per state folder at a time; the lock goes with the script.
lock_state() {
    mkdir -p "$STATE_DIR"
    exec 9>"$STATE_DIR/lock"
    flock -n 9 || die_unavailable "another make up or make down works on $STATE_DIR"
}

# clean_environment [NAME=VALUE…]: sets ENVIRONMENT, the words before a command that runs without the caller's own MAAS_…
# variables. A setting that a service does not know would stop it.
clean_environment() {
    local name
    ENVIRONMENT=(env)
    while read -r name; do ENVIRONMENT+=(-u "$name"); done < <(compgen -e | grep '^MAAS_' || true)
    ENVIRONMENT+=("$@")
}

# service_environment SERVICE: sets ENVIRONMENT for it. Only who talks to upstreams gets the key for them.
service_environment() {
    clean_environment MAAS_CONFIG="$STATE_DIR/config/$1.toml"
    if [[ $1 == @(model-catalog|proxy*) && -n ${MAAS_UPSTREAM_KEY:-} ]]; then
        ENVIRONMENT+=(MAAS_UPSTREAM_KEY="$MAAS_UPSTREAM_KEY")
    fi
}

# ---- secrets

# 32 random bytes in hexadecimal digits, made once.
make_secret() {
    local file=$SECRETS_DIR/$1
    [[ -s $file ]] || (umask 077 && od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n' >"$file.new" && mv "$file.new" "$file")
}

secret() { cat "$SECRETS_DIR/$1"; }

make_secrets() {
    (umask 077 && mkdir -p "$SECRETS_DIR")
    local name
    for name in pepper encryption-key internal-token postgres-admin-password postgres-password; do make_secret "$name"; done
    # The seed of an Ed25519 key is any 32 bytes.
    local file=$SECRETS_DIR/signing-key
    [[ -s $file ]] || (umask 077 && head -c 32 /dev/urandom | base64 -w0 >"$file.new" && mv "$file.new" "$file")
}

# ---- PostgreSQL

# As root the server runs as the account of the Debian package, which must reach its folder: a state folder below a home
# folder may be closed to it.
postgres_dir() {
    if ! is_root || reachable_for_postgres; then
        echo "$STATE_DIR/postgres"
    else
        echo "/var/lib/maas-up/$(cksum <<<"$STATE_DIR" | tr ' ' -)"
    fi
}

reachable_for_postgres() { runuser -u postgres -- test -x "$STATE_DIR" 2>/dev/null; }

as_postgres() {
    # From /, since the account may not enter the current folder.
    if is_root; then (cd / && runuser -u postgres -- "$@" 9>&-); else (cd / && "$@" 9>&-); fi
}

start_postgres() {
    local dir log
    dir=$(postgres_dir)
    postgres_is_running && return
    if [[ ! -e $dir/data/PG_VERSION ]]; then create_postgres_cluster "$dir"; fi
    log=$dir/postgres.log
    if ! as_postgres pg_ctl start -w -t 30 -s -D "$dir/data" -l "$log" \
        -o "-c listen_addresses=127.0.0.1 -c port=$POSTGRES_PORT -c unix_socket_directories='' -c max_connections=200"; then
        tail -n 25 "$log" >&2 || true
        die_unavailable "postgres did not start"
    fi
    create_database
}

create_postgres_cluster() {
    local dir=$1
    mkdir -p "$dir"
    # Made with `initdb --pwfile`, which the server's account must be able to read.
    (umask 077 && cp "$SECRETS_DIR/postgres-admin-password" "$dir/password")
    if is_root; then chown -R postgres "$dir"; fi
    chmod 0700 "$dir"
    # What an interrupted start left is no cluster yet.
    rm -rf "$dir/data"
    as_postgres initdb -D "$dir/data" -U postgres --pwfile="$dir/password" --auth=scram-sha-256 \
        --encoding=UTF8 --locale=C.UTF-8 >/dev/null
    rm -f "$dir/password"
}

create_database() {
    # Through stdin, so that no password stands in the list of processes.
    PGPASSWORD=$(secret postgres-admin-password) psql -X -q -v ON_ERROR_STOP=1 -o /dev/null \
        -h 127.0.0.1 -p "$POSTGRES_PORT" -U postgres postgres <<SQL
SELECT 'CREATE ROLE maas LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'maas') \gexec
ALTER ROLE maas PASSWORD '$(secret postgres-password)';
SELECT 'CREATE DATABASE maas OWNER maas' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'maas') \gexec
SQL
}

postgres_is_running() {
    [[ -e $(postgres_dir)/data/postmaster.pid ]] && as_postgres pg_ctl status -s -D "$(postgres_dir)/data" >/dev/null
}

stop_postgres() {
    postgres_is_running || return 0
    as_postgres pg_ctl stop -s -w -t 30 -m fast -D "$(postgres_dir)/data"
}

database_url() { echo "postgres://maas:$(secret postgres-password)@127.0.0.1:$POSTGRES_PORT/maas"; }

# ---- NATS

start_nats() {
    is_running nats && return
    start_process nats nats-server -a 127.0.0.1 -p "$NATS_PORT" -js -sd "$STATE_DIR/nats"
    wait_ready nats 15 is_listening "$NATS_PORT"
}
