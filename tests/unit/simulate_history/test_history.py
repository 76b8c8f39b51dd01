"""A recorded history: what is read, what is refused, and the requests that are made of it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from v4operator.model.problem import InputError
from v4operator.simulate.history import History, document_of, read_history


def history(requests: list[float], **changes: Any) -> History:
    count = np.array(requests)
    values: dict[str, Any] = {
        "namespace": "llm",
        "name": "chat",
        "start_seconds": 1.7e9,
        "step_seconds": 60.0,
        "requests": count,
        "prompt_tokens": count * 1000,
        "prefix_hit_tokens": count * 250,
        "output_tokens": count * 200,
        "replicas": np.full(len(requests), 2.0),
    }
    return History(**values | changes)


def test_the_requests_of_each_step_arrive_within_it() -> None:
    trace = history([3.0, 0.0, 5.0]).trace()
    assert np.bincount((trace.arrival // 60).astype(int), minlength=3).tolist() == [3, 0, 5]
    assert trace.duration == 180.0


def test_fractions_of_requests_add_up_over_steps() -> None:
    assert len(history([0.4] * 10).trace()) == 4


@given(st.lists(st.integers(0, 40), min_size=1, max_size=12).filter(any), st.integers(0, 3))
def test_tokens_of_a_history_are_kept_within_rounding(counts: list[int], seed: int) -> None:
    made = history([float(n) for n in counts]).trace(seed=seed)
    requests = sum(counts)
    assert len(made) == requests
    assert abs(int(made.prompt.sum()) - 1000 * requests) <= requests
    assert abs(int(made.output.sum()) - 200 * requests) <= requests


def test_prefix_hits_are_the_share_of_the_prompts_that_was_seen() -> None:
    trace = history([400.0]).trace()
    assert trace.prefix.sum() / trace.prompt.sum() == pytest.approx(0.25, abs=0.01)


def test_a_step_without_figures_is_missing_and_holds_no_request() -> None:
    seen = history([3.0, np.nan, 3.0])
    assert seen.missing_ratio == pytest.approx(1 / 3)
    assert len(seen.trace()) == 6


def test_replica_hours_count_known_steps_only() -> None:
    seen = history([1.0] * 60, replicas=np.array([np.nan] * 30 + [4.0] * 30))
    assert seen.replica_hours == pytest.approx(2.0)
    assert history([1.0], replicas=np.array([np.nan])).replica_hours is None


def test_unknown_counts_are_those_before_and_at_the_beginning_those_after() -> None:
    replicas = np.array([np.nan, 2.0, np.nan, 3.4, np.nan])
    assert history([1.0] * 5, replicas=replicas).counts == (2, 2, 2, 3, 3)
    assert history([1.0], replicas=np.array([np.nan])).counts is None


def test_a_history_without_requests_is_refused() -> None:
    with pytest.raises(ValueError, match="found 0, allowed: 1 to"):
        history([0.0, np.nan]).trace()


def test_a_recording_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    written = history([3.0, np.nan, 5.0], attainment=0.97)
    path = tmp_path / "recorded.json"
    path.write_text(json.dumps(document_of(written), allow_nan=False))
    read = read_history(path)
    assert (read.namespace, read.name, read.attainment) == ("llm", "chat", 0.97)
    np.testing.assert_array_equal(read.requests, written.requests)
    np.testing.assert_array_equal(read.output_tokens, written.output_tokens)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"format": "other/1"}, "v4-operator-history/1", id="another format"),
        pytest.param({"requests": "3"}, "a list of numbers and nulls", id="no list"),
        pytest.param({"requests": [1, -1]}, r"requests\[1\]: found -1", id="below zero"),
        pytest.param({"requests": [1, True]}, r"requests\[1\]: found True", id="a truth value"),
        pytest.param({"requests": [1]}, "equally many steps", id="uneven"),
        pytest.param({"stepSeconds": 0}, "a number above 0", id="no step"),
        pytest.param({"request": [1, 2]}, "did you mean 'requests'", id="a misspelt key"),
    ],
)
def test_what_is_no_recording_is_refused_by_name(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    path = tmp_path / "recorded.json"
    path.write_text(json.dumps(document_of(history([1.0, 2.0])) | change))
    with pytest.raises(InputError, match=message):
        read_history(path)


@pytest.mark.parametrize("text", ["", "[]", "{not json", "<html>"])
def test_a_file_that_is_no_json_object_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "recorded.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"recorded\.json"):
        read_history(path)
