"""What Grafana is given: who may sign in, and dashboards of metrics that exist. No Grafana can be had here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

import gateway.metrics
from tests.deploy.tools import DEPLOY, environment, read_yaml, run
from triton_backend.vllm_custom.metrics import names
from triton_backend.vllm_custom.metrics.meter import Family, Kind

GRAFANA = DEPLOY / "grafana"
DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))
OF_TRITON = {"nv_inference_request_success", "nv_gpu_memory_used_bytes", "nv_gpu_memory_total_bytes"}
OF_PROMETHEUS = {"up"}
WORDS = {"sum", "min", "max", "by", "rate", "increase", "histogram_quantile", "le", "model", "status", "instance"}

every_dashboard = pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)


def test_without_a_password_nobody_signs_in(tmp_path: Path) -> None:
    """Grafana's own administrator, whose password is known to all, is not made."""
    told = _started(tmp_path, "")
    assert told["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert told["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    assert told["GF_AUTH_BASIC_ENABLED"] == "false"
    assert told["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert "GF_SECURITY_ADMIN_PASSWORD__FILE" not in told


def test_with_a_password_only_who_has_it_sees_anything(tmp_path: Path) -> None:
    """The password stays in its file."""
    told = _started(tmp_path, "hush-hush\n")
    assert told["GF_SECURITY_ADMIN_PASSWORD__FILE"] == str(tmp_path / "password")
    assert "GF_AUTH_ANONYMOUS_ENABLED" not in told
    assert "hush-hush" not in str(told)


def test_unreadable_password_is_a_sentence(tmp_path: Path) -> None:
    """Naming the user and the setting."""
    with pytest.raises(AssertionError, match=r"can't be read by user \d+\.\s+Fix: .*GRAFANA_PASSWORD_FILE"):
        _run_entry_point(tmp_path / "absent")


@every_dashboard
def test_dashboard_asks_for_metrics_that_exist(path: Path) -> None:
    known = _of_the_gateway() | _of_the_backend() | OF_TRITON | OF_PROMETHEUS
    for expression in expressions(path):
        bare = re.sub(r"\{[^}]*\}|\[[^]]*\]", "", expression)
        asked = set(re.findall(r"[a-z_][a-z_:]+", bare)) - WORDS
        assert asked, expression
        assert asked <= known, expression


@every_dashboard
def test_dashboard_uses_the_provisioned_source(path: Path) -> None:
    [source] = read_yaml(GRAFANA / "provisioning" / "datasources" / "prometheus.yaml")["datasources"]
    for panel in _panels(path):
        assert panel["datasource"] == {"type": source["type"], "uid": source["uid"]}, panel["title"]


@every_dashboard
def test_panels_have_places_and_queries_of_their_own(path: Path) -> None:
    panels = _panels(path)
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [(panel["gridPos"]["y"], panel["gridPos"]["x"]) for panel in panels]
    assert all(before < after for before, after in pairwise(places))
    for panel in panels:
        letters = [target["refId"] for target in panel["targets"]]
        assert letters == sorted(set(letters)), panel["title"]


def test_dashboards_are_mounted_where_grafana_looks() -> None:
    [provider] = read_yaml(GRAFANA / "provisioning" / "dashboards" / "files.yaml")["providers"]
    mounted = {volume.split(":")[0]: volume.split(":")[1] for volume in _grafana_service()["volumes"]}
    assert mounted["./deploy/grafana/dashboards"] == provider["options"]["path"]
    assert f"default_home_dashboard_path = {provider['options']['path']}/" in (GRAFANA / "grafana.ini").read_text()


def expressions(path: Path) -> list[str]:
    """The queries of a dashboard."""
    return [target["expr"] for panel in _panels(path) for target in panel["targets"]]


def _panels(path: Path) -> list[Any]:
    return json.loads(path.read_text(encoding="utf-8"))["panels"]


def _grafana_service() -> Any:
    return read_yaml(DEPLOY.parent / "compose.yaml")["services"]["grafana"]


def _of_the_gateway() -> set[str]:
    assert gateway.metrics.REQUESTS
    return {
        f"{family.name}{suffix}"
        for family in REGISTRY.collect()
        for suffix in {"counter": ("_total",), "histogram": ("_bucket",)}.get(family.type, ("",))
    }


def _of_the_backend() -> set[str]:
    return {f"{family.name}_bucket" if family.kind is Kind.HISTOGRAM else family.name for family in _families()}


def _families() -> Iterator[Family]:
    return (value for value in vars(names).values() if isinstance(value, Family))


def _started(folder: Path, password: str) -> dict[str, str]:
    """The environment with which Grafana would start."""
    file = folder / "password"
    file.write_text(password)
    lines = _run_entry_point(file).splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _run_entry_point(password: Path) -> str:
    command = ["sh", str(GRAFANA / "entrypoint.sh"), "env"]
    return run(*command, env=environment(PASSWORD_FILE=str(password))).stdout
