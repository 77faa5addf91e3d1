"""TorchScript models for Triton where NVIDIA's own PyTorch backend is not installed.

Triton falls back to `model.py` beside this file when `backends/pytorch` holds no `libtriton_pytorch.so`. The same model
repository loads on either, so nothing here asks for configuration that the other would not take.
"""
