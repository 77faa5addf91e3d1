"""Creates what `up` needs: environments, the unpacked Triton, weights.

Each step runs once, and again when its inputs change.
"""
