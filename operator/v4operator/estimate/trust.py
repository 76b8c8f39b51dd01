"""How far a published speed can be relied on for another start of the same thing. Pure.

A judgement, not a measurement: published V4 rates moved two- to fivefold within four months of the
release (PyTorch blog 2026-06-24), and one stack measured a quarter of another's speed on the same
devices (36 ms where SGLang's profile says 9).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from math import prod

from v4operator.catalogue.versions import release
from v4operator.model.catalogue import PerformanceProfile
from v4operator.model.figures import Figure, Tag

# A fit of published rows is a little less than the rows; a guide's figure hardly anything.
_BY_TAG = {
    Tag.MEASURED: 0.9,
    Tag.PUBLISHED: 0.8,
    Tag.DERIVED: 0.7,
    Tag.ESTIMATE: 0.4,
    Tag.GUIDE: 0.2,
}
_HALF_LIFE_MONTHS = 4.0  # see above: by then a rate may be out by two
_UNDATED = 0.5
_OTHER_ENGINE = 0.5  # up to fourfold apart on the same devices
_OTHER_RELEASE = 0.8
_OTHER_CHECKPOINT = 0.7  # another draft head, the same layers
_DAYS_PER_MONTH = 30.44


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """A confidence from 0 to 1, and each reason with the factor it stands for."""

    confidence: float
    reasons: tuple[str, ...]


def trust(
    profile: PerformanceProfile,
    *,
    checkpoint: str,
    engine: str,
    engine_version: str | None,
    as_of: date,
) -> Trust:
    """Product of the factors for provenance, fit, age, and each way in which the start differs."""
    factors = tuple(_factors(profile, checkpoint, engine, engine_version, as_of))
    return Trust(
        confidence=prod(factor for factor, _ in factors),
        reasons=tuple(f"{reason} ({factor:.2f})" for factor, reason in factors),
    )


def age_months(figure: Figure, as_of: date) -> float | None:
    """Months since the figure's date, 0 where that lies ahead; `None` where it has no date."""
    if figure.date is None:
        return None
    year, month, day = (*(int(part) for part in figure.date.split("-")), 1, 1)[:3]
    return max(0.0, (as_of - date(year, month, day)).days / _DAYS_PER_MONTH)


def _factors(
    profile: PerformanceProfile, checkpoint: str, engine: str, version: str | None, as_of: date
) -> Iterator[tuple[float, str]]:
    source = profile.source
    yield _BY_TAG[source.tag], f"{source.tag} from {source.source}"
    yield 1.0 - source.value, f"the fit is {100 * source.value:.0f} % off on average"
    months = age_months(source, as_of)
    if months is None:
        yield _UNDATED, "without a date"
    else:
        yield 0.5 ** (months / _HALF_LIFE_MONTHS), f"{months:.0f} months old"
    if profile.engine != engine:
        yield _OTHER_ENGINE, f"of {profile.engine}, not {engine}"
    elif version and source.engine_version and release(version) != release(source.engine_version):
        yield _OTHER_RELEASE, f"of {engine} {source.engine_version}, not {version}"
    if profile.checkpoint != checkpoint:
        yield _OTHER_CHECKPOINT, f"of {profile.checkpoint}"
