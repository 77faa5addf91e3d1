"""Images in messages, as OpenAI documents them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gateway.wire.common import NonEmptyStr, WireRequest


class ImageUrl(WireRequest):
    url: NonEmptyStr = Field(
        description="A data URL in base64, or a URL on a host in the setting `image_hosts`, which the gateway fetches."
    )
    detail: Literal["auto", "low", "high"] | None = None


class ImagePart(WireRequest):
    """An image, for models that take them."""

    type: Literal["image_url"]
    image_url: ImageUrl
