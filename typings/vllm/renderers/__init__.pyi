from collections.abc import Mapping, Sequence
from typing import Any

from vllm.inputs.engine import TokensInput
from vllm.tokenizers import TokenizerLike

class TokenizeParams:
    def __init__(self, *, max_total_tokens: int, add_special_tokens: bool, do_lower_case: bool) -> None: ...

class ChatParams:
    chat_template_kwargs: dict[str, Any]

class BaseRenderer:
    mm_processor: Any
    def get_tokenizer(self) -> TokenizerLike: ...
    async def render_cmpl_async(
        self,
        prompts: Sequence[Mapping[str, Any]],
        tok_params: TokenizeParams | None = None,
        *,
        prompt_extras: dict[str, Any] | None = None,
    ) -> list[TokensInput]: ...
