"""What a backtest asks of Prometheus, and what it makes of the answers."""

import numpy as np
import promql_parser
import pytest

from v4operator.simulate.history_queries import attainment_query, history_of, queries

HOSTILE = 'a"}) or vector(1) #\\ \n'


@pytest.mark.parametrize("name", ["chat", HOSTILE])
def test_every_query_is_one_expression_whatever_the_name(name: str) -> None:
    for query in (*queries("llm", name, 60.0).values(), attainment_query("llm", name, 3600.0)):
        assert "vector" not in type(promql_parser.parse(query)).__name__.lower()
    asked = queries("llm", name, 60.0)["replicas"]
    call = promql_parser.parse(asked)
    assert isinstance(call, promql_parser.AggregateExpr)


def test_a_counter_is_asked_for_as_the_increase_of_the_step() -> None:
    assert queries("llm", "chat", 60.0)["requests"] == (
        'sum(increase(v4_replica_finished_requests_total{namespace="llm",v4deployment="chat"}[60s]))'
    )


def test_samples_find_the_step_that_they_end() -> None:
    answers = {"requests": [(1060.0, 3.0), (1180.0, 5.0)], "replicas": [(1120.0, 2.0)]}
    made = history_of(
        answers,
        namespace="llm",
        name="chat",
        start_seconds=1000.0,
        step_seconds=60.0,
        steps=3,
        attainment=None,
    )
    np.testing.assert_array_equal(made.requests, [3.0, np.nan, 5.0])
    np.testing.assert_array_equal(made.replicas, [np.nan, 2.0, np.nan])
    assert np.isnan(made.output_tokens).all()


@pytest.mark.parametrize("sample", [(940.0, 1.0), (1300.0, 1.0), (1060.0, -1.0), (1060.0, np.inf)])
def test_samples_outside_the_span_or_of_no_meaning_are_left_out(
    sample: tuple[float, float],
) -> None:
    made = history_of(
        {"requests": [sample]},
        namespace="llm",
        name="chat",
        start_seconds=1000.0,
        step_seconds=60.0,
        steps=3,
        attainment=None,
    )
    assert np.isnan(made.requests).all()
