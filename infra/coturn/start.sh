#!/bin/sh
# Starts coturn with the committed settings plus what only this host knows. The secret goes into a file that no one
# else can read, not onto the command line, where every user of the host would see it.
set -eu

: "${TURN_SECRET:?set it, the same as for mesh-server}"
: "${TURN_REALM:?set it, the same as for mesh-server}"
: "${TURN_EXTERNAL_IP:?set it to the public address of this host}"

settings=${TURN_SETTINGS:-/etc/coturn/turnserver.conf}
run=${TURN_RUN_DIR:-/tmp}

umask 077
{
    cat "$settings"
    printf 'realm=%s\n' "$TURN_REALM"
    printf 'external-ip=%s\n' "$TURN_EXTERNAL_IP"
    printf 'static-auth-secret=%s\n' "$TURN_SECRET"
    printf 'userdb=%s/turndb\n' "$run"
    printf 'pidfile=%s/turnserver.pid\n' "$run"
} >"$run/turnserver.conf"

exec turnserver -c "$run/turnserver.conf" "$@"
