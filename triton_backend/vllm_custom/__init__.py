"""vLLM behind Triton: one engine per model, which serves the contract of docs/contract.md and NVIDIA's own requests."""
