"""The rig's Prometheus, promtool and Alertmanager: from a scrape to a notification."""

from pathlib import Path

import yaml
from prometheus_client import CollectorRegistry, Gauge, start_http_server
from tests.rig.addresses import Block
from tests.rig.alertmanager import alertmanager
from tests.rig.invoke import attempt, invoke
from tests.rig.prometheus import prometheus
from tests.rig.waiting import eventually
from tests.rig.webhook import receiver

RULES = """
groups:
  - name: rig
    rules:
      - alert: QueueLong
        expr: v4_rig_waiting > 3
        labels: {severity: warning}
        annotations: {summary: too many wait}
"""


def test_promtool_accepts_sound_rules_and_names_what_is_wrong_with_others(tmp_path: Path) -> None:
    (tmp_path / "sound.yml").write_text(RULES)
    (tmp_path / "broken.yml").write_text(RULES.replace("> 3", "> > 3"))

    assert (
        "SUCCESS: 1 rules found"
        in invoke("promtool", "check", "rules", tmp_path / "sound.yml").stdout
    )
    said = attempt("promtool", "check", "rules", tmp_path / "broken.yml")
    assert said.status == 1
    assert "could not parse expression" in said.stderr


def test_from_a_scrape_through_a_rule_to_a_notification_and_resolved_again(
    tmp_path: Path, block: Block
) -> None:
    registry = CollectorRegistry()
    waiting = Gauge("v4_rig_waiting", "Requests that wait.", registry=registry)
    waiting.set(7)
    port = block.free_port()
    target, thread = start_http_server(port, block.host, registry)
    (tmp_path / "rules.yml").write_text(RULES)

    with (
        receiver(block) as webhook,
        alertmanager(routes_to(webhook.url), folder=tmp_path, block=block) as manager,
        prometheus(
            scrapes(f"{block.host}:{port}", manager.url), folder=tmp_path, block=block
        ) as server,
    ):
        found = eventually(lambda: server.query("v4_rig_waiting"), what="a scraped sample")
        firing = eventually(lambda: webhook.alerts("QueueLong"), what="a notification")
        waiting.set(0)
        eventually(lambda: webhook.alerts("QueueLong", status="resolved"), what="resolved again")

        assert found[0]["value"][1] == "7"
        assert found[0]["metric"]["instance"] == f"{block.host}:{port}"
        assert firing[0]["labels"]["severity"] == "warning"
        assert [t["health"] for t in server.targets()] == ["up"]
    target.shutdown()
    target.server_close()
    thread.join()


def test_alertmanager_delivers_what_it_is_given(tmp_path: Path, block: Block) -> None:
    with (
        receiver(block) as webhook,
        alertmanager(routes_to(webhook.url), folder=tmp_path, block=block) as manager,
    ):
        manager.post([{"labels": {"alertname": "ByHand", "v4deployment": "flash"}}])

        delivered = eventually(lambda: webhook.alerts("ByHand"), what="a notification")

        assert delivered[0]["labels"]["v4deployment"] == "flash"
        assert [alert["labels"]["alertname"] for alert in manager.alerts()] == ["ByHand"]


def routes_to(url: str) -> str:
    return yaml.safe_dump(
        {
            "route": {
                "receiver": "test",
                "group_wait": "0s",
                "group_interval": "1s",
                "repeat_interval": "1h",
            },
            "receivers": [{"name": "test", "webhook_configs": [{"url": url}]}],
        }
    )


def scrapes(target: str, manager: str) -> str:
    return yaml.safe_dump(
        {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yml"],
            "scrape_configs": [{"job_name": "rig", "static_configs": [{"targets": [target]}]}],
            "alerting": {
                "alertmanagers": [
                    {"static_configs": [{"targets": [manager.removeprefix("http://")]}]}
                ]
            },
        }
    )
