"""The demo with Prometheus and Alertmanager: what fired is told, and it stays until Ctrl-C."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tests.rig.waiting import eventually

# 34 emulated minutes at forty times real time take 51 s; busy machines need more.
_LIMIT_SECONDS = 240.0
_COMMAND = (sys.executable, "-m", "v4operator", "demo", "--plain")


def test_the_monitored_demo_tells_what_fired_and_stays_until_it_is_interrupted(
    tmp_path: Path,
) -> None:
    summary, log = tmp_path / "summary.json", tmp_path / "demo.log"
    arguments = ("--prometheus", "--stay", "--speed", "40", "--minutes", "34")
    with (
        log.open("wb") as output,
        subprocess.Popen(
            (*_COMMAND, *arguments, "--json", str(summary)),
            stdout=output,
            stderr=output,
            start_new_session=True,
        ) as demo,
    ):
        try:
            eventually(
                lambda: "Ctrl-C ends it" in log.read_text(),
                what="the demo stays",
                limit_seconds=_LIMIT_SECONDS,
            )
            urls = set(re.findall(r"http://127\.0\.0\.1:\d+", log.read_text()))
            held = _names(_alertmanager(log))
            os.killpg(demo.pid, signal.SIGINT)  # as a terminal does: to all of them
            status = demo.wait(_LIMIT_SECONDS)
        finally:
            demo.kill()

    fired = {
        (each["name"], each["v4deployment"], each["replica"])
        for each in json.loads(summary.read_text())["alerts"]
    }
    assert {
        ("V4HBMBudgetExceeded", "guide-example", ""),
        ("V4SickReplica", "pro-agents", "pro-agents-3"),
    } <= fired
    assert {name for name, _, _ in fired} >= held >= {"V4HBMBudgetExceeded"}
    assert status == 0, log.read_text()
    assert len(urls) == 3
    assert not any(_answers(url) for url in urls)


def test_without_the_programs_the_demo_says_how_to_get_them(tmp_path: Path) -> None:
    said = subprocess.run(
        (*_COMMAND, "--prometheus"),
        env={"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert said.returncode == 2
    assert "found no prometheus on the PATH or in" in said.stderr
    assert "make rig" in said.stderr


def _alertmanager(log: Path) -> str:
    found = re.search(r"Alertmanager +(http://[^/]+)", log.read_text())
    assert found
    return found[1]


def _names(alertmanager: str) -> set[str]:
    answer = httpx.get(f"{alertmanager}/api/v2/alerts", trust_env=False).raise_for_status()
    return {each["labels"]["alertname"] for each in answer.json()}


def _answers(url: str) -> bool:
    try:
        httpx.get(url, trust_env=False)
    except httpx.TransportError:
        return False
    return True


pytestmark = pytest.mark.timeout(600)
