"""The official SDK before the shared gateway."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from tests.fakes.gateway import RunningGateway


@pytest.fixture
def sdk(gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    """The official SDK, which refuses what is not of its types and tries nothing twice."""
    with openai.OpenAI(
        base_url=f"{gateway.url}/v1", api_key="any", max_retries=0, timeout=10, _strict_response_validation=True
    ) as client:
        yield client
