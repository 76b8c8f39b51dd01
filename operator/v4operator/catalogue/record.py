"""What every catalogue record has in common: strict fields and sourced figures."""

import datetime as dt
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from v4operator.model.figures import Figure, Tag


class Record(BaseModel):
    """Every record refuses fields it does not know, so that a typo is an error."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True
    )


def as_written(value: object) -> object:
    """YAML reads 2026-08-13 as a date; the catalogue keeps it as it is written."""
    return value.isoformat() if isinstance(value, dt.date) else value


class FigureRecord(Record):
    """One sourced number in the unit of its field's name."""

    value: float = Field(ge=0, allow_inf_nan=False)
    tag: Tag
    source: str = Field(min_length=1)
    date: Annotated[str | None, BeforeValidator(as_written)] = None
    engine_version: str | None = None

    def scaled(self, unit: float = 1.0) -> Figure:
        """The figure in base units."""
        return Figure(
            value=self.value * unit,
            tag=self.tag,
            source=self.source,
            date=self.date,
            engine_version=self.engine_version,
        )


def optional(record: FigureRecord | None, unit: float) -> Figure | None:
    """The figure in base units, if there is one."""
    return record.scaled(unit) if record else None
