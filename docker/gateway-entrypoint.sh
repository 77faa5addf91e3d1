#!/bin/sh
# The gateway's entry point: makes settings of what Compose gives, or says what is wrong with it.
set -eu

KEYS=/run/secrets/api_keys  # an empty file stands for "no keys": Compose mounts one where the user names none
SECRET=/shared/repository-secret  # Triton's container writes it
ADDRESS=${PUBLISHED_ADDRESS:-127.0.0.1}  # where the host publishes the port, which a container can't see

refuse() {
    printf 'error: %s\n  Fix: %s\n' "$1" "$2" >&2
    exit 1
}

if [ -e "$KEYS" ] && ! [ -r "$KEYS" ]; then
    refuse "The file of API keys can't be read by user $(id -u), group $(id -g)." \
        "let that user read it (API_KEYS_FILE names it), or run the containers as its owner: CONTAINER_USER=\$(id -u):\$(id -g) in .env."
elif [ -s "$KEYS" ]; then
    export TRITON_GATEWAY_API_KEYS_FILE="$KEYS"
elif [ -z "${TRITON_GATEWAY_API_KEYS:-}${TRITON_GATEWAY_KEYS:-}" ]; then
    case "$ADDRESS" in
    127.* | ::1 | '[::1]' | localhost)
        echo "allow_anonymous: no API keys, and the port is published on $ADDRESS alone." ;;
    *)
        [ "${ALLOW_ANONYMOUS:-0}" = 1 ] || refuse "The port is published on $ADDRESS, and there are no API keys." \
            "name a file of keys (API_KEYS_FILE=./keys.txt in .env), or say that everybody may use it: ALLOW_ANONYMOUS=1."
        echo "allow_anonymous: no API keys; whoever reaches $ADDRESS may use the models." ;;
    esac
fi
if [ "${1:-}" = serve ] && [ -z "${TRITON_GATEWAY_TRITON_REPOSITORY_SECRET:-}" ]; then
    if [ -s "$SECRET" ]; then
        TRITON_GATEWAY_TRITON_REPOSITORY_SECRET=$(cat "$SECRET")
        export TRITON_GATEWAY_TRITON_REPOSITORY_SECRET
    fi
fi
exec triton-gateway "$@"
