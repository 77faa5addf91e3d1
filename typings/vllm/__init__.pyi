# The part of vLLM 0.32 that the backend uses, for the type checker: vLLM is not installed where the types are checked.
__version__: str
