from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

def compile_regex_with_timeout(fn: Callable[[str], T], pattern: str) -> T: ...
def grammar_is_likely_lark(grammar_str: str) -> bool: ...
