"""What all parts of the resource share: the base of every model, and amounts written as text.

An amount is text in a manifest and a number after parsing; its schema describes the text.
"""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from v4operator.api.markers import Cel, WrittenAs
from v4operator.api.quantity import (
    DURATION_UNITS,
    MEMORY_UNITS,
    parse_duration,
    parse_memory,
    parse_memory_budget,
)
from v4operator.model.deployment import HbmBudget

_NUMBER = r"[0-9]{1,18}(\.[0-9]{1,9})?"
_MEMORY = rf"{_NUMBER} {{0,2}}({'|'.join(MEMORY_UNITS)})?"
_PERCENT = r"0{0,15}(100(\.0{1,9})?|[0-9]{1,2}(\.[0-9]{1,9})?) {0,2}%"
_DURATION = rf"([0-9]{{1,9}}(\.[0-9]{{1,9}})?({'|'.join(DURATION_UNITS)})){{1,5}}"
# The longest texts that the patterns let through: 18 + 1 + 9 digits, 2 blanks and a unit of 3;
# 5 parts of 9 + 1 + 9 digits and a unit of 2.
_AMOUNT_LENGTH, _DURATION_LENGTH = 33, 105

_MORE_THAN_NOTHING = Cel(rule="self.matches('[1-9]')", message="must be more than 0")


class Spec(BaseModel):
    """What all parts of the resource share: camelCase outside, nothing unknown, nothing changed."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        arbitrary_types_allowed=True,
        validate_default=False,
    )


def _amount(parse: Any) -> BeforeValidator:
    """Accept the text form only: a bare number would leave its unit to be guessed."""

    def from_text(value: Any) -> Any:
        if isinstance(value, str):
            return parse(value)
        raise PydanticCustomError(
            "amount", "{allowed}", {"allowed": "text with a unit, in quotes", "nearest": None}
        )

    return BeforeValidator(from_text)


def _whole(pattern: str) -> str:
    return f"^({pattern})$"


Duration = Annotated[
    float,
    _amount(parse_duration),
    Field(gt=0),
    WrittenAs(form="duration", pattern=_whole(_DURATION), max_length=_DURATION_LENGTH),
    _MORE_THAN_NOTHING,
]
Memory = Annotated[
    int,
    _amount(parse_memory),
    WrittenAs(form="memory", pattern=_whole(_MEMORY), max_length=_AMOUNT_LENGTH),
    _MORE_THAN_NOTHING,
]
Budget = Annotated[
    HbmBudget,
    _amount(parse_memory_budget),
    WrittenAs(form="memory", pattern=_whole(f"{_MEMORY}|{_PERCENT}"), max_length=_AMOUNT_LENGTH),
    _MORE_THAN_NOTHING,
]

EntryName = Annotated[str, Field(max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
"""A Prometheus of the operator's settings, by name: a manifest never brings an address."""


def broken(allowed: str) -> PydanticCustomError:
    """The error of a validator whose rule stands in CEL too, with the same words."""
    return PydanticCustomError("rule", "{allowed}", {"allowed": allowed, "nearest": None})
