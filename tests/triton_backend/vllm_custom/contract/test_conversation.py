"""Chats that the backend renders: what is let through to vLLM, and how the images come back into it."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vllm_custom.contract.conversation import Conversation, check_images, read_conversation
from vllm_custom.errors import BadRequest

PNG = b"\x89PNG and so on"
JPEG = b"\xff\xd8\xff\xe0 and so on"
LOOK = {"type": "text", "text": "Look:"}


def image(url="media:0", **members):
    return {"type": "image_url", "image_url": {"url": url, **members}}


def user(*parts):
    return [{"role": "user", "content": list(parts)}]


def test_images_return_where_they_stood():
    """Each number becomes the data URL of its image, by its kind; all else stays as it was."""
    messages = [{"role": "system", "content": "s"}, *user(image(), LOOK, image("media:1", detail="low"))]
    first, second = read_conversation(messages, [PNG, JPEG]).with_images()
    assert first == messages[0]
    one, text, two = second["content"]
    assert text == LOOK
    assert one["image_url"] == {"url": f"data:image/png;base64,{base64.b64encode(PNG).decode()}"}
    assert two["image_url"] == {"url": f"data:image/jpeg;base64,{base64.b64encode(JPEG).decode()}", "detail": "low"}


@pytest.mark.parametrize(
    "part",
    [
        image("http://169.254.169.254/latest"),
        image("file:///etc/passwd"),
        image("data:image/png;base64,AAAA"),
        image("media:00"),
        image("media:x"),
        image(detail="huge"),
        {"type": "image_url", "image_url": "media:0"},
        {"image_url": "http://example.org/a.png"},
        {"type": "video_url", "video_url": {"url": "http://example.org/a.mp4"}},
        {"type": "audio_url", "audio_url": {"url": "http://example.org/a.wav"}},
        {"type": "image_pil", "image_pil": None},
        {"type": "text"},
        "text",
        None,
    ],
)
def test_part_that_may_hold_an_address_is_refused(part):
    """Nothing in a message can make vLLM fetch or open anything."""
    with pytest.raises(BadRequest) as caught:
        read_conversation(user(LOOK, part), [PNG])
    assert caught.value.param == "messages[0].content[1]"


def test_unknown_members_of_a_part_do_not_travel():
    """`uuid` would let one client read what another has put into the cache of images."""
    part = {**image(), "uuid": "theirs"}
    (message,) = read_conversation(user(part), [PNG]).messages
    assert message["content"] == [image()]


@pytest.mark.parametrize(("numbers", "count"), [([], 1), ([0], 0), ([0, 0], 1), ([1, 0], 2), ([0, 2], 2), ([0], 2)])
def test_each_element_is_named_once_in_order(numbers, count):
    """An image without a place, or a place without an image, is refused."""
    with pytest.raises(BadRequest) as caught:
        read_conversation(user(*(image(f"media:{number}") for number in numbers)), [PNG] * count)
    assert caught.value.param == "media"


@pytest.mark.parametrize(
    "messages", [None, [], {}, "hello", [1], [{}], [{"role": 1}], [{"role": "user", "content": 1}]]
)
def test_messages_have_a_shape(messages):
    """What is no list of messages is refused by name."""
    with pytest.raises(BadRequest) as caught:
        read_conversation(messages, [])
    assert str(caught.value.param).startswith("messages")


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.sampled_from(["media:0", "http://a/", "text", "image_url"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["type", "text", "image_url", "url", "content", "role"]), inner, max_size=4),
    ),
    max_leaves=10,
)


@given(st.lists(st.fixed_dictionaries({"role": st.just("user"), "content": values}), max_size=2))
def test_no_address_ever_comes_through(messages):
    """Whatever the messages hold, they are refused, or every image in them is one of the bytes that came."""
    try:
        conversation = read_conversation(messages, [PNG])
    except BadRequest:
        return
    parts = [part for message in conversation.with_images() for part in message["content"] or ()]
    urls = [part["image_url"]["url"] for part in parts if not isinstance(part, str) and part["type"] == "image_url"]
    assert urls == [f"data:image/png;base64,{base64.b64encode(PNG).decode()}"]


def test_number_of_images_is_limited():
    """A model without images says so; one with them says how many."""
    check_images(0, 0)
    check_images(2, 2)
    with pytest.raises(BadRequest, match="takes no images"):
        check_images(1, 0)
    with pytest.raises(BadRequest, match="at most 2 images"):
        check_images(3, 2)


def test_text_is_what_is_said():
    """For an engine without a template: roles and texts, no images."""
    messages = [{"role": "system", "content": "s"}, *user(image(), LOOK), {"role": "assistant", "content": None}]
    assert Conversation(messages, [PNG]).text() == "system\ns\nuser\nLook:\nassistant\n\n"


SCRIPT = {"prompt": "Look:", "text": "a cat"}


def test_backend_renders_a_chat(start):
    """The records are those of a prompt that came as tokens; the description says who renders, and what it takes."""
    backend = start(SCRIPT, {"text": "nothing"}, images=2)
    described = backend.ask("describe").finish()[-1][3]
    assert (described["renderer"], described["media"]) == ("backend", {"image": 2})
    records = backend.ask("generate", api="chat", messages=user(LOOK, image()), media=[PNG], body={}).finish()
    assert [record[1] for record in records] == ["accepted", "delta", "end"]
    assert records[1][3] == "a cat"
    without = backend.ask("generate", api="chat", messages=user(LOOK), body={}).finish()
    assert records[0][3]["prompt_tokens"] == without[0][3]["prompt_tokens"] + 16 == records[-1][5]["prompt_tokens"]


@pytest.mark.parametrize(
    ("keys", "media", "param"),
    [
        ({"messages": user(LOOK, image())}, [PNG], "messages"),
        ({"messages": user(LOOK), "prompt": "p"}, [], "prompt"),
        ({"messages": user(LOOK), "api": "completions"}, [], "messages"),
        ({"prompt": "p"}, [PNG], "media"),
        ({"messages": user(LOOK), "body": {"messages": user(LOOK)}}, [], "messages"),
        ({"messages": user({**LOOK, "text": "long " * 100})}, [], "messages"),
    ],
    ids=["no images", "two prompts", "completions", "media without messages", "messages in the body", "too long"],
)
def test_what_cannot_be_rendered_is_refused(start, keys, media, param):
    """A bad request that names the field, and nothing is left of it."""
    backend = start(SCRIPT, {"text": "nothing"}, max_model_len=100)
    record = backend.ask("generate", **{"api": "chat", "body": {}, **keys}, media=media).finish()[-1]
    assert (record[3], record[5]) == ("bad_request", param)
    assert backend.stats()["running"] == 0


def test_renderer_can_be_chosen(start):
    """`renderer: backend` keeps the chats of a model that a gateway could render as well."""
    assert start(SCRIPT).ask("describe").finish()[-1][3]["renderer"] == "gateway"
    backend = start(SCRIPT, vllm_custom={"renderer": "backend"})
    assert backend.ask("describe").finish()[-1][3]["renderer"] == "backend"


def test_calls_get_the_ids_that_they_lack():
    """vLLM refuses a call without one; those that are there stay."""
    calls = [{"function": {"name": "f"}}, {"id": "own", "function": {"name": "g"}}]
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "tool_calls": calls}, {"role": "assistant"}]
    _, calling, silent = read_conversation(messages, []).with_images()
    assert [call["id"] for call in calling["tool_calls"]] == ["c00001000", "own"]
    assert "tool_calls" not in silent
    [strange] = read_conversation([{"role": "assistant", "tool_calls": ["x"]}], []).with_images()
    assert strange["tool_calls"] == ["x"]
