"""What was learned of a fleet as text that outlives the process, and back.

Versioned: what another version wrote in another layout is passed over and learned again.
"""

from dataclasses import asdict, replace
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import to_json

from v4operator.adapters.cluster_contest import Contest
from v4operator.model.learned import Learned

SAVE_SECONDS = 300.0
"""How often it is kept: a fit changes within the hour, a crash may cost five minutes of it."""

_FORMAT = 1
"""Another number is another layout, which is passed over."""


class _Entry(BaseModel):
    format: int
    learned: dict[str, Any]


_LEARNED, _CONTEST = TypeAdapter(Learned), TypeAdapter(Contest)


def rendered(learned: Learned) -> str:
    """As it is kept. Equal values give equal texts."""
    lasting = replace(
        learned,
        tracks=(),
        history=(),
        block_started_at=None,
        trend_replicas_per_second=0.0,
        growth=replace(learned.growth, expectations=()),
        start_ups=replace(learned.start_ups, under_way=()),
    )
    body = _LEARNED.dump_json(lasting).decode()
    return f'{{"format":{_FORMAT},"learned":{body}}}'


def parsed(text: str) -> Learned | None:
    """What was kept; `None` where it is of another format or no such thing."""
    try:
        entry = _Entry.model_validate_json(text)
        return _LEARNED.validate_python(entry.learned) if entry.format == _FORMAT else None
    except ValidationError:
        return None


def contest_text(contest: Contest) -> str:
    """Without what the operator wrote last, which the next process has not written."""
    return to_json(asdict(replace(contest, wrote=None))).decode()


def contest_of(text: str) -> Contest | None:
    """What was kept; `None` where it is no such thing."""
    try:
        return _CONTEST.validate_json(text)
    except ValidationError:
        return None
