"""The GPUs of this host: what `nvidia-smi` says of them, what takes one away, and what fits on one.

nvidia_smi     runs the program and reads its output
trouble        why a GPU can't be used, with the fix
wanted         what the files of the models say
quantization   how weights are quantised, and for which GPUs (pure)
fit            whether the models suit the GPUs (pure)
findings       all of it, for `doctor` and `up`
"""
