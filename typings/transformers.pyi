# The part of transformers that gateway/cli/prepare/ uses: it runs in an environment of its own.
from torch import dtype

class GgufConfig:
    def __init__(self, *, dequantize: bool) -> None: ...

class PretrainedConfig:
    rope_parameters: dict[str, object]

class PreTrainedModel:
    config: PretrainedConfig
    def save_pretrained(self, folder: str) -> None: ...

class PreTrainedTokenizer:
    def save_pretrained(self, folder: str) -> object: ...

class AutoTokenizer:
    @staticmethod
    def from_pretrained(folder: str, *, gguf_file: str) -> PreTrainedTokenizer: ...

class AutoModelForCausalLM:
    @staticmethod
    def from_pretrained(
        folder: str, *, gguf_file: str, dtype: dtype, quantization_config: GgufConfig
    ) -> PreTrainedModel: ...
