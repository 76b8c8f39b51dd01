from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from v4operator.runtime.metrics import (
    ElectionMetrics,
    ReflectorMetrics,
    RequestMetrics,
    WorkQueueMetrics,
)

if TYPE_CHECKING:
    from tests.conftest import FakeClock


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def _figures(registry: CollectorRegistry) -> dict[str, float]:
    """Every sample but the buckets and the times of creation, by name."""
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        sample.name: sample.value
        for family in families
        for sample in family.samples
        if not sample.name.endswith(("_bucket", "_created"))
    }


async def test_the_queue_is_seen_from_outside(
    clock: FakeClock, registry: CollectorRegistry
) -> None:
    metrics = WorkQueueMetrics(registry, "v4deployment", clock)
    metrics.added()
    metrics.retried()
    metrics.depth(3)
    metrics.started("a", clock.now(), 0.5)
    metrics.started("b", clock.now(), 0.25)
    metrics.finished("b", 2.0)
    await clock.advance(4.0)
    metrics.started("c", clock.now(), 0.0)
    await clock.advance(1.0)
    assert _figures(registry) == {
        "workqueue_depth": 3,
        "workqueue_adds_total": 1,
        "workqueue_retries_total": 1,
        "workqueue_queue_duration_seconds_count": 3,
        "workqueue_queue_duration_seconds_sum": 0.75,
        "workqueue_work_duration_seconds_count": 1,
        "workqueue_work_duration_seconds_sum": 2,
        "workqueue_unfinished_work_seconds": 6,
        "workqueue_longest_running_processor_seconds": 5,
    }
    assert (
        registry.get_sample_value(
            "workqueue_depth", {"name": "v4deployment", "controller": "v4deployment"}
        )
        == 3
    )


def test_a_queue_at_rest_has_series_all_the_same(
    clock: FakeClock, registry: CollectorRegistry
) -> None:
    WorkQueueMetrics(registry, "v4deployment", clock)
    assert set(_figures(registry).values()) == {0.0}


def test_leadership_is_one_or_zero(registry: CollectorRegistry) -> None:
    metrics = ElectionMetrics(registry, "v4-operator")
    status = []
    for leads in (False, True, False):
        metrics.leading(leads)
        status.append(_figures(registry)["leader_election_master_status"])
    assert status == [0, 1, 0]


def test_what_is_followed_is_counted_by_resource(registry: CollectorRegistry) -> None:
    metrics = ReflectorMetrics(registry)
    pods, nodes = metrics.of("pods"), metrics.of("nodes")
    pods.listed(5)
    pods.watching()
    pods.failed()
    nodes.watching()
    figures = {
        (name, resource): registry.get_sample_value(name, {"name": resource})
        for name in (
            "reflector_lists_total",
            "reflector_items_per_list",
            "reflector_watches_total",
            "reflector_failures_total",
        )
        for resource in ("pods", "nodes")
    }
    assert list(figures.values()) == [1, 0, 5, 0, 1, 1, 1, 0]


def test_requests_are_counted_by_method_and_status(registry: CollectorRegistry) -> None:
    metrics = RequestMetrics(registry, "10.0.0.1:443")
    for method, code in (("GET", "200"), ("GET", "200"), ("PATCH", "<error>")):
        metrics.seen(method, code)
    counts = {
        (method, code): registry.get_sample_value(
            "rest_client_requests_total", {"host": "10.0.0.1:443", "method": method, "code": code}
        )
        for method, code in (("GET", "200"), ("PATCH", "<error>"), ("GET", "500"))
    }
    assert list(counts.values()) == [2, 1, None]
