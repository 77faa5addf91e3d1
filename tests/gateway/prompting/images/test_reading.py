"""Images of a request as files: everything that can be seen is checked before anything is fetched."""

from __future__ import annotations

import pytest

from gateway.errors import BadRequest
from gateway.prompting.conversation import ImageReference
from gateway.prompting.images import reading
from gateway.prompting.images.reading import ImageLimits, Images
from gateway.prompting.images.remote import Fetcher, NotAllowed, NotFetched
from tests.fakes.images import data_url, png

pytestmark = pytest.mark.anyio

LIMITS = ImageLimits(images=3, bytes=5000, pixels=10_000)


class Host(Fetcher):
    """A host with two images; it notes what it was asked for."""

    def __init__(self) -> None:
        super().__init__(("host",), timeout_s=1, max_bytes=LIMITS.bytes)
        self.asked: list[str] = []

    async def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        match url.rpartition("/")[2]:
            case "cat.png":
                return png(7, 7)
            case "away.png":
                raise NotAllowed("sent on to another host")
            case _:
                raise NotFetched("it has not answered")


@pytest.fixture
async def host() -> Host:
    host = Host()
    await host.close()  # nothing is sent
    return host


def references(*urls: str) -> list[ImageReference]:
    return [ImageReference(f"image[{number}]", url) for number, url in enumerate(urls)]


async def test_files_come_in_order(host: Host) -> None:
    """Those that came along and those that were fetched."""
    given = references(data_url(png()), "http://host/cat.png", data_url(png(2, 2)))
    assert await Images(LIMITS, host).read(given, model="m", taken=9) == [png(), png(7, 7), png(2, 2)]
    assert await Images(LIMITS, host).read([], model="m", taken=0) == []


@pytest.mark.parametrize(
    ("url", "code"),
    [
        (data_url(png(101, 100)), "image_too_large"),
        (data_url(png(filling=5000)), "image_file_too_large"),
        (data_url(b"<svg/>"), "invalid_image_format"),
        ("data:image/png,raw", "invalid_base64_image"),
        ("http://other/cat.png", "invalid_image_url"),
        ("http://host/away.png", "invalid_image_url"),
        ("http://host/none.png", "failed_to_download_image"),
    ],
)
async def test_refusal_names_the_image(host: Host, url: str, code: str) -> None:
    """By its place in the request, with the code that OpenAI has for it."""
    with pytest.raises(BadRequest) as caught:
        await Images(LIMITS, host).read(references(data_url(png()), url), model="m", taken=9)
    assert (caught.value.param, caught.value.code) == ("image[1]", code)


@pytest.mark.parametrize(("taken", "param"), [(0, "image[0]"), (1, "image[1]"), (9, "image[3]")])
async def test_number_is_the_models_and_the_operators(host: Host, taken: int, param: str) -> None:
    """Whichever is less; the first that is too much is named, and none is fetched."""
    with pytest.raises(BadRequest) as caught:
        await Images(LIMITS, host).read(references(*["http://host/cat.png"] * 4), model="m", taken=taken)
    assert caught.value.param == param
    assert host.asked == []


async def test_nothing_is_fetched_for_a_request_that_is_refused(host: Host) -> None:
    """What can be seen of the others comes first."""
    with pytest.raises(BadRequest):
        await Images(LIMITS, host).read(
            references("http://host/cat.png", data_url(png(filling=9000))), model="m", taken=9
        )
    assert host.asked == []


async def test_all_together_are_limited(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """They travel in one message."""
    monkeypatch.setattr(reading, "MOST_BYTES", 2 * len(png()))
    images = Images(LIMITS, host)
    assert len(await images.read(references(*[data_url(png())] * 2), model="m", taken=9)) == 2
    with pytest.raises(BadRequest, match="together") as caught:
        await images.read(references(*[data_url(png())] * 3), model="m", taken=9)
    assert caught.value.param == "image[0]"
