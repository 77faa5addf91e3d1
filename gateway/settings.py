"""Every knob of the gateway. Environment variables start with `TRITON_GATEWAY_`; a TOML file may hold the same names.

The environment wins over the file. Unknown names in the file are refused.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from gateway import defaults
from gateway.addresses import triton_target

ENV_PREFIX = "TRITON_GATEWAY_"


class KeySettings(BaseModel):
    """One key with rights of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9._@-]{1,64}$", description="Whose key it is; for the log.")
    key: str = Field(min_length=1, repr=False, description="The key itself, or `sha256:` and its hash.")
    models: tuple[str, ...] | None = Field(
        default=None,
        description="Models that it sees and may use, by the names that clients use; `llama-*` is every name that starts so."
        " All when not set.",
    )
    requests_per_minute: int | None = Field(default=None, ge=1, description="In place of the general limit.")
    tokens_per_minute: int | None = Field(default=None, ge=1, description="In place of the general limit.")

    @field_validator("models")
    @classmethod
    def _some_models(cls, models: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if models is not None and not models:
            raise ValueError("an empty list would let it use nothing; leave `models` out to let it use all")
        for model in models or ():
            if not model or "*" in model[:-1]:
                raise ValueError(f"{model!r} is neither a name nor the beginning of one with `*` behind it")
        return models


class Settings(BaseSettings):
    """One frozen object, made once at start-up."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="forbid")

    host: str = Field(default=defaults.HOST, description="Address to listen on.")
    port: int = Field(default=defaults.PORT, ge=0, le=65535, description="Port to listen on.")
    workers: int = Field(default=defaults.WORKERS, ge=1, le=256, description="Worker processes on that port.")

    triton_urls: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(defaults.TRITON_URL,),
        min_length=1,
        description="gRPC addresses of the Tritons, `host:port` or `grpc://host:port`, separated by commas.",
    )
    triton_by_proxy: bool = Field(
        default=False, description="Reach Triton by the proxy that `http_proxy` and its kin in the environment name."
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

    keys: tuple[KeySettings, ...] = Field(
        default=(), repr=False, description="Keys with rights of their own; see below. In the environment: JSON."
    )
    requests_per_minute: int | None = Field(
        default=None, ge=1, description="Limit of each key (of all together where there are no keys); above it 429."
    )
    tokens_per_minute: int | None = Field(
        default=None, ge=1, description="Likewise for the tokens of prompts and answers together."
    )

    separate_prefix_caches: bool = Field(
        default=False,
        description="Give each key a prefix cache of its own in the engine: nobody can tell by an answer's speed what others"
        " have asked. Beginnings that several keys have in common are computed for each.",
    )

    aliases: Annotated[dict[str, str], NoDecode] = Field(
        default_factory=dict[str, str],
        description="Other names of models: `gpt-4o=smollm2-135m-instruct`, separated by commas; a table in the file.",
    )
    default_model: str | None = Field(
        default=None, min_length=1, description="Model of chats and completions that name none; refused when not set."
    )
    default_embedding_model: str | None = Field(default=None, min_length=1, description="Likewise of embeddings.")
    template_arguments: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("enable_thinking", "thinking", "thinking_budget", "reasoning_effort", "preserve_thinking"),
        description="Variables of chat templates that a request may set by `chat_template_kwargs`.",
    )
    strict: bool = Field(
        default=False, description="Refuse a field that neither OpenAI nor vLLM has, in place of ignoring it."
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
    max_images: int = Field(default=8, ge=0, description="Most images in a request; the model may take fewer.")
    max_image_bytes: int = Field(default=8 * 1024 * 1024, ge=1, description="Largest image, as a file.")
    max_image_pixels: int = Field(default=32_000_000, ge=1, description="Largest image, width times height.")
    image_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Hosts from which images are fetched, `host` or `host:port`, separated by commas. Empty: none.",
    )
    image_private_addresses: bool = Field(
        default=False, description="Whether those hosts may be at addresses that the internet does not know."
    )
    image_timeout_s: float = Field(default=5.0, gt=0, description="Longest time to fetch an image; after it 400.")

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

    @field_validator("triton_urls", "required_models", "api_keys", "image_hosts", "template_arguments", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """`a,b` from the environment; a list from TOML."""
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("triton_urls")
    @classmethod
    def _are_targets(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(triton_target, addresses))

    @field_validator("aliases", mode="before")
    @classmethod
    def _split_pairs(cls, value: object) -> object:
        """`a=b,c=d` from the environment; a table from TOML."""
        if not isinstance(value, str):
            return value
        pairs = [pair.partition("=") for pair in value.split(",") if pair.strip()]
        return {alias.strip(): model.strip() for alias, _, model in pairs}

    @field_validator("aliases")
    @classmethod
    def _aliases_name_models(cls, aliases: dict[str, str]) -> dict[str, str]:
        for alias, model in aliases.items():
            if not alias or not model:
                raise ValueError(f"'{alias}={model}': an alias is written `alias=model`")
            if model in aliases:
                raise ValueError(
                    f"{alias!r} stands for {model!r}, which is an alias itself; let it stand for the model"
                )
        return aliases

    @field_validator("keys")
    @classmethod
    def _names_differ(cls, keys: tuple[KeySettings, ...]) -> tuple[KeySettings, ...]:
        names = [key.name for key in keys]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"more than one key is named {twice[0]!r}")
        return keys

    @model_validator(mode="after")
    def _limits_need_one_worker(self) -> Settings:
        limits = (self.requests_per_minute, self.tokens_per_minute)
        limits += tuple(limit for key in self.keys for limit in (key.requests_per_minute, key.tokens_per_minute))
        if self.workers > 1 and any(limit is not None for limit in limits):
            raise ValueError(
                f"requests_per_minute and tokens_per_minute are counted in one process: {self.workers} workers would let in"
                f" {self.workers} times as much. Set workers to 1, or take the limits out"
            )
        return self

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
        try:
            from_file = TomlConfigSettingsSource(settings_cls, toml_file=Path(named))
        except ValueError as error:  # no TOML, or no UTF-8
            raise ValueError(f"{named}: {error}") from error
        return init_settings, env_settings, from_file


def check_environment(environment: Mapping[str, str]) -> None:
    """Raises ValueError for a variable that looks like a setting and is none, with the setting that it may stand for."""
    known = {f"{ENV_PREFIX}{name.upper()}" for name in Settings.model_fields}
    for name in environment:
        if name.upper().startswith(ENV_PREFIX) and name.upper() not in known:
            similar = difflib.get_close_matches(name.upper(), known, n=1)
            advice = f"; did you mean {similar[0]}?" if similar else ";"
            raise ValueError(f"{name} is no setting of the gateway{advice} docs/settings.md lists all")
