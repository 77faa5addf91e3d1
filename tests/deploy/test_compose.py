"""Compose files: valid in every combination, and as closed as they say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.composed import CASES, FILES, PROFILES, WHOLE, Case, configured, environment_of, networks_of, services
from tests.deploy.tools import ROOT, read_yaml

PINNED = re.compile(r"[^:]+:v?\d+\.\d+(\.\d+)?([-.][\w.-]+)?")
OURS = re.compile(r"triton-gateway/[\w-]+:local")
WATCHED_IN_ITS_IMAGE = {"gateway", "gateway-2", "triton", "triton-2"}
NETWORKS = {
    "gateway": {"outside", "inside"},
    "triton": {"inside", "hub"},
    "triton-2": {"inside", "hub"},
    "envoy": {"outside", "inside"},
    "redis": {"shared"},
    "prometheus": {"inside", "monitor"},
    "grafana": {"monitor"},
    "collector": {"inside", "monitor"},
}
SECRETS = {
    "gateway": {"api_keys"},
    "gateway-2": {"api_keys"},
    "triton": {"hf_token"},
    "triton-2": {"hf_token"},
    "prometheus": {"metrics_key"},
    "grafana": {"grafana_password"},
}

FOR_TESTS = {"GPU"}
"""Runs compose.yaml on a host without a GPU."""
OF_OTHERS = {
    "CERTIFICATE_VERIFY_FAILED",
    "COMPOSE_FILE",
    "COMPOSE_PROFILES",
    "DOCKER_HOST",
    "HTTPS_PROXY",
    "XDG_RUNTIME_DIR",
}
"""Variables, and words of messages, that are not ours."""

every_case = pytest.mark.parametrize("case", CASES, ids=str)
every_file = pytest.mark.parametrize("case", WHOLE, ids=str)


def test_every_file_is_tried() -> None:
    assert {path.name for path in ROOT.glob("compose*.yaml")} == set(FILES)


@every_case
def test_combination_is_valid(case: Case) -> None:
    """`docker compose config` has nothing to say about it."""
    assert case.compose("config", "--quiet") == ""


@every_file
def test_no_service_may_more_than_it_needs(case: Case) -> None:
    """No root, no capability, nothing gained later, nothing written outside of mounts, nothing shared with the host."""
    for name, service in services(case):
        user, _, group = service["user"].partition(":")
        assert int(user) > 0, name
        assert int(group) > 0, name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not {"privileged", "cap_add", "devices", "pid", "ipc", "network_mode", "userns_mode"} & set(service), (
            name
        )


@every_file
def test_every_service_comes_back_and_its_log_ends(case: Case) -> None:
    for name, service in services(case):
        assert service["restart"] == "unless-stopped", name
        assert service["logging"]["driver"] == "json-file", name
        assert set(service["logging"]["options"]) == {"max-size", "max-file"}, name


@every_file
def test_every_image_is_pinned(case: Case) -> None:
    """Those of others by a version; ours are built."""
    for name, service in services(case):
        image = service["image"]
        assert OURS.fullmatch(image) if "build" in service else PINNED.fullmatch(image), (name, image)


@every_file
def test_every_service_is_watched(case: Case) -> None:
    """By a check of health, except where the image has nothing to run it with."""
    for name, service in services(case):
        if name not in WATCHED_IN_ITS_IMAGE | {"collector"}:
            assert service["healthcheck"]["test"][0] == "CMD", name


def test_our_images_watch_themselves() -> None:
    for path in (ROOT / "docker").glob("*.Dockerfile"):
        assert "\nHEALTHCHECK " in path.read_text(encoding="utf-8"), path.name


@every_file
def test_one_door_is_published_and_that_on_loopback(case: Case) -> None:
    door = "envoy" if case.file == "compose.scale.yaml" else "gateway"
    published = {name: _published(service) for name, service in services(case) if service.get("ports")}
    assert published == {
        door: [("127.0.0.1", "8000", 8000)],
        "prometheus": [("127.0.0.1", "9090", 9090)],
        "grafana": [("127.0.0.1", "3000", 3000)],
    }


@pytest.mark.parametrize("file", FILES)
def test_only_the_door_can_be_published_elsewhere(file: str) -> None:
    """And the gateways learn where, since without keys they refuse to start there."""
    case = Case(file, ("observability",), (("GATEWAY_ADDRESS", "0.0.0.0"),))
    opened = {name for name, service in services(case) for port in _published(service) if port[0] != "127.0.0.1"}
    assert opened == {"envoy" if file == "compose.scale.yaml" else "gateway"}
    for name in ("gateway", "gateway-2"):
        if name in configured(case)["services"]:
            assert environment_of(configured(case)["services"][name])["PUBLISHED_ADDRESS"] == "0.0.0.0"


@every_file
def test_networks_part_who_need_not_meet(case: Case) -> None:
    """Triton and Redis can't be reached from outside; Grafana reaches Prometheus alone."""
    scaled = {name: NETWORKS["gateway"] | {"shared"} for name in ("gateway", "gateway-2")}
    expected = NETWORKS | scaled if case.file == "compose.scale.yaml" else NETWORKS
    for name, service in services(case):
        assert networks_of(service) == expected[name], name
    internal = {name for name, network in configured(case)["networks"].items() if network.get("internal")}
    assert internal == {"inside", "shared"} & set(configured(case)["networks"])


@every_file
def test_secrets_are_files_of_those_who_need_them(case: Case) -> None:
    for name, service in services(case):
        mounted = {secret["source"] for secret in service.get("secrets", ())}
        assert mounted == SECRETS.get(name, set()), name
    for name, secret in configured(case)["secrets"].items():
        assert secret["file"] == str(ROOT / "docker" / "none"), name
    assert (ROOT / "docker" / "none").stat().st_size == 0


@every_file
def test_no_secret_is_in_an_environment(case: Case, tmp_path: Path) -> None:
    """Neither by value nor by name, though the user's own shell has them all."""
    secret = tmp_path / "secret"
    secret.write_text("hush-hush")
    names = ("API_KEYS_FILE", "HF_TOKEN_FILE", "METRICS_KEY_FILE", "GRAFANA_PASSWORD_FILE")
    spilled = ("HF_TOKEN", "TRITON_GATEWAY_API_KEYS", "TRITON_GATEWAY_KEYS", "GF_SECURITY_ADMIN_PASSWORD")
    variables = {**dict.fromkeys(names, str(secret)), **dict.fromkeys(spilled, "hush-hush")}
    told = Case(case.file, case.profiles, tuple(variables.items()))
    assert "hush-hush" not in told.compose("config")
    for name, service in services(told):
        assert not {key for key in environment_of(service) if key in spilled}, name


@every_file
def test_variables_that_are_not_set_are_absent(case: Case) -> None:
    """An empty value is not the same: to vLLM, an empty variable is a setting. Proxies are emptied on purpose."""
    for name, service in services(case):
        empty = {key for key, value in environment_of(service).items() if value == ""}
        assert {key for key in empty if not key.lower().endswith("_proxy")} == set(), name


@every_file
def test_files_of_this_folder_are_mounted_for_reading(case: Case) -> None:
    """And exist: Docker would make folders in their place."""
    for name, service in services(case):
        for volume in service.get("volumes", ()):
            if volume["type"] == "bind":
                assert volume["read_only"] is True, name
                assert Path(volume["source"]).exists(), volume["source"]


def test_two_tritons_share_weights_and_nothing_else() -> None:
    """GPUs and what is wanted of each are their own. The second waits for the first, which downloads."""
    both = [configured(WHOLE[2])["services"][name] for name in ("triton", "triton-2")]
    assert [_gpus(triton) for triton in both] == [["0"], ["1"]]
    assert [_volume_at(triton, "/state") for triton in both] == ["state", "state-2"]
    assert [_volume_at(triton, "/cache") for triton in both] == ["cache", "cache"]
    assert both[1]["depends_on"]["triton"]["condition"] == "service_healthy"


def test_both_gateways_know_both_tritons() -> None:
    for name in ("gateway", "gateway-2"):
        variables = environment_of(configured(WHOLE[2])["services"][name])
        assert variables["TRITON_GATEWAY_TRITON_URLS"] == "triton:8001,triton-2:8001"


def test_prometheus_asks_what_is_there() -> None:
    """The folder of targets that is mounted names the services of the same file."""
    for case in WHOLE:
        folder = Path(_mount_at(configured(case)["services"]["prometheus"], "/etc/prometheus/targets")["source"])
        named = re.findall(r"([\w-]+):\d+", "".join(path.read_text() for path in folder.glob("*.yaml")))
        present = {"gateway", "gateway-2", "triton", "triton-2", "envoy"} & set(configured(case)["services"])
        assert set(named) == present, case


def test_env_example_names_every_variable() -> None:
    """Each that can be set, and no other."""
    settable: set[str] = set()
    for case in WHOLE:
        listed = case.compose("config", "--variables").splitlines()[1:]
        settable |= {line.split()[0] for line in listed}
        for _, service in services(case):
            settable |= {name for name, value in environment_of(service).items() if value is None}
    for service in read_yaml(ROOT / "compose.yaml")["services"].values():
        settable |= set(service.get("build", {}).get("args", ()))
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"^#([A-Z][A-Z0-9_]*)=", example, re.MULTILINE)) == settable - FOR_TESTS


def test_deploy_page_names_what_there_is() -> None:
    """Settings, profiles and files that it tells to use."""
    page = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    named = set(re.findall(r"\b[A-Z]+(?:_[A-Z0-9]+)+\b", page)) - set(re.findall(r"[A-Z0-9_]+", example))
    assert named == OF_OTHERS
    assert set(re.findall(r"--profile ([a-z]+)", page)) == set(PROFILES)
    assert set(re.findall(r"\bcompose[\w.]*\.yaml", page)) - {"compose.podman.yaml"} == set(FILES)


def _published(service: Any) -> list[tuple[str, str, int]]:
    return [(port["host_ip"], port["published"], port["target"]) for port in service.get("ports", ())]


def _gpus(service: Any) -> list[str]:
    [device] = service["deploy"]["resources"]["reservations"]["devices"]
    return device["device_ids"]


def _mount_at(service: Any, target: str) -> Any:
    [mount] = [volume for volume in service["volumes"] if volume["target"] == target]
    return mount


def _volume_at(service: Any, target: str) -> str:
    return _mount_at(service, target)["source"]
