"""Reads the images of a request as bytes, and checks number, size, kind and pixels without decoding them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final, NamedTuple

from gateway.errors import BadRequest
from gateway.prompting.conversation import ImageReference
from gateway.prompting.images import data_url
from gateway.prompting.images.header import read_header
from gateway.prompting.images.remote import Fetcher, NotAllowed, NotFetched
from gateway.tasks import run_all

MOST_BYTES: Final = 48 * 1024 * 1024
"""All images of a request together: they travel in one message."""


class ImageLimits(NamedTuple):
    """Images in a request; bytes and pixels of each."""

    images: int
    bytes: int
    pixels: int


class Images:
    """Reads the images of requests."""

    def __init__(self, limits: ImageLimits, fetcher: Fetcher) -> None:
        self._limits = limits
        self._fetcher = fetcher

    async def read(self, references: Sequence[ImageReference], *, model: str, taken: int) -> list[bytes]:
        """The files, in order; `taken` is how many the model takes in a prompt. Raises BadRequest, naming the place."""
        if not references:
            return []
        self._check_count(references, model, taken)
        for reference in references:  # before anything is fetched
            self._check(reference)
        files = await run_all(partial(self._read, reference) for reference in references)
        if sum(map(len, files)) > MOST_BYTES:
            raise _refused(references[0], f"All images together may have {MOST_BYTES} bytes.", "image_file_too_large")
        return files

    def _check_count(self, references: Sequence[ImageReference], model: str, taken: int) -> None:
        if not taken:
            raise _refused(references[0], f"The model `{model}` takes no images.", "invalid_value")
        most = min(taken, self._limits.images)
        if len(references) > most:
            raise _refused(references[most], f"At most {most} images can be sent in a request.", "invalid_value")

    def _check(self, reference: ImageReference) -> None:
        if data_url.is_data_url(reference.url):
            self._check_size(reference, data_url.size_of(reference.url))
            return
        try:
            self._fetcher.check(reference.url)
        except NotAllowed as error:
            raise _refused(reference, f"Invalid image: {error}.", "invalid_image_url") from error

    async def _read(self, reference: ImageReference) -> bytes:
        content = self._decoded(reference) if data_url.is_data_url(reference.url) else await self._fetched(reference)
        self._check_size(reference, len(content))
        try:
            header = read_header(content)
        except ValueError as error:
            raise _refused(reference, f"Invalid image: {error}.", "invalid_image_format") from error
        if header.pixels > self._limits.pixels:
            raise _refused(
                reference,
                f"The image has {header.width}x{header.height} pixels; at most {self._limits.pixels} are taken.",
                "image_too_large",
            )
        return content

    def _check_size(self, reference: ImageReference, size: int) -> None:
        if size > self._limits.bytes:
            raise _refused(reference, f"An image may have {self._limits.bytes} bytes at most.", "image_file_too_large")

    def _decoded(self, reference: ImageReference) -> bytes:
        try:
            return data_url.decode(reference.url)
        except ValueError as error:
            raise _refused(reference, f"Invalid image: {error}.", "invalid_base64_image") from error

    async def _fetched(self, reference: ImageReference) -> bytes:
        try:
            return await self._fetcher.fetch(reference.url)
        except NotAllowed as error:  # it was sent on to a host that is not
            raise _refused(reference, f"Invalid image: {error}.", "invalid_image_url") from error
        except NotFetched as error:
            raise _refused(
                reference, f"The image could not be fetched: {error}.", "failed_to_download_image"
            ) from error


def _refused(reference: ImageReference, message: str, code: str) -> BadRequest:
    return BadRequest(message, param=reference.param, code=code)
