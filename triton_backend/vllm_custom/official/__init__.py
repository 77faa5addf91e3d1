"""NVIDIA's own vLLM backend, as its clients know it: its tensors, defaults and error texts, on our lifecycle and engine.

A request without the tensor `request` is one of these. `request.py` reads it, `operations/official.py` runs it as every
other one, and `writer.py` makes NVIDIA's tensors of its records.
"""
