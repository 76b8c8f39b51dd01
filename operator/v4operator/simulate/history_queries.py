"""The questions that a backtest asks of Prometheus, and the history that the answers make.

Reads the operator's own `v4_*` series only, so that it works for every engine. Nothing is sent.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from v4operator.simulate.history import History, Steps

Samples = Sequence[tuple[float, float]]
"""One series of a range query: (Unix seconds, value) in order."""

_COUNTERS = {
    "requests": "v4_replica_finished_requests_total",
    "prompt_tokens": "v4_replica_prompt_tokens_total",
    "prefix_hit_tokens": "v4_replica_prefix_hit_tokens_total",
    "output_tokens": "v4_replica_generated_tokens_total",
}
_REPLICAS = "v4_deployment_current_replicas"
_SLO = "v4_slo_requests_total"


def queries(namespace: str, name: str, step_seconds: float) -> dict[str, str]:
    """PromQL by field of `History`: the increase, or the mean, over the step that ends at t."""
    chosen = _selector(namespace, name)
    window = f"[{step_seconds:.0f}s]"
    asked = {
        field: f"sum(increase({metric}{chosen}{window}))" for field, metric in _COUNTERS.items()
    }
    return asked | {"replicas": f"max(avg_over_time({_REPLICAS}{chosen}{window}))"}


def attainment_query(namespace: str, name: str, seconds: float) -> str:
    """PromQL of the share of requests within their objective, of the objective that was kept least.

    Undecided requests count as met, as they do in the alerts.
    """
    chosen, window = _selector(namespace, name), f"[{seconds:.0f}s]"
    missed = _selector(namespace, name, 'verdict="missed"')
    return (
        f"1 - max(sum by (slo) (increase({_SLO}{missed}{window}))"
        f" / sum by (slo) (increase({_SLO}{chosen}{window})))"
    )


def deployments_query(seconds: float) -> str:
    """PromQL of the V4Deployments that anything was reported of, one series each."""
    return f"group by (namespace, v4deployment) (last_over_time({_REPLICAS}[{seconds:.0f}s]))"


def history_of(
    answers: Mapping[str, Samples],
    *,
    namespace: str,
    name: str,
    start_seconds: float,
    step_seconds: float,
    steps: int,
    attainment: float | None,
) -> History:
    """The history whose step i ended at `start_seconds + (i + 1) * step_seconds`.

    A step without a sample is unknown. Where no step has prefix hits, none are assumed.
    """
    fields = {
        field: _series(answers.get(field, ()), start_seconds, step_seconds, steps)
        for field in (*_COUNTERS, "replicas")
    }
    return History(
        namespace=namespace,
        name=name,
        start_seconds=start_seconds,
        step_seconds=step_seconds,
        attainment=attainment,
        **fields,
    )


def _series(samples: Samples, start: float, step: float, steps: int) -> Steps:
    values = np.full(steps, np.nan)
    for at, value in samples:
        index = round((at - start) / step) - 1
        if 0 <= index < steps and np.isfinite(value) and value >= 0:
            values[index] = value
    return values


def _selector(namespace: str, name: str, *more: str) -> str:
    """Names in quotes: whatever they hold cannot end the string."""
    labels = (f'namespace="{_quoted(namespace)}"', f'v4deployment="{_quoted(name)}"', *more)
    return "{" + ",".join(labels) + "}"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
