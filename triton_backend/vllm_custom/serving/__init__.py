"""The running requests of an instance: from the engine's words to Triton's responses."""
