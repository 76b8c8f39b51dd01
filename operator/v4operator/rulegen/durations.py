"""The one table of durations that every rule is made from, and how PromQL spells them.

Another time scale gives the same rules at another pace: names of recording rules, thresholds and
ratios stay as they are.
"""

from dataclasses import dataclass, fields

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86_400.0
_UNITS = ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "m"), (1.0, "s"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """All in seconds."""

    evaluation: float = 30.0
    """Twice the scrape interval of the PodMonitor: every evaluation sees new samples."""
    short: float = 5 * _MINUTE
    """Twenty scrapes; the integrated efficiency of a healthy fleet stays within 0.93 to 1.04."""
    long: float = 15 * _MINUTE
    """Confirms the short one."""
    settling: float = 5 * _MINUTE
    """A replica is judged once it has served for so long: graphs and caches are warm by then."""
    now: float = _MINUTE
    """A fact of configuration, or what the operator itself has already waited for."""
    soon: float = 2 * _MINUTE
    """Nobody is served meanwhile; two scrapes that fail are not yet an outage."""
    confirmed: float = 5 * _MINUTE
    """A fault with a name."""
    patient: float = 10 * _MINUTE
    """What a new replica or the end of a load peak may cure."""
    blocked: float = 15 * _MINUTE
    """Longer than V4-Flash takes to load (eight minutes)."""
    cache: float = 30 * _MINUTE
    """Prefix hits swing with every new conversation."""
    baseline: float = _DAY
    """One whole day: what is usual includes its quiet hours."""
    flight: float = _HOUR
    """Kept out of the baseline, so that a collapse does not become the usual at once."""
    burn_5m: float = 5 * _MINUTE
    """The windows of burn rates, from the SRE workbook, for a promise over thirty days."""
    burn_30m: float = 30 * _MINUTE
    burn_1h: float = _HOUR
    burn_2h: float = 2 * _HOUR
    burn_6h: float = 6 * _HOUR
    burn_1d: float = _DAY
    burn_3d: float = 3 * _DAY
    group_wait: float = 30.0
    """Alertmanager's own defaults, except that a day is long enough to be reminded."""
    group_interval: float = 5 * _MINUTE
    repeat: float = _DAY

    def faster(self, scale: float) -> "Durations":
        """Every duration divided by `scale`."""
        return Durations(**{each.name: getattr(self, each.name) / scale for each in fields(self)})


def spelled(seconds: float) -> str:
    """The duration as PromQL and Alertmanager read it, to the millisecond: 90 s are 1m30s."""
    left, words = round(seconds * 1000), []
    for size, unit in (*_UNITS, (0.001, "ms")):
        count, left = divmod(left, round(size * 1000))
        words += [f"{count}{unit}"] if count else []
    return "".join(words) or "0s"
