from collections.abc import Mapping, Sequence
from typing import Any

from vllm.inputs.engine import TokensInput
from vllm.tokenizers import TokenizerLike

class TokenizeParams: ...

class ChatParams:
    chat_template_kwargs: dict[str, Any]

class BaseRenderer:
    def get_tokenizer(self) -> TokenizerLike: ...
    async def render_cmpl_async(
        self,
        prompts: Sequence[Mapping[str, Any]],
        tok_params: TokenizeParams | None = None,
        *,
        prompt_extras: dict[str, Any] | None = None,
    ) -> list[TokensInput]: ...
