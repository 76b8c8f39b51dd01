"""The forecasts that were made, until they fall due: what came can then be held against them."""

from collections import deque

from v4operator.model.forecast import Forecast

_MOST_FORECASTS = 2000
"""Bound on memory: an hour's look ahead at a cycle every two seconds, and some more."""

_VALID_SECONDS = 60.0
"""A forecast that fell due longer ago was not made for now."""


class DueForecasts:
    """Demand at the horizon, in replicas, by the time that it was forecast for."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[float, float]] = deque(maxlen=_MOST_FORECASTS)
        self._due: tuple[float, float] | None = None

    def add(self, forecast: Forecast) -> None:
        """Remember this cycle's forecast; one that could not be computed is none."""
        demand = forecast.demand
        if demand.computable:
            due = forecast.now + demand.horizon_seconds
            # A shorter look ahead is the better forecast of the same time.
            while self._waiting and self._waiting[-1][0] >= due:
                self._waiting.pop()
            self._waiting.append((due, demand.horizon_replicas))

    def at(self, now: float) -> float | None:
        """What was forecast for `now`; `None` where nothing was. `now` never goes back."""
        while self._waiting and self._waiting[0][0] <= now:
            self._due = self._waiting.popleft()
        if self._due is None or now - self._due[0] > _VALID_SECONDS:
            return None
        return self._due[1]
