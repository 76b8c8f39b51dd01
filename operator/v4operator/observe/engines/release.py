"""Which releases an exposition can come from, told by the families it has and lacks.

A stand-in for an engine that does not answer with its version. The families' first releases are
known from a sample of wheels (vllm 0.20.2 to 0.33.0, sglang 0.5.10 to 0.5.23), so a bound may be
loose: a family first seen in 0.32.0 that the wheel sampled before, 0.28.0, lacks gives ">0.28".
"""

from collections.abc import Sequence
from dataclasses import dataclass

from v4operator.observe.exposition import Exposition


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """A sample (or a label of it) that came with a release.

    `since` and `before` bound the version where it is there and where it is not. That it is not
    there tells something only if `beside` is there, which the same releases export with it.
    """

    sample: str
    since: str
    before: str
    beside: str
    label: str | None = None

    def seen(self, exposition: Exposition) -> bool:
        """Whether the exposition has it."""
        found = exposition.series(self.sample)
        return any(self.label is None or self.label in labels for labels, _ in found)


BRACKET_REASON = "from the metric families present"
NO_BRACKET_REASON = "no version given, and no metric family present that dates the release"


def release(
    exposition: Exposition, markers: Sequence[Marker], exact: str | None
) -> tuple[str | None, str | None]:
    """Version and where it comes from: exact (no reason), else a bracket such as ">=0.24,<0.32".

    `markers` run from the newest to the oldest.
    """
    if exact:
        return exact, None
    bounds: list[str] = []
    for marker in markers:
        if marker.seen(exposition):
            bounds = [marker.since, *bounds]
            break
        if exposition.series(marker.beside) and exposition.cut_line is None:
            bounds = [marker.before]
    return (",".join(bounds), BRACKET_REASON) if bounds else (None, NO_BRACKET_REASON)
