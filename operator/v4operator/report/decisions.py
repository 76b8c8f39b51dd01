"""The latest decision of every V4Deployment, as pages of JSON for `explain` and `top`.

Read-only and bounded. Whoever does not lead has decided nothing and says who leads. Pages:

    v4deployments                   every V4Deployment by name, at most 1,000
    v4deployments/NAMESPACE/NAME    the decision record of one
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from v4operator.model.deployment import Key
from v4operator.model.forecast import Forecast
from v4operator.model.hbm import Finding
from v4operator.model.status import Status
from v4operator.model.verdict import Verdict
from v4operator.report.record import Cycled, problem_record, record

_MOST_LISTED = 1000
"""Of 100 bytes each: an answer stays under 100 kB. Three times the largest fleet of the tests."""

_LIST = "v4deployments"
_PARTS = 3  # of the path of one record


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Who answers. `leads` and `leader` are asked anew for each page; `now` is in Unix seconds."""

    identity: str
    leads: Callable[[], bool]
    leader: Callable[[], str | None]
    now: Callable[[], float]


@dataclass(slots=True)
class Decisions:
    """What was decided last, by key.

    Written by the loop, read by server threads: a dict's single operations are atomic, and values
    are frozen.
    """

    standing: Standing
    _latest: dict[Key, Cycled | Finding] = field(default_factory=dict)

    def record(self, forecast: Forecast, verdict: Verdict, status: Status) -> None:
        """Keep the latest of one V4Deployment."""
        self._latest[status.key] = Cycled(forecast=forecast, verdict=verdict, status=status)

    def withhold(self, key: Key, reason: str, message: str) -> None:
        """It could not be looked at: the last decision does not hold any more."""
        self._latest[key] = Finding(reason=reason, message=message)

    def forget(self, key: Key) -> None:
        """It is gone."""
        self._latest.pop(key, None)

    def page(self, path: str) -> bytes | None:
        """The JSON at `path`; `None` where there is no such page."""
        found = self._found(path.strip("/"))
        if found is None:
            return None
        head = {
            "leads": self.standing.leads(),
            "identity": self.standing.identity,
            "leader": self.standing.leader(),
        }
        return json.dumps(head | found, allow_nan=False).encode()

    def _found(self, path: str) -> dict[str, Any] | None:
        if path == _LIST:
            return self._listed()
        parts = path.split("/")
        if len(parts) != _PARTS or parts[0] != _LIST:
            return None
        latest = self._latest.get(Key(parts[1], parts[2]))
        if latest is None:  # by a standby too: it says who would know
            return {"record": None}
        if isinstance(latest, Finding):
            return {"record": problem_record(parts[1], parts[2], latest)}
        return {"record": record(latest, self.standing.now())}

    def _listed(self) -> dict[str, Any]:
        keys = sorted(dict(self._latest), key=str)
        items = [{"namespace": key.namespace, "name": key.name} for key in keys[:_MOST_LISTED]]
        return {"items": items, "total": len(keys)}
