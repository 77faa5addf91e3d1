"""The running requests of an instance, from the engine's outputs to Triton's responses."""
