"""The page on figures names none that is not exported; docs/metrics.md has them all."""

import re
from pathlib import Path

from v4operator.api.status import V4DeploymentStatus
from v4operator.catalogue import load
from v4operator.report.metrics import FleetMetrics

PAGE = (Path(__file__).parents[3] / "docs" / "figures.md").read_text()
# How prometheus_client writes the names of families that are no gauges.
SUFFIXES = {"counter": "_total", "info": "_info"}


def test_the_page_names_only_metrics_that_are_exported() -> None:
    families = FleetMetrics(load()).collect()
    exported = {family.name + SUFFIXES.get(family.type, "") for family in families}
    assert set(re.findall(r"\bv4_[a-z_]+", PAGE)) - exported == set()


def test_the_page_names_every_part_of_the_status() -> None:
    fields = {field.alias for field in V4DeploymentStatus.model_fields.values() if field.alias}
    named = {word.partition(".")[0] for word in re.findall(r"`([a-zA-Z.]+)`", PAGE)}
    assert fields - named == set()
