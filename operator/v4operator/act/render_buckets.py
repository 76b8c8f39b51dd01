"""The edges of an owned vLLM's latency histograms, so that objectives fall on one. Pure.

They do not follow the objectives: a changed objective would restart every replica. vLLM's own edges
leave 1 to 2.5 s of the time to first token and 25 to 50 ms of the time per token undecided.
"""

import json

from v4operator.catalogue.versions import at_least

_SINCE = "0.33.0"
"""The release whose flag was read; an older one refuses to start with it."""

_EDGES = {
    # Objectives as people write them, in seconds; a queue is told up to five minutes.
    "time_to_first_token": (
        *(0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0),
        *(7.5, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0),
    ),
    # 200 to 10 tokens a second and the published 33 ms (30 a second). The mean of a request, which
    # is judged, has the same edges.
    "inter_token_latency": (
        *(0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.033, 0.04, 0.05, 0.06, 0.08, 0.1),
        *(0.15, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0),
    ),
}


def vllm_buckets(version: str | None) -> str | None:
    """The value of `--custom-histogram-buckets`; `None` where this release may not have it."""
    if version is None or not at_least(version, _SINCE):
        return None
    return json.dumps(_EDGES, separators=(",", ":"))
