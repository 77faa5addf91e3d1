"""instructor: typed answers, by a tool and by a schema, and piece by piece."""

from __future__ import annotations

import instructor
import openai
import pytest
from pydantic import BaseModel

from tests.conformance.target import Target


class Person(BaseModel):
    name: str
    age: int


ANNA = {"name": "Anna", "age": 31}
MESSAGES = [{"role": "user", "content": "Anna is 31. Who is it?"}]


@pytest.fixture(params=[instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA, instructor.Mode.JSON])
def client(request: pytest.FixtureRequest, target: Target) -> instructor.Instructor:
    openai_client = openai.OpenAI(base_url=target.url, api_key=target.key, max_retries=0)
    return instructor.from_openai(openai_client, mode=request.param)


def test_answer_has_the_type(client: instructor.Instructor, target: Target) -> None:
    """At the first try."""
    person = client.chat.completions.create(model=target.model, messages=MESSAGES, response_model=Person, max_retries=0)
    assert person.model_dump() == ANNA  # of a class that instructor derives


def test_answer_grows(client: instructor.Instructor, target: Target) -> None:
    """A stream of partial answers ends with the whole one."""
    partial = list(client.chat.completions.create_partial(model=target.model, messages=MESSAGES, response_model=Person))
    assert len(partial) > 1
    assert partial[-1].model_dump() == ANNA
