"""How an endpoint comes by the application's `Core`."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request

from gateway.core import Core


def _core(request: Request) -> Core:
    return cast("Core", request.state.core)


CoreOf = Annotated[Core, Depends(_core)]
