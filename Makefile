# Every command of the project; `make help` lists them. What they do is in gateway/cli/ and pyproject.toml.
PYTHON ?= python3
# Those that are given become options; the defaults are in gateway/defaults.py.
ADDRESS = $(if $(HOST),--host $(HOST)) $(if $(PORT),--port $(PORT))
TRITON_PORTS = $(if $(TRITON_GRPC_PORT),--triton-grpc-port $(TRITON_GRPC_PORT)) $(if $(TRITON_METRICS_PORT),--triton-metrics-port $(TRITON_METRICS_PORT))
BACKENDS = $(if $(GPU),--gpu $(GPU)) $(if $(VLLM_ENVIRONMENT),--vllm-environment '$(VLLM_ENVIRONMENT)') $(if $(PYTORCH_ENVIRONMENT),--pytorch-environment '$(PYTORCH_ENVIRONMENT)')

MODELS = $(if $(MODEL),--model '$(MODEL)') $(foreach folder,$(MODEL_REPOSITORY),--model-repository $(folder)) $(if $(filter 0,$(DEMONSTRATION)),--no-demonstration)

# pyenv has a shim for every version that is installed, but a shim starts only if its version is chosen.
STARTS = $(shell $(PYTHON) -c '' >/dev/null 2>&1 && echo $(PYTHON))
OF_PYENV = $(lastword $(sort $(wildcard $(or $(PYENV_ROOT),$(HOME)/.pyenv)/versions/*/bin/$(PYTHON))))
CLI = $(or $(STARTS),$(OF_PYENV),$(PYTHON)) -m gateway.cli
DEV = .cache/envs/dev/bin/python

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help up setup doctor test lint types unit host compose-test package models parsers versions integration conformance bench backend neighbours docs sbom format lock clean dev

help:  ## list the commands
	@sed -n 's/^\([a-z-]*\):.*##/  make \1\t/p' $(MAKEFILE_LIST) | expand -t 22

up:  ## set up what is missing and serve, in the foreground (HOST, PORT, WORKERS, MODEL, MODEL_REPOSITORY, DEMONSTRATION=0, TRITON_GRPC_PORT, TRITON_METRICS_PORT, GPU=0, VLLM_ENVIRONMENT, PYTORCH_ENVIRONMENT)
	@exec $(CLI) up $(ADDRESS) $(TRITON_PORTS) $(BACKENDS) $(if $(WORKERS),--workers $(WORKERS)) $(MODELS)

setup:  ## environments, Triton and weights, also what the checks need
	@exec $(CLI) setup $(BACKENDS) --with dev prepare testtools

doctor:  ## check the machine, the set-up and what is running, and say what to do
	@exec $(CLI) doctor $(ADDRESS) $(TRITON_PORTS) $(BACKENDS)

test: setup lint types unit package models parsers integration  ## every check, on the real Triton with real weights

lint: dev  ## style, formatting and spelling
	$(DEV) -m ruff check .
	$(DEV) -m ruff format --check .
	git ls-files | grep -v '^requirements/.*\.txt$$' | xargs $(DEV) -m codespell_lib

types: setup  ## basedpyright, strict, each part with the environment it runs in
	$(DEV) -m basedpyright --pythonpath $(DEV)
	$(DEV) -m basedpyright --pythonpath .cache/envs/vllm_custom/bin/python triton_backend/vllm_custom
	$(DEV) -m basedpyright --pythonpath .cache/envs/pytorch/bin/python triton_backend/pytorch model_repository

unit: dev  ## unit and contract tests; no Triton
	$(DEV) -m pytest -m "not triton and not gpu and not package and not host and not compose"

host: dev  ## the product on odd hosts, and Prometheus and Redis with our files; needs root and the packages of .ci/packages (1 minute)
	$(DEV) -m pytest -m host tests/host tests/deploy

compose-test: setup  ## compose.yaml and compose.cpu.yaml, for real, on a Docker engine; needs root, docker.io and debootstrap (12 minutes; 20 GB of disk)
	$(DEV) -m pytest -m compose tests/compose

package: dev  ## the wheel, in an empty environment of each supported Python (1 minute)
	$(DEV) -m pytest -m package tests/packaging

models: setup  ## the prepared models against the libraries they come from
	PYTHONPATH=.cache/prepare:.cache/testtools .cache/envs/pytorch/bin/python -m pytest --confcutdir tests/prepare_env tests/prepare_env

parsers: setup  ## tool calls and reasoning by vLLM's own parsers; VLLM_CUSTOM_ENGINE_TESTS=1 adds what needs an engine
	PYTHONPATH=.cache/testtools .cache/envs/vllm_custom/bin/python -m pytest --confcutdir tests/vllm_env tests/vllm_env

versions: dev  ## what the backend takes of vLLM, in an environment of each version that it is for (VLLM=0.27.1 takes one; 12 GB of disk, 30 minutes)
	$(DEV) -m tests.vllm_env.versions $(VLLM) $(if $(KEEP),--keep '$(KEEP)')

integration: setup  ## the whole, on the real Triton with real vLLM and real weights
	$(DEV) -m pytest -m triton tests/integration

conformance: setup  ## other people's clients and their suites against the gateway, written into docs/conformance.md (3 minutes)
	$(DEV) -m tests.conformance

bench: setup  ## CPU a token and request, latency and memory, beside other gateways (10 minutes; needs a C compiler); AGAINST=revision: CPU beside that revision's (7 minutes)
	$(DEV) -m benchmarks$(if $(AGAINST),.compare '$(AGAINST)')

backend: setup  ## the backend by itself: CPU a token, cancellation, recovery after SIGKILL (5 minutes)
	$(DEV) -m benchmarks.backend

neighbours: setup  ## the embedder's latency alone and beside a saturated language model (8 minutes)
	$(DEV) -m benchmarks.neighbours

docs: dev  ## write the pages that are made from the code: settings and compatibility
	$(DEV) -m docs.settings_table
	$(DEV) -m docs.compatibility

sbom: dev  ## what each image adds to its base, as CycloneDX, into dist/
	$(DEV) -m docker.sbom

format: dev  ## rewrite the sources in the project's style
	$(DEV) -m ruff check --fix .
	$(DEV) -m ruff format .

lock: dev  ## resolve requirements/*.in again (TORCH_CPU_INDEX: where torch's CPU builds are)
	$(DEV) -m requirements.lock

clean:  ## remove everything that set-up made
	rm -rf .cache

dev:
	@$(CLI) setup --only dev
