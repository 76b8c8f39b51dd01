"""The runtime's own health as Prometheus series.

Names are controller-runtime's and client-go's, so that their dashboards and alerts work. Labels are
bounded: one value per controller and per followed resource. Durations are on the clock that the
runtime is given.
"""

from collections.abc import Hashable, Iterator
from threading import Lock

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from v4operator.runtime.ports import Clock

_SECONDS = (1e-3, 1e-2, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1000.0)
"""controller-runtime's range, without the decades below the millisecond that Python cannot see."""

_QUEUE_LABELS = ("name", "controller")


class WorkQueueMetrics(Collector):
    """Counts for one `WorkQueue`; also a collector of what can only be known when asked."""

    def __init__(self, registry: CollectorRegistry, name: str, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self._lock = Lock()
        self._working: dict[Hashable, float] = {}
        labels = (name, name)
        self._depth = Gauge(
            "workqueue_depth", "Keys that wait for a worker.", _QUEUE_LABELS, registry=registry
        ).labels(*labels)
        self._adds = Counter(
            "workqueue_adds_total", "Keys made ready.", _QUEUE_LABELS, registry=registry
        ).labels(*labels)
        self._retries = Counter(
            "workqueue_retries_total", "Keys that failed.", _QUEUE_LABELS, registry=registry
        ).labels(*labels)
        self._waited = Histogram(
            "workqueue_queue_duration_seconds",
            "How long a key waited for a worker.",
            _QUEUE_LABELS,
            buckets=_SECONDS,
            registry=registry,
        ).labels(*labels)
        self._worked = Histogram(
            "workqueue_work_duration_seconds",
            "How long a worker took for a key.",
            _QUEUE_LABELS,
            buckets=_SECONDS,
            registry=registry,
        ).labels(*labels)
        registry.register(self)

    def depth(self, ready: int) -> None:
        """So many keys wait for a worker."""
        self._depth.set(ready)

    def added(self) -> None:
        """A key became ready."""
        self._adds.inc()

    def retried(self) -> None:
        """A key failed and will come again."""
        self._retries.inc()

    def started(self, key: Hashable, at: float, waited_seconds: float) -> None:
        """A worker took the key at `at`, Unix seconds."""
        self._waited.observe(waited_seconds)
        with self._lock:
            self._working[key] = at

    def finished(self, key: Hashable, worked_seconds: float) -> None:
        """The worker is done with it."""
        self._worked.observe(worked_seconds)
        with self._lock:
            self._working.pop(key, None)

    def describe(self) -> tuple[Metric, ...]:
        """Nothing: registration then does not collect."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """What is under work at this moment. Runs in a server's thread."""
        now = self._clock.now()
        with self._lock:
            ages = [max(0.0, now - at) for at in self._working.values()]
        for name, text, value in (
            ("workqueue_unfinished_work_seconds", "Work that is not done yet.", sum(ages)),
            (
                "workqueue_longest_running_processor_seconds",
                "How long the slowest worker has been busy with its key.",
                max(ages, default=0.0),
            ),
        ):
            family = GaugeMetricFamily(name, text, labels=_QUEUE_LABELS)
            family.add_metric((self._name, self._name), value)
            yield family


class ElectionMetrics:
    """Whether this process leads; implements `ElectorObserver`."""

    def __init__(self, registry: CollectorRegistry, lease: str) -> None:
        self._status = Gauge(
            "leader_election_master_status",
            "1 while this process holds the Lease.",
            ("name",),
            registry=registry,
        ).labels(lease)

    def leading(self, leads: bool) -> None:  # noqa: FBT001 - the one thing that is told
        """This process leads from now on, or does not any more."""
        self._status.set(leads)


class ReflectorMetrics:
    """Counts for all followed resources; `of` gives the `ReflectorObserver` of one."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lists = Counter(
            "reflector_lists_total", "Whole lists taken over.", ("name",), registry=registry
        )
        self._watches = Counter(
            "reflector_watches_total", "Watches begun.", ("name",), registry=registry
        )
        self._failures = Counter(
            "reflector_failures_total",
            "Lists and watches that failed and were tried again.",
            ("name",),
            registry=registry,
        )
        self._objects = Gauge(
            "reflector_items_per_list", "Objects in the last list.", ("name",), registry=registry
        )

    def of(self, name: str) -> "FollowedMetrics":
        """Counts for the resource `name`; its series exist from now on."""
        return FollowedMetrics(
            lists=self._lists.labels(name),
            watches=self._watches.labels(name),
            failures=self._failures.labels(name),
            objects=self._objects.labels(name),
        )


class FollowedMetrics:
    """Counts for one followed resource; implements `ReflectorObserver`."""

    def __init__(
        self, *, lists: Counter, watches: Counter, failures: Counter, objects: Gauge
    ) -> None:
        self._lists = lists
        self._watches = watches
        self._failures = failures
        self._objects = objects

    def listed(self, objects: int) -> None:
        """A whole list was taken over."""
        self._lists.inc()
        self._objects.set(objects)

    def watching(self) -> None:
        """A watch begins."""
        self._watches.inc()

    def failed(self) -> None:
        """A list or watch failed and will be tried again."""
        self._failures.inc()


class RequestMetrics:
    """Counts requests to one API server, under client-go's name."""

    def __init__(self, registry: CollectorRegistry, host: str) -> None:
        self._host = host
        self._requests = Counter(
            "rest_client_requests_total",
            "Requests to the API server by status.",
            ("code", "method", "host"),
            registry=registry,
        )

    def seen(self, method: str, code: str) -> None:
        """One request, with its HTTP status, or `<error>` where there was no answer."""
        self._requests.labels(code, method, self._host).inc()
