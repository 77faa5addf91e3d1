"""vLLM's log."""

from typing import Any

DEFAULT_LOGGING_CONFIG: dict[str, Any]
