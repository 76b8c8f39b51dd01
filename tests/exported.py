"""The operator's metrics as a scrape reads them, and fleets of which everything is known.

The latter for whoever counts series or measures the exposition.
"""

from dataclasses import replace
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from tests.fleets import START, demand, forecast, hbm, observation, observed, replica

from v4operator.catalogue import load
from v4operator.decide.decide import decide
from v4operator.model.deployment import Cost, Key
from v4operator.model.figures import Figure, Tag
from v4operator.model.forecast import Forecast
from v4operator.model.hbm import Band, KvPool
from v4operator.model.live_hbm import LiveHbm
from v4operator.model.memory import PolicyMemory
from v4operator.model.observation import GatewayObservation, Interval, Observation, Scrapes
from v4operator.model.reading import EngineReading
from v4operator.observe.engines import read
from v4operator.report.metrics import FleetMetrics
from v4operator.report.status import status

EXPOSITIONS = Path(__file__).parent / "data" / "expositions"
SPECULATING = "vllm-0.33.0-logger-load-mtp1"
"""The recording with the most figures: vLLM with multi-token prediction."""

BUSY = Interval(
    start=START - 60.0,
    end=START,
    running_mean=20.0,
    waiting_mean=1.0,
    kv_usage_mean_ratio=0.3,
    kv_tokens_mean=40_000.0,
    decode_tokens_per_second=900.0,
    prompt_tokens_per_second=4000.0,
    prefill_tokens_per_second=2500.0,
    first_tokens_per_second=2.0,
    finished_requests_per_second=2.0,
    preemptions_per_second=0.0,
    accept_length=1.8,
)


NAMED = {"namespace": "ai", "v4deployment": "flash"}


class Exported:
    """The operator's metrics and what a scrape of them reads."""

    def __init__(self) -> None:
        self.metrics = FleetMetrics(load())
        self.registry = CollectorRegistry()
        self.registry.register(self.metrics)

    def record(
        self, seen: Observation, told: Forecast, memory: PolicyMemory | None = None
    ) -> PolicyMemory:
        verdict, after = decide(seen, told, memory or PolicyMemory())
        self.metrics.record(seen, told, verdict, status(seen, told, verdict, None))
        return after

    def families(self) -> dict[str, Metric]:
        text = generate_latest(self.registry).decode()
        return {family.name: family for family in text_string_to_metric_families(text)}

    def value(self, name: str, **labels: str) -> float | None:
        wanted = NAMED | labels
        for family in self.families().values():
            for sample in family.samples:
                if sample.name == name and sample.labels == wanted:
                    return sample.value
        return None


def recorded(name: str) -> EngineReading:
    """The reading of one recorded exposition."""
    found = read((EXPOSITIONS / f"{name}.txt").read_bytes())
    assert isinstance(found, EngineReading), name
    return found


def everything_known(deployments: int, replicas: int) -> FleetMetrics:
    """So many deployments of so many replicas, each recorded twice, so that counters have moved."""
    metrics = FleetMetrics(load())
    reading = recorded(SPECULATING)
    for index in range(deployments):
        for cycle in range(2):
            key = Key("serving", f"deployment-{index:03}")
            now = START + 5.0 * cycle
            # Another value each time: one object would be taken for one reading.
            _record(metrics, _seen(key, replicas, replace(reading, timestamp=now), now))
    return metrics


def _seen(key: Key, replicas: int, reading: EngineReading, now: float) -> Observation:
    members = [
        observed(
            replica(f"{key.name}-7d4b9c6f58-{index:05}"),
            reading=reading,
            recent=BUSY,
            slow=BUSY,
            scrapes=Scrapes(good=10, failed=1),
        )
        for index in range(replicas)
    ]
    cost = Cost(device_usd_per_hour=3.0, budget_usd_per_hour=500.0)
    queue = GatewayObservation(waiting_requests=7.0, lost_total=40.0)
    return replace(observation(members, now=now, key=key, cost=cost), gateway=queue)


def _record(metrics: FleetMetrics, seen: Observation) -> None:
    names = [r.replica.name for r in seen.replicas]
    told = forecast(
        demand(2.0, horizon_seconds=1.0),
        now=seen.now,
        speeds=dict.fromkeys(names, 1.0),
        hbm=_PLANNED,
        live_hbm=_LIVE,
    )
    verdict, _ = decide(seen, told, PolicyMemory())
    metrics.record(seen, told, verdict, status(seen, told, verdict, None))


_PLANNED = hbm(
    visible_bytes=150,
    budget_bytes=130,
    required_bytes=90,
    weights_bytes=70,
    overhead_bytes=Band(low=3.0, central=6.0, high=12.0),
    kv_cache_bytes=Band(low=40.0, central=50.0, high=60.0),
    kv_capacity_tokens=1_000_000,
)


def _figure(value: float) -> Figure:
    return Figure(value=value, tag=Tag.MEASURED, source="the engine")


_LIVE = LiveHbm(
    weights=_figure(71.0),
    kv_pool=_figure(48.0),
    overhead=_figure(7.0),
    overhead_counts=True,
    budget_bytes=130,
    visible_bytes=150,
    pool=KvPool(capacity_tokens=1e6, fixed_tokens_per_request=100.0),
    kv_capacity_tokens=900_000,
    max_concurrency=9,
)
