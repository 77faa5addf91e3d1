# Triton, both backends and the demonstration models for a host without a GPU: what `make up` runs, from Python packages.
# Triton in it is release 24.10 without later security fixes: for trying and for development.
ARG PYTHON_IMAGE=python:3.11.13-slim-bookworm

FROM ${PYTHON_IMAGE}
# vLLM's build for the CPU loads it, and without it fails late and without a word.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libnuma1 \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/triton-gateway
COPY . .
# One layer, because copying gigabytes from a stage of their own takes minutes. As in the other images: /opt/tritonserver,
# and the gateway's environment in /opt/triton-gateway itself.
RUN python3 -m gateway.cli setup --gpu 0 \
    && cp -rL model_repository /opt/demonstration \
    && rm -rf .cache/prepare .cache/models .cache/pip .cache/logs \
    && mkdir -p /opt/tritonserver/bin app \
    && ln -s /opt/triton-gateway/.cache/triton/pytriton/tritonserver/bin/tritonserver /opt/tritonserver/bin/ \
    && ln -s /opt/triton-gateway/.cache/backends /opt/tritonserver/backends \
    && mv gateway app/ \
    && mv .cache/envs/gateway/* . \
    && echo /opt/triton-gateway/app > "$(echo lib/python3.*/site-packages)/gateway.pth" \
    && bin/python -m compileall -q app triton_backend \
    && chmod 0755 .cache/backends/python/triton_python_backend_stub \
    && rm -rf docker requirements model_repository \
    && bin/python -m gateway.cli --version
ARG VERSION=0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="triton-gateway-triton-cpu" \
      org.opencontainers.image.description="NVIDIA Triton with the backends vllm_custom and pytorch, for CPUs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY docker/check.py docker/triton-entrypoint.sh /opt/triton-gateway/
COPY docker/triton-gateway.sh /usr/local/bin/triton-gateway
RUN chmod 0755 /usr/local/bin/triton-gateway \
    && LD_LIBRARY_PATH=/opt/triton-gateway/.cache/triton/nvidia_pytriton.libs:/usr/local/lib \
       /opt/triton-gateway/.cache/envs/vllm_custom/bin/python /opt/triton-gateway/check.py /opt/tritonserver \
    && mkdir -p /models /cache /state /shared && chmod 1777 /models /cache /state /shared
# A model that names no environment of its own runs in the first python3 on PATH: that of the classifiers.
ENV PATH=/opt/triton-gateway/.cache/envs/pytorch/bin:${PATH} \
    LD_LIBRARY_PATH=/opt/triton-gateway/.cache/triton/nvidia_pytriton.libs:/usr/local/lib \
    HOME=/cache/home USER=triton LOGNAME=triton TMPDIR=/tmp VLLM_RPC_BASE_PATH=/tmp \
    XDG_CACHE_HOME=/cache XDG_CONFIG_HOME=/cache/config XDG_STATE_HOME=/state \
    HF_HOME=/cache/huggingface VLLM_CACHE_ROOT=/cache/vllm TRITON_CACHE_DIR=/cache/triton \
    TORCHINDUCTOR_CACHE_DIR=/cache/inductor NUMBA_CACHE_DIR=/cache/numba \
    PYTHONDONTWRITEBYTECODE=1 TRITON_GATEWAY_LOG_LEVEL=warning GPU=0 \
    VLLM_PYTHON=/opt/triton-gateway/.cache/envs/vllm_custom/bin/python
USER 1000:1000
EXPOSE 8001 8002
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=10s --start-period=24h --retries=6 CMD ["triton-gateway", "ready"]
ENTRYPOINT ["/bin/sh", "/opt/triton-gateway/triton-entrypoint.sh"]
