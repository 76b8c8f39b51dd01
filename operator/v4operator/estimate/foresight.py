"""What each half minute adds to the memory that forecasts of the demand are made from.

Trend, peaks, how right the forecast of one horizon ago was, and how much found too few replicas.
The forecast itself is `demand`'s.
"""

from dataclasses import replace

from v4operator.estimate.demand import foreseen_ratio
from v4operator.estimate.evidence import BLOCK_SECONDS
from v4operator.estimate.growth import checked, expected
from v4operator.estimate.price import Price
from v4operator.estimate.shortage import with_block
from v4operator.estimate.startup import time_to_ready
from v4operator.estimate.traffic import (
    highest,
    lost_requests,
    remembered,
    series,
    traffic_of,
    work_of,
)
from v4operator.estimate.trend import slope
from v4operator.model.deployment import Deployment
from v4operator.model.learned import FleetSample, Growth, Learned


def horizon_seconds(learned: Learned, deployment: Deployment) -> float:
    """A start-up, and the poll that a decision may be late by."""
    start = time_to_ready(learned.start_ups, deployment.memory.checkpoint)
    return start.seconds + deployment.metrics_interval_seconds


def foresee(
    learned: Learned, deployment: Deployment, price: Price, sample: FleetSample | None
) -> Learned:
    """`learned` after a half minute; `sample` is the newest of its history, if there is one."""
    learned = replace(
        learned,
        trend_replicas_per_second=_trend(learned, price),
        peaks=remembered(
            learned.peaks, learned.history, price, deployment.scaling.shrink_window_seconds
        ),
    )
    if sample is None:
        return learned
    horizon = horizon_seconds(learned, deployment)
    earlier = learned.history[:-1]
    arriving = work_of(traffic_of(sample, earlier), price)
    return replace(
        learned,
        growth=_growth(learned, sample, price, horizon, arriving=arriving),
        shortage=with_block(
            learned.shortage,
            work_replicas=arriving,
            ready=sample.replicas,
            lost_replicas=lost_requests(sample, earlier) * price.request_seconds,
            block_seconds=BLOCK_SECONDS,
        ),
    )


def _trend(learned: Learned, price: Price) -> float:
    times = [sample.time for sample in learned.history]
    return slope(times, series(learned.history, price))


def _growth(
    learned: Learned, sample: FleetSample, price: Price, horizon: float, *, arriving: float
) -> Growth:
    before = learned.history[:-1]
    growth = checked(
        learned.growth,
        sample,
        before,
        price,
        horizon_seconds=horizon,
        block_seconds=BLOCK_SECONDS,
    )
    ratio = foreseen_ratio(
        arriving,
        trend=learned.trend_replicas_per_second,
        peak=highest(learned.peaks, price),
        horizon_seconds=horizon,
    )
    return expected(growth, sample, before, price, ratio)
