"""The histogram edges that an owned vLLM is started with."""

import json
from itertools import pairwise

import pytest
from tests.unit.act.test_render import memory_of

from v4operator.act.render_args import Limits, arguments
from v4operator.act.render_buckets import vllm_buckets
from v4operator.api.v1alpha1 import ObjectivesSpec
from v4operator.estimate.engine_args import parse

FLAG = "--custom-histogram-buckets"
OURS = vllm_buckets("0.33.0") or ""


@pytest.mark.parametrize("version", [None, "latest", "0.20.0", "0.32.9"])
def test_a_release_that_may_not_have_the_flag_is_not_given_it(version: str | None) -> None:
    assert vllm_buckets(version) is None


def test_the_edges_rise_and_the_default_objectives_are_among_them() -> None:
    edges = json.loads(OURS)
    assert set(edges) == {"time_to_first_token", "inter_token_latency"}
    for family in edges.values():
        assert all(low < high for low, high in pairwise(family))
    promised = ObjectivesSpec()
    assert promised.ttft in edges["time_to_first_token"]
    assert promised.inter_token_latency in edges["inter_token_latency"]


@pytest.mark.parametrize(
    ("engine", "version", "given", "expected"),
    [
        pytest.param("vllm", "0.33.0", (), (OURS,), id="an owned vLLM"),
        pytest.param("vllm", None, (), (), id="of no known release"),
        pytest.param("vllm-ascend", "0.33.0", (), (), id="another release's numbers"),
        pytest.param("sglang", "0.5.23", (), (), id="another engine"),
        pytest.param("vllm", "0.33.0", (FLAG, "{}"), ("{}",), id="a person's own edges"),
    ],
)
def test_the_flag_is_rendered_for_releases_that_have_it(
    engine: str, version: str | None, given: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    args = arguments(memory_of(engine=engine, engine_version=version), given, Limits())
    assert [value for flag, value in pairwise(args) if flag == FLAG] == list(expected)


def test_the_edges_say_nothing_about_memory() -> None:
    assert parse("vllm", (FLAG, OURS)).unknown == ()
