"""vLLM behind one interface. Only this folder, and the parsers of the replay engine, import vLLM."""
