"""What comes in, told from what is served, what has begun and what waits; and its peaks.

How many replicas that takes is a matter of today's prices, how much of a peak is held ready one of
`demand`.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import inf

from v4operator.estimate.price import Price
from v4operator.model.learned import FleetSample, Traffic

# What is served is a mean of two neighbouring minutes: 90 to 180 s did best in the policy study.
_MINUTE = 60.0

# Arrivals burst: the variance of their count in a minute is 16 to 750 times the mean in the
# published traces, and what a burst brings is served over the minutes of its answers. So arrivals
# are a mean over five minutes while nothing waits; once requests wait, what is served tells no more
# than what there is room for, and two minutes of arrivals must do.
_CALM_SECONDS = 300.0
_RUSH_SECONDS = 120.0

# Peaks are kept for twelve shrink windows, two hours at the default: clients that switch off come
# back within that in the published day-long traces, and one and three hours did worse there (policy
# study, section 2). Five-minute stretches at that default, each remembered by its busiest moment.
_SPAN_WINDOWS = 12.0
_STRETCH_WINDOWS = 0.5


# Of the running requests' work, in the mean, that much is still to be done.
_HALF_DONE = 0.5

# A gauge that was once at 1 within the minute has a mean below this: nothing runs then.
_RUNNING = 0.5


def arriving_requests(sample: FleetSample, before: FleetSample | None) -> float | None:
    """Requests a second: those begun, the growth of all queues, and those lost at a gateway."""
    if sample.first_tokens_per_second is None:
        return None
    return sample.first_tokens_per_second + _held_back(sample, before)


def arriving_replicas(sample: FleetSample, before: FleetSample | None, price: Price) -> float:
    """Work that arrives, in replicas: what is served, or what the arrivals will ask, if more.

    Their answers come later, so on a rise arrivals lead the served rate by half the life of a
    request.
    """
    served = price.replicas(sample.decode_tokens_per_second, sample.prefill_tokens_per_second)
    requests = arriving_requests(sample, before)
    return served if requests is None else max(served, requests * price.request_seconds)


def series(history: Sequence[FleetSample], price: Price) -> list[float]:
    """The arriving work of each sample, all at the present prices."""
    before = (None, None, *history)  # samples are half a minute apart and cover a minute each
    return [
        arriving_replicas(sample, earlier, price)
        for sample, earlier in zip(history, before, strict=False)
    ]


def traffic_of(sample: FleetSample, history: Sequence[FleetSample]) -> Traffic:
    """What comes in at present, from the newest sample and those before it (oldest first)."""
    neighbour = _neighbour(sample, history)
    served = [sample, *neighbour]
    return Traffic(
        time=sample.time,
        requests_per_second=_requests(sample, history),
        decode_tokens_per_second=_mean([s.decode_tokens_per_second for s in served]),
        prefill_tokens_per_second=_mean([s.prefill_tokens_per_second for s in served]),
        cleared_requests_per_second=_cleared(sample, neighbour),
    )


def work_of(traffic: Traffic, price: Price) -> float:
    """Replicas that this traffic takes: what is served, or what the arrivals ask, if more.

    Of what is served only that which has come meanwhile: new replicas work off what the old ones
    could not, and taking that for demand would have a step answered twice.
    """
    each = _request_seconds(traffic, price)
    served = price.replicas(traffic.decode_tokens_per_second, traffic.prefill_tokens_per_second)
    served = max(0.0, served - traffic.cleared_requests_per_second * each)
    if traffic.requests_per_second is None:
        return served
    return max(served, traffic.requests_per_second * each)


def kept(traffic: Traffic, price: Price) -> Traffic:
    """The same to be remembered: with what a request asks at present.

    Clients come and go, and their answers are longer or shorter than those of others: the mix of a
    later hour would price a peak of short answers as one of long ones.
    """
    return replace(
        traffic,
        request_decode_tokens=price.request_decode_tokens,
        request_prefill_tokens=price.request_prefill_tokens,
    )


def _request_seconds(traffic: Traffic, price: Price) -> float:
    if traffic.request_decode_tokens is None or traffic.request_prefill_tokens is None:
        return price.request_seconds
    return price.replicas(traffic.request_decode_tokens, traffic.request_prefill_tokens)


def remembered(
    peaks: Sequence[Traffic], history: Sequence[FleetSample], price: Price, window_seconds: float
) -> tuple[Traffic, ...]:
    """The peaks with the newest minutes of `history` taken in.

    A service that had no work at all for a whole shrink window has been switched off: forgotten.
    """
    if not history or _is_off(history, window_seconds):
        return ()
    present = kept(traffic_of(history[-1], history[:-1]), price)
    known = tuple(p for p in peaks if p.time > present.time - _SPAN_WINDOWS * window_seconds)
    last = known[-1] if known else None
    if last is None or present.time - last.time >= _STRETCH_WINDOWS * window_seconds:
        return (*known, present)
    if work_of(present, price) <= work_of(last, price):
        return known
    return (*known[:-1], replace(present, time=last.time))


def highest(peaks: Sequence[Traffic], price: Price, *, since: float = -inf) -> float:
    """The most that any stretch begun after `since` takes today, in replicas; 0 without any."""
    return max((work_of(peak, price) for peak in peaks if peak.time > since), default=0.0)


def _requests(sample: FleetSample, history: Sequence[FleetSample]) -> float | None:
    """Mean arrivals over the window that suits: begun, and held back in queues or lost."""
    calm = sample.waiting <= sample.replicas  # one each is on its way to the next step
    span = _CALM_SECONDS if calm else _RUSH_SECONDS
    window = [*(s for s in history if sample.time - span < s.time < sample.time), sample]
    begun = [s.first_tokens_per_second for s in window if s.first_tokens_per_second is not None]
    if len(begun) < len(window):
        return None
    return _mean(begun) + _held_back(sample, window[0])


def _held_back(sample: FleetSample, before: FleetSample | None) -> float:
    """Requests a second that came since `before` and have not begun: queued more, or lost.

    A sample covers a minute: what queued up in less is spread over one, as what has begun is.
    """
    if before is None or sample.time <= before.time:
        return 0.0
    more = sample.waiting - before.waiting + _lost(sample, before)
    return max(0.0, more) / max(_MINUTE, sample.time - before.time)


def lost_requests(sample: FleetSample, history: Sequence[FleetSample]) -> float:
    """Requests a second that a gateway turned away or gave up on since the sample before."""
    if not history or sample.time <= history[-1].time:
        return 0.0
    return _lost(sample, history[-1]) / (sample.time - history[-1].time)


def _lost(sample: FleetSample, before: FleetSample) -> float:
    """Requests lost between the two; none where the count is not told or began anew."""
    if sample.lost_total is None or before.lost_total is None:
        return 0.0
    return max(0.0, sample.lost_total - before.lost_total)


def _cleared(sample: FleetSample, neighbour: tuple[FleetSample, ...]) -> float:
    """Requests a second by which there are fewer than the minute before; a running one is half."""
    if not neighbour:
        return 0.0
    (before,) = neighbour
    fewer = before.waiting - sample.waiting + _HALF_DONE * (before.running - sample.running)
    return max(0.0, fewer) / (sample.time - before.time)


def _neighbour(sample: FleetSample, history: Sequence[FleetSample]) -> tuple[FleetSample, ...]:
    """The newest sample that shares no part of its minute, if it is the minute before."""
    earlier = next((s for s in reversed(history) if s.time <= sample.time - _MINUTE), None)
    if earlier is None or earlier.time < sample.time - 2.0 * _MINUTE:
        return ()
    return (earlier,)


def _is_off(history: Sequence[FleetSample], window_seconds: float) -> bool:
    newest = history[-1].time
    if history[0].time > newest - window_seconds:
        return False
    return all(_is_idle(s) for s in history if s.time > newest - window_seconds)


def _is_idle(sample: FleetSample) -> bool:
    """Nobody came and nobody waits; a mean below one half is no running request."""
    begun = sample.first_tokens_per_second or 0.0
    return begun <= 0.0 and sample.waiting <= 0.0 and sample.running < _RUNNING


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
