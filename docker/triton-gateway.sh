#!/bin/sh
# The command line, in the environment that the image has for it.
exec /opt/triton-gateway/bin/python -m gateway.cli "$@"
