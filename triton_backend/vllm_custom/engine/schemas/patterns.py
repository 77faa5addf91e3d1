"""Which regular expressions can be enforced on a JSON string (pure)."""

from __future__ import annotations

import re

# Without what they exclude: xgrammar keeps quotes, backslashes and control characters out of it by itself.
_EXCLUDING = re.compile(r"\[\^(?:\\.|[^\]\\])*\]", re.DOTALL)
# What would stand in the string as it is, where JSON wants it escaped.
_UNSAFE = re.compile(r'"|\\[nrtfv0\\c]|\\x[01]|\\x22|\\x5[cC]|\\u00[01]|\\u0022|\\u005[cC]|[\x00-\x1f]')
# (?= (?! (?<= (?<!
_LOOKAROUND = re.compile(r"(?<!\\)(?:\\\\)*\(\?<?[=!]")


def keeps_json(pattern: str) -> bool:
    """Whether the text that matches can stand between quotes without escapes."""
    return _UNSAFE.search(_EXCLUDING.sub("", pattern)) is None


def looks_around(pattern: str) -> bool:
    """Whether it asserts what is around it, which xgrammar passes over in part."""
    return _LOOKAROUND.search(pattern) is not None
