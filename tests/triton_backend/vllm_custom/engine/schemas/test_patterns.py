"""Regular expressions on a JSON string."""

from __future__ import annotations

import pytest
from vllm_custom.engine.schemas.patterns import keeps_json, looks_around


@pytest.mark.parametrize("pattern", ["^[a-z]+$", r"^\d{4}-\w\s$", r'^[^"\\]*$', ".*", r"\.", "^/a/$"])
def test_harmless_patterns_keep_json(pattern):
    """What they match can stand between quotes; what they exclude may be anything."""
    assert keeps_json(pattern)


@pytest.mark.parametrize("pattern", ['"', r"^a\n$", r"\\", r"\x22", r"\u0022", r"\u005C", r"\x5c", '["a]', "\t", r"\0"])
def test_quotes_and_control_characters_do_not(pattern):
    """xgrammar would write them as they are."""
    assert not keeps_json(pattern)


@pytest.mark.parametrize(
    ("pattern", "looks"),
    [
        ("(?=a)", True),
        ("a(?!b)", True),
        ("(?<=a)b", True),
        ("(?<!a)b", True),
        (r"\\(?=a)", True),
        (r"\(?=", False),
        ("(?:a)", False),
    ],
)
def test_looking_around(pattern, looks):
    assert looks_around(pattern) is looks
