"""The GPUs of this host: what `nvidia-smi` says of them, what takes one away, and what fits on one.

nvidia_smi   runs the program and reads its output
trouble      why a GPU can't be used, with the fix
fit          whether the models suit a GPU (pure)
findings     all of it, for `doctor` and `up`
"""
