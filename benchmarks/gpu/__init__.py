"""The whole product against vLLM's own server on one GPU: README.md says how."""
