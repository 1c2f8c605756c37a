#!/bin/sh
# Starts coturn with the committed settings plus what only this host knows. The secret goes into a file that no one
# else can read, not onto the command line, where every user of the host would see it.
#
# TURN over TLS, where TURN_TLS_CERT and TURN_TLS_KEY name the files (with * where Caddy decides on a folder): on port 443 of
# TURN_LISTEN_IP, an address that is coturn's alone, or on TURN_TLS_PORT behind a proxy that passes it on. A certificate that is renewed is taken over without a restart; one that is
# not there yet is waited for, and coturn ends when it comes, to be started again with it.
set -eu

: "${TURN_SECRET:?set it, the same as for mesh-server}"
: "${TURN_REALM:?set it, the same as for mesh-server}"
: "${TURN_EXTERNAL_IP:?set it to the public address of this host}"

settings=${TURN_SETTINGS:-/etc/coturn/turnserver.conf}
run=${TURN_RUN_DIR:-/tmp}
look_every=${TURN_TLS_LOOK_SECONDS:-60}

# Copies the newest certificate and its key to where coturn reads them. Fails where there is none, or no other.
take_certificate() {
    certificate=$(ls -t $TURN_TLS_CERT 2>/dev/null | head -n 1)
    key=$(ls -t $TURN_TLS_KEY 2>/dev/null | head -n 1)
    [ -s "$certificate" ] && [ -s "$key" ] || return 1
    if cmp -s "$certificate" "$run/turn.crt" && cmp -s "$key" "$run/turn.key"; then
        return 1
    fi
    cp "$certificate" "$run/turn.crt" && cp "$key" "$run/turn.key"
}

umask 077
tls=no
if [ -n "${TURN_TLS_CERT:-}" ]; then
    : "${TURN_TLS_KEY:?set it beside TURN_TLS_CERT}"
    [ "${TURN_TLS_PORT:-443}" != 443 ] ||
        : "${TURN_LISTEN_IP:?set it to the address of this host that is for the relay alone}"
    take_certificate || true
    if [ -s "$run/turn.crt" ]; then
        tls=yes
    else
        echo "There is no $TURN_TLS_CERT yet: no TURN over TLS until it comes." >&2
    fi
fi
{
    case $tls in
    no) cat "$settings" ;;
    yes)
        sed '/^no-tls$/d' "$settings"
        printf 'tls-listening-port=%s\ncert=%s\npkey=%s\n' "${TURN_TLS_PORT:-443}" "$run/turn.crt" "$run/turn.key"
        printf 'no-tlsv1\nno-tlsv1_1\n'
        ;;
    esac
    printf 'realm=%s\n' "$TURN_REALM"
    printf 'external-ip=%s\n' "$TURN_EXTERNAL_IP"
    [ -z "${TURN_LISTEN_IP:-}" ] || printf 'listening-ip=%s\nrelay-ip=%s\n' "$TURN_LISTEN_IP" "$TURN_LISTEN_IP"
    printf 'static-auth-secret=%s\n' "$TURN_SECRET"
    printf 'userdb=%s/turndb\n' "$run"
    printf 'pidfile=%s/turnserver.pid\n' "$run"
} >"$run/turnserver.conf"

if [ -n "${TURN_TLS_CERT:-}" ]; then
    # exec keeps the number of this process, which is coturn's then. What follows it ends with it.
    (
        while sleep "$look_every" && kill -0 $$ 2>/dev/null; do
            take_certificate || continue
            case $tls in
            yes) kill -USR2 $$ ;;
            no) kill -TERM $$ ;;
            esac
        done
    ) &
fi
exec turnserver -c "$run/turnserver.conf" "$@"
