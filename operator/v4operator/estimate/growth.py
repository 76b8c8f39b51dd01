"""How much this fleet's work grows beyond what was foreseen, learned from its own forecast errors.

Each half minute remembers what came in and what was foreseen of it without a reserve; one horizon
later the two are compared. The spread of those errors sets the reserve (`demand.reserve`), so that
a steady service does not pay for a bursty one's history.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import log, sqrt

from v4operator.estimate.calibration import remembered_share
from v4operator.estimate.price import Price
from v4operator.estimate.traffic import kept, traffic_of, work_of
from v4operator.model.learned import Expectation, FleetSample, Growth

# Before anything is known: the logarithm of growth over eight minutes scatters by 0.17 and 0.54 on
# the two published day-long traces (ServeGen R1 and m-large). What remains of it beyond the trend
# and the remembered peaks is less.
PRIOR_SPREAD = 0.25

# The prior counts like a day of evidence. The growth that costs most comes once a day (one doubling
# makes 80 % of the misses of the published R1 day), so that quiet hours say little about it. On
# that day 99.2 % of requests keep their objective so; a prior of two hours left 98.4 %.
_PRIOR_SECONDS = 86400.0

# Only calm takes a day to be believed. Errors that are larger than the prior speak for themselves,
# and for them the prior counts like two hours: some fifteen start-ups.
_ALARM_SECONDS = 7200.0

# Traffic repeats itself by the day and by the week: half of what a week taught holds for the next.
HALF_LIFE_SECONDS = 7.0 * 86400.0

# A single error counts as a doubling or less: a service that is switched on is no growth of it.
_MOST_ERROR = log(2.0)

# Below a fifth of a replica growth is a matter of a few requests, and one replica carries it.
_LEAST_WORK = 0.2

# A forecast is compared with what came if that lies within half a minute of its horizon.
_NEAR_SECONDS = 30.0


def spread_of(growth: Growth) -> float:
    """Standard deviation of the logarithm of unforeseen growth over one horizon.

    Quick to rise and slow to fall: room that was missing fails requests, room to spare only costs.
    """
    return max(_believed(growth, _PRIOR_SECONDS), _believed(growth, _ALARM_SECONDS))


def _believed(growth: Growth, prior_seconds: float) -> float:
    """Root mean square of the errors and of a prior that counts like so many seconds of them."""
    squares = prior_seconds * PRIOR_SPREAD**2 + growth.square_seconds
    return sqrt(squares / (prior_seconds + growth.seconds))


def expected(
    growth: Growth,
    sample: FleetSample,
    history: Sequence[FleetSample],
    price: Price,
    foreseen_ratio: float,
) -> Growth:
    """Remember what comes in now, and how much of it (a ratio) is foreseen for the horizon."""
    made = Expectation(
        traffic=kept(traffic_of(sample, history), price), foreseen_ratio=foreseen_ratio
    )
    return replace(growth, expectations=(*growth.expectations, made))


def checked(
    growth: Growth,
    sample: FleetSample,
    history: Sequence[FleetSample],
    price: Price,
    *,
    horizon_seconds: float,
    block_seconds: float,
) -> Growth:
    """Compare the expectations that are due with what came; both at today's prices.

    Only errors upwards cost anybody anything. They count twice: half of a symmetric spread.
    """
    due = [e for e in growth.expectations if e.traffic.time <= sample.time - horizon_seconds]
    open_ones = growth.expectations[len(due) :]
    square, seconds = growth.square_seconds, growth.seconds
    if due and sample.time - due[-1].traffic.time <= horizon_seconds + _NEAR_SECONDS:
        error = _error(due[-1], work_of(traffic_of(sample, history), price), price)
        if error is not None:
            share = remembered_share(block_seconds, HALF_LIFE_SECONDS)
            square = share * square + 2.0 * max(0.0, error) ** 2 * block_seconds
            seconds = share * seconds + block_seconds
    return Growth(expectations=open_ones, square_seconds=square, seconds=seconds)


def _error(expectation: Expectation, came: float, price: Price) -> float | None:
    """Logarithm of what came over what was foreseen; `None` where too little was asked."""
    foreseen = expectation.foreseen_ratio * work_of(expectation.traffic, price)
    if foreseen < _LEAST_WORK or came <= 0.0:
        return None
    return max(-_MOST_ERROR, min(_MOST_ERROR, log(came) - log(foreseen)))
