"""Which Triton does the work, and what is tried again elsewhere."""
