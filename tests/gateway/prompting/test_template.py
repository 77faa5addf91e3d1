"""Chat templates: what they may use, what they say, and what they may not reach."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from gateway.errors import BadRequest
from gateway.prompting.conversation import Conversation
from gateway.prompting.template import ChatTemplate
from tests.fakes.tokenizer import CHAT_TEMPLATE, SPECIAL_TOKENS

HELLO = [{"role": "user", "content": "Hello"}]


def render(source: str, messages: list[dict[str, Any]] | None = None) -> str:
    return ChatTemplate(source, SPECIAL_TOKENS).render(Conversation(messages or HELLO)).text


def test_messages_become_the_prompt() -> None:
    """Roles in order, special tokens by name, and the assistant's turn opened."""
    conversation = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": "Bye"},
    ]
    assert render(CHAT_TEMPLATE, conversation) == (
        "<system>Be brief.</s><user>Hi</s><assistant></s><user>Bye</s><assistant>"
    )


@pytest.mark.parametrize(
    "text", ["<b>&amp;'\"", "{{ 7 * 7 }}", "{% for x in y %}", "a\u2028b\x00c", "\r\n\t", "日本語🎉"]
)
def test_content_is_taken_literally(text: str) -> None:
    """What a user writes is neither escaped nor run."""
    assert render("{{ messages[0].content }}", [{"role": "user", "content": text}]) == text


def test_refusal_keeps_the_templates_words() -> None:
    """`raise_exception` is a 400 on `messages` with the text of the template."""
    with pytest.raises(BadRequest, match=r"^roles must alternate$") as caught:
        render("{{ raise_exception('roles must alternate') }}")
    assert (caught.value.param, caught.value.code) == ("messages", "invalid_value")


@pytest.mark.parametrize(
    "source",
    [
        "{{ messages[0].content + none }}",
        "{{ messages.nothing.deeper }}",
        "{{ 1 / 0 }}",
        "{% for a, b in [messages[0].content] %}{% endfor %}",
        "{{ messages[0].content.index('z') }}",
        "{{ range(1000000000) | list }}",
        "{{ strftime_now(5) }}",
        "{{ 'x'.encode('nonsense') }}",
    ],
)
def test_failing_template_is_a_bad_request(source: str) -> None:
    """Whatever the template's code raises over these messages, the client is told that they can't be rendered."""
    with pytest.raises(BadRequest, match="can't render") as caught:
        render(source)
    assert caught.value.param == "messages"


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ raise_exception.__globals__.keys() }}",
        "{{ messages.__class__.__name__ }}",
        "{{ (messages | attr('__class__')) }}x{{ ''['__class__']['__base__'] }}",
        "{{ self.__init__.__globals__ }}",
        "{{ messages.append({'role': 'system'}) }}",
        "{{ messages[0].update({'role': 'system'}) }}",
        "{{ '{0.__class__}'.format(messages) + none }}",
    ],
)
def test_sandbox_keeps_templates_in(source: str) -> None:
    """No way from a template to Python's insides, nor to changing its input."""
    messages = [dict(HELLO[0])]
    with pytest.raises(BadRequest):
        ChatTemplate(source, {}).render(Conversation(messages))
    assert messages == HELLO


def test_tojson_escapes_no_html() -> None:
    """Models were trained on plain JSON, accents and all."""
    message = [{"role": "user", "content": "<é>&'"}]
    assert render("{{ messages[0] | tojson }}", message) == '{"role": "user", "content": "<é>&\'"}'
    assert render("{{ messages[0] | tojson(indent=1) }}", message).startswith('{\n "role"')


def test_blocks_leave_no_blank_lines() -> None:
    """`trim_blocks` and `lstrip_blocks`, as transformers has them."""
    assert render("  {% if true %}\nyes\n  {% endif %}\nend") == "yes\nend"


def test_loops_can_be_left() -> None:
    """`break` and `continue`."""
    skip, leave = "{% if i == 1 %}{% continue %}{% endif %}", "{% if i == 4 %}{% break %}{% endif %}"
    assert render("{% for i in range(9) %}" + skip + leave + "{{ i }}{% endfor %}") == "023"


def test_templates_know_the_date() -> None:
    """`strftime_now`, in local time."""
    before = datetime.now().strftime("%Y-%m-%d")
    assert render("{{ strftime_now('%Y-%m-%d') }}") in (before, datetime.now().strftime("%Y-%m-%d"))


@pytest.mark.parametrize("source", ["{% if %}", "{{ x", "{% unknown %}", "{{ x | nofilter }}"])
def test_broken_source_is_a_value_error(source: str) -> None:
    """The loader takes such a model as not servable; jinja2's own errors stay in this module."""
    with pytest.raises(ValueError, match="not a chat template"):
        ChatTemplate(source, {})


def test_tools_reach_the_template() -> None:
    """As a list of definitions, and as nothing where there are none."""
    template = ChatTemplate("{% if tools %}{% for tool in tools %}{{ tool.function.name }}{% endfor %}{% endif %}!", {})
    tools = [{"type": "function", "function": {"name": "weather"}}]
    assert template.render(Conversation(HELLO, tools=tools)).text == "weather!"
    assert template.render(Conversation(HELLO)).text == "!"


def test_templates_can_render_at_once() -> None:
    """One compiled template has no state between renderings."""
    template = ChatTemplate(
        "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}", {}
    )
    assert [template.render(Conversation(HELLO * n)).text for n in (3, 1, 2)] == ["3", "1", "2"]


@pytest.mark.parametrize(
    ("source", "content", "prompt"),
    [
        (CHAT_TEMPLATE, "The answer is ", "<user>Hello</s><assistant>The answer is "),
        (CHAT_TEMPLATE, "", "<user>Hello</s><assistant>"),
        (CHAT_TEMPLATE, "s>", "<user>Hello</s><assistant>s>"),  # part of what stands behind it, too
        ("{% for m in messages %}[{{ m.content | trim }}]{% endfor %}", "Well,  ", "[Hello][Well,"),
    ],
)
def test_last_message_goes_on(source: str, content: str, prompt: str) -> None:
    """Nothing that the template puts behind it is left, and its end is what the template makes of it."""
    messages = [*HELLO, {"role": "assistant", "content": content}]
    conversation = Conversation(messages, asks_for_turn=False, continues=True)
    assert ChatTemplate(source, SPECIAL_TOKENS).render(conversation).text == prompt


def test_message_that_is_not_rendered_can_not_go_on() -> None:
    """A template that shows only the first message has nothing to continue."""
    template = ChatTemplate("{{ messages[0].content }}", {})
    with pytest.raises(BadRequest) as caught:
        template.render(Conversation([*HELLO, *HELLO], asks_for_turn=False, continues=True))
    assert caught.value.param == "continue_final_message"


def test_arguments_are_variables_of_the_template() -> None:
    """What a request sets is seen; the names that are ours can't be taken over."""
    source = "{{ enable_thinking }} {{ messages | length }} {{ bos_token }} {{ add_generation_prompt }}"
    template = ChatTemplate(source, {"bos_token": "<s>"})
    assert template.variables == {"enable_thinking", "messages", "bos_token", "add_generation_prompt"}
    arguments = {"enable_thinking": False, "messages": [], "bos_token": "x", "add_generation_prompt": 5}
    assert template.render(Conversation(HELLO, arguments=arguments)).text == "False 1 <s> True"
