from collections.abc import Callable

from vllm.outputs import RequestOutput

class RequestOutputCollector:
    request_id: str
    put: Callable[[RequestOutput | Exception], None]  # a method; of a generation it gets nothing else
    def get_nowait(self) -> RequestOutput | None: ...

class OutputProcessor:
    def get_num_unfinished_requests(self) -> int: ...
