"""Makes what `up` needs: environments, the unpacked Triton, weights.

Each step is done once, and again when its inputs change.
"""
