"""JSON schemas as the engine's grammars can enforce them (pure): no engine, no vLLM."""
