"""What a scenario does to a fleet at set times: faults, crashes, scarce devices."""

from dataclasses import dataclass

from v4operator.simulate.fleet import Fleet
from v4operator.simulate.member import Faults


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultEvent:
    """From `at` on, this is what is wrong with a replica (all defaults: it is well again)."""

    at: float
    replica: str
    faults: Faults

    def happen(self, fleet: Fleet, time: float) -> None:
        """Set the faults; a replica that is gone has none."""
        fleet.set_faults(time, self.replica, self.faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashEvent:
    """At `at` the process of a replica dies, and comes back or not."""

    at: float
    replica: str
    restart_seconds: float | None = None

    def happen(self, fleet: Fleet, time: float) -> None:
        """End the process; a replica that is gone has none."""
        fleet.crash(time, self.replica, restart_seconds=self.restart_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaEvent:
    """From `at` on only so many replicas find devices (`None`: all)."""

    at: float
    quota: int | None

    def happen(self, fleet: Fleet, time: float) -> None:
        """Change the quota."""
        fleet.set_quota(time, self.quota)
