"""All settings of the gateway. Environment variables start with `TRITON_GATEWAY_`; a TOML file may contain the same names.

The environment overrides the file. Unknown names in the file are refused.
"""

from __future__ import annotations

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
    """One key with its own rights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9._@-]{1,64}$", description="The name of the key's holder, for the log.")
    key: str = Field(min_length=1, repr=False, description="The key itself, or `sha256:` and its hash.")
    models: tuple[str, ...] | None = Field(
        default=None,
        description="Models that the key can see and use, by the names that clients use; `llama-*` matches every name that"
        " starts with `llama-`. If not set, all models.",
    )
    requests_per_minute: int | None = Field(default=None, ge=1, description="Replaces the general limit for this key.")
    tokens_per_minute: int | None = Field(default=None, ge=1, description="Replaces the general limit for this key.")

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
    """The settings, a frozen object that is created once at start-up."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="forbid")

    host: str = Field(
        default=defaults.HOST, description="Address to listen on. `::` means all addresses, of IPv6 and IPv4."
    )
    port: int = Field(default=defaults.PORT, ge=0, le=65535, description="Port to listen on.")
    workers: int = Field(
        default=defaults.WORKERS, ge=1, le=256, description="Number of worker processes that share this port."
    )

    triton_urls: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(defaults.TRITON_URL,),
        min_length=1,
        description="gRPC addresses of the Tritons, `host:port` or `grpc://host:port`, separated by commas.",
    )
    triton_by_proxy: bool = Field(
        default=False,
        description="Reach Triton through the proxy that `http_proxy` and similar environment variables name.",
    )
    triton_repository_secret: str | None = Field(
        default=None,
        min_length=1,
        repr=False,
        description="The VALUE of a Triton with `--grpc-restricted-protocol=model-repository:gateway-secret=VALUE`.",
    )
    required_models: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Models that must answer before `/readyz` reports ready. Empty: every served model."
    )
    travel: str = Field(
        default="auto",
        pattern="^(auto|direct)$",
        description="`auto`: many requests share one gRPC stream if the backend supports it; `direct`: each request has"
        " its own call.",
    )
    session_age_s: float = Field(
        default=3600.0,
        gt=0,
        description="Age at which a shared stream is replaced. Keep it below the connection age limit of Triton or a proxy.",
    )
    discovery_interval_s: float = Field(
        default=5.0, gt=0, description="Interval at which the gateway asks Triton for its models."
    )

    api_keys: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), repr=False, description="Accepted keys, separated by commas. The gateway keeps only their hashes."
    )
    api_keys_file: Path | None = Field(
        default=None,
        description="File with one key per line: the key itself, or `sha256:` and its hash. `#` starts a comment.",
    )

    keys: tuple[KeySettings, ...] = Field(
        default=(), repr=False, description="Keys with their own rights; see below. In the environment, write JSON."
    )
    requests_per_minute: int | None = Field(
        default=None,
        ge=1,
        description="Limit for each key, or for all requests together if there are no keys. Above it, the answer is 429.",
    )
    tokens_per_minute: int | None = Field(
        default=None, ge=1, description="The same for the tokens of prompts and answers together."
    )

    separate_prefix_caches: bool = Field(
        default=False,
        description="Give each key its own prefix cache in the engine, so that no client can guess from an answer's speed"
        " what others have asked. The engine then computes common beginnings of prompts once for each key.",
    )

    aliases: Annotated[dict[str, str], NoDecode] = Field(
        default_factory=dict[str, str],
        description="Additional names for models: `gpt-4o=smollm2-135m-instruct`, separated by commas; a table in the file.",
    )
    default_model: str | None = Field(
        default=None,
        min_length=1,
        description="Model for chats and completions that name none. If not set, these requests are refused.",
    )
    default_embedding_model: str | None = Field(default=None, min_length=1, description="The same for embeddings.")
    template_arguments: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("enable_thinking", "thinking", "thinking_budget", "reasoning_effort", "preserve_thinking"),
        description="Variables of chat templates that a request may set with `chat_template_kwargs`.",
    )
    special_tokens_in_messages: bool = Field(
        default=False,
        description="Let text of messages and tools that looks like a special token (`</s>`) become one, as"
        " transformers does. If not set, special tokens come from the chat template only.",
    )
    segment_cache_bytes: int = Field(
        default=32 * 1024 * 1024,
        ge=0,
        description="Maximum memory of a worker for the tokens of messages that it has already tokenised; 0 keeps none.",
    )
    strict: bool = Field(
        default=False, description="Refuse fields that neither OpenAI nor vLLM has, instead of ignoring them."
    )

    keep_alive_s: int = Field(
        default=75,
        ge=1,
        description="Time after which a connection without a request is closed. Keep it above that of balancers and client"
        " pools, so that it is they who close: one that closes here may have a request on its way.",
    )
    max_body_bytes: int = Field(
        default=16 * 1024 * 1024,
        ge=1024,
        description="Maximum size of a request body, before and after decoding (`Content-Encoding`); above it, the answer"
        " is 413. An image in it takes four thirds of its file's size.",
    )
    body_timeout_s: float = Field(
        default=60.0, gt=0, description="Maximum wait for a complete body; after it, the answer is 408."
    )
    max_in_flight: int = Field(
        default=256,
        ge=1,
        description="Maximum number of requests in work at a time, over all workers; further requests queue.",
    )
    max_queued: int = Field(
        default=512,
        ge=0,
        description="Maximum number of queued requests, over all workers; above it, the answer is 429.",
    )
    max_queue_wait_s: float = Field(
        default=30.0, gt=0, description="Maximum wait in the queue; after it, the answer is 429."
    )

    accept_timeout_s: float = Field(
        default=5.0,
        gt=0,
        description="Maximum wait for the engine's first answer (accepted or an error) before a stream gets the status 200.",
    )
    stall_timeout_s: float = Field(
        default=600.0,
        gt=0,
        description="Maximum silence on one request while the model answers others; after it, the answer is 504.",
    )
    infer_timeout_s: float = Field(
        default=60.0, gt=0, description="Maximum wait for an embedding or moderation; after it, the answer is 504."
    )
    max_images: int = Field(
        default=8, ge=0, description="Maximum number of images in a request; the model may accept fewer."
    )
    max_image_bytes: int = Field(default=8 * 1024 * 1024, ge=1, description="Maximum file size of an image.")
    max_image_pixels: int = Field(default=32_000_000, ge=1, description="Maximum size of an image, width times height.")
    image_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Hosts from which the gateway fetches images, `host` or `host:port`, separated by commas. Empty: none."
        " `SSL_CERT_FILE` and `SSL_CERT_DIR` name other certificate authorities than the usual ones.",
    )
    image_private_addresses: bool = Field(
        default=False,
        description="Whether those hosts may have addresses that are not public, such as private ones.",
    )
    image_timeout_s: float = Field(
        default=5.0, gt=0, description="Maximum time to fetch an image; after it, the answer is 400."
    )

    ping_interval_s: float = Field(
        default=15.0, gt=0, description="Silence after which the gateway sends a comment on a stream."
    )

    health_fresh_s: float = Field(
        default=15.0, gt=0, description="Age up to which a successful answer proves a model healthy without a probe."
    )
    health_stale_s: float = Field(
        default=30.0, gt=0, description="Time without a successful answer after which a model is not ready."
    )

    runtime_dir: Path | None = Field(
        default=None,
        description="Folder that the workers share for health and metrics. If not set, `serve` creates and removes one.",
    )
    state_dir: Path = Field(
        default_factory=defaults.state_dir,
        description="Folder in which `triton-gateway load` and `unload` note what is wanted, for the next start too. If not"
        " set, `triton-gateway` in `$XDG_STATE_HOME` or `~/.local/state`.",
    )
    log_level: str = Field(
        default="info", pattern="^(debug|info|warning|error)$", description="debug, info, warning or error."
    )
    config_file: Path | None = Field(default=None, description="TOML file with these settings, names in lower case.")

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
        """First the arguments, then the environment, then the file that one of them names."""
        named = init_settings().get("config_file") or env_settings().get("config_file")
        if not named:
            return init_settings, env_settings
        if not Path(named).is_file():
            raise ValueError(
                f"there is no file {named}"
            )  # pydantic would continue without the file, and so without its keys
        try:
            from_file = TomlConfigSettingsSource(settings_cls, toml_file=Path(named))
        except ValueError as error:  # not TOML, or not UTF-8
            raise ValueError(f"{named}: {error}") from error
        return init_settings, env_settings, from_file
