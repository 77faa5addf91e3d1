#!/bin/sh
# Grafana's entry point. Grafana alone would make an administrator with the password "admin"; this one makes an
# administrator with the password of a file, or none at all.
set -eu

if ! [ -r "$PASSWORD_FILE" ]; then
    echo "error: The file of Grafana's password can't be read by user $(id -u)." >&2
    echo "  Fix: let that user read it (GRAFANA_PASSWORD_FILE in .env names it)." >&2
    exit 1
elif [ -s "$PASSWORD_FILE" ]; then
    export GF_SECURITY_ADMIN_PASSWORD__FILE="$PASSWORD_FILE"
else
    echo "No password: whoever reaches this host's loopback may look at the dashboards, and nobody may sign in."
    export GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION=true
    export GF_AUTH_ANONYMOUS_ENABLED=true GF_AUTH_ANONYMOUS_ORG_ROLE=Viewer
    export GF_AUTH_DISABLE_LOGIN_FORM=true GF_AUTH_BASIC_ENABLED=false
fi
exec "$@"
