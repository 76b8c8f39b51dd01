"""`data/guide.yaml` -> checked, frozen entries: what the guide says, and how to find ours."""

from functools import cache
from importlib.resources import files
from typing import Literal

import yaml
from pydantic import Field, TypeAdapter

from v4operator.catalogue.read import LOADER
from v4operator.catalogue.record import Record
from v4operator.model.figures import Figure, Tag
from v4operator.model.guide import GuideEntry, Question

SOURCE, DATE = "Self-Hosting V4", "2026-04-27"


class QuestionRecord(Record):
    """How our figure is found."""

    kind: str
    text: str | None = None
    checkpoint: str | None = None
    accelerator: str | None = None
    other: str | None = None
    devices: int = Field(default=1, gt=0)
    context_tokens: int = Field(default=1, gt=0)
    sequences: int = Field(default=1, gt=0)
    copies: int = Field(default=1, gt=0)
    concurrency: int = Field(default=1, gt=0)
    quantity: str | None = None
    product: Literal["flash", "pro"] | None = None
    part: Literal["prompt", "answer"] | None = None
    since: str | None = None
    engine: str | None = None
    family: str | None = None
    mode: str | None = None

    def value(self) -> Question:
        """The frozen value."""
        return Question(**self.model_dump())


class GuideRecord(Record):
    """One figure as written."""

    table: str
    item: str
    guide: str
    value: float | None = None
    unit: str | None = None
    ours: QuestionRecord
    why: str
    errata: tuple[int, ...] = ()

    def entry(self) -> GuideEntry:
        """The frozen value; the number is tagged `guide`."""
        figure = None
        if self.value is not None:
            figure = Figure(value=self.value, tag=Tag.GUIDE, source=SOURCE, date=DATE)
        return GuideEntry(
            table=self.table,
            item=self.item,
            claim=self.guide,
            figure=figure,
            unit=self.unit,
            question=self.ours.value(),
            why=self.why,
            errata=self.errata,
        )


@cache
def load_guide() -> tuple[GuideEntry, ...]:
    """Every figure of the guide, in its order. Packaged data: a mistake in it is a defect."""
    text = (files("v4operator.catalogue") / "data" / "guide.yaml").read_text()
    document = yaml.load(text, Loader=LOADER)  # noqa: S506 - both loaders are the safe ones
    records = TypeAdapter(list[GuideRecord]).validate_python(document)
    return tuple(record.entry() for record in records)
