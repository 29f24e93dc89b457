# shellcheck shell=bash
# The settings files of the services and of nginx, written anew at each start. Sourced after stack.sh.

write_settings() {
    (umask 077 && mkdir -p "$STATE_DIR/config")
    local service
    for service in "${SERVICES[@]}"; do
        (umask 077 && service_settings "$service" >"$STATE_DIR/config/$service.toml.new")
        mv "$STATE_DIR/config/$service.toml.new" "$STATE_DIR/config/$service.toml"
    done
    write_nginx_settings
}

service_settings() {
    local service=$1
    cat <<TOML
# Written by make up; changed at the next start.
[http]
port = $(public_port "$service")
public_url = "$PUBLIC_URL"
trusted_proxies = ["127.0.0.1/32"]
TOML
    [[ $service != proxy* || -z ${MAAS_UP_PROXY_WORKERS:-} ]] || say "workers = $MAAS_UP_PROXY_WORKERS"
    cat <<TOML

[operations]
port = $(operations_port "$service")

[nats]
url = "nats://127.0.0.1:$NATS_PORT"

[telemetry.log]
format = "${MAAS_UP_LOG_FORMAT:-json}"
level = "${MAAS_UP_LOG_LEVEL:-info}"
TOML
    [[ $service == proxy* ]] || control_plane_settings "$service"
    case $service in
    auth | proxy*) ;;
    *) printf '\n[services]\nauth_internal_url = "http://127.0.0.1:%s"\n' "$(internal_port auth)" ;;
    esac
    own_settings "$service"
}

# What only the services with a database have.
control_plane_settings() {
    printf '\n[database]\nurl = "%s"\n' "$(database_url)"
    printf '\n[internal]\nport = %s\ntoken_file = "%s"\n' "$(internal_port "$1")" "$SECRETS_DIR/internal-token"
}

own_settings() {
    case $1 in
    auth) printf '\n[auth]\nsigning_key_file = "%s"\n' "$SECRETS_DIR/signing-key" ;;
    key-management) printf '\n[keys]\npepper_file = "%s"\n' "$SECRETS_DIR/pepper" ;;
    model-catalog) catalog_settings ;;
    usage-ingest) ;;
    proxy*) cat <<TOML

[proxy]
journal_dir = "$STATE_DIR/journal/$1"
pepper_file = "$SECRETS_DIR/pepper"
encryption_key_file = "$SECRETS_DIR/encryption-key"
allow_loopback_upstreams = true

[proxy.state_sources]
auth_url = "http://127.0.0.1:$(internal_port auth)"
key_management_url = "http://127.0.0.1:$(internal_port key-management)"
model_catalog_url = "http://127.0.0.1:$(internal_port model-catalog)"
internal_token_file = "$SECRETS_DIR/internal-token"
TOML
        ;;
    esac
}

catalog_settings() {
    printf '\n[catalog]\nencryption_key_file = "%s"\nallow_loopback_upstreams = true\n' "$SECRETS_DIR/encryption-key"
    local url number=0
    while read -r url; do
        number=$((number + 1))
        upstream_settings "$number" "$url"
    done < <(upstream_urls)
}

upstream_settings() {
    [[ $2 =~ ^https?://[^[:space:]\"\\]+$ ]] || die_usage "MAAS_UPSTREAM must be http:// or https:// URLs, separated by commas"
    printf '\n[[catalog.upstreams]]\nname = "upstream-%s"\nurl = "%s"\n' "$1" "$2"
    [[ -z ${MAAS_UPSTREAM_KEY:-} ]] || printf 'credential_variable = "MAAS_UPSTREAM_KEY"\n'
    # The simulated models cost something, so that usage shows money.
    uses_own_upstream || printf 'price = { input = "0.50", output = "1.50" }\n'
}

uses_own_upstream() { [[ -n ${MAAS_UPSTREAM:-} ]]; }

upstream_urls() {
    local urls=${MAAS_UPSTREAM:-http://127.0.0.1:$UPSTREAM_PORT/v1}
    tr ',' '\n' <<<"$urls" | sed -E 's/^[[:space:]]+|[[:space:]]+$//g; /^$/d'
}

write_nginx_settings() {
    local dir=$STATE_DIR/nginx servers service
    mkdir -p "$dir"
    servers=$(for service in "${SERVICES[@]}"; do
        # A proxy that restarts is back within seconds; nginx must not leave it out for long.
        [[ $service != proxy* ]] || printf '        server 127.0.0.1:%s max_fails=3 fail_timeout=2s;\\n' "$(public_port "$service")"
    done)
    sed -e "s|@DIR@|$dir|g" -e "s|@EDGE_PORT@|$EDGE_PORT|g" \
        -e "s|@AUTH_PORT@|$(public_port auth)|" -e "s|@KEY_MANAGEMENT_PORT@|$(public_port key-management)|" \
        -e "s|@MODEL_CATALOG_PORT@|$(public_port model-catalog)|" -e "s|@USAGE_INGEST_PORT@|$(public_port usage-ingest)|" \
        -e "s|@PROXY_SERVERS@|${servers%\\n}|" \
        "$ROOT/deploy/local/nginx.conf.template" >"$dir/nginx.conf"
}
