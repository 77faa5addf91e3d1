# The gateway: a small image without torch. docs/deploy.md says how large.
ARG PYTHON_IMAGE=python:3.12.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
COPY requirements /src/requirements
# The lock of this image's Python; every package with its hash, none built from source.
RUN python3 -m venv /opt/triton-gateway \
    && /opt/triton-gateway/bin/python -m pip install --no-cache-dir --no-deps --only-binary :all: --require-hashes \
       --requirement "/src/requirements/gateway-$(python3 -c 'import sys; print("py%d%d" % sys.version_info[:2])').txt" \
    && /opt/triton-gateway/bin/python -m pip uninstall --yes pip
COPY gateway /opt/triton-gateway/app/gateway
RUN echo /opt/triton-gateway/app > "$(echo /opt/triton-gateway/lib/python3.*/site-packages)/gateway.pth" \
    && /opt/triton-gateway/bin/python -m compileall -q /opt/triton-gateway/app \
    && /opt/triton-gateway/bin/python -m gateway.cli --version

FROM ${PYTHON_IMAGE}
ARG VERSION=0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="triton-gateway" \
      org.opencontainers.image.description="The OpenAI API in front of NVIDIA Triton" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/triton-gateway /opt/triton-gateway
COPY docker/gateway-entrypoint.sh /opt/triton-gateway/entrypoint.sh
COPY docker/triton-gateway.sh /usr/local/bin/triton-gateway
RUN chmod 0755 /usr/local/bin/triton-gateway && mkdir /shared && chmod 1777 /shared
# HOME and the like, for a user id that no passwd knows; everything that is written goes into /tmp.
ENV HOME=/tmp USER=gateway TMPDIR=/tmp XDG_STATE_HOME=/tmp \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    TRITON_GATEWAY_HOST=0.0.0.0 TRITON_GATEWAY_PORT=8000
USER 1000:1000
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=10s --start-period=24h --retries=6 CMD ["triton-gateway", "ready"]
ENTRYPOINT ["/bin/sh", "/opt/triton-gateway/entrypoint.sh"]
CMD ["serve"]
