"""NVIDIA's own vLLM backend, as its clients know it: its tensors, defaults and error texts, on our lifecycle and engine.

A request without the tensor `request` comes here. It is read by `request.py`, runs like every other one, and its records
become NVIDIA's tensors in `reply.py`, on their way out.
"""
