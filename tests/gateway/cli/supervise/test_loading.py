"""Twin of gateway/cli/supervise/loading.py."""

import pytest

from gateway.cli.supervise.loading import Loading, unloaded_model, worth_showing

LOG = """\
I1121 23:49:00.945725 13645 model_lifecycle.cc:472] "loading: assets:1"
I1121 23:49:00.945768 13645 model_lifecycle.cc:472] "loading: smollm2-135m-instruct:1"
I1121 23:49:05.127679 13645 model_lifecycle.cc:839] "successfully loaded 'assets'"
""".splitlines()


def fed(*lines: str) -> Loading:
    loading = Loading()
    for line in lines:
        loading.feed(line)
    return loading


def test_says_what_is_still_loading():
    """By the reconciler's lines."""
    loading = fed("loading small", "loading large", "loaded small")
    assert (loading.waiting, loading.loaded, loading.serving) == (["large"], {"small"}, False)


@pytest.mark.parametrize(
    ("lines", "serving", "idle"),
    [
        (("loading a", "loaded a"), False, False),
        (("loading a", "loaded a", "done: 1 of 1"), True, False),
        (("failed a: no", "done: 0 of 1"), False, True),
        (("done: 0 of 0",), False, True),
        (("done: 0 of 0", "loading a"), False, False),
        (("loading a", "loaded a", "done: 1 of 1", "unloading a", "unloaded a"), False, True),
    ],
)
def test_serving_begins_when_all_have_been_tried(lines: tuple[str, ...], serving: bool, idle: bool):
    """And one of them is loaded; with none of them Triton is idle."""
    loading = fed(*lines)
    assert (loading.serving, loading.idle) == (serving, idle)


def test_what_has_been_tried_is_counted():
    """Whatever came of it; an unload is no try."""
    assert fed("loading a", "loading b", "loaded a", "failed b: no", "refused c d: a space", "unloaded a").tried == 3


def test_what_fails_is_news():
    """With its name and reason; loading and unloading are not news."""
    loading = Loading()
    assert loading.feed("failed llm: its weights: gone") == "The model llm is not loaded: its weights: gone"
    assert loading.feed("refused a b: it has a space") == "The model a b is not loaded: it has a space"
    assert loading.feed("trouble: no such folder") == "Trouble with the models: no such folder"
    assert [loading.feed(line) for line in ("loading llm", "loaded llm", "done: 1 of 1")] == [None] * 3


def test_a_model_that_is_loaded_already_stays():
    """Whatever fails then is no end of it."""
    loading = fed("loading llm", "loaded llm", "loading llm")
    assert loading.feed("failed llm: no memory") == "The model llm stays as it was loaded before: no memory"
    assert loading.loaded == {"llm"}
    loading.feed("unloaded llm")
    assert loading.feed("failed llm: no memory") == "The model llm is not loaded: no memory"


def test_a_name_may_have_a_colon():
    """Triton takes it."""
    loading = fed("loading a:b", "loaded a:b", "loading c:d")
    assert (loading.waiting, loading.loaded) == (["c:d"], {"a:b"})
    assert loading.feed("failed c:d: its weights: gone") == "The model c:d is not loaded: its weights: gone"


def test_tritons_log_knows_more_of_a_wrong_configuration():
    """Its answer says only that it failed to poll: both lines were recorded with Triton 2.51."""
    loading = Loading()
    loading.feed_triton(
        "E1126 13:38:25.1 1 model_repository_manager.cc:1460] \"Poll failed for model directory 'bad': unexpected name\""
    )
    news = loading.feed("failed bad: failed to load 'bad', failed to poll from model repository")
    assert news == "The model bad is not loaded: unexpected name"


def test_triton_says_what_it_has_unloaded():
    """Recorded with Triton 2.51."""
    assert unloaded_model("I1 1 model_lifecycle.cc:624] \"successfully unloaded 'slow' version 1\"") == "slow"
    assert not any(map(unloaded_model, LOG))


def test_an_error_is_picked_out_of_the_noise():
    """A machine without a GPU gives warnings that explain nothing."""
    noise = ["E1121 server.cc:241] CudaDriverHelper has not been initialized: CUDA", *LOG]
    cause = "E1121 23:51:50.3 1 main.cc:1] failed to load 'x': no such file"
    assert worth_showing([*noise, cause]) == [cause]


def test_without_an_error_the_last_lines_are_shown():
    """Something is better than nothing."""
    assert worth_showing(LOG, most=2) == LOG[-2:]
