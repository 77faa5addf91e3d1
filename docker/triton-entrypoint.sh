#!/bin/sh
# Triton's entry point. NVIDIA's own, where there is one, chooses the CUDA libraries that suit the driver; then our supervisor
# becomes process 1: it starts what fails, reaps what is orphaned, and ends everything on SIGTERM.
set -eu
NVIDIA=/opt/nvidia/nvidia_entrypoint.sh

mkdir -p "$HOME"
set -- triton-gateway run --verbose \
    --triton-host 0.0.0.0 --triton-grpc-port 8001 --triton-metrics-port 8002 \
    --model-repository /models --demonstration /opt/demonstration \
    --vllm-python "${VLLM_PYTHON:-$(command -v python3)}" \
    --repository-secret-file /shared/repository-secret \
    --gpu "${GPU:-1}" --load-timeout "${LOAD_TIMEOUT:-600}" "$@"
if [ -x "$NVIDIA" ]; then
    exec "$NVIDIA" "$@"
fi
exec "$@"
