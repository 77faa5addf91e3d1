from collections.abc import Mapping, Sequence
from typing import Any

from vllm.inputs.engine import TokensInput

class TokenizeParams: ...

class BaseRenderer:
    async def render_cmpl_async(
        self,
        prompts: Sequence[Mapping[str, Any]],
        tok_params: TokenizeParams | None = None,
        *,
        prompt_extras: dict[str, Any] | None = None,
    ) -> list[TokensInput]: ...
