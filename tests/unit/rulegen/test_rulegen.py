"""Durations, and what holds for the rules at any pace."""

import re

import promql_parser
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from v4operator.rulegen import render
from v4operator.rulegen.alertmanager import (
    ADDRESSES,
    Webhooks,
    configuration,
    from_files,
    nowhere,
    straight_to,
)
from v4operator.rulegen.durations import Durations, spelled
from v4operator.rulegen.rule import Alert, Record

SCALES = st.floats(min_value=0.01, max_value=1000.0)
# Smallest first, as PromQL takes them.
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def seconds(text: str) -> float:
    assert re.fullmatch(r"(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?", text), text
    return sum(int(n) * UNITS[unit] for n, unit in re.findall(r"(\d+)(ms|s|m|h|d)", text))


@given(st.floats(min_value=0.001, max_value=1e7))
def test_a_duration_is_spelled_to_the_millisecond(value: float) -> None:
    assert seconds(spelled(value)) == pytest.approx(value, abs=0.000501)


@given(st.integers(min_value=1, max_value=100), st.sampled_from(list(UNITS.values())[1:]))
def test_whole_units_are_spelled_exactly(count: int, unit: float) -> None:
    assert seconds(spelled(count * unit)) == pytest.approx(count * unit)


@given(SCALES)
def test_another_pace_divides_every_duration(scale: float) -> None:
    slow, fast = Durations(), Durations().faster(scale)
    for name in Durations.__slots__:
        assert getattr(fast, name) == pytest.approx(getattr(slow, name) / scale)


@given(SCALES)
def test_rules_are_the_same_at_any_pace_but_for_their_durations(scale: float) -> None:
    slow, fast = render.groups(Durations()), render.groups(Durations().faster(scale))
    for own, other in zip(slow, fast, strict=True):
        assert own.name == other.name
        assert [kept(rule) for rule in own.rules] == [kept(rule) for rule in other.rules]


@given(SCALES)
def test_every_expression_is_promql_at_any_pace(scale: float) -> None:
    for group in render.groups(Durations().faster(scale)):
        for rule in group.rules:
            promql_parser.parse(rule.expr)


def kept(rule: Record | Alert) -> object:
    """What another pace does not change."""
    if isinstance(rule, Record):
        return rule.name
    return rule.name, rule.severity, rule.summary, rule.description, tuple(rule.labels.items())


def test_names_of_records_and_alerts_occur_once() -> None:
    rules = [rule for group in render.groups(Durations()) for rule in group.rules]
    names = [
        rule.name if isinstance(rule, Record) else (rule.name, *rule.labels.values())
        for rule in rules
    ]
    assert len(names) == len(set(names))


def test_records_stand_before_what_reads_them() -> None:
    rules = [rule for group in render.groups(Durations()) for rule in group.rules]
    names = [rule.name if isinstance(rule, Record) else None for rule in rules]
    for at, rule in enumerate(rules):
        assert not [name for name in names[at:] if name and name in rule.expr]


@pytest.mark.parametrize(
    ("webhooks", "entries"),
    [
        (
            from_files,
            [[{"url_file": f"{ADDRESSES}/{name}"}] for name in ("pager", "tickets")],
        ),
        (straight_to("http://a/"), [[{"url": "http://a/"}]] * 2),
        (nowhere, []),
    ],
    ids=["files", "one address", "nowhere"],
)
def test_receivers_are_told_where_to(webhooks: Webhooks, entries: list[object]) -> None:
    document = yaml.safe_load(configuration(Durations(), webhooks))
    assert [each["name"] for each in document["receivers"]] == ["pager", "tickets", "nobody"]
    assert [
        each["webhook_configs"] for each in document["receivers"] if "webhook_configs" in each
    ] == entries
