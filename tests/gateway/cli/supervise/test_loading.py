"""Twin of gateway/cli/supervise/loading.py."""

from gateway.cli.supervise.loading import Loading, worth_showing

LOG = """\
I1121 23:49:00.945725 13645 model_lifecycle.cc:472] "loading: assets:1"
I1121 23:49:00.945768 13645 model_lifecycle.cc:472] "loading: smollm2-135m-instruct:1"
I1121 23:49:05.127679 13645 model_lifecycle.cc:839] "successfully loaded 'assets'"
""".splitlines()


def test_says_what_is_still_loading():
    """The names come from Triton's own lines."""
    loading = Loading()
    for line in LOG:
        loading.feed(line)
    assert (loading.waiting, loading.loaded, loading.serving) == (["smollm2-135m-instruct"], ["assets"], False)


def test_serving_begins_with_the_grpc_service():
    """Triton opens its port when all models are loaded."""
    loading = Loading()
    loading.feed('I1121 23:49:48.1 1 grpc_server.cc:2558] "Started GRPCInferenceService at 127.0.0.1:8001"')
    assert loading.serving


def test_an_error_is_picked_out_of_the_noise():
    """A machine without a GPU gives warnings that explain nothing."""
    noise = ["E1121 server.cc:241] CudaDriverHelper has not been initialized: CUDA", *LOG]
    cause = "E1121 23:51:50.3 1 main.cc:1] failed to load 'x': no such file"
    assert worth_showing([*noise, cause]) == [cause]


def test_without_an_error_the_last_lines_are_shown():
    """Something is better than nothing."""
    assert worth_showing(LOG, most=2) == LOG[-2:]
