"""The metrics by name. Those that start `vllm:` are vLLM's own, with the official backend's eight among them; what they
mean is what vLLM means by them. Ours start `vllm_custom:`. Every series has the labels `model` and `version`."""

from __future__ import annotations

from .meter import Family, Kind

# Each list holds the official backend's bounds, so that its dashboards and alerts go on.
_LATENCY = (0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920)
_FIRST_TOKEN = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160)
_PER_TOKEN = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 10, 20)
_TOKENS = tuple(float(mantissa * 10**power) for power in range(6) for mantissa in (1, 2, 5))
_FEW = (1, 2, 5, 10, 20)


def _counter(name: str, text: str, label: str | None = None) -> Family:
    return Family(name, Kind.COUNTER, text, label)


def _gauge(name: str, text: str, label: str | None = None) -> Family:
    return Family(name, Kind.GAUGE, text, label)


def _histogram(name: str, text: str, bounds: tuple[float, ...]) -> Family:
    return Family(name, Kind.HISTOGRAM, text, None, bounds)


PROMPT_TOKENS = _counter("vllm:prompt_tokens_total", "Number of prefill tokens processed.")
GENERATION_TOKENS = _counter("vllm:generation_tokens_total", "Number of generation tokens processed.")
PREEMPTIONS = _counter("vllm:num_preemptions_total", "Number of times a request gave its place to another.")
PREFIX_QUERIES = _counter("vllm:prefix_cache_queries_total", "Prompt tokens looked up in the prefix cache.")
PREFIX_HITS = _counter("vllm:prefix_cache_hits_total", "Prompt tokens found in the prefix cache.")
SUCCESS = _counter("vllm:request_success_total", "Requests that the engine finished, by reason.", "finished_reason")

RUNNING = _gauge("vllm:num_requests_running", "Requests in the engine's batch.")
WAITING = _gauge("vllm:num_requests_waiting", "Requests waiting to be scheduled.")
KV_USAGE = _gauge("vllm:kv_cache_usage_perc", "Share of the KV cache in use, 1 being all of it.")
LORA_RUNNING = _gauge("vllm_custom:lora_requests_running", "Running requests of an adapter, by its name.", "lora")
LORA_WAITING = _gauge("vllm_custom:lora_requests_waiting", "Waiting requests of an adapter, by its name.", "lora")

FIRST_TOKEN = _histogram("vllm:time_to_first_token_seconds", "Time to the first token.", _FIRST_TOKEN)
PER_TOKEN = _histogram("vllm:time_per_output_token_seconds", "Time between two tokens.", _PER_TOKEN)
E2E = _histogram("vllm:e2e_request_latency_seconds", "Time from arrival at the engine to the last token.", _LATENCY)
QUEUE_TIME = _histogram("vllm:request_queue_time_seconds", "Time waiting to be scheduled.", _LATENCY)
PREFILL_TIME = _histogram("vllm:request_prefill_time_seconds", "Time from scheduled to the first token.", _LATENCY)
DECODE_TIME = _histogram("vllm:request_decode_time_seconds", "Time from the first token to the last.", _LATENCY)
INFERENCE_TIME = _histogram("vllm:request_inference_time_seconds", "Time from scheduled to the last token.", _LATENCY)
REQUEST_PROMPT = _histogram("vllm:request_prompt_tokens", "Prompt tokens of a request.", _TOKENS)
REQUEST_GENERATION = _histogram("vllm:request_generation_tokens", "Generated tokens of a request.", _TOKENS)
REQUEST_N = _histogram("vllm:request_params_n", "The parameter n of a request.", _FEW)

REQUESTS = _counter("vllm_custom:requests_total", "Requests that ended, by finished or the type of error.", "outcome")
# Triton's own nv_inference_request_duration_us stops when a request is handed over, not when it ends.
DURATION = _histogram("vllm_custom:request_duration_seconds", "Time from receipt to the final response.", _LATENCY)
READY = _gauge("vllm_custom:engine_ready", "1 while requests are taken.")
RESTARTS = _counter("vllm_custom:engine_restarts_total", "Attempts to start the engine again.")
