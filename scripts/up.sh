#!/usr/bin/env bash
# make up: the five services, two proxies, Postgres, NATS and nginx as processes of this machine. No container engine.
#
# State, secrets, logs and pid files are under MAAS_UP_DIR (./data/up). A second run starts only what does not run.
#
#   MAAS_UPSTREAM        servers to serve, separated by commas; without it a simulated one is started
#   MAAS_UPSTREAM_KEY    the bearer token for them
#   PROFILE              dev (default) or release
#   MAAS_UP_DIR, MAAS_UP_PORT (nginx), MAAS_UP_PORT_OFFSET (added to every port), MAAS_UP_PROXIES (1 or 2),
#   MAAS_UP_PROXY_WORKERS, MAAS_UP_LOG_FORMAT, MAAS_UP_LOG_LEVEL, MAAS_UP_BUILD=0 (use what is built)
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/stack.sh
source "$ROOT/scripts/stack.sh"
# shellcheck source=scripts/settings.sh
source "$ROOT/scripts/settings.sh"

BOOTSTRAP=$STATE_DIR/bootstrap.json
READY_SECONDS=60

main() {
    need_packages initdb=postgresql psql=postgresql-client nats-server=nats-server nginx=nginx curl=curl
    [[ ${MAAS_UP_BUILD:-1} == 0 ]] || build
    lock_state
    prepare_state
    start_everything
    bootstrap
    print_summary
}

build() {
    local packages=(-p maas-simulated-upstream) service
    for service in auth key-management model-catalog usage-ingest proxy; do packages+=(-p "maas-$service"); done
    cargo build --locked --profile "$PROFILE" --bins "${packages[@]}"
}

prepare_state() {
    # Other accounts may pass through to Postgres' folder, and read nothing here.
    chmod 0711 "$STATE_DIR"
    (umask 077 && mkdir -p "$STATE_DIR"/{run,log,journal})
    refuse_other_ports
    refuse_busy_ports
    make_secrets
    write_settings
}

# Ports of running processes cannot change; a second run with others would start half a platform.
refuse_other_ports() {
    local settings="$PORT_OFFSET $EDGE_PORT $PROXIES" file=$STATE_DIR/run/ports
    if [[ -e $file && $(cat "$file") != "$settings" ]] && something_runs; then
        die_usage "the platform in $STATE_DIR runs with other ports: make down first"
    fi
    echo "$settings" >"$file"
}

something_runs() {
    local file
    for file in "$STATE_DIR"/run/*.pid; do
        [[ -e $file ]] && is_running "$(basename "$file" .pid)" && return 0
    done
    postgres_is_running
}

refuse_busy_ports() {
    local service port
    refuse_busy_port nginx "$EDGE_PORT" MAAS_UP_PORT
    refuse_busy_port nats "$NATS_PORT" MAAS_UP_PORT_OFFSET
    postgres_is_running || refuse_busy_port postgres "$POSTGRES_PORT" MAAS_UP_PORT_OFFSET
    uses_own_upstream || refuse_busy_port simulated-upstream "$UPSTREAM_PORT" MAAS_UP_PORT_OFFSET
    for service in "${SERVICES[@]}"; do
        for port in $(public_port "$service") $(internal_port "$service") $(operations_port "$service"); do
            refuse_busy_port "$service" "$port" MAAS_UP_PORT_OFFSET
        done
    done
}

refuse_busy_port() {
    is_running "$1" && return
    ! is_listening "$2" || die_unavailable "port $2 for $1 is in use by another program: stop it, or change $3"
}

start_everything() {
    start_postgres
    start_nats
    uses_own_upstream || start_simulated_upstream
    local service
    migrate
    # All at once, then wait for each: their starts overlap.
    for service in "${SERVICES[@]}"; do start_service "$service"; done
    for service in "${SERVICES[@]}"; do
        wait_ready "$service" "$READY_SECONDS" curl -fsS -m 5 -o /dev/null "http://127.0.0.1:$(operations_port "$service")/readyz"
    done
    start_nginx
}

start_simulated_upstream() {
    is_running simulated-upstream && return
    clean_environment
    start_process simulated-upstream "${ENVIRONMENT[@]}" "$BIN_DIR/simulated-upstream" --port "$UPSTREAM_PORT" \
        ${MAAS_UP_MODELS:+--models "$MAAS_UP_MODELS"}
    wait_ready simulated-upstream 15 is_listening "$UPSTREAM_PORT"
}

# Before the first service starts, since services refuse an older schema. Running services of the same build are at ease with it.
migrate() {
    local service
    for service in "${SERVICES[@]}"; do
        [[ $service != proxy* ]] || continue
        service_environment "$service"
        if ! "${ENVIRONMENT[@]}" "$(program_of "$service")" migrate >>"$(log_file "$service")" 2>&1; then
            show_log_tail "$service"
            die_unavailable "$service could not migrate"
        fi
    done
}

start_service() {
    local service=$1
    if is_running "$service"; then
        say_if_older "$service"
        return
    fi
    service_environment "$service"
    start_process "$service" "${ENVIRONMENT[@]}" "$(program_of "$service")" serve
}

say_if_older() {
    # The kernel marks the program of a process whose file was replaced.
    [[ $(readlink "/proc/$(running_pid "$1")/exe" 2>/dev/null) != *' (deleted)' ]] ||
        say "$1 runs an older build: make down, then make up"
}

start_nginx() {
    local configuration=$STATE_DIR/nginx/nginx.conf
    if is_running nginx; then
        kill -HUP "$(running_pid nginx)"
    else
        start_process nginx nginx -e stderr -p "$STATE_DIR/nginx" -c "$configuration"
    fi
    wait_ready nginx 15 is_listening "$EDGE_PORT"
}

# ---- the first admin and the first key

# The password and the key are shown once. Until both are in bootstrap.json they are kept, so that a start which failed
# half way loses neither.
bootstrap() {
    local kept=$SECRETS_DIR/first-start file=$STATE_DIR/auth-bootstrap.json user password token key=""
    service_environment auth
    (umask 077 && "${ENVIRONMENT[@]}" "$(program_of auth)" bootstrap --file "$file" >>"$(log_file auth)" 2>&1) || {
        show_log_tail auth
        die_unavailable "the first admin could not be made"
    }
    user=$(json_field admin_user <"$file")
    password=$(json_field admin_password <"$file")
    token=$(json_field admin_token <"$file")
    rm -f "$file"
    [[ -z $password ]] || (umask 077 && printf '%s' "$password" >"$kept")
    if [[ -e $kept ]]; then
        password=$(cat "$kept")
        key=$(create_first_key "$token")
        wait_until 20 key_works "$key" || die_unavailable "the first key is not known to the proxies: see $STATE_DIR/log"
    fi
    write_bootstrap "$user" "$password" "$token" "$key"
    rm -f "$kept"
    PASSWORD=$password KEY=$key
}

# Repeated while key-management has not heard of the new admin yet. Without an idempotency key: a replay does not show the
# secret again.
create_first_key() {
    local deadline=$((SECONDS + 20)) answer secret
    while true; do
        answer=$(curl -sS -m 10 -X POST "$PUBLIC_URL/api/v1/keys" -H "Content-Type: application/json" \
            -H @<(printf 'Authorization: Bearer %s\n' "$1") \
            -d '{"name":"first key"}' 2>&1) || true
        secret=$(json_field secret <<<"$answer")
        [[ -z $secret ]] || break
        ((SECONDS < deadline)) || die_unavailable "the first API key could not be made: $answer"
        sleep 0.2
    done
    printf '%s' "$secret"
}

key_works() { [[ -n $(first_model "$1") ]]; }

first_model() {
    curl -fsS -m 5 "$PUBLIC_URL/v1/models" -H @<(printf 'Authorization: Bearer %s\n' "$1") |
        grep -oE '"id" *: *"[^"]+"' | grep -vi embed | head -n 1 | sed -E 's/.*"([^"]+)"$/\1/'
}

write_bootstrap() {
    (umask 077 && cat >"$BOOTSTRAP.new" <<JSON
{
  "url": "$PUBLIC_URL",
  "ops_url": "http://127.0.0.1:$(operations_port proxy)",
  "admin_user": "$1",
  "admin_password": $(json_text_or_null "$2"),
  "admin_token": "$3",
  "api_key": $(json_text_or_null "$4")
}
JSON
    )
    mv "$BOOTSTRAP.new" "$BOOTSTRAP"
}

print_summary() {
    say ""
    say "The platform runs at $PUBLIC_URL (state in $STATE_DIR)"
    if [[ -z $KEY ]]; then
        say "Users, keys and usage are those of the last time. A new admin token is in $BOOTSTRAP"
        return
    fi
    say "  admin      $(json_field admin_user <"$BOOTSTRAP")"
    say "  password   $PASSWORD   (shown once)"
    say "  API key    $KEY   (shown once)"
    say "  explorer   $PUBLIC_URL/docs"
    say ""
    say "A first answer, streamed:"
    say "  curl -N $PUBLIC_URL/v1/chat/completions -H 'Authorization: Bearer $KEY' -H 'Content-Type: application/json' \\"
    say "    -d '{\"model\":\"$(first_model "$KEY")\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}'"
    say ""
    say "make down stops it and keeps the data."
}

main "$@"
