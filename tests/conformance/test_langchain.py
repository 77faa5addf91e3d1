"""LangChain's standard integration tests, whole, with the classes of langchain-openai."""

from __future__ import annotations

from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from langchain_tests.integration_tests import ChatModelIntegrationTests, EmbeddingsIntegrationTests

from tests.conformance.target import Target

# The suites ask for parameters in properties, which see no fixtures.
TARGET = Target.told() or Target("", "")


class TestChatOpenAI(ChatModelIntegrationTests):
    """Everything the suite knows of, but for what the model can't take: images, sound and PDF."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, object]:
        return {
            "model": TARGET.model,
            "base_url": TARGET.url,
            "api_key": TARGET.key,
            "max_retries": 0,
            "stream_usage": True,  # off by itself where the base URL is not OpenAI's
        }

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str | None:
        return TARGET.reasoner or None


class TestChatOpenAIByFunctions(TestChatOpenAI):
    """The same, with structured output by a function that the model has to call."""

    @property
    def structured_output_kwargs(self) -> dict[str, object]:
        return {"method": "function_calling"}


if TARGET.embedder:

    class TestOpenAIEmbeddings(EmbeddingsIntegrationTests):
        """Embeddings of texts; as texts, since the tokens that the class makes by itself are those of OpenAI's models."""

        @property
        def embeddings_class(self) -> type[Embeddings]:
            return OpenAIEmbeddings

        @property
        def embedding_model_params(self) -> dict[str, object]:
            return {
                "model": TARGET.embedder,
                "base_url": TARGET.url,
                "api_key": TARGET.key,
                "check_embedding_ctx_length": False,
            }
