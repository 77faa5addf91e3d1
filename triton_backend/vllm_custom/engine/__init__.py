"""vLLM behind one interface. Besides this folder only configuration/config.py and replay/parsing.py import vLLM."""
