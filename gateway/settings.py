"""Every knob of the gateway. Environment variables start with `TRITON_GATEWAY_`; a TOML file may hold the same names.

The environment wins over the file. Unknown names in the file are refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

ENV_PREFIX = "TRITON_GATEWAY_"


class Settings(BaseSettings):
    """One frozen object, made once at start-up."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on.")
    workers: int = Field(default=1, ge=1, le=256, description="Worker processes on that port.")

    triton_urls: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("127.0.0.1:8001",),
        min_length=1,
        description="gRPC addresses of the Tritons, `host:port`, separated by commas.",
    )
    required_models: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Models that must answer for `/readyz` to say ready. Empty: every model that is served."
    )
    travel: str = Field(
        default="auto",
        pattern="^(auto|direct)$",
        description="`auto`: many requests share one gRPC stream where the backend offers it; `direct`: never.",
    )
    session_age_s: float = Field(
        default=3600.0,
        gt=0,
        description="A shared stream is replaced after so long; keep it below the connection age of Triton or a proxy.",
    )
    discovery_interval_s: float = Field(default=5.0, gt=0, description="How often Triton is asked which models it has.")

    api_keys: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), repr=False, description="Keys that are let in, separated by commas. Only their hashes are kept."
    )
    api_keys_file: Path | None = Field(
        default=None,
        description="File of keys, one a line: the key itself, or `sha256:` and its hash. `#` starts a comment.",
    )

    max_body_bytes: int = Field(default=4 * 1024 * 1024, ge=1024, description="Largest request body; above it 413.")
    body_timeout_s: float = Field(default=60.0, gt=0, description="Longest wait for a whole body; after it 408.")
    max_in_flight: int = Field(
        default=256, ge=1, description="Requests in work at a time, over all workers; above it they queue."
    )
    max_queued: int = Field(
        default=512, ge=0, description="Requests that may wait for their turn, over all workers; above it 429."
    )
    max_queue_wait_s: float = Field(default=30.0, gt=0, description="Longest wait for a turn; after it 429.")

    accept_timeout_s: float = Field(
        default=5.0,
        gt=0,
        description="How long the status line of a stream waits for the engine's word before 200 is sent.",
    )
    stall_timeout_s: float = Field(
        default=600.0, gt=0, description="Longest silence of a model that answers others; after it 504."
    )
    infer_timeout_s: float = Field(
        default=60.0, gt=0, description="Longest wait for an embedding or moderation; after it 504."
    )
    ping_interval_s: float = Field(
        default=15.0, gt=0, description="A comment is sent on a stream that was silent for so long."
    )

    health_fresh_s: float = Field(
        default=15.0, gt=0, description="A success so recent proves a model healthy without a probe."
    )
    health_stale_s: float = Field(default=30.0, gt=0, description="Without a success for so long a model is not ready.")

    runtime_dir: Path | None = Field(
        default=None,
        description="Folder shared by the workers for health and metrics. Made and removed by `serve` when not set.",
    )
    log_level: str = Field(
        default="info", pattern="^(debug|info|warning|error)$", description="debug, info, warning or error."
    )
    config_file: Path | None = Field(default=None, description="TOML file with these names, lower case.")

    @field_validator("triton_urls", "required_models", "api_keys", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """`a,b` from the environment; a list from TOML."""
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then the file that either of them names."""
        named = init_settings().get("config_file") or env_settings().get("config_file")
        if not named:
            return init_settings, env_settings
        if not Path(named).is_file():
            raise ValueError(f"there is no file {named}")  # pydantic would go on without it, and without its keys
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=Path(named))
