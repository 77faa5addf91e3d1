class Logprob:
    logprob: float
    rank: int | None
    decoded_token: str | None
