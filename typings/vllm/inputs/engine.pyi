from typing import TypedDict

class TokensInput(TypedDict):
    prompt_token_ids: list[int]
