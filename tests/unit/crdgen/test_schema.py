from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from v4operator.api.fields import Budget, Duration, Memory
from v4operator.api.markers import Atomic, Cel, ListMap, Preserved, rules
from v4operator.crdgen.schema import NotStructuralError, duration_text, structural


class Hidden(BaseModel):
    it: str | SkipJsonSchema[None] = None


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Inner(BaseModel):
    """What the class says."""

    model_config = ConfigDict(json_schema_extra=rules(Cel(rule="a", message="b")))

    size: int = 3
    wait: Duration = 90.0


class Outer(BaseModel):
    inner: Annotated[Inner, Field(description="What the field says.")] = Inner()
    needed: Inner


class Tree(BaseModel):
    children: list["Tree"] = []


class Pair(BaseModel):
    both: int | bool


class Tuple(BaseModel):
    both: tuple[int, str]


class Other(BaseModel):
    inner: Inner = Inner(size=4)


class Sized(BaseModel):
    size: Memory = 5


def _field(annotation: Any, default: Any = ...) -> dict[str, Any]:
    """The schema of one field of that type."""
    namespace = {"__annotations__": {"it": annotation}}
    if default is not ...:
        namespace["it"] = default
    model = type("Holder", (BaseModel,), namespace)
    found: dict[str, Any] = structural(model)["properties"]["it"]
    return found


RULE = {"rule": "r", "message": "m"}


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        pytest.param(int, {"type": "integer"}, id="integer"),
        pytest.param(
            Annotated[float, Field(gt=0, le=1)],
            {"type": "number", "minimum": 0, "exclusiveMinimum": True, "maximum": 1},
            id="exclusive-bound-is-a-boolean",
        ),
        pytest.param(
            Annotated[float, Field(lt=2)],
            {"type": "number", "maximum": 2, "exclusiveMaximum": True},
            id="exclusive-maximum",
        ),
        pytest.param(int | None, {"type": "integer", "nullable": True}, id="null-says-something"),
        pytest.param(Literal["one"], {"type": "string", "enum": ["one"]}, id="constant-is-an-enum"),
        pytest.param(Colour, {"type": "string", "enum": ["red", "blue"]}, id="enum-is-inlined"),
        pytest.param(
            int | str,
            {
                "x-kubernetes-int-or-string": True,
                "anyOf": [{"type": "integer"}, {"type": "string"}],
            },
            id="int-or-string",
        ),
        pytest.param(
            dict[str, Annotated[int, Field(ge=1)]],
            {"type": "object", "additionalProperties": {"type": "integer", "minimum": 1}},
            id="map",
        ),
        pytest.param(
            Annotated[dict[str, Any], Preserved()],
            {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            id="preserved",
        ),
        pytest.param(
            Annotated[list[str], Field(max_length=2), Atomic()],
            {
                "type": "array",
                "items": {"type": "string"},
                "maxItems": 2,
                "x-kubernetes-list-type": "atomic",
            },
            id="atomic-list",
        ),
        pytest.param(
            Annotated[str, Cel(rule="r", message="m", field_path=".p"), Cel(rule="r", message="m")],
            {
                "type": "string",
                "x-kubernetes-validations": [RULE | {"fieldPath": ".p"}, RULE],
            },
            id="rules",
        ),
    ],
)
def test_a_type_becomes_what_kubernetes_has_for_it(
    annotation: Any, expected: dict[str, Any]
) -> None:
    assert _field(annotation) == expected


@pytest.mark.parametrize(
    ("annotation", "default", "expected"),
    [
        pytest.param(int, 3, 3, id="number"),
        pytest.param(bool, False, False, id="false"),
        pytest.param(int | None, None, None, id="null-default-is-no-default"),
        pytest.param(Colour, Colour.RED, "red", id="enum"),
        pytest.param(Duration, 600.0, "10m", id="duration-as-written"),
        pytest.param(Inner, Inner(), {"size": 3, "wait": "90s"}, id="object-of-its-fields"),
    ],
)
def test_a_default_stands_as_a_manifest_has_it(
    annotation: Any, default: Any, expected: Any
) -> None:
    found = _field(annotation, default)
    assert found.get("default") == expected
    assert "nullable" not in found


def test_what_stands_at_the_field_goes_over_what_stands_at_its_class_and_both_rules_hold() -> None:
    ruled = Annotated[Inner, Field(description="Here."), Cel(rule="r", message="m")]
    found = _field(ruled)
    assert found["description"] == "Here."
    assert found["x-kubernetes-validations"] == [{"rule": "a", "message": "b"}, RULE]
    schema = structural(Outer)
    assert schema["properties"]["inner"]["description"] == "What the field says."
    assert schema["properties"]["needed"]["description"] == "What the class says."
    assert schema["required"] == ["needed"]


def test_a_null_that_is_hidden_leaves_nothing() -> None:
    assert structural(Hidden)["properties"]["it"] == {"type": "string"}


def test_a_list_map_has_its_keys() -> None:
    found = _field(Annotated[list[Inner], ListMap(keys=("size",))])
    assert found["x-kubernetes-list-type"] == "map"
    assert found["x-kubernetes-list-map-keys"] == ["size"]
    assert found["items"]["properties"]["size"] == {"type": "integer", "default": 3}


@pytest.mark.parametrize("annotation", [Duration, Memory, Budget], ids=["time", "bytes", "budget"])
def test_an_amount_is_text_with_a_pattern(annotation: Any) -> None:
    found = _field(annotation)
    assert found["type"] == "string"
    assert found["pattern"].startswith("^")
    assert found["maxLength"] > 0
    assert "minimum" not in found


@pytest.mark.parametrize(
    ("model", "place", "why"),
    [
        pytest.param(Tree, "Tree.children[]", "contains itself", id="recursion"),
        pytest.param(Pair, "Pair.both", "anyOf", id="union"),
        pytest.param(Tuple, "Tuple.both", "prefixItems", id="tuple"),
        pytest.param(Other, "Other.inner", "field size", id="another-default"),
        pytest.param(Sized, "Sized.size", "written as memory", id="default-without-a-form"),
    ],
)
def test_what_has_no_place_in_a_structural_schema_is_an_error_that_names_it(
    model: type[BaseModel], place: str, why: str
) -> None:
    with pytest.raises(NotStructuralError, match=why) as caught:
        structural(model)
    assert str(caught.value).startswith(place)


@pytest.mark.parametrize(
    ("annotation", "why"),
    [
        pytest.param(int | bool | None, "more than one type", id="union-with-null"),
        pytest.param(Any, "has no type", id="anything"),
    ],
)
def test_a_field_of_no_single_type_is_an_error(annotation: Any, why: str) -> None:
    with pytest.raises(NotStructuralError, match=why):
        _field(annotation)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3600.0, "1h"), (600.0, "10m"), (90.0, "90s"), (2.0, "2s"), (0.033, "33ms"), (5e-6, "5us")],
)
def test_a_duration_is_written_with_the_largest_unit_that_needs_no_fraction(
    seconds: float, text: str
) -> None:
    assert duration_text(seconds) == text
