"""Where the demo finds Prometheus, and how it reads what fired."""

import json
import os
from pathlib import Path

import promql_parser
import pytest

from v4operator.cli.demo import fired
from v4operator.cli.demo.binaries import BinaryMissing, find
from v4operator.cli.demo.fired import Fired
from v4operator.cli.demo.monitoring import Monitoring


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing on the PATH (`bin`), nothing in the cache (`cache`)."""
    for name in ("bin", "cache"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def program(path: Path, *, mode: int = 0o755, changed: float = 1.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    os.utime(path, (changed, changed))
    return path


def test_the_path_comes_before_the_cache(empty: Path) -> None:
    program(empty / "cache/v4-operator-rig/prometheus-1/prometheus")
    on_path = program(empty / "bin/prometheus")
    assert find("prometheus") == on_path


def test_alertmanager_is_found_under_debians_name(empty: Path) -> None:
    on_path = program(empty / "bin/prometheus-alertmanager")
    assert find("alertmanager") == on_path


def test_of_several_builds_the_newest_whole_one_is_taken(empty: Path) -> None:
    folder = empty / "cache/v4-operator-rig"
    program(folder / "prometheus-1/prometheus", changed=1.0)
    newest = program(folder / "prometheus-2/prometheus", changed=2.0)
    program(folder / "prometheus-3/prometheus", changed=3.0, mode=0o644)
    assert find("prometheus") == newest


@pytest.mark.usefixtures("empty")
def test_what_is_not_there_is_told_with_the_way_to_get_it() -> None:
    with pytest.raises(BinaryMissing, match=r"no alertmanager .*cache/v4-operator-rig.*make rig"):
        find("alertmanager")


def test_the_home_is_looked_at_where_no_cache_is_set(
    empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(empty))
    built = program(empty / ".cache/v4-operator-rig/prometheus-1/prometheus")
    assert find("prometheus") == built


def answered(*results: tuple[dict[str, str], float]) -> bytes:
    listed = [{"metric": metric, "value": [200.0, str(first)]} for metric, first in results]
    return json.dumps({"data": {"result": listed}}).encode()


SICK = {"alertname": "V4SickReplica", "severity": "warning", "v4deployment": "d", "replica": "d-1"}
DOWN = {"alertname": "V4OperatorDown", "severity": "critical"}


def test_what_fired_is_told_in_emulated_time_earliest_first() -> None:
    body = answered((SICK, 130.0), (DOWN, 103.0))
    assert fired.read(body, started=100.0, speed=40.0) == (
        Fired(name="V4OperatorDown", severity="critical", deployment="", replica="", elapsed=120.0),
        Fired(
            name="V4SickReplica", severity="warning", deployment="d", replica="d-1", elapsed=1200.0
        ),
    )


def test_the_table_names_who_it_was() -> None:
    lines = fired.table(fired.read(answered((SICK, 130.0)), started=100.0, speed=40.0)).splitlines()
    assert lines[1].split() == ["20.0", "min", "warning", "V4SickReplica", "d", "d-1"]
    assert fired.table(()).splitlines() == ["alerts that fired:", "  none"]


def test_the_query_is_promql_over_the_whole_demo() -> None:
    asked = promql_parser.parse(fired.query(42.5, 0.75))
    assert "[42s500ms:750ms]" in asked.prettify()


@pytest.mark.parametrize(("pages", "shown"), [(True, "/alerts"), (False, "/api/v1/alerts")])
def test_only_pages_that_are_there_are_named(pages: bool, shown: str) -> None:  # noqa: FBT001 - a table
    running = Monitoring(
        prometheus_url="http://p",
        alertmanager_url="http://a",
        has_pages=pages,
        started=0.0,
        speed=40.0,
    )
    assert f"http://p{shown}\n" in running.where_to_look()
    assert "http://a/#/alerts" in running.where_to_look()
