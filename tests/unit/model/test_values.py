"""Arithmetic of the values that travel between the stages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from v4operator.model.hbm import HbmVerdict, KvPool
from v4operator.model.layout import Layout
from v4operator.model.problem import InputError, Problem, nearest
from v4operator.model.step import StepTime

# V4-Flash FP8 on 4 x H200, SGLang cookbook v0.5.15.
FLASH = StepTime(
    base_seconds=2.8e-3,
    per_sequence_seconds=0.41e-3,
    per_kv_token_seconds=0.45e-9,
    per_prefill_token_seconds=19.3e-6,
)


def test_a_step_adds_its_four_parts() -> None:
    assert FLASH.seconds(sequences=10, kv_tokens=1e6, prefill_tokens=1000) == pytest.approx(
        2.8e-3 + 4.1e-3 + 0.45e-3 + 19.3e-3
    )


def test_decode_speed_without_prefill_is_sequences_per_step() -> None:
    step = FLASH.seconds(sequences=54, kv_tokens=0, prefill_tokens=0)

    speed = FLASH.decode_tokens_per_second(sequences=54, kv_tokens=0, prefill_tokens_per_second=0)

    assert speed == pytest.approx(54 / step)


@given(sequences=st.floats(0, 1000), kv=st.floats(0, 1e8), prefill=st.floats(0, 1e6))
def test_prefill_never_speeds_decode_up_and_speed_is_never_negative(
    sequences: float, kv: float, prefill: float
) -> None:
    free = FLASH.decode_tokens_per_second(
        sequences=sequences, kv_tokens=kv, prefill_tokens_per_second=0
    )
    busy = FLASH.decode_tokens_per_second(
        sequences=sequences, kv_tokens=kv, prefill_tokens_per_second=prefill
    )

    assert 0 <= busy <= free


@pytest.mark.parametrize(
    ("layout", "devices", "label"),
    [
        (Layout(tensor=4), 4, "TP4"),
        (Layout(data=8, expert=True), 8, "DEP8"),
        (Layout(tensor=8, expert=True), 8, "TEP8"),
        (Layout(tensor=4, pipeline=2), 8, "TP4xPP2"),
        (Layout(tensor=2, data=4, expert=True), 8, "DP4xTP2"),
    ],
)
def test_a_layout_knows_its_devices_and_its_usual_name(
    layout: Layout, devices: int, label: str
) -> None:
    assert (layout.devices, layout.label) == (devices, label)


def test_a_request_occupies_its_context_and_its_constant() -> None:
    assert KvPool(capacity_tokens=13_000, fixed_tokens_per_request=3_000).sequences(10_000) == 1


def test_verdicts_have_a_reason_for_conditions_and_only_two_of_them_fit() -> None:
    assert HbmVerdict.WEIGHTS_EXCEED.reason == "WeightsExceed"
    assert [v.value for v in HbmVerdict if v.fits] == ["fits-tight", "fits"]


def test_a_long_value_is_cut_in_a_message() -> None:
    text = str(Problem(where="f", path="", found="x" * 5000, allowed="less"))

    assert len(text) < 300


def test_an_input_error_shows_every_problem_on_a_line() -> None:
    problems = [Problem(where="f", path=p, found="x", allowed="y") for p in ("a", "b")]

    assert str(InputError(problems)).count("\n") == 1


def test_nearest_finds_a_slip_and_nothing_where_nothing_is_near() -> None:
    assert nearest("H200-114", ["h100-80", "h200-141"]) == "h200-141"
    assert nearest("zzz", ["h100-80"]) is None
