"""A scripted engine in place of vLLM: for tests, and for benchmarks without a GPU."""
