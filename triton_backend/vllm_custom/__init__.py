"""vLLM behind Triton: one engine per model, asked by the records of docs/contract.md."""
