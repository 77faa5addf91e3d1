"""The collector's configuration holds together. No collector with these components can be had here, so none has read it."""

from __future__ import annotations

from tests.deploy.tools import DEPLOY, read_yaml

CONFIGURATION = read_yaml(DEPLOY / "otel" / "collector.yaml")


def test_pipelines_name_what_is_there_and_all_of_it() -> None:
    """A name that is missing stops the collector; one that nobody uses is a mistake."""
    for kind in ("receivers", "processors", "exporters"):
        used = {name for pipeline in CONFIGURATION["service"]["pipelines"].values() for name in pipeline[kind]}
        assert used == set(CONFIGURATION[kind]), kind


def test_memory_is_limited_first() -> None:
    """Of the processors of a pipeline, so that nothing gathers before it."""
    for pipeline in CONFIGURATION["service"]["pipelines"].values():
        assert pipeline["processors"][0] == "memory_limiter"


def test_prometheus_finds_both_of_its_ports() -> None:
    """Its own metrics, and those that were sent to it."""
    [reader] = CONFIGURATION["service"]["telemetry"]["metrics"]["readers"]
    ports = {f"collector:{reader['pull']['exporter']['prometheus']['port']}"}
    ports.add(f"collector:{CONFIGURATION['exporters']['prometheus']['endpoint'].rpartition(':')[2]}")
    asked = read_yaml(DEPLOY / "prometheus" / "prometheus.yaml")["scrape_configs"]
    jobs = {job["job_name"]: job for job in asked}
    assert {target for name in ("collector", "otlp") for target in jobs[name]["static_configs"][0]["targets"]} == ports
