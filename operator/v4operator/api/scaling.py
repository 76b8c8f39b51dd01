"""`spec.scaling`: who sets the number of replicas, within which bounds, how fast."""

from datetime import UTC, datetime
from typing import Annotated, Self
from zoneinfo import available_timezones

from cronsim import CronSim, CronSimError
from pydantic import ConfigDict, Field, model_validator

from v4operator.api.fields import Duration, Spec, broken
from v4operator.api.markers import Cel, ListMap, Selectable, rules
from v4operator.model.deployment import ScalingMode
from v4operator.model.problem import nearest

_ORDERED = Cel(
    rule="self.minReplicas <= self.maxReplicas",
    message="minReplicas <= maxReplicas",
    field_path=".minReplicas",
)
_SCHEDULES_BOUNDED = Cel(
    rule="!has(self.schedules) || self.schedules.all(s, s.minReplicas <= self.maxReplicas)",
    message="minReplicas of each schedule <= maxReplicas",
    field_path=".schedules",
)

_CRON_FIELD = r"[0-9A-Za-z*/,-]{1,40}"


class BehaviorSpec(Spec):
    """Pace of scaling."""

    shrink_window: Annotated[
        Duration,
        Field(
            description="A shrink goes no lower than the highest recommendation of this window. "
            "Default 10m: longer than an 8-minute start, so that a dip shorter than a start "
            "costs nothing."
        ),
    ] = 600.0
    drain_timeout: Annotated[
        Duration,
        Field(
            description="How long a replica that is taken out may finish its requests. "
            "Default 10m: a reasoning answer of 16k tokens at 33 ms takes nine minutes. A change "
            "replaces no pod: their grace period follows with the next rollout."
        ),
    ] = 600.0


class ScheduleSpec(Spec):
    """A floor under the number of replicas at set times."""

    name: Annotated[str, Field(min_length=1, max_length=63, description="Names it in sentences.")]
    start: Annotated[
        str,
        Field(
            max_length=120,
            pattern=rf"^{_CRON_FIELD}( {_CRON_FIELD}){{4}}$",
            description="When it begins, as cron writes it: minute hour day month weekday.",
        ),
    ]
    duration: Annotated[Duration, Field(description="How long it lasts, such as 9h.")]
    time_zone: Annotated[
        str,
        Field(
            max_length=64,
            pattern=r"^[A-Za-z0-9_+/-]+$",
            description="IANA name of the zone. Default Etc/UTC: no summer time.",
        ),
    ] = "Etc/UTC"
    min_replicas: Annotated[int, Field(ge=0, le=1000, description="Never fewer while it lasts.")]

    @model_validator(mode="after")
    def _understood(self) -> Self:
        """What a pattern cannot tell: values within range, and a zone that exists."""
        try:
            CronSim(self.start, datetime.fromtimestamp(0.0, UTC))
        except CronSimError as error:
            raise broken(f"start in cron's form, minute hour day month weekday: {error}") from error
        if self.time_zone not in available_timezones():
            hint = nearest(self.time_zone, available_timezones())
            raise broken(f"an IANA time zone{f', such as {hint}' if hint else ''}")
        return self


class ScalingSpec(Spec):
    """Who sets the number of replicas, and within which bounds."""

    model_config = ConfigDict(json_schema_extra=rules(_ORDERED, _SCHEDULES_BOUNDED))

    mode: Annotated[
        ScalingMode,
        Field(description="Automatic scales, Recommend only says what it would do, Disabled looks"),
        Selectable(),
    ] = ScalingMode.AUTOMATIC
    min_replicas: Annotated[
        int, Field(ge=0, le=1000, description="Never fewer. Default 1: scale to zero is not asked.")
    ] = 1
    max_replicas: Annotated[
        int,
        Field(ge=1, le=1000, description="Never more. Default 10: a bound on the bill until set."),
    ] = 10
    warm_replicas: Annotated[
        int,
        Field(
            ge=0,
            le=1000,
            description="Kept ready above need. Default 0: each one is paid for all day.",
        ),
    ] = 0
    schedules: Annotated[
        list[ScheduleSpec],
        Field(max_length=20, description="Floors at set times; the highest that holds counts."),
        ListMap(keys=("name",)),
    ] = Field(default_factory=list)
    paused: Annotated[bool, Field(description="Keep watching, change nothing.")] = False
    behavior: Annotated[BehaviorSpec, Field(description="Pace of scaling.")] = BehaviorSpec()

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_replicas > self.max_replicas:
            found = f"they are {self.min_replicas} and {self.max_replicas}"
            raise broken(f"{_ORDERED.message} ({found})")
        if any(schedule.min_replicas > self.max_replicas for schedule in self.schedules):
            raise broken(_SCHEDULES_BOUNDED.message)
        if len({schedule.name for schedule in self.schedules}) < len(self.schedules):
            raise broken("each name of a schedule once")
        return self
