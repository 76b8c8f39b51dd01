"""The loop's own health, under the names of controller-runtime, so that its dashboards work.

Nothing here knows a deployment: the series are bounded by the results.
"""

from prometheus_client import CollectorRegistry, Counter, Histogram


class ReconcileMetrics:
    """Counts and times reconciliations in `registry`."""

    # controller-runtime's results; the error series exist before the first error.
    RESULTS = ("success", "error", "requeue", "requeue_after")

    def __init__(self, registry: CollectorRegistry, controller: str = "v4deployment") -> None:
        self._controller = controller
        self._total = Counter(
            "controller_runtime_reconcile_total",
            "Reconciliations by result.",
            ("controller", "result"),
            registry=registry,
        )
        self._errors = Counter(
            "controller_runtime_reconcile_errors_total",
            "Reconciliations that failed.",
            ("controller",),
            registry=registry,
        )
        self._seconds = Histogram(
            "controller_runtime_reconcile_time_seconds",
            "Time of a reconciliation.",
            ("controller",),
            registry=registry,
        )
        self._errors.labels(controller)
        self._seconds.labels(controller)
        for result in self.RESULTS:
            self._total.labels(controller, result)

    def observe(self, result: str, seconds: float) -> None:
        """One reconciliation that ended as `result`, one of `RESULTS`."""
        self._total.labels(self._controller, result).inc()
        self._seconds.labels(self._controller).observe(seconds)
        if result == "error":
            self._errors.labels(self._controller).inc()
