"""Log set-up: one line an event on stderr, with the id of the request it belongs to. Prompts and keys are never logged."""

from __future__ import annotations

import logging
import logging.config

from gateway import request_record


class _RequestId(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_record.current().id
        return True


def set_up(level: str) -> None:
    """Log to stderr from `level` on. uvicorn's own loggers share the handler; its access log stays off."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"request_id": {"()": _RequestId}},
            "formatters": {
                "line": {"format": "%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"},
            },
            "handlers": {
                "stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["request_id"]},
            },
            "root": {"handlers": ["stderr"], "level": level.upper()},
            "loggers": {"uvicorn.access": {"level": "WARNING"}},
        }
    )
