class SamplingParams:
    n: int
    logprobs: int | None
