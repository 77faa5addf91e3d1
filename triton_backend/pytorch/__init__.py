"""TorchScript models for Triton where NVIDIA's own PyTorch backend is not installed.

Triton uses `model.py` beside this file if `backends/pytorch` contains no `libtriton_pytorch.so`. The same model repository
loads on both backends, so nothing here requires configuration that the other would not accept.
"""
