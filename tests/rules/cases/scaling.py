"""Cases of the alerts on the count and its price."""

from tests.rules.cases.case import Case, Kind, d, flag, r

_COUNT = {d("v4_deployment_ready_replicas"): "2x90"}


def _limited(limiter: str) -> str:
    return d("v4_deployment_limited", limiter=limiter)


def _problem(code: str) -> str:
    return d("v4_deployment_problems", code=code)


CASES = (
    *flag("V4CannotScale", _COUNT, _limited("quota"), 15),
    *(
        flag("V4CannotScale", _COUNT, _limited(limiter), 15)[0]
        for limiter in ("pending", "hbm", "bounds", "other-writer")
    ),
    Case(
        alert="V4CannotScale",
        kind=Kind.OTHER,
        name="paused by somebody",
        series={**_COUNT, _limited("paused"): "1x90"},
        silent=(60,),
    ),
    Case(
        alert="V4CannotScale",
        kind=Kind.SCALE_UP,
        name="a scale-up of eight minutes",
        series={**_COUNT, _limited("pending"): "0x9 1x8 0x40"},
        silent=(12, 17, 30),
    ),
    Case(
        alert="V4CannotScale",
        kind=Kind.LOAD_SWING,
        name="the demand is above the maximum at each peak",
        series={**_COUNT, _limited("bounds"): "0x4 1x12 0x4 1x12 0x40"},
        silent=(16, 21, 33, 60),
    ),
    *flag(
        "V4EngineStuckLoading",
        {d("v4_deployment_start_up_seconds"): "480x90"},
        r("v4_replica_overdue"),
        2,
    ),
    Case(
        alert="V4EngineStuckLoading",
        kind=Kind.SCALE_UP,
        name="a replica that takes its time",
        series={d("v4_deployment_start_up_seconds"): "480x90", r("v4_replica_overdue"): "_x9 0x60"},
        silent=(10, 30, 60),
    ),
    *flag("V4ConfigurationCannotAct", {}, _problem("MetricsNotFound"), 10, rest="_"),
    flag("V4ConfigurationCannotAct", {}, _problem("NoPods"), 10, rest="_")[0],
    Case(
        alert="V4ConfigurationCannotAct",
        kind=Kind.OTHER,
        name="a finding with which one can live",
        series={_problem("AdmissionLimitDrift"): "1x60"},
        silent=(30,),
    ),
    *flag("V4CountIsFixed", {}, _problem("MinimumEqualsMaximum"), 10, rest="_"),
    *flag(
        "V4CostOverBudget",
        {d("v4_deployment_cost_budget_dollars_per_hour"): "100x90"},
        d("v4_deployment_cost_dollars_per_hour"),
        15,
        value="120",
        rest="90",
    ),
    Case(
        alert="V4CostOverBudget",
        kind=Kind.LOAD_SWING,
        name="a peak of a quarter of an hour costs more",
        series={
            d("v4_deployment_cost_budget_dollars_per_hour"): "100x90",
            d("v4_deployment_cost_dollars_per_hour"): "90x9 120x13 90x60",
        },
        silent=(20, 23, 30),
    ),
)
